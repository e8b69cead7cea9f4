"""Models share a collection with their subclasses, and attributes with their bases."""

import pytest

from boiler_functions import DomainModel, attrs
from boiler_functions.database import Put
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.exceptions import (
    NameCollision,
)
from tests.unit.models.cities import City, Municipality, Ward, fields_of, read, tokyo


def test_a_subclass_shares_the_collection_and_is_told_apart(database: MemoryDatabase) -> None:
    Municipality.new(doc_id="a", city_name="A", mayor="M").save()
    Ward.new(doc_id="b", city_name="B", number=1).save()
    City.new(doc_id="c", city_name="C").save()
    assert [type(city) for city in City.all()] == [Municipality, Ward, City]
    assert [city.doc_id for city in Municipality.all()] == ["a", "b"]
    assert [city.doc_id for city in Ward.all()] == ["b"]


def test_getting_by_a_class_gives_only_its_own_kind(database: MemoryDatabase) -> None:
    tokyo()
    Ward.new(doc_id="b", city_name="B", number=1).save()
    assert Municipality.get("TOK") is None
    assert type(Municipality.get("b")) is Ward
    assert type(City.get("b")) is Ward
    assert [city.doc_id for city in Municipality.get_many(["TOK", "b"])] == ["b"]


def test_a_relation_to_a_subclass_leaves_out_other_kinds(database: MemoryDatabase) -> None:
    class Office(DomainModel):
        class Meta:
            collection_name = "offices"

        seat = attrs.relation(Municipality)

    tokyo()
    assert Office.new(seat="TOK").seat is None


def test_a_document_of_an_unknown_subclass_reads_as_the_class_that_has_the_collection(database: MemoryDatabase) -> None:
    """Newer code may have written it; saving must not take its kind away."""
    database.commit([Put("cities/TOK", {"cityName": "Tokyo", "obj_type": "Prefecture", "chief": "x"})])
    city = read()
    assert type(city) is City
    city.population = 1
    city.save()
    assert fields_of(database, "cities/TOK")["obj_type"] == "Prefecture"
    assert fields_of(database, "cities/TOK")["chief"] == "x"


def test_two_classes_with_one_name_in_one_collection_are_refused() -> None:
    class Place(DomainModel):
        class Meta:
            collection_name = "places"

    class Town(Place): ...

    def elsewhere() -> None:
        class Town(Place):
            class Meta:
                collection_name = "towns"

    def beside() -> None:
        class Town(Place): ...

    elsewhere()
    told = r"<locals>\.Town and .*beside\.<locals>\.Town share the collection 'places' and the name Town, by"
    with pytest.raises(NameCollision, match=told):
        beside()


def test_a_class_that_is_declared_again_by_its_own_module_takes_the_place_of_the_first(
    database: MemoryDatabase,
) -> None:
    def load() -> type[City]:
        class Village(City):
            church = attrs.boolean()

        return Village

    first, again = load(), load()
    again.new(doc_id="a", city_name="A").save()
    assert type(City.get("a")) is again
    assert [type(village) for village in again.all()] == [again]
    assert first.get("a") is None


def test_a_document_without_a_kind_reads_as_the_class_that_has_the_collection(database: MemoryDatabase) -> None:
    database.commit([Put("cities/TOK", {"cityName": "Tokyo"})])
    assert type(read()) is City
    assert Municipality.get("TOK") is None


def test_a_subclass_may_have_a_collection_of_its_own(database: MemoryDatabase) -> None:
    class Town(City):
        class Meta:
            collection_name = "towns"

    Town.new(doc_id="a", city_name="A").save()
    assert City.get("a") is None
    assert [type(town) for town in Town.all()] == [Town]
    assert fields_of(database, "towns/a")["cityName"] == "A"


def test_attributes_come_from_models_without_a_collection(database: MemoryDatabase) -> None:
    class Named(DomainModel):
        name = attrs.string(required=True)

    class Dog(Named):
        class Meta:
            collection_name = "dogs"

    class Cat(Named):
        class Meta:
            collection_name = "cats"

    Dog.new(doc_id="a", name="Rex").save()
    assert Cat.get("a") is None
    assert [type(dog) for dog in Dog.all()] == [Dog]


def test_the_collection_may_come_from_a_base_of_meta(database: MemoryDatabase) -> None:
    class Shared:
        collection_name = "shareds"

    class Thing(DomainModel):
        class Meta(Shared): ...

        name = attrs.string()

    Thing.new(doc_id="a", name="x").save()
    assert [thing.doc_id for thing in Thing.all()] == ["a"]
