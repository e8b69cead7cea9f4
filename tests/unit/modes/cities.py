"""Models and views of several shapes, which the tests of the modes share."""

from typing import Any

from boiler_functions import Boiler, DomainModel, Store, ViewModel, attrs, matching, reference, references, referrers
from boiler_functions.database import Put
from boiler_functions.testing import MemoryApp


class Country(DomainModel):
    class Meta:
        collection_name = "countries"

    name = attrs.string(required=True)
    continent = attrs.string()


class City(DomainModel):
    class Meta:
        collection_name = "cities"

    name = attrs.string(required=True)
    population = attrs.integer()
    capital = attrs.boolean()
    country = attrs.relation(Country)
    twin = attrs.relation("City")


class CityStore(Store):
    city = reference(City)


class CityView(ViewModel[CityStore]):
    """Reads only its root."""

    class Meta:
        path = "cityViews/{city.doc_id}"

    @attrs.computed
    def title(self) -> str:
        return self.store.city.name.upper()


class PlaceStore(Store):
    city = reference(City)
    country = reference(City.country)


class PlaceView(ViewModel[PlaceStore]):
    """The root and one document more."""

    class Meta:
        path = "placeViews/{city.doc_id}"

    @attrs.computed
    def place(self) -> str:
        country = self.store.country
        return f"{self.store.city.name}, {country.name.strip()}" if country else self.store.city.name


class CountryStore(Store):
    country = reference(Country)
    cities = referrers(City.country)


class CountryView(ViewModel[CountryStore]):
    """The documents that refer to the root."""

    class Meta:
        path = "countryViews/{country.doc_id}"

    @attrs.computed
    def cities(self) -> list[str]:
        return [city.name for city in self.store.cities]


class CapitalsStore(Store):
    capitals = matching(City.capital == True)  # noqa: E712


class CapitalsView(ViewModel[CapitalsStore]):
    """A dashboard: no root, one predicate."""

    class Meta:
        path = "dashboards/capitals"

    @attrs.computed
    def names(self) -> list[str]:
        return [city.name for city in self.store.capitals]


class LargeStore(Store):
    large = matching(City.where(City.population > 1_000_000).order_by(City.population.desc()).limit(2))


class LargeView(ViewModel[LargeStore]):
    """A dashboard over a range, with an order and a limit."""

    class Meta:
        path = "dashboards/large"

    @attrs.computed
    def names(self) -> list[str]:
        return [city.name for city in self.store.large]


class TwinStore(Store):
    city = reference(City)
    twin = reference(City.twin)


class TwinView(ViewModel[TwinStore]):
    """A relation of a model to itself."""

    class Meta:
        path = "twinViews/{city.doc_id}"

    @attrs.computed
    def twin(self) -> str:
        return self.store.twin.name if self.store.twin else "none"


class User(DomainModel):
    class Meta:
        collection_name = "users"

    name = attrs.string(required=True)


class Ticket(DomainModel):
    class Meta:
        collection_name = "tickets"

    user = attrs.relation(User)


class Meeting(DomainModel):
    class Meta:
        collection_name = "meetings"

    title = attrs.string(required=True)
    tickets = attrs.relation(Ticket, many=True)


class MeetingStore(Store):
    meeting = reference(Meeting)
    tickets = references(Meeting.tickets)
    users = references(Ticket.user)


class MeetingView(ViewModel[MeetingStore]):
    """Three levels, and one copy for each user."""

    class Meta:
        path = "users/{users.doc_id}/meetingViews/{meeting.doc_id}"

    @attrs.computed
    def attending(self) -> list[str]:
        return [ticket.user.name for ticket in self.store.tickets if ticket.user]


QUERIES = (CityView, PlaceView, CountryView, CapitalsView, LargeView, TwinView, MeetingView)


def app_of(*views: type[ViewModel[Any]]) -> Boiler:
    """An app that stores the views."""
    app = Boiler("demo")
    for view in views:
        app.query(view)
    return app


def put(testing: MemoryApp, path: str, **fields: object) -> None:
    """Writes the whole document, whatever its model says."""
    testing.database.commit([Put(path, fields)])
