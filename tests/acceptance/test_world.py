"""Real cities with their countries: a view shows both, and a change of a country reaches every city there."""

import pytest

from boiler_functions.database import Filter, Query
from emulator import geonames
from functions import world
from functions.world import City, Country
from tests.acceptance.conftest import Sample, Start

CITIES = 60
FORM = "users/uid1/newCities/request1"


@pytest.fixture
def world_app(start: Start) -> Sample:
    sample = start(world.app)
    cities = geonames.cities(CITIES)
    paths = {"countries/PT", *(city.values["country"].path for city in cities)}
    countries = [country for country in geonames.countries() if country.path in paths]
    for _ in geonames.save_all(sample.stack.database, [*countries, *cities]):
        sample.stack.drain()
    return sample


def views(sample: Sample, country: str | None) -> set[str]:
    """The ids of the cities whose views show the country."""
    sample.stack.drain()
    query = Query("cityViews", filters=(Filter("country", "==", country),))
    return {each.id for each in sample.stack.database.query(query).documents}


def test_the_data_are_those_of_geonames() -> None:
    countries, cities = geonames.countries(), geonames.cities()
    assert (len(countries), len(cities)) == (252, 34_006)
    assert {city.values["country"].path for city in cities} <= {country.path for country in countries}


def test_a_city_is_shown_with_its_country(world_app: Sample) -> None:
    shanghai = next(iter(City.where(name="Shanghai")))
    assert world_app.fields(f"cityViews/{shanghai.doc_id}") == {
        "name": "Shanghai",
        "population": 24_874_500,
        "country": "China",
        "currency": "Yuan Renminbi",
        "continent": "Asia",
        "obj_type": "CityView",
        "doc_ref": f"cityViews/{shanghai.doc_id}",
    }


def test_every_city_of_a_renamed_country_follows_and_no_other(world_app: Sample) -> None:
    country = Country.get("IN")
    assert country is not None
    there = {city.doc_id for city in City.where(country=country)}
    assert views(world_app, "India") == there != set()
    country.name = "Bharat"
    country.save()
    assert views(world_app, "Bharat") == there
    assert views(world_app, "India") == set()


def test_a_city_of_a_country_that_is_deleted_shows_none(world_app: Sample) -> None:
    country = Country.get("IN")
    assert country is not None
    there = {city.doc_id for city in City.where(country=country)}
    country.delete()
    assert views(world_app, None) == there != set()


def test_a_form_founds_one_city_with_its_view(world_app: Sample) -> None:
    world_app.write(FORM, name="New Atlantis", countryCode="PT")
    world_app.stack.drain()
    (city,) = City.where(name="New Atlantis")
    view = world_app.fields(f"cityViews/{city.doc_id}")
    assert view is not None
    assert (view["name"], view["country"], view["continent"]) == ("New Atlantis", "Portugal", "Europe")


def test_a_form_that_names_no_country_is_rejected_with_the_reason(world_app: Sample) -> None:
    world_app.write(FORM, name="New Atlantis", countryCode="XX")
    form = world_app.fields(FORM)
    assert form is not None
    assert (form["outcome"]["status"], form["outcome"]["reason"]) == ("rejected", "there is no country 'XX'")
    assert list(City.where(name="New Atlantis")) == []
