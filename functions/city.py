"""City: a view of each city, and a form that creates one."""

from boiler_functions import Boiler, DomainModel, Store, ViewModel, access, attrs, reference


class City(DomainModel):
    class Meta:
        collection_name = "City"

    city_name = attrs.string(required=True)
    country = attrs.string(required=True)
    capital = attrs.boolean()


class Municipality(City):
    """A city that is its own administrative division."""


class StandardCity(City):
    city_state = attrs.string()
    regions = attrs.list(str)


app = Boiler("city")


class CityStore(Store):
    city = reference(City)


@app.query
class CityView(ViewModel[CityStore]):
    class Meta:
        path = "cityView/{city.doc_id}"
        read = access.public

    @attrs.computed
    def name(self) -> str:
        return self.store.city.city_name

    @attrs.computed
    def country(self) -> str:
        return self.store.city.country


@app.task("users/{user_id}/cityForms/{city_id}", writes=[City])
class CityForm(ViewModel):
    class Meta:
        write = access.owner("user_id")

    name = attrs.string(required=True)
    country = attrs.string(required=True)

    def propagate_change(self) -> None:
        City.new(doc_id=self.params["city_id"], city_name=self.name, country=self.country).save()
