"""Models of cities, and what tests of models ask of them."""

from typing import Any

from boiler_functions import DomainModel, Embedded, attrs
from boiler_functions.database import Document
from boiler_functions.database.memory import MemoryDatabase


class Address(Embedded):
    street = attrs.string(required=True)
    city_name = attrs.string()


class Country(DomainModel):
    class Meta:
        collection_name = "countries"

    name = attrs.string(required=True)


class City(DomainModel):
    class Meta:
        collection_name = "cities"

    city_name = attrs.string(required=True)
    population = attrs.integer()
    area = attrs.float()
    regions = attrs.list(str)
    scores = attrs.mapping(int)
    rows = attrs.list(dict[str, Any])
    anything = attrs.mapping(Any)
    address = attrs.embedded(Address)
    place = attrs.geopoint()
    country = attrs.relation(Country)
    twins = attrs.relation("City", many=True)


class Municipality(City):
    mayor = attrs.string()


class Ward(Municipality):
    number = attrs.integer()


class CityForm(DomainModel):
    class Meta:
        collection_name = "users/{user_id}/cityForms"

    name = attrs.string()


def fields_of(database: MemoryDatabase, path: str) -> dict[str, Any]:
    return dict(database.read([path]).documents[0].fields or {})


def written(database: MemoryDatabase) -> list[Document]:
    """The documents that are changed from here on, as they are after each change."""
    changes: list[Document] = []
    database.subscribe(lambda before, after: changes.append(after))
    return changes


def tokyo(**values: Any) -> City:
    city = City.new(doc_id="TOK", **{"city_name": "Tokyo", **values})
    city.save()
    return city


def read(doc_id: str = "TOK") -> City:
    city = City.get(doc_id)
    assert city is not None
    return city
