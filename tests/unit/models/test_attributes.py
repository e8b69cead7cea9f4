"""Declared attributes: typed descriptors, each of which becomes a marshmallow field."""

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime
from enum import Enum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from marshmallow import validate

from boiler_functions import Boiler, DomainModel, Embedded, GeoPoint, Store, ViewModel, attrs, reference, use
from boiler_functions.database import Document, Put
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.exceptions import DeclarationError, InvalidDocument, InvalidValue
from boiler_functions.models import attributes
from boiler_functions.models.spelling import JsonSchema
from boiler_functions.types import Reference

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Status(Enum):
    OPEN = "open"
    SHUT = "shut"


class Address(Embedded):
    street_name = attrs.string(required=True)
    zip_code = attrs.string(validate=validate.Length(max=5))


class Country(DomainModel):
    class Meta:
        collection_name = "countries"

    name = attrs.string()


class City(DomainModel):
    class Meta:
        collection_name = "cities"

    city_name = attrs.string()
    population = attrs.integer()
    area = attrs.float()
    capital = attrs.boolean()
    founded = attrs.timestamp()
    seal = attrs.bytes()
    place = attrs.geopoint()
    status = attrs.enum(Status)
    regions = attrs.list(str)
    scores = attrs.mapping(int)
    address = attrs.embedded(Address)
    former = attrs.list(Address)
    country = attrs.relation(Country)
    twins = attrs.relation("City", many=True)
    anything = attrs.bproperty()


TEXT = st.text(max_size=8)
ADDRESSES = st.builds(Address, street_name=TEXT, zip_code=st.none() | st.text(max_size=5))
# Firestore keeps microseconds, and so do Python's datetimes.
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "city_name": st.none() | TEXT,
    "population": st.none() | st.integers(-(2**63), 2**63 - 1),
    "area": st.none() | st.floats(allow_nan=False),
    "capital": st.none() | st.booleans(),
    "founded": st.none() | st.datetimes(timezones=st.just(UTC)),
    "seal": st.none() | st.binary(max_size=8),
    "place": st.none() | st.builds(GeoPoint, st.floats(-90, 90), st.floats(-180, 180)),
    "status": st.none() | st.sampled_from(Status),
    "regions": st.lists(TEXT, max_size=3),
    "scores": st.dictionaries(st.text("abc.` é", min_size=1, max_size=4), st.integers(-9, 9), max_size=3),
    "address": st.none() | ADDRESSES,
    "former": st.lists(ADDRESSES, max_size=2),
    "country": st.none() | st.sampled_from(["JP", "US"]),
    "twins": st.lists(st.sampled_from(["TOK", "LA"]), max_size=2),
    "anything": st.none() | TEXT | st.integers(-9, 9) | st.lists(TEXT, max_size=2),
}


@settings(deadline=None)
@given(st.fixed_dictionaries({}, optional=VALUES))
def test_what_is_saved_is_what_is_read_for_every_type(values: dict[str, Any]) -> None:
    with use(MemoryDatabase()):
        city = City.new(doc_id="TOK", **values)
        city.save()
        read = City.get("TOK")
        assert read == city
        assert read is not None
        assert not read.is_changed
        assert not city.is_changed


def test_nan_survives_too() -> None:
    with use(MemoryDatabase()):
        City.new(doc_id="TOK", area=math.nan).save()
        read = City.get("TOK")
        assert read is not None
        assert read.area is not None
        assert math.isnan(read.area)
        assert not read.is_changed


def test_every_type_is_stored_as_firestore_has_it() -> None:
    database = MemoryDatabase()
    with use(database):
        City.new(
            doc_id="TOK",
            city_name="Tokyo",
            population=1,
            area=2,
            capital=True,
            founded=NOON,
            seal=b"x",
            place=GeoPoint(1, 2),
            status=Status.OPEN,
            regions=["a"],
            scores={"x": 1},
            address=Address(street_name="Ginza"),
            former=[Address(street_name="Edo", zip_code="1")],
            country="JP",
            twins=["LA"],
            anything={"a": None},
        ).save()
    fields = dict(database.read(["cities/TOK"]).documents[0].fields or {})
    assert fields == {
        "cityName": "Tokyo",
        "population": 1,
        "area": 2.0,
        "capital": True,
        "founded": NOON,
        "seal": b"x",
        "place": GeoPoint(1, 2),
        "status": "open",
        "regions": ["a"],
        "scores": {"x": 1},
        "address": {"streetName": "Ginza"},
        "former": [{"streetName": "Edo", "zipCode": "1"}],
        "country": Reference("countries/JP"),
        "twins": [Reference("cities/LA")],
        "anything": {"a": None},
        "obj_type": "City",
        "doc_id": "TOK",
        "doc_ref": "cities/TOK",
    }
    assert type(fields["area"]) is float


def test_an_attribute_that_was_never_set_reads_as_none() -> None:
    city = City.new(doc_id="TOK")
    single = ("city_name", "population", "area", "capital", "founded", "seal", "place", "status", "address", "country")
    assert [getattr(city, name) for name in single] == [None] * len(single)


def test_lists_and_mappings_are_empty_unless_given_and_never_shared() -> None:
    one, other = City.new(), City.new()
    one.regions.append("a")
    one.scores["x"] = 1
    assert (other.regions, other.scores, other.former) == ([], {}, [])


# Required, default, validate, data_key.


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


# Getters and setters.


class Meeting(DomainModel):
    class Meta:
        collection_name = "meetings"

    status = attrs.string(default="closed")
    log = attrs.list(str)

    @attrs.computed
    def in_session(self) -> bool:
        return self.status == "in-session"

    @in_session.setter
    def set_in_session(self, value: bool) -> None:
        self.status = "in-session" if value else "closed"

    @attrs.computed
    def shout(self) -> str:
        return (self.status or "").upper()


def test_a_computed_attribute_reads_through_its_getter_and_writes_through_its_setter() -> None:
    meeting = Meeting.new()
    assert meeting.in_session is False
    meeting.in_session = True
    assert (meeting.status, meeting.in_session) == ("in-session", True)


def test_new_takes_values_through_setters() -> None:
    assert Meeting.new(in_session=True).status == "in-session"


def test_an_attribute_with_a_getter_alone_is_read_only() -> None:
    with pytest.raises(InvalidValue, match="Meeting refuses shout: Read-only"):
        Meeting.new().shout = "X"
    with pytest.raises(InvalidValue, match="Meeting refuses shout: Read-only"):
        Meeting.new(shout="X")
    assert Meeting.attributes["shout"].read_only
    assert not Meeting.attributes["in_session"].read_only
    assert not Meeting.attributes["status"].read_only


def test_a_computed_attribute_is_stored_and_can_be_queried() -> None:
    with use(MemoryDatabase()):
        Meeting.new(doc_id="a", in_session=True).save()
        Meeting.new(doc_id="b").save()
        assert [meeting.doc_id for meeting in Meeting.where(in_session=True)] == ["a"]


def test_the_methods_of_getters_and_setters_stay_methods() -> None:
    meeting = Meeting.new()
    meeting.set_in_session(True)
    assert meeting.status == "in-session"


def test_the_return_type_of_a_getter_gives_its_field() -> None:
    errors = Meeting.view_schema().validate({"status": "x", "log": [], "inSession": "yes", "shout": 5})
    assert set(errors) == {"inSession", "shout"}


class Properties(ViewModel):
    class Meta:
        case_conversion = False

    own_name = attrs.bproperty()
    other_name = attrs.bproperty(data_key="other")
    plain = attrs.bproperty()

    @own_name.getter  # type: ignore[no-redef]
    def own_name(self):
        return self.values.get("kept", "nothing")

    @own_name.setter  # type: ignore[no-redef]
    def own_name(self, value):  # type: ignore[no-untyped-def]
        self.values["kept"] = value

    @other_name.getter
    def get_other(self):  # type: ignore[no-untyped-def]
        return [1, "a"]


def _properties() -> Any:
    return Properties.of(None, {})  # type: ignore[arg-type]


def test_bproperty_takes_its_getter_and_setter_under_its_own_name() -> None:
    view = _properties()
    assert view.own_name == "nothing"
    view.own_name = "set"
    assert view.own_name == "set"


def test_bproperty_takes_its_getter_under_another_name_which_stays_a_method() -> None:
    view = _properties()
    assert view.other_name == [1, "a"]
    assert view.get_other() == [1, "a"]
    with pytest.raises(InvalidValue, match="Properties refuses other_name: Read-only"):
        view.other_name = []


def test_bproperty_without_a_getter_holds_any_value() -> None:
    view = _properties()
    view.plain = {"a": [1, None]}
    assert view.plain == {"a": [1, None]}
    assert view.to_view_dict() == {"own_name": "nothing", "other": [1, "a"], "plain": {"a": [1, None]}}


def test_an_untyped_getter_may_give_none() -> None:
    class Untyped(ViewModel):
        first = attrs.bproperty()

        @first.getter
        def get_first(self) -> Any:
            return None

        @attrs.computed
        def second(self) -> Any:
            return None

    assert Untyped.of(None, {}).to_view_dict() == {"first": None, "second": None}  # type: ignore[arg-type]


def test_a_getter_without_a_return_type_is_refused_by_name() -> None:
    with pytest.raises(DeclarationError, match=r"Untyped\.name has no return type.*bproperty"):

        class Untyped(ViewModel):
            @attrs.computed
            def name(self):  # type: ignore[no-untyped-def]
                return 1


def test_a_getter_of_a_type_that_no_document_holds_is_refused() -> None:
    with pytest.raises(DeclarationError, match=r"Wrong\.names.*set\[str\]"):

        class Wrong(ViewModel):
            @attrs.computed
            def names(self) -> set[str]:
                return set()


def test_a_list_of_a_type_that_no_document_holds_is_refused() -> None:
    with pytest.raises(DeclarationError, match="complex"):
        attrs.list(complex)


@pytest.mark.parametrize("item", [list[int], tuple[int, int], list[list[str]], list[int] | None])
def test_a_list_of_lists_is_refused(item: Any) -> None:
    """Firestore holds no arrays in arrays."""
    with pytest.raises(DeclarationError, match=r"array|list"):
        attrs.list(item)


class Pair(Enum):
    """Its values are tuples, which a document has as lists."""

    FIRST = (1, 2)


class Day(Enum):
    """Its values are dates, which no document holds."""

    FIRST = date(2024, 1, 1)


@pytest.mark.parametrize(
    ("annotation", "told"),
    [
        (tuple[str, int], "a type of its own for each position; write `list"),
        (list[int] | dict[str, tuple[str, int]], "a type of its own for each position"),
        (dict[int, str], r"keys are not strings; write `dict\[str"),
        (Mapping[int, str] | None, "keys are not strings"),
        (Pair, r"Pair\.FIRST has the value \(1, 2\)"),
        (dict[str, Day], r"Day\.FIRST has the value datetime\.date"),
    ],
)
def test_a_type_whose_values_would_not_come_back_is_refused(annotation: Any, told: str) -> None:
    def value(self: Any) -> Any:
        return None

    value.__annotations__["return"] = annotation
    with pytest.raises(DeclarationError, match=rf"value.*{told}"):
        attrs.computed(value)
    with pytest.raises(DeclarationError, match=told):
        attrs.mapping(annotation)


@pytest.mark.parametrize("annotation", [tuple[int, ...], tuple[int, int], tuple[()], dict, Mapping[str, int], list])
def test_a_tuple_of_one_type_and_a_mapping_by_text_come_back(annotation: Any) -> None:
    attrs.mapping(annotation)


def test_an_enum_of_tuples_is_refused_as_an_attribute() -> None:
    with pytest.raises(DeclarationError, match=r"Pair\.FIRST"):
        attrs.enum(Pair)


def test_a_getter_whose_type_names_nothing_is_refused_by_the_app() -> None:
    class CityStore(Store):
        city = reference(City)

    def name(self: Any) -> str:
        return "x"

    name.__annotations__["return"] = "Nope"
    meta = type("Meta", (), {"path": "lateViews/{city.doc_id}"})
    view: Any = type("Late", (ViewModel,), {"store_class": CityStore, "Meta": meta, "name": attrs.computed(name)})
    with pytest.raises(DeclarationError, match=r"name.*Nope"):
        Boiler("late").query(view)


def test_one_attribute_under_two_names_is_refused() -> None:
    with pytest.raises(DeclarationError, match=r"Double\.b"):

        class Double(DomainModel):
            a = b = attrs.string()


# Relations.


def test_a_relation_takes_an_id_a_path_a_reference_and_a_model() -> None:
    country = Country.new("JP", name="Japan")
    with use(MemoryDatabase()):
        country.save()
        for value in ("JP", "countries/JP", Reference("countries/JP"), country):
            assert City.new(country=value).country == country
        assert City.new(country=None).country is None


def test_a_relation_to_a_missing_document_is_none_and_many_leaves_it_out() -> None:
    with use(MemoryDatabase()):
        there = City.new("LA")
        there.save()
        city = City.new(country="XX", twins=["gone", "LA"])
        assert city.country is None
        assert list(city.twins) == [there]


def test_a_relation_refuses_a_model_of_another_collection_by_class_and_attribute() -> None:
    with pytest.raises(InvalidValue, match=r"City refuses country: <City cities/TOK> is not a Country; give one"):
        City.new(country=City.new("TOK"))


@pytest.mark.parametrize("value", ["cities/TOK", Reference("cities/TOK")])
def test_a_reference_into_another_collection_is_refused_when_it_is_saved(value: Any) -> None:
    with (
        use(MemoryDatabase()),
        pytest.raises(InvalidValue, match=r"City refuses country: Not a reference into"),
    ):
        City.new(country=value).save()


def test_a_stored_reference_into_another_collection_does_not_fit() -> None:
    database = MemoryDatabase()
    database.commit([Put("cities/TOK", {"country": Reference("cities/LA")})])
    with (
        use(database),
        pytest.raises(InvalidDocument, match=r"cities/TOK does not fit City: country: Not a"),
    ):
        assert City.get("TOK").country  # type: ignore[union-attr]


def test_a_relation_by_name_finds_a_model_that_is_declared_later() -> None:
    class Early(DomainModel):
        class Meta:
            collection_name = "earlies"

        late = attrs.relation("LateModelOfThisTest")

    class LateModelOfThisTest(DomainModel):
        class Meta:
            collection_name = "lates"

    assert Early.new(late="x").values["late"] == Reference("lates/x")
    assert LateModelOfThisTest.pattern().text == "lates/{doc_id}"


def test_a_relation_to_a_name_that_no_model_has_is_refused_by_class_and_attribute() -> None:
    class Lost(DomainModel):
        class Meta:
            collection_name = "losts"

        there = attrs.relation("NoSuchModelAnywhere")

    with pytest.raises(DeclarationError, match=r"Lost\.there leads to 'NoSuchModelAnywhere', and no DomainModel"):
        Lost.new(there="x")


@pytest.mark.parametrize("target", [5, None, Address, Properties])
def test_a_relation_to_anything_but_a_domain_model_is_refused(target: Any) -> None:
    with pytest.raises(DeclarationError, match="relation"):
        attrs.relation(target)


def test_a_relation_to_many_reads_as_a_tuple_which_cannot_change_in_place() -> None:
    with use(MemoryDatabase()):
        there = City.new("LA")
        there.save()
        city = City.new("TOK")
        try:
            city.twins.append(there)
        except AttributeError:
            return
        assert list(city.twins) == [there]


def test_a_relation_to_many_refuses_a_single_string() -> None:
    with pytest.raises(InvalidValue, match="City refuses twins"):
        City.new(twins="abc")


def test_a_relation_into_a_sub_collection_takes_a_path_and_not_a_bare_id() -> None:
    class Room(DomainModel):
        class Meta:
            collection_name = "houses/{house}/rooms"

    class Key(DomainModel):
        class Meta:
            collection_name = "keys"

        room = attrs.relation(Room)

    assert Key.new(room="houses/h/rooms/r").values["room"] == Reference("houses/h/rooms/r")
    with pytest.raises(InvalidValue, match=r"house: needed to find houses/\{house\}/rooms"):
        Key.new(room="r")


class Visit(DomainModel):
    class Meta:
        collection_name = "visits"

    country = attrs.relation(Country, by="id")
    stops = attrs.relation(City, many=True, by="path")
    hosts = attrs.relation("Country", many=True, by="id")


def test_a_relation_by_id_or_by_path_is_stored_as_a_string_and_read_as_the_model() -> None:
    database = MemoryDatabase()
    with use(database):
        japan, tokyo = Country.new("JP", name="Japan"), City.new("TOK")
        japan.save()
        tokyo.save()
        Visit.new("v", country=japan, stops=[tokyo, "gone"], hosts=["JP"]).save()
    with use(database):
        visit = Visit.get("v")
        assert visit is not None
        before = database.read(["visits/v"]).documents[0].fields or {}
        stored = {name: before[name] for name in ("country", "stops", "hosts")}
        assert stored == {"country": "JP", "stops": ["cities/TOK", "cities/gone"], "hosts": ["JP"]}
        assert visit.country == japan
        assert list(visit.stops) == [tokyo]
        assert not visit.is_changed
        visit.country = None
        visit.save()
        assert database.read(["visits/v"]).documents[0].fields == {**before, "country": None}


def test_a_condition_on_a_relation_by_id_or_by_path_compares_with_the_string() -> None:
    with use(MemoryDatabase()):
        Visit.new("v", country="JP", stops=["TOK"], hosts=["JP", "FR"]).save()
        Visit.new("w", country="FR").save()
        japan = Country.new("JP", name="Japan")

        def found(*conditions: Any) -> list[str]:
            return [each.doc_id for each in Visit.where(*conditions)]

        assert found(Visit.country == japan) == ["v"]
        assert found(Visit.country.in_([japan, "FR"])) == ["v", "w"]
        assert found(Visit.stops.contains(City.new("TOK"))) == ["v"]
        assert found(Visit.hosts.contains_any([japan])) == ["v"]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"country": "a/b"}, r"country: Not the id of a document of countries/\{doc_id\}"),
        ({"country": ""}, "country: Not the id"),
        ({"country": 7}, "country: Not the id"),
        ({"country": Reference("countries/JP")}, "country: Not the id"),
        ({"stops": ["countries/JP"]}, r"stops\.0: Not the path of a document of cities/\{doc_id\}"),
        ({"stops": ["/cities/TOK"]}, r"stops\.0: Not the path"),
        ({"stops": ["TOK"]}, r"stops\.0: Not the path"),
    ],
)
def test_a_stored_string_that_names_no_document_of_the_relation_is_refused_by_name(
    fields: dict[str, Any], reason: str
) -> None:
    document = Document("visits/v", fields)
    assert Visit.country.attribute.paths(fields) == Visit.stops.attribute.paths(fields) == []  # type: ignore[attr-defined]
    with pytest.raises(InvalidDocument, match=reason):
        Visit.from_document(document).to_view_dict()


def test_a_relation_by_id_into_a_sub_collection_is_refused_as_the_id_does_not_say_where() -> None:
    class Room(DomainModel):
        class Meta:
            collection_name = "houses/{house}/rooms"

    with pytest.raises(DeclarationError, match=r'Room, by="id"\): an id does not say which house .* `by="path"`'):
        attrs.relation(Room, by="id")
    with pytest.raises(DeclarationError, match=r"by='name'\): a document holds a relation as a reference, a path or"):
        attrs.relation(Country, by="name")  # type: ignore[call-overload]


def test_json_spells_a_relation_by_id_or_by_path_as_it_is_stored() -> None:
    schema = Visit.schema(JsonSchema)
    sent = {"country": "JP", "stops": ["cities/TOK"], "hosts": ["FR"]}
    loaded = schema.load(sent)
    assert loaded["country"] == Reference("countries/JP")
    assert schema.dump(loaded) == sent


def test_the_module_lists_its_factories_sorted() -> None:
    assert attrs.__all__ == sorted(attrs.__all__)
    assert all(hasattr(attrs, name) for name in attrs.__all__)
