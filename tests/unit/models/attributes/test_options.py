"""The options of an attribute: required, default, validate, data_key."""

from enum import Enum
from typing import Any, cast

import pytest
from marshmallow import ValidationError, validate

from boiler_functions import DomainModel, attrs, use
from boiler_functions.database import Put
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.exceptions import InvalidAttribute, InvalidValue
from boiler_functions.models import attributes
from tests.unit.models.attributes.scene import NOON, Address, City, Status


class Strict(DomainModel):
    class Meta:
        collection_name = "stricts"

    name = attrs.string(required=True, validate=validate.Length(min=2))
    size = attrs.integer(validate=[validate.Range(min=1), validate.Range(max=9)])
    kind = attrs.string(default="plain")
    codes = attrs.list(str, validate=validate.Length(max=1))
    status = attrs.enum(Status, default=Status.OPEN)
    stamp = attrs.timestamp(default=lambda: NOON)
    postal = attrs.string(data_key="postal code")


def test_a_required_attribute_that_is_missing_is_refused_by_class_and_field() -> None:
    with (
        use(MemoryDatabase()),
        pytest.raises(InvalidValue, match=r"Strict refuses name: Missing data"),
    ):
        Strict.new().save()


def test_a_required_attribute_may_not_be_none() -> None:
    with use(MemoryDatabase()), pytest.raises(InvalidValue, match="Strict refuses name: Field may not be null"):
        Strict.new(name=None).save()


def _even(value: int) -> None:
    if value % 2:
        raise ValidationError("Odd.")


class Counted(DomainModel):
    class Meta:
        collection_name = "counted"

    positive = attrs.integer(default=1, validate=lambda value: value > 0)
    even = attrs.integer(default=2, validate=_even)
    both = attrs.integer(default=2, validate=(each for each in (lambda value: value < 9, _even)))


@pytest.mark.parametrize(
    ("values", "refusal"),
    [
        ({"positive": 0}, "positive: Not an allowed value"),
        ({"even": 3}, "even: Odd"),
        ({"both": 10}, "both: Not an allowed value"),
        ({"both": 3}, "both: Odd"),
    ],
)
def test_a_function_refuses_a_value_by_returning_false_or_by_raising(values: dict[str, int], refusal: str) -> None:
    with use(MemoryDatabase()):
        Counted.new(doc_id="a").save()
        for _ in range(2):
            with pytest.raises(InvalidValue, match=f"Counted refuses {refusal}"):
                Counted.new(doc_id="a", **values).save()


def test_a_default_is_set_at_once_and_a_callable_is_called_for_each_model() -> None:
    strict = Strict.new(name="ab")
    assert (strict.kind, strict.status, strict.stamp) == ("plain", Status.OPEN, NOON)


def test_a_default_gives_way_to_a_value() -> None:
    assert Strict.new(name="ab", kind="odd").kind == "odd"


@pytest.mark.parametrize("attribute", ["kind", "codes", "status", "stamp"])
def test_an_attribute_with_a_default_is_never_none(attribute: str) -> None:
    """Its type says so: `attrs.string(default="plain")` is a `str`."""
    values: dict[str, Any] = {"name": "ab", attribute: None}
    with (
        use(MemoryDatabase()),
        pytest.raises(InvalidValue, match=rf"Strict refuses {attribute}: Field may not be null"),
    ):
        Strict.new(**values).save()


def test_a_stored_null_reads_as_the_default() -> None:
    database = MemoryDatabase()
    database.commit([Put("stricts/a", {"name": "ab", "kind": None, "codes": None})])
    with use(database):
        strict = Strict.get("a")
    assert strict is not None
    assert (strict.kind, strict.codes) == ("plain", [])


def test_a_default_fills_in_for_a_field_that_a_stored_document_lacks() -> None:
    database = MemoryDatabase()
    database.commit([Put("stricts/a", {"name": "ab"})])
    with use(database):
        strict = Strict.get("a")
    assert strict is not None
    assert (strict.kind, strict.codes) == ("plain", [])


def test_a_default_that_can_be_changed_in_place_is_not_shared() -> None:
    class Place(DomainModel):
        class Meta:
            collection_name = "places"

        address = attrs.embedded(Address, default=Address(street_name="a"))

    Place.new().address.street_name = "b"
    assert Place.new().address.street_name == "a"


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"name": "a"}, "name: Shorter than minimum length 2"),
        ({"size": 0}, "size: Must be greater than or equal to 1"),
        ({"size": 10}, "size: Must be less than or equal to 9"),
        ({"codes": ["a", "b"]}, "codes: Longer than maximum length 1"),
    ],
)
def test_validators_refuse_with_their_message(values: dict[str, Any], told: str) -> None:
    with use(MemoryDatabase()), pytest.raises(InvalidValue, match=f"Strict refuses {told}"):
        Strict.new(**{"name": "ab", **values}).save()


def test_errors_of_an_embedded_object_are_reported_by_dotted_field() -> None:
    city = City.new(address=Address(street_name="a", zip_code="123456"))
    with (
        use(MemoryDatabase()),
        pytest.raises(InvalidValue, match=r"City refuses address\.zipCode: Longer"),
    ):
        city.save()


def test_an_embedded_object_without_its_required_attribute_is_refused() -> None:
    with use(MemoryDatabase()), pytest.raises(InvalidValue, match=r"address\.streetName: Missing data"):
        City.new(address=Address()).save()


def test_none_is_stored_without_asking_the_validators_of_an_optional_attribute() -> None:
    with use(MemoryDatabase()):
        Strict.new(doc_id="a", name="ab", size=None).save()
        read = Strict.get("a")
        assert read is not None
        assert read.size is None


def test_a_data_key_is_the_field_whatever_it_is_spelled_like() -> None:
    database = MemoryDatabase()
    with use(database):
        Strict.new(doc_id="a", name="ab", postal="9").save()
        read = Strict.get("a")
        assert read is not None
        assert read.postal == "9"
        assert Strict.where(postal="9").first() == read
        read.postal = "8"
        read.save()
    assert (database.read(["stricts/a"]).documents[0].fields or {})["postal code"] == "8"


@pytest.mark.parametrize("attribute", ["name", "size", "kind", "status"])
def test_a_value_of_a_wrong_type_is_refused_by_class_and_attribute(attribute: str) -> None:
    values: dict[str, Any] = {"name": "ab", attribute: object()}
    strict = Strict.new(**values)
    with use(MemoryDatabase()), pytest.raises(InvalidValue, match=f"Strict refuses .*{attribute}"):
        strict.save()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("city_name", "cityName"),
        ("name", "name"),
        ("num_hearing_aid_requested", "numHearingAidRequested"),
        ("address_2", "address2"),
        ("a__b", "aB"),
        ("alreadyCamel", "alreadyCamel"),
        ("_private", "_private"),
        ("class_", "class_"),
    ],
)
def test_names_are_converted_to_camel_case(name: str, expected: str) -> None:
    assert attributes.camel_case(name) == expected


class Grade(Enum):
    A = "a"


@pytest.mark.parametrize(
    "make",
    [lambda: attrs.integer(default=cast(Any, "x")), lambda: attrs.enum(Grade, default=cast(Any, "a"))],
    ids=["a number", "an Enum"],
)
def test_a_default_that_is_not_a_value_of_the_attribute_is_refused_where_it_is_declared(make: Any) -> None:
    with pytest.raises(InvalidAttribute, match=r"Graded\.grade has the default .*, which is not one of its values"):
        type("Graded", (DomainModel,), {"grade": make()})
