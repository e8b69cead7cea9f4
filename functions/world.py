"""World: every city shown with its country; a change of a country reaches all of its cities."""

from boiler_functions import Boiler, DomainModel, Rejected, Store, ViewModel, access, attrs, reference


class Country(DomainModel):
    class Meta:
        collection_name = "countries"

    name = attrs.string(required=True)
    currency = attrs.string(required=True)
    continent = attrs.string(required=True)


class City(DomainModel):
    class Meta:
        collection_name = "cities"

    name = attrs.string(required=True)
    country = attrs.relation(Country)
    population = attrs.integer(default=0)


app = Boiler("world")


class CityStore(Store):
    city = reference(City)
    country = reference(City.country)


@app.query
class CityView(ViewModel[CityStore]):
    class Meta:
        path = "cityViews/{city.doc_id}"
        read = access.public

    @attrs.computed
    def name(self) -> str:
        return self.store.city.name

    @attrs.computed
    def population(self) -> int:
        return self.store.city.population

    @attrs.computed
    def country(self) -> str | None:
        return self.store.country.name if self.store.country else None

    @attrs.computed
    def currency(self) -> str | None:
        return self.store.country.currency if self.store.country else None

    @attrs.computed
    def continent(self) -> str | None:
        return self.store.country.continent if self.store.country else None


@app.task("users/{user_id}/newCities/{request_id}", writes=[City])
class NewCity(ViewModel):
    """A form that founds a city. The city gets an id of its own, so a second effect would be a second city."""

    class Meta:
        write = access.owner("user_id")

    name = attrs.string(required=True)
    country_code = attrs.string(required=True)

    def propagate_change(self) -> None:
        country = Country.get(self.country_code)
        if country is None:
            raise Rejected(f"there is no country {self.country_code!r}")
        City.new(name=self.name, country=country).save()
