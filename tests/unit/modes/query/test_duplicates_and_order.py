"""Events that come twice, in any order, or whose commits fail leave a view as it should be."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from boiler_functions.exceptions import Conflict, Unavailable, UnknownOutcome
from boiler_functions.modes.query.rebuild import MAX_ATTEMPTS
from boiler_functions.testing import Delivery, assert_views_equal_rebuild, memory_app
from tests.unit.modes.cities import (
    City,
    CityView,
    Country,
    CountryView,
    PlaceView,
    app_of,
)
from tests.unit.modes.hooked import Hooked, raises
from tests.unit.modes.query.scenes import Writes, changed, deleted, only, place, tokyo


def test_an_event_delivered_five_times_has_one_effect_and_its_repeats_write_nothing() -> None:
    with memory_app(app_of(PlaceView)) as testing:
        tokyo(testing)
        changed(Country, "JP", name="Nippon")
        first, *repeats = testing.deliver(duplicates=4)
        assert first.outcomes == {"built": 1}
        assert [(each.outcomes, each.usage.writes) for each in repeats] == [({"covered": 1}, 0)] * 4


def test_a_deletion_delivered_again_writes_nothing() -> None:
    with memory_app(app_of(PlaceView)) as testing:
        tokyo(testing)
        deleted(Country, "JP")
        _, repeat = testing.deliver(duplicates=1)
        assert repeat.outcomes == {"covered": 1}
        deleted(City, "TOK")
        _, repeat = testing.deliver(duplicates=1)
        assert (repeat.usage.rpcs, repeat.usage.writes) == (1, 0)


def test_a_deletion_that_arrives_after_the_return_of_its_document_writes_nothing() -> None:
    with memory_app(app_of(PlaceView)) as testing:
        tokyo(testing)
        deleted(Country, "JP")
        gone = only(testing)
        Country.new(doc_id="JP", name="Nippon").save()
        testing.handle(only(testing))
        late = testing.handle(gone)
        assert (late.outcomes, late.usage.writes) == ({"covered": 1}, 0)


def test_an_event_without_images_is_covered_by_nothing() -> None:
    with memory_app(app_of(PlaceView)) as testing:
        tokyo(testing)
        changed(Country, "JP", name="Nippon")
        bare = only(testing).without_images()
        assert testing.handle(bare).outcomes == {"built": 1}
        assert testing.handle(bare).outcomes == {"unchanged": 1}


@pytest.mark.parametrize("copies", [2, 8, 32])
def test_copies_at_one_instant_are_all_acknowledged_and_one_of_them_writes_the_view(copies: int) -> None:
    with memory_app(app_of(PlaceView)) as testing:
        tokyo(testing)
        changed(Country, "JP", name="Nippon")
        delivery = only(testing)
        barrier = Barrier(copies)

        def handle(_: int) -> dict[str, int]:
            barrier.wait()
            return dict(testing.handle(delivery).outcomes)

        with ThreadPoolExecutor(copies) as threads:
            outcomes = list(threads.map(handle, range(copies)))
        assert outcomes.count({"built": 1}) == 1
        assert outcomes.count({"covered": 1}) == copies - 1
        assert_views_equal_rebuild(testing)


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("nth", [1, 2])
def test_a_commit_whose_answer_is_lost_is_resolved_by_reading_the_ledger(moment: Any, nth: int) -> None:
    with memory_app(app_of(PlaceView)) as testing:
        tokyo(testing, stored=False)
        created = testing.take()[-1]
        hooked = Hooked(testing.database)
        getattr(hooked, moment)("commit", nth, raises(UnknownOutcome("the connection was lost")))
        testing.handle(created, hooked)
        assert_views_equal_rebuild(testing)


def test_a_conflict_starts_again_at_the_look_up_until_it_goes_well() -> None:
    with memory_app(app_of(CityView)) as testing:
        City.new(doc_id="TOK", name="Tokyo").save()
        testing.deliver()
        changed(City, "TOK", name="Edo")
        hooked = Hooked(testing.database)
        for nth in range(1, MAX_ATTEMPTS):
            hooked.before("commit", nth, raises(Conflict("contended")))
        report = testing.handle(only(testing), hooked)
        assert report.attempts == MAX_ATTEMPTS
        assert hooked.calls["read"] == MAX_ATTEMPTS
        assert_views_equal_rebuild(testing)


def test_a_view_that_conflicts_too_often_is_not_acknowledged_and_a_redelivery_builds_it() -> None:
    with memory_app(app_of(CityView)) as testing:
        City.new(doc_id="TOK", name="Tokyo").save()
        delivery = only(testing)
        hooked = Hooked(testing.database)
        for nth in range(1, MAX_ATTEMPTS + 1):
            hooked.before("commit", nth, raises(Conflict("contended")))
        with pytest.raises(Conflict, match="contended"):
            testing.handle(delivery, hooked)
        testing.handle(delivery, hooked)
        assert_views_equal_rebuild(testing)


@pytest.mark.parametrize("kind", ["read", "query", "commit"])
def test_an_unreachable_database_is_not_acknowledged_and_a_redelivery_converges(kind: Any) -> None:
    with memory_app(app_of(PlaceView)) as testing:
        tokyo(testing)
        changed(Country, "JP", name="Nippon")
        testing.through = Hooked(testing.database).before(kind, 1, raises(Unavailable("it is down")))
        testing.deliver()
        assert place(testing) == "Tokyo, Nippon"


def test_a_page_that_meets_a_conflict_is_built_view_by_view() -> None:
    with memory_app(app_of(PlaceView)) as testing:
        tokyo(testing)
        City.new(doc_id="KYO", name="Kyoto", country="JP").save()
        testing.deliver()
        changed(Country, "JP", name="Nippon")
        hooked = Hooked(testing.database).before("commit", 1, raises(Conflict("one of them")))
        assert testing.handle(only(testing), hooked).outcomes == {"built": 2}
        assert hooked.calls["commit"] == 3
        assert_views_equal_rebuild(testing)


@pytest.mark.parametrize("order", list(itertools.permutations(range(5))))
def test_five_updates_converge_in_every_order(order: tuple[int, ...]) -> None:
    with memory_app(app_of(PlaceView)) as testing:
        tokyo(testing)
        changed(City, "TOK", name="Edo")
        changed(Country, "JP", name="Nippon")
        changed(City, "TOK", country=None)
        changed(Country, "JP", name="Japan")
        changed(City, "TOK", name="Tokio", country="JP")
        deliveries = testing.take()
        for position in order:
            testing.handle(deliveries[position])
        assert place(testing) == "Tokio, Japan"
        assert_views_equal_rebuild(testing)


@pytest.mark.parametrize("order", list(itertools.permutations(range(5))))
def test_five_updates_that_are_delivered_as_they_happen_late_by_any_order_converge(order: tuple[int, ...]) -> None:
    """After each write one event is delivered: the first in the order that has happened already."""
    with memory_app(app_of(PlaceView, CountryView)) as testing:
        writes: Writes = (
            lambda: Country.new(doc_id="JP", name="Japan").save(),
            lambda: City.new(doc_id="TOK", name="Tokyo", country="JP").save(),
            lambda: deleted(Country, "JP"),
            lambda: changed(City, "TOK", name="Edo"),
            lambda: Country.new(doc_id="JP", name="Nippon").save(),
        )
        waiting: list[tuple[int, Delivery]] = []
        for rank, write in zip(order, writes, strict=True):
            write()
            waiting += [(rank, each) for each in testing.take()]
            waiting.sort(key=lambda each: each[0])
            testing.handle(waiting.pop(0)[1])
        for _, delivery in waiting:
            testing.handle(delivery)
        assert place(testing) == "Edo, Nippon"
        assert_views_equal_rebuild(testing)


def test_a_deletion_that_arrives_before_its_creation_leaves_no_ghost() -> None:
    with memory_app(app_of(PlaceView)) as testing:
        tokyo(testing, stored=False)
        deleted(City, "TOK")
        created, removed = testing.take()[1:]
        testing.handle(removed)
        testing.handle(created)
        assert testing.fields("placeViews/TOK") is None
        assert_views_equal_rebuild(testing)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_root_that_was_deleted_and_created_anew_has_its_view_in_every_order(order: tuple[int, ...]) -> None:
    with memory_app(app_of(PlaceView)) as testing:
        City.new(doc_id="TOK", name="Tokyo").save()
        deleted(City, "TOK")
        City.new(doc_id="TOK", name="Edo").save()
        deliveries = testing.take()
        for position in order:
            testing.handle(deliveries[position])
        assert place(testing) == "Edo"
        assert_views_equal_rebuild(testing)
