"""The scheduled function with which an app looks after itself."""

from boiler_functions import Boiler, DomainModel, Store, ViewModel, attrs, reference
from boiler_functions.database import Query, Reading
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.manifest import ScheduleTrigger
from boiler_functions.modes.invocation import Surroundings
from boiler_functions.testing import VirtualClock, memory_app


class City(DomainModel):
    class Meta:
        collection_name = "cities"

    name = attrs.string(required=True)


class CityStore(Store):
    city = reference(City)


class CityView(ViewModel[CityStore]):
    class Meta:
        path = "cityView/{city.doc_id}"

    @attrs.computed
    def name(self) -> str:
        return self.store.city.name


def app_of(*, upkeep: bool = True, stored: bool = True) -> Boiler:
    app = Boiler("towns", upkeep=upkeep)
    app.rest("/cities")(CityView)
    if stored:
        app.query(CityView)
    return app


def test_an_app_that_stores_views_has_one_scheduled_function_that_nobody_else_may_call() -> None:
    (record,) = app_of().manifest.schedules
    assert (record.name, record.entry_point, record.views) == ("towns-upkeep", "upkeep", ("CityView",))
    assert record.trigger == ScheduleTrigger("* * * * *", ("private",))
    assert "cloudscheduler.googleapis.com" in app_of().manifest.apis


def test_an_app_without_stored_views_or_with_upkeep_off_has_none() -> None:
    for app in (app_of(stored=False), app_of(upkeep=False)):
        assert app.manifest.schedules == ()
        assert "cloudscheduler.googleapis.com" not in app.manifest.apis
        assert app.compiled.scheduled == {}


def test_it_builds_a_view_once_its_debt_is_due_and_then_has_nothing_to_do() -> None:
    clock = VirtualClock()
    app = app_of()
    with memory_app(app, Surroundings(clock.now, clock.sleep)) as testing:
        testing.write("cities/TOK", {})
        testing.deliver()
        assert testing.fields("cityView/TOK") is None
        # Repaired by somebody whose event is lost.
        testing.write("cities/TOK", {"name": "Tokyo"})
        testing.take()
        function = app.compiled.scheduled["upkeep"]
        assert function.attempt(testing.database, testing.surroundings).outcomes == {}
        clock.sleep(3600)
        report = function.attempt(testing.database, testing.surroundings)
        assert (report.outcomes, report.error, report.views) == ({"built": 1}, None, ("CityView",))
        copy = testing.fields("cityView/TOK")
        assert copy
        assert copy["name"] == "Tokyo"
        again = function.attempt(testing.database, testing.surroundings)
        assert (again.outcomes, again.usage.writes) == ({}, 0)


def test_an_unreachable_database_is_in_the_report_and_the_next_run_does_the_work() -> None:
    class Down(MemoryDatabase):
        def query(self, query: Query, *, at: int | None = None) -> Reading:
            raise ConnectionError("down")

    report = app_of().compiled.scheduled["upkeep"].attempt(Down())
    assert isinstance(report.error, ConnectionError)
