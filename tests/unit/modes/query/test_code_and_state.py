"""Nothing crosses from one invocation to the next, and old code does no harm beside new code."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from boiler_functions import Boiler, Store, ViewModel, attrs, reference
from boiler_functions.testing import assert_views_equal_rebuild, memory_app
from tests.unit.modes.cities import (
    QUERIES,
    City,
    Country,
    PlaceStore,
    PlaceView,
    TwinView,
    User,
    app_of,
)
from tests.unit.modes.query.scenes import changed, deleted, meeting, only, place, tokyo


def test_twenty_threads_build_twenty_views_without_mixing_them() -> None:
    with memory_app(app_of(PlaceView, TwinView)) as testing:
        for number in range(20):
            Country.new(doc_id=f"L{number}", name=f"Land{number}").save()
            City.new(doc_id=f"C{number}", name=f"City{number}", country=f"L{number}", twin=f"C{number}").save()
        deliveries = testing.take()
        with ThreadPoolExecutor(20) as threads:
            list(threads.map(testing.handle, deliveries * 3))
        testing.deliver()
        assert [place(testing, f"C{number}") for number in range(20)] == [f"City{n}, Land{n}" for n in range(20)]
        assert_views_equal_rebuild(testing)


def test_views_that_are_built_at_the_same_moment_do_not_see_each_others_documents() -> None:
    """Every getter is inside its build before the first of them follows its relation."""
    together = Barrier(20, timeout=30)

    class TogetherView(ViewModel[PlaceStore]):
        class Meta:
            path = "togetherViews/{city.doc_id}"

        @attrs.computed
        def country(self) -> str:
            together.wait()
            country = self.store.city.country
            return country.name if country else ""

    with memory_app(app_of(TogetherView)) as testing:
        for number in range(20):
            Country.new(doc_id=f"L{number}", name=f"Land{number}").save()
        testing.take()
        for number in range(20):
            City.new(doc_id=f"C{number}", name="City", country=f"L{number}").save()
        with ThreadPoolExecutor(20) as threads:
            reports = list(threads.map(testing.handle, testing.take()))
        assert [report.outcomes for report in reports] == [{"built": 1}] * 20
        stored = [(testing.fields(f"togetherViews/C{number}") or {})["country"] for number in range(20)]
        assert stored == [f"Land{number}" for number in range(20)]


@pytest.mark.parametrize("seed", range(5))
def test_events_without_images_rebuild_by_document_and_by_collection(seed: int) -> None:
    with memory_app(app_of(*QUERIES)) as testing:
        tokyo(testing, stored=False)
        meeting(testing, "ab")
        changed(City, "TOK", capital=True, population=2_000_000)
        changed(Country, "JP", name="Nippon")
        deleted(User, "a")
        testing.pending = [each.without_images() for each in testing.pending]
        testing.deliver(shuffle=seed)
        changed(City, "TOK", capital=False, population=1, country=None)
        deleted(Country, "JP")
        testing.pending = [each.without_images() for each in testing.pending]
        testing.deliver(shuffle=seed)
        assert_views_equal_rebuild(testing)
        assert (testing.fields("dashboards/capitals") or {})["names"] == []


class OldStore(Store):
    city = reference(City)


def versioned(version: int) -> Boiler:
    """The app as one version of the code deploys it: with a view of that schema_version."""
    app = Boiler("demo")

    class VersionedView(ViewModel[OldStore]):
        class Meta:
            path = "versionedViews/{city.doc_id}"
            schema_version = version

        @attrs.computed
        def by(self) -> str:
            return f"{self.store.city.name} by {version}"

    app.query(VersionedView)
    return app


def test_old_code_leaves_a_view_of_newer_code_alone_and_acknowledges_with_a_debt() -> None:
    with memory_app(versioned(2)) as testing:
        City.new(doc_id="TOK", name="Tokyo").save()
        testing.deliver()
        changed(City, "TOK", name="Edo")
        new = only(testing)
        old_function = versioned(1).compiled.functions[new.function.entry_point]
        report = old_function.handle(new.change, testing.database, testing.surroundings)
        assert report.outcomes == {"left to newer code": 1}
        assert (testing.fields("versionedViews/TOK") or {})["by"] == "Tokyo by 2"
        testing.upkeep()
        assert (testing.fields("versionedViews/TOK") or {})["by"] == "Edo by 2"
        assert_views_equal_rebuild(testing)


def test_new_code_takes_over_a_view_of_older_code() -> None:
    with memory_app(versioned(1)) as testing:
        City.new(doc_id="TOK", name="Tokyo").save()
        testing.deliver()
        changed(City, "TOK", name="Edo")
        event = only(testing)
        new_function = versioned(2).compiled.functions[event.function.entry_point]
        new_function.handle(event.change, testing.database, testing.surroundings)
        assert (testing.fields("versionedViews/TOK") or {})["by"] == "Edo by 2"
