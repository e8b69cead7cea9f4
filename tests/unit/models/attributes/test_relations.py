"""Attributes that refer to documents."""

from typing import Any

import pytest

from boiler_functions import DomainModel, attrs, use
from boiler_functions.database import Document, Put
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.exceptions import DeclarationError, InvalidDocument, InvalidValue
from boiler_functions.models.spelling import JsonSchema
from boiler_functions.types import Reference
from tests.unit.models.attributes.scene import Address, City, Country, Properties


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
