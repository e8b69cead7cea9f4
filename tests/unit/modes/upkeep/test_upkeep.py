"""The scheduled function with which an app looks after itself."""

import logging
from typing import Any

import pytest

from boiler_functions import Boiler, DomainModel, Store, ViewModel, attrs, reference
from boiler_functions.database import Query, Reading
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.exceptions import InvalidRequest
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


def app_of(*, upkeep: bool = True, stored: bool = True, spot_checks: int = 1) -> Boiler:
    app = Boiler("towns", upkeep=upkeep, spot_checks=spot_checks)
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


def drift(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, str]]:
    records: list[Any] = [each for each in caplog.records if hasattr(each, "verdict")]
    return [(each.view, each.verdict, each.subject) for each in records]


def test_a_copy_that_somebody_has_changed_is_logged_and_left_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    app = app_of()
    with memory_app(app) as testing:
        testing.write("cities/TOK", {"name": "Tokyo"})
        testing.deliver()
        function = app.compiled.scheduled["upkeep"]
        with caplog.at_level(logging.WARNING):
            function.attempt(testing.database, testing.surroundings)
            assert drift(caplog) == []
            testing.write("cityView/TOK", {"name": "By hand"})
            report = function.attempt(testing.database, testing.surroundings)
        assert drift(caplog) == [("CityView", "wrong", "cities/TOK")]
        assert "By hand" not in caplog.text
        assert (report.outcomes, report.usage.writes, report.error) == ({}, 0, None)


def test_an_event_that_was_lost_is_seen_once_it_can_no_longer_be_late(caplog: pytest.LogCaptureFixture) -> None:
    clock = VirtualClock()
    app = app_of()
    with memory_app(app, Surroundings(clock.now, clock.sleep)) as testing, caplog.at_level(logging.WARNING):
        testing.write("cities/TOK", {"name": "Tokyo"})
        testing.deliver()
        testing.write("cities/TOK", {"name": "Edo"})
        testing.take()
        function = app.compiled.scheduled["upkeep"]
        function.attempt(testing.database, testing.surroundings)
        assert drift(caplog) == []
        clock.sleep(31 * 60)
        testing.write("others/clock", {})
        function.attempt(testing.database, testing.surroundings)
        assert drift(caplog) == [("CityView", "lost", "cities/TOK")]


def test_without_spot_checks_an_idle_run_reads_no_copy() -> None:
    usages = []
    for number in (0, 1):
        app = app_of(spot_checks=number)
        with memory_app(app) as testing:
            testing.write("cities/TOK", {"name": "Tokyo"})
            testing.deliver()
            usages.append(app.compiled.scheduled["upkeep"].attempt(testing.database, testing.surroundings).usage)
    without, with_one = usages
    # The ledger twice, its root, and the copy; and one for a query that began behind the ledger.
    assert with_one.reads - without.reads in (4, 5)
    assert with_one.writes == 0


def test_a_copy_that_cannot_be_compared_stops_no_other_work_and_leaves_no_letter(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class NoIndex(MemoryDatabase):
        def query(self, query: Query, *, at: int | None = None) -> Reading:
            if any(each.field == "plan" for each in query.orders) and query.start is not None:
                raise InvalidRequest("The index is missing.")
            return super().query(query, at=at)

    database = NoIndex()
    with caplog.at_level(logging.WARNING):
        report = app_of().compiled.scheduled["upkeep"].attempt(database)
    assert (report.outcomes, report.error) == ({}, None)
    assert "Copies of CityView cannot be compared" in caplog.text
