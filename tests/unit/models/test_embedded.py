"""Embedded: an object inside a document."""

from typing import Any

import pytest
from marshmallow import EXCLUDE, INCLUDE, RAISE

from boiler_functions import DomainModel, Embedded, attrs
from boiler_functions.database import Put
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.exceptions import (
    InvalidAttribute,
    InvalidDocument,
    InvalidValue,
)
from tests.unit.models.cities import Address, City, fields_of


def test_an_embedded_object_refuses_undeclared_attributes() -> None:
    with pytest.raises(InvalidValue, match="Address refuses stret: Undeclared"):
        Address(stret="x")


def test_an_embedded_object_may_hold_another(database: MemoryDatabase) -> None:
    class Inner(Embedded):
        city_name = attrs.string()

    class Outer(Embedded):
        inner_part = attrs.embedded(Inner)
        all_parts = attrs.list(Inner)

    class Nest(DomainModel):
        class Meta:
            collection_name = "nests"

        outer = attrs.embedded(Outer)

    nest = Nest.new("a", outer=Outer(inner_part=Inner(city_name="x"), all_parts=[Inner(city_name="y")]))
    nest.save()
    assert Nest.get("a") == nest
    assert fields_of(database, "nests/a")["outer"] == {"innerPart": {"cityName": "x"}, "allParts": [{"cityName": "y"}]}


def test_an_embedded_attribute_takes_its_own_class_only(database: MemoryDatabase) -> None:
    class Other(Embedded):
        street = attrs.string()

    city: Any = City.new("TOK", city_name="Tokyo")
    for wrong in (Other(street="a"), {"street": "a"}, "a"):
        city.address = wrong
        with pytest.raises(InvalidValue, match=r"City refuses .*address"):
            city.save()


def test_an_embedded_object_of_a_subclass_is_refused_as_it_would_lose_its_own_attributes(
    database: MemoryDatabase,
) -> None:
    class Flat(Address):
        floor_number = attrs.integer()

    with pytest.raises(InvalidValue, match="refuses address: Flat would read back as Address"):
        City.new("TOK", city_name="Tokyo", address=Flat(street="a", floor_number=3)).save()


def test_an_embedded_object_has_its_default_where_a_null_is_stored(database: MemoryDatabase) -> None:
    class Shelf(Embedded):
        label_text = attrs.string(default="none")
        books = attrs.list(str)

    class Library(DomainModel):
        class Meta:
            collection_name = "libraries"

        shelf = attrs.embedded(Shelf)

    database.commit([Put("libraries/a", {"shelf": {"labelText": None, "books": None}})])
    library = Library.get("a")
    assert library is not None
    assert library.shelf == Shelf(label_text="none", books=[])
    assert not library.is_changed


def test_a_computed_attribute_of_an_embedded_object_is_refused() -> None:
    with pytest.raises(InvalidAttribute, match=r"Place\.label is computed, and an Embedded stores given values only"):

        class Place(Embedded):
            @attrs.computed
            def label(self) -> str:
                return "x"


def test_an_embedded_object_with_unknown_included_keeps_its_extras(database: MemoryDatabase) -> None:
    class Loose(Embedded):
        class Meta:
            unknown = INCLUDE

        street = attrs.string()

    class House(DomainModel):
        class Meta:
            collection_name = "houses"

        loose = attrs.embedded(Loose)

    House.new("a", loose=Loose(street="a", extra=[1])).save()
    assert fields_of(database, "houses/a")["loose"] == {"street": "a", "extra": [1]}
    house = House.get("a")
    assert house is not None
    assert house.loose is not None
    assert getattr(house.loose, "extra") == [1]  # noqa: B009
    house.loose = Loose(street="b")
    house.save()
    assert fields_of(database, "houses/a")["loose"] == {"street": "b"}


def test_an_included_undeclared_field_never_reads_as_the_attribute_of_that_name(database: MemoryDatabase) -> None:
    class Loose(Embedded):
        class Meta:
            unknown = INCLUDE

        street_name = attrs.string()

    class House(DomainModel):
        class Meta:
            collection_name = "houses"
            unknown = INCLUDE

        owner_name = attrs.string()
        loose = attrs.embedded(Loose)

    database.commit([Put("houses/a", {"ownerName": "right", "owner_name": 1, "loose": {"street_name": 2}})])
    house = House.get("a")
    assert house is not None
    assert house.loose is not None
    assert (house.owner_name, house.loose.street_name) == ("right", None)
    house.loose.street_name = "Elm"
    house.save()
    stored = {"ownerName": "right", "owner_name": 1, "loose": {"street_name": 2, "streetName": "Elm"}}
    assert stored.items() <= fields_of(database, "houses/a").items()
    database.commit([Put("houses/b", {"loose": "text"})])
    with pytest.raises(InvalidDocument, match=r"loose.*Invalid"):
        assert House.get("b").loose  # type: ignore[union-attr]


@pytest.mark.parametrize("how", [INCLUDE, EXCLUDE, RAISE])
def test_a_stored_computed_value_reads_back_unchanged(database: MemoryDatabase, how: str) -> None:
    class House(DomainModel):
        class Meta:
            collection_name = "houses"
            unknown = how

        @attrs.computed
        def label(self) -> str:
            return f"house {self.doc_id}"

    House.new("a").save()
    assert fields_of(database, "houses/a")["label"] == "house a"
    house = House.get("a")
    assert house is not None
    assert (house.label, house.is_changed) == ("house a", False)
