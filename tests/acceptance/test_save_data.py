"""The ancestor's "Save data": models are saved, read and queried as its documentation shows."""

import pytest

from functions.city import City, Municipality, StandardCity
from tests.acceptance.conftest import Sample


@pytest.fixture(autouse=True)
def saved(city_app: Sample) -> None:
    StandardCity.new(
        doc_id="SF", city_name="San Francisco", city_state="CA", country="USA", capital=False,
        regions=["west_coast", "norcal"],
    ).save()  # fmt: skip
    StandardCity.new(
        doc_id="LA", city_name="Los Angeles", city_state="CA", country="USA", capital=False,
        regions=["west_coast", "socal"],
    ).save()  # fmt: skip
    Municipality.new(doc_id="DC", city_name="Washington D.C.", country="USA", capital=True).save()
    Municipality.new(doc_id="TOK", city_name="Tokyo", country="Japan", capital=True).save()
    Municipality.new(doc_id="BJ", city_name="Beijing", country="China", capital=True).save()


def ids(cities: object) -> set[str]:
    assert hasattr(cities, "__iter__")
    return {city.doc_id for city in cities}


def test_a_saved_city_is_the_document_that_is_documented(city_app: Sample) -> None:
    assert city_app.fields("City/LA") == {
        "cityName": "Los Angeles",
        "cityState": "CA",
        "country": "USA",
        "capital": False,
        "regions": ["west_coast", "socal"],
        "obj_type": "StandardCity",
        "doc_id": "LA",
        "doc_ref": "City/LA",
    }


def test_a_city_is_got_as_what_it_is() -> None:
    city = City.get("LA")
    assert isinstance(city, StandardCity)
    assert (city.city_name, city.city_state, city.regions) == ("Los Angeles", "CA", ["west_coast", "socal"])
    assert City.get("nowhere") is None


def test_where_finds_the_cities_of_a_state_through_an_attribute_of_a_subclass() -> None:
    assert ids(City.where(city_state="CA")) == {"SF", "LA"}


def test_where_finds_the_capitals_of_every_kind() -> None:
    assert ids(City.where(capital=True)) == ids(City.where(City.capital == True)) == {"DC", "TOK", "BJ"}  # noqa: E712


def test_where_of_a_subclass_finds_that_kind_alone() -> None:
    assert ids(Municipality.where(country="USA")) == {"DC"}
    assert ids(StandardCity.where(country="USA")) == {"SF", "LA"}
    assert ids(Municipality.all()) == {"DC", "TOK", "BJ"}
