"""Compiling: what an app deploys, and what it refuses by name."""

from typing import Any

import pytest

from boiler_functions import Boiler, DomainModel, Store, ViewModel, attrs, reference
from boiler_functions.compile.compiler import Compiled
from boiler_functions.database.metered import Usage
from boiler_functions.exceptions import DeclarationError
from boiler_functions.manifest import EventTrigger, HttpTrigger, QueueTrigger, snake_case
from boiler_functions.modes.bookkeeping import BOOKKEEPING
from boiler_functions.modes.query.continuation import CONTINUATIONS
from boiler_functions.modes.rest.declaration import API
from boiler_functions.modes.run import Report
from tests.unit.modes.cities import City, CityStore, CityView, Country, MeetingView, PlaceView, app_of


def view_at(path: str, store: type[Store] = CityStore, name: str = "SomeView") -> type[ViewModel[Any]]:
    """A view of a city, stored at the path."""

    def title(self: Any) -> str:
        return str(self.store.city.name)

    meta = type("Meta", (), {"path": path})
    body = {"Meta": meta, "title": attrs.computed(title), "store_class": store, "__module__": __name__}
    view: type[ViewModel[Any]] = type(name, (ViewModel,), body)
    return view


def model_in(collection: str) -> type[DomainModel]:
    meta = type("Meta", (), {"collection_name": collection})
    model: type[DomainModel] = type("Thing", (DomainModel,), {"Meta": meta, "name": attrs.string()})
    return model


def store_of(model: type[DomainModel]) -> type[Store]:
    store: type[Store] = type("ThingStore", (Store,), {"city": reference(model)})
    return store


def task(app: Boiler, path: str, *writes: type[DomainModel], name: str = "SomeForm") -> None:
    def propagate_change(self: Any) -> None:
        """Does nothing."""

    app.task(path, writes=writes)(type(name, (ViewModel,), {"propagate_change": propagate_change}))


def compiled(app: Boiler) -> Compiled:
    return app.compiled


# What is deployed


def test_a_view_has_a_function_for_each_collection_that_its_store_can_reach() -> None:
    functions = compiled(app_of(MeetingView)).functions
    assert {name: function.source.text for name, function in functions.items()} == {
        "meeting_view_on_meetings": "meetings/{doc_id}",
        "meeting_view_on_tickets": "tickets/{doc_id}",
        "meeting_view_on_users": "users/{doc_id}",
    }


def test_two_references_to_one_collection_share_a_function() -> None:
    class TwinsStore(Store):
        city = reference(City)
        twin = reference(City.twin)

    assert list(compiled(app_of(view_at("x/{city.doc_id}", TwinsStore))).functions) == ["some_view_on_cities"]


def test_grouped_by_source_one_function_serves_every_view() -> None:
    app = Boiler("demo", group_by="source")
    for view in (CityView, PlaceView):
        app.query(view)
    functions = compiled(app).functions
    assert {name: function.views for name, function in functions.items()} == {
        "on_cities": (CityView, PlaceView),
        "on_countries": (PlaceView,),
    }


def test_the_manifest_names_triggers_with_retry_and_the_apps_name_before_each_function() -> None:
    records = {each.entry_point: each for each in app_of(CityView).manifest.functions}
    function = records["city_view_on_cities"]
    assert function.name == "demo-city-view-on-cities"
    assert function.trigger == EventTrigger("cities/{doc_id}", retry=True)
    assert records[CONTINUATIONS].trigger == QueueTrigger()


def test_all_rules_share_one_public_function() -> None:
    app = Boiler("demo")
    app.rest("/cities")(CityView)
    app.rest("/places")(PlaceView)
    (record,) = app.manifest.functions
    assert (record.entry_point, record.trigger, record.views) == (
        API,
        HttpTrigger(("public",)),
        ("CityView", "PlaceView"),
    )


def test_a_task_has_one_function_on_its_path() -> None:
    app = Boiler("demo")
    task(app, "users/{user_id}/forms/{form_id}", City)
    (function,) = compiled(app).functions.values()
    assert (function.entry_point, function.source.text) == ("some_form_task", "users/{user_id}/forms/{form_id}")
    assert app.manifest.functions[0].trigger == EventTrigger("users/{user_id}/forms/{form_id}")


def test_a_model_of_a_sub_collection_is_triggered_by_its_whole_path() -> None:
    app = app_of(view_at("y/{city.user_id}/z/{city.doc_id}", store_of(model_in("users/{user_id}/things"))))
    assert [each.source.text for each in compiled(app).functions.values()] == ["users/{user_id}/things/{doc_id}"]
    assert list(compiled(app).functions) == ["some_view_on_users_things"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("MeetingSession", "meeting_session"), ("HTTPView", "http_view"), ("City2View", "city2_view")],
)
def test_entry_points_are_spelled_in_snake_case(name: str, expected: str) -> None:
    assert snake_case(name) == expected


def test_a_name_that_is_too_long_is_shortened_and_stays_unique() -> None:
    names = {app_of(view_at("a/{city.doc_id}", name="V" + "a" * 80 + last)).manifest.functions[0].name for last in "xy"}
    assert len(names) == 2
    assert {len(name) for name in names} == {63}


def test_a_report_reads_as_one_line() -> None:
    report = Report("city_view_on_cities", "e1", "cities/TOK", {"built": 1}, Usage(2, 2, 2), 1, 3.2)
    assert str(report) == "city_view_on_cities ← cities/TOK: 1 built; 2 reads, 2 writes, 2 RPCs; 3 ms"


# S16: what is refused


def refused(app: Boiler) -> str:
    with pytest.raises(DeclarationError) as raised:
        compiled(app)
    return str(raised.value)


def test_an_app_that_declares_nothing_is_refused() -> None:
    assert "declares nothing" in refused(Boiler("demo"))


def test_a_view_that_is_stored_where_it_is_triggered_is_refused() -> None:
    message = refused(app_of(view_at("cities/{city.doc_id}")))
    assert "SomeView would trigger itself for ever: some_view_on_cities (on cities/{doc_id})" in message


def test_a_view_that_is_stored_in_a_collection_of_another_reference_is_refused() -> None:
    class MainStore(Store):
        country = reference(Country)
        main = reference(City, doc_id="main")

    view = view_at("cities/{country.doc_id}", MainStore)
    assert "would trigger itself" in refused(app_of(view))


def test_a_sub_collection_of_the_source_does_not_trigger_it() -> None:
    assert compiled(app_of(view_at("cities/{city.doc_id}/views/main"))).functions


def test_two_views_that_feed_each_other_are_refused_with_the_whole_cycle() -> None:
    one = view_at("ones/{city.doc_id}", store_of(model_in("twos")), "One")
    two = view_at("twos/{city.doc_id}", store_of(model_in("ones")), "Two")
    message = refused(app_of(one, two))
    assert "one_on_twos (on twos/{doc_id}) → two_on_ones (on ones/{doc_id}) → one_on_twos" in message


def test_a_view_over_a_view_is_not_a_cycle() -> None:
    one = view_at("ones/{city.doc_id}", name="One")
    two = view_at("twos/{city.doc_id}", store_of(model_in("ones")), "Two")
    assert len(compiled(app_of(one, two)).functions) == 2


def test_a_task_that_writes_into_its_own_path_is_refused() -> None:
    app = Boiler("demo")
    task(app, "things/{thing_id}", model_in("things"))
    assert "SomeForm would trigger itself" in refused(app)


def test_two_tasks_that_write_each_others_forms_are_refused() -> None:
    app = Boiler("demo")
    task(app, "ones/{id}", model_in("twos"), name="One")
    task(app, "twos/{id}", model_in("ones"), name="Two")
    assert "one_task (on ones/{id}) → two_task (on twos/{id}) → one_task" in refused(app)


def test_a_cycle_of_a_view_and_a_task_is_refused() -> None:
    app = app_of(view_at("cityForms/{city.doc_id}"))
    task(app, "cityForms/{city_id}", City)
    message = refused(app)
    assert "some_view_on_cities" in message
    assert "some_form_task (on cityForms/{city_id})" in message


def test_a_cycle_that_starts_behind_another_function_is_found() -> None:
    app = Boiler("demo")
    task(app, "zeros/{id}", model_in("ones"), name="Zero")
    task(app, "ones/{id}", model_in("twos"), name="One")
    task(app, "twos/{id}", model_in("ones"), name="Two")
    assert "One would trigger itself" in refused(app)


@pytest.mark.parametrize("collection", BOOKKEEPING)
def test_a_trigger_on_the_bookkeeping_is_refused(collection: str) -> None:
    view = view_at("x/{city.doc_id}", store_of(model_in(collection)))
    assert f"which matches '{collection}'" in refused(app_of(view))


@pytest.mark.parametrize("collection", BOOKKEEPING)
def test_a_task_whose_forms_are_the_bookkeeping_is_refused(collection: str) -> None:
    app = Boiler("demo")
    task(app, f"{collection}/{{id}}", City)
    assert "the bookkeeping of this package" in refused(app)


@pytest.mark.parametrize("collection", BOOKKEEPING)
def test_a_view_that_is_stored_among_the_bookkeeping_is_refused(collection: str) -> None:
    assert collection in refused(app_of(view_at(f"{collection}/{{city.doc_id}}")))


@pytest.mark.parametrize("collection", BOOKKEEPING)
def test_a_task_that_writes_into_the_bookkeeping_is_refused(collection: str) -> None:
    app = Boiler("demo")
    task(app, "forms/{id}", model_in(collection))
    assert collection in refused(app)


def test_two_views_that_could_write_one_document_are_refused() -> None:
    message = refused(app_of(CityView, view_at("cityViews/{city.doc_id}")))
    assert "SomeView is stored at" in message
    assert "CityView at 'cityViews/{city.doc_id}'" in message


def test_a_fixed_path_inside_the_collection_of_another_view_is_refused() -> None:
    class FixedStore(Store):
        main = reference(City, doc_id="main")

    class FixedView(ViewModel[FixedStore]):
        class Meta:
            path = "cityViews/fixed"

        @attrs.computed
        def title(self) -> str:
            return self.store.main.name if self.store.main else ""

    assert "one document could be both" in refused(app_of(CityView, FixedView))


def test_two_views_of_one_name_are_refused_as_their_ledgers_would_mix() -> None:
    message = refused(app_of(view_at("a/{city.doc_id}"), view_at("b/{city.doc_id}")))
    assert "Two views are called SomeView" in message


def test_two_tasks_whose_names_are_equal_to_cloud_run_are_refused() -> None:
    app = Boiler("demo")
    task(app, "ones/{id}", City, name="TownForm")
    task(app, "twos/{id}", City, name="Town_Form")
    message = refused(app)
    assert "would both be the Cloud Run service 'demo-town-form-task'" in message
    assert "rename one of TownForm, Town_Form" in message


def test_two_collections_whose_names_are_equal_to_cloud_run_are_refused() -> None:
    class AlikeStore(Store):
        city = reference(model_in("userCities"))
        other = reference(model_in("user_cities"), doc_id="main")

    assert "'demo-some-view-on-user-cities'" in refused(app_of(view_at("a/{city.doc_id}", AlikeStore)))
