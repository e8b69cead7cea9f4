"""The apps that are measured: itineraries over the real cities of `functions/world.py`, and a form for visits."""

from boiler_functions import Boiler, DomainModel, Rejected, Store, ViewModel, attrs, reference, references
from functions.world import City


class Itinerary(DomainModel):
    """A journey through cities."""

    class Meta:
        collection_name = "itineraries"

    title = attrs.string(required=True)
    stops = attrs.relation(City, many=True)


class Traveller(DomainModel):
    """Somebody who visits cities."""

    class Meta:
        collection_name = "travellers"

    name = attrs.string(required=True)


class Visit(DomainModel):
    """A city that somebody visited."""

    class Meta:
        collection_name = "visits"

    traveller = attrs.string(required=True)
    city = attrs.string(required=True)
    itinerary = attrs.string(required=True)


app = Boiler("benchmark")


class HeadlineStore(Store):
    """The root alone: depth 1."""

    itinerary = reference(Itinerary)


@app.query
class Headline(ViewModel[HeadlineStore]):
    """An itinerary as a list shows it."""

    class Meta:
        path = "headlines/{itinerary.doc_id}"

    @attrs.computed
    def title(self) -> str:
        return self.store.itinerary.title


class RouteStore(Store):
    """The root and its cities: depth 2."""

    itinerary = reference(Itinerary)
    stops = references(Itinerary.stops)


@app.query
class Route(ViewModel[RouteStore]):
    """An itinerary with the names of its cities."""

    class Meta:
        path = "routes/{itinerary.doc_id}"

    @attrs.computed
    def title(self) -> str:
        return self.store.itinerary.title

    @attrs.computed
    def cities(self) -> list[str]:
        return sorted(city.name for city in self.store.stops)

    @attrs.computed
    def inhabitants(self) -> int:
        return sum(city.population for city in self.store.stops)


class AtlasStore(Store):
    """The root, its cities and their countries: depth 3."""

    itinerary = reference(Itinerary)
    stops = references(Itinerary.stops)
    countries = references(City.country)


@app.query
class Atlas(ViewModel[AtlasStore]):
    """An itinerary with the countries that it leads through."""

    class Meta:
        path = "atlases/{itinerary.doc_id}"

    @attrs.computed
    def countries(self) -> list[str]:
        return sorted(country.name for country in self.store.countries)


class VisitStore(Store):
    """Three documents that recording a visit reads, but does not write."""

    traveller = reference(Traveller, doc_id="{traveller_id}")
    city = reference(City, doc_id="{city_id}")
    itinerary = reference(Itinerary, doc_id="{itinerary_id}")


@app.task("travellers/{traveller_id}/plans/{itinerary_id}/visitForms/{city_id}", writes=[Visit])
class VisitForm(ViewModel[VisitStore]):
    """A form that records a visit."""

    note = attrs.string(required=True)

    def propagate_change(self) -> None:
        traveller, city, itinerary = self.store.traveller, self.store.city, self.store.itinerary
        if not (traveller and city and itinerary):
            raise Rejected("the traveller, the city or the itinerary is gone")
        Visit.new(
            doc_id=f"{traveller.doc_id}-{city.doc_id}",
            traveller=traveller.name,
            city=city.name,
            itinerary=itinerary.title,
        ).save()
