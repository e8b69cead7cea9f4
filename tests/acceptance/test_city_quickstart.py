"""The ancestor's "City quickstart": a city makes its view, a form makes a city and so the view."""

from functions.city import Municipality
from tests.acceptance.conftest import Sample

FORM = "users/uid1/cityForms/LA"


def test_a_saved_city_gets_its_view(city_app: Sample) -> None:
    Municipality.new(doc_id="TOK", city_name="Tokyo", country="Japan", capital=True).save()
    assert city_app.fields("cityView/TOK") == {
        "name": "Tokyo",
        "country": "Japan",
        "doc_ref": "cityView/TOK",
        "obj_type": "CityView",
    }


def test_a_form_makes_the_city_and_the_city_its_view(city_app: Sample) -> None:
    city_app.write(FORM, name="Los Angeles", country="USA")
    assert city_app.fields("City/LA") == {
        "cityName": "Los Angeles",
        "country": "USA",
        "doc_id": "LA",
        "doc_ref": "City/LA",
        "obj_type": "City",
    }
    assert city_app.fields("cityView/LA") == {
        "name": "Los Angeles",
        "country": "USA",
        "doc_ref": "cityView/LA",
        "obj_type": "CityView",
    }


def test_the_form_is_stamped_done_and_takes_effect_once(city_app: Sample) -> None:
    city_app.write(FORM, name="Los Angeles", country="USA")
    form = city_app.fields(FORM)
    assert form is not None
    assert (form["name"], form["country"], form["outcome"]["status"]) == ("Los Angeles", "USA", "done")
    # The second event tells of the stamp.
    assert city_app.outcomes("city_form_task") == {"done": 1, "ignored": 1}


def test_a_form_that_does_not_fit_is_rejected_with_the_field_and_makes_nothing(city_app: Sample) -> None:
    city_app.write(FORM, name="Los Angeles")
    form = city_app.fields(FORM)
    assert form is not None
    assert form["outcome"]["status"] == "rejected"
    assert form["outcome"]["errors"] == {"country": ["Missing data for required field."]}
    assert city_app.fields("City/LA") is None
    assert city_app.fields("cityView/LA") is None


def test_a_deleted_city_takes_its_view_along(city_app: Sample) -> None:
    city = Municipality.new(doc_id="TOK", city_name="Tokyo", country="Japan")
    city.save()
    assert city_app.fields("cityView/TOK") is not None
    city.delete()
    assert city_app.fields("cityView/TOK") is None


def test_a_city_gets_its_view_whatever_the_script_of_its_id(city_app: Sample) -> None:
    Municipality.new(doc_id="Zürich-東京", city_name="Zürich", country="Schweiz").save()
    view = city_app.fields("cityView/Zürich-東京")
    assert view is not None
    assert (view["name"], view["doc_ref"]) == ("Zürich", "cityView/Zürich-東京")
