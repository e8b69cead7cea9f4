"""What type checkers make of the declarations: the types that the docs promise, never Any."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, assert_type

from boiler_functions import (
    Copy,
    DomainModel,
    Embedded,
    GeoPoint,
    Store,
    ViewModel,
    attrs,
    children,
    matching,
    one_of,
    parent,
    parents,
    reference,
    references,
    referrers,
)


class Kind(StrEnum):
    TOWN = "town"
    VILLAGE = "village"


class Mayor(Embedded):
    name = attrs.string(required=True)


class Country(DomainModel):
    class Meta:
        collection_name = "countries"

    name = attrs.string(required=True)


class City(DomainModel):
    class Meta:
        collection_name = "cities"

    name = attrs.string(required=True)
    motto = attrs.string()
    population = attrs.integer(default=0)
    area = attrs.float()
    capital = attrs.boolean()
    founded = attrs.timestamp()
    place = attrs.geopoint()
    seal = attrs.bytes()
    regions = attrs.list(str)
    scores = attrs.mapping(int)
    kind = attrs.enum(Kind, required=True)
    mayor = attrs.embedded(Mayor)
    country = attrs.relation(Country)
    twins = attrs.relation(Country, many=True)


class Street(DomainModel):
    class Meta:
        collection_name = "cities/{city_id}/streets"

    kind = attrs.string()


class StreetStore(Store):
    street = reference(Street)
    city = parent(City)
    number = children(Street, via=city).where(kind=None).count()
    others = children(Street, via=city)
    cities = parents(City, via=others)


class StreetView(ViewModel[StreetStore]):
    @attrs.computed
    def name(self) -> str:
        assert_type(self.store.city, City | None)
        assert_type(self.store.number, int)
        assert_type(self.store.cities, Sequence[City])
        return self.store.street.doc_id


class CityStore(Store):
    city = reference(City)
    country = reference(City.country)
    twins = references(City.twins)
    compatriots = referrers(City.country)
    largest = referrers(City.country).where(City.population > 1000, capital=True).order_by(City.population).limit(3)
    streets = children(Street)
    capitals = matching(City.capital == True)  # noqa: E712


class CityView(ViewModel[CityStore]):
    class Meta:
        path = "cityViews/{city.doc_id}"

    @attrs.computed
    def name(self) -> str:
        assert_type(self.store.city, City)
        assert_type(self.store.country, Country | None)
        assert_type(self.store.twins, Sequence[Country])
        assert_type(self.store.compatriots, Sequence[City])
        assert_type(self.store.largest, Sequence[City])
        assert_type(self.store.streets, Sequence[Street])
        assert_type(self.store.capitals, Sequence[City])
        assert_type(self.params, Mapping[str, str])
        return self.store.city.name


class CityCopy(Copy):
    twins = one_of(CityStore.twins)
    others = one_of(CityStore.compatriots)


class TwinView(ViewModel[CityStore, CityCopy]):
    class Meta:
        path = "countries/{twins.doc_id}/twins/{compatriots.doc_id}/of/{city.doc_id}"

    @attrs.computed
    def name(self) -> str:
        assert_type(self.copy.twins, Country)
        assert_type(self.copy.others, City)
        assert_type(self.store.city, City)
        return self.copy.twins.name


def stored(view: type[ViewModel[Any]]) -> None:
    """Takes views of every kind."""


stored(CityView)
stored(TwinView)


class CardStore(Store):
    card = reference(CityView)
    other = reference(CityView, doc_id="LA")
    city = reference(City, doc_id="LA")
    beside = reference(CityView, via=city)
    cities = matching(City.all())
    all_beside = references(CityView, via=cities)
    chosen = matching(CityView.where(CityView.name == "LA").order_by(CityView.name).limit(3))
    named = matching(CityView.name == "LA")
    number = matching(CityView.where()).count()


class Card(ViewModel[CardStore]):
    @attrs.computed
    def name(self) -> str:
        assert_type(self.store.card, CityView)
        assert_type(self.store.card.params, Mapping[str, str])
        assert_type(self.store.other, CityView | None)
        assert_type(self.store.beside, CityView | None)
        assert_type(self.store.all_beside, Sequence[CityView])
        assert_type(self.store.chosen, Sequence[CityView])
        assert_type(self.store.named, Sequence[CityView])
        assert_type(self.store.number, int)
        return self.store.card.name


def attributes(city: City, view: CityView) -> None:
    assert_type(city.name, str)
    assert_type(city.motto, str | None)
    assert_type(city.population, int)
    assert_type(city.area, float | None)
    assert_type(city.capital, bool | None)
    assert_type(city.founded, datetime | None)
    assert_type(city.place, GeoPoint | None)
    assert_type(city.seal, bytes | None)
    assert_type(city.regions, list[str])
    assert_type(city.scores, dict[str, int])
    assert_type(city.kind, Kind)
    assert_type(city.mayor, Mayor | None)
    assert_type(city.country, Country | None)
    assert_type(city.twins, Sequence[Country])
    assert_type(city.doc_id, str)
    assert_type(view.name, str)


def queries() -> None:
    assert_type(City.get("LA"), City | None)
    assert_type(City.new(name="Los Angeles"), City)
    assert_type(City.get_many(["LA", "SF"]), list[City])
    assert_type(City.where(City.population > 1000, capital=True).order_by(City.population.desc()).first(), City | None)
    for city in City.where(City.kind.in_([Kind.TOWN])).limit(10):
        assert_type(city, City)
