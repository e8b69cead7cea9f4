"""Query mode: every stored view equals a fresh build once its events are drained, whatever happens on the way."""

import itertools
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from boiler_functions import Boiler, DomainModel, Store, ViewModel, attrs, reference, references, referrers
from boiler_functions.database import Delete, Put
from boiler_functions.database.metered import Metered, Usage
from boiler_functions.exceptions import Conflict, Unavailable, UnknownOutcome
from boiler_functions.modes.invocation import Invocation
from boiler_functions.modes.ledger import COLLECTION, ledger_path
from boiler_functions.modes.query import rebuild as query_mode
from boiler_functions.modes.query.rebuild import MAX_ATTEMPTS, PAGE, Rebuild
from boiler_functions.testing import Delivery, MemoryApp, assert_views_equal_rebuild, memory_app
from boiler_functions.types import Reference
from boiler_functions.views.build import Instance
from tests.unit.modes.cities import (
    QUERIES,
    CapitalsView,
    City,
    CityStore,
    CityView,
    Country,
    CountryView,
    LargeView,
    Meeting,
    MeetingStore,
    MeetingView,
    PlaceStore,
    PlaceView,
    Ticket,
    TwinView,
    User,
    app_of,
    put,
)
from tests.unit.modes.hooked import Hooked, raises

Writes = tuple[Callable[[], object], ...]


def saved(model: Any) -> Any:
    model.save()
    return model


def changed(model: type[DomainModel], doc_id: str, **values: object) -> None:
    stored = model.get(doc_id)
    assert stored is not None
    for name, value in values.items():
        setattr(stored, name, value)
    stored.save()


def deleted(model: type[DomainModel], doc_id: str) -> None:
    stored = model.get(doc_id)
    assert stored is not None
    stored.delete()


def tokyo(testing: MemoryApp, *, stored: bool = True) -> None:
    """Tokyo in Japan, its views stored unless told otherwise."""
    Country.new(doc_id="JP", name="Japan").save()
    City.new(doc_id="TOK", name="Tokyo", country="JP").save()
    if stored:
        testing.deliver()


def place(testing: MemoryApp, city: str = "TOK") -> object:
    return (testing.fields(f"placeViews/{city}") or {}).get("place")


def only(testing: MemoryApp) -> Delivery:
    """The one pending event, taken."""
    (delivery,) = testing.take()
    return delivery


def ledger_of(testing: MemoryApp, view: type[ViewModel[Any]], root: str) -> dict[str, Any]:
    return dict(testing.fields(ledger_path(f"demo/{view.__name__}", Instance(view, root))) or {})


def rebuild(testing: MemoryApp, view: type[ViewModel[Any]], root: str, *, force: bool) -> Invocation:
    invocation = Invocation("demo", "by_hand", Metered(testing.database), testing.surroundings)
    Rebuild(invocation, (view,), force=force).rebuild([Instance(view, root)])
    return invocation


# Shapes of views


def test_a_view_is_stored_for_a_created_root_follows_its_changes_and_goes_with_it() -> None:
    with memory_app(app_of(CityView)) as testing:
        City.new(doc_id="TOK", name="Tokyo").save()
        testing.deliver()
        assert testing.fields("cityViews/TOK") == {"title": "TOKYO", "obj_type": "CityView", "doc_ref": "cityViews/TOK"}
        changed(City, "TOK", name="Edo")
        testing.deliver()
        assert (testing.fields("cityViews/TOK") or {})["title"] == "EDO"
        deleted(City, "TOK")
        testing.deliver()
        assert testing.documents() == {}


def test_a_change_of_a_document_that_a_relation_names_rebuilds_the_view() -> None:
    with memory_app(app_of(PlaceView)) as testing:
        tokyo(testing)
        changed(Country, "JP", name="Nippon")
        testing.deliver()
        assert place(testing) == "Tokyo, Nippon"


def test_a_named_document_that_did_not_exist_wakes_the_view_when_it_appears() -> None:
    with memory_app(app_of(PlaceView)) as testing:
        City.new(doc_id="TOK", name="Tokyo", country="JP").save()
        testing.deliver()
        assert place(testing) == "Tokyo"
        Country.new(doc_id="JP", name="Japan").save()
        testing.deliver()
        assert place(testing) == "Tokyo, Japan"


def test_a_deleted_dependency_leaves_the_view_without_it_and_its_return_restores_it() -> None:
    with memory_app(app_of(PlaceView)) as testing:
        tokyo(testing)
        deleted(Country, "JP")
        testing.deliver()
        assert place(testing) == "Tokyo"
        Country.new(doc_id="JP", name="Japan").save()
        testing.deliver()
        assert place(testing) == "Tokyo, Japan"


def test_a_view_no_longer_follows_a_document_that_its_relation_left() -> None:
    with memory_app(app_of(PlaceView)) as testing:
        tokyo(testing)
        changed(City, "TOK", country=None)
        testing.deliver()
        changed(Country, "JP", name="Nippon")
        (report,) = testing.deliver()
        assert report.outcomes == {}
        assert place(testing) == "Tokyo"


def test_a_view_has_every_document_that_refers_to_its_root() -> None:
    with memory_app(app_of(CountryView)) as testing:
        tokyo(testing)
        City.new(doc_id="KYO", name="Kyoto", country="JP").save()
        testing.deliver()
        assert (testing.fields("countryViews/JP") or {})["cities"] == ["Kyoto", "Tokyo"]


def test_a_document_that_leaves_a_predicate_is_told_by_its_before_image() -> None:
    with memory_app(app_of(CountryView, CapitalsView)) as testing:
        tokyo(testing)
        changed(City, "TOK", capital=True)
        testing.deliver()
        changed(City, "TOK", capital=False, country=None)
        testing.deliver()
        assert (testing.fields("countryViews/JP") or {})["cities"] == []
        assert (testing.fields("dashboards/capitals") or {})["names"] == []


def test_a_deleted_document_leaves_the_predicate_that_found_it() -> None:
    with memory_app(app_of(CountryView)) as testing:
        tokyo(testing)
        deleted(City, "TOK")
        testing.deliver()
        assert (testing.fields("countryViews/JP") or {})["cities"] == []


def test_a_document_that_moves_between_two_roots_changes_both_views() -> None:
    with memory_app(app_of(CountryView)) as testing:
        tokyo(testing)
        Country.new(doc_id="KR", name="Korea").save()
        changed(City, "TOK", country="KR")
        testing.deliver()
        assert (testing.fields("countryViews/JP") or {})["cities"] == []
        assert (testing.fields("countryViews/KR") or {})["cities"] == ["Tokyo"]


def test_a_range_with_order_and_limit_keeps_the_first_in_its_order() -> None:
    with memory_app(app_of(LargeView)) as testing:
        for name, population in (("A", 2_000_000), ("B", 3_000_000), ("C", 4_000_000), ("D", 10)):
            City.new(doc_id=name, name=name, population=population).save()
        testing.deliver()
        assert (testing.fields("dashboards/large") or {})["names"] == ["C", "B"]
        changed(City, "C", population=1)
        testing.deliver()
        assert (testing.fields("dashboards/large") or {})["names"] == ["B", "A"]
        changed(City, "D", population=9_000_000)
        testing.deliver()
        assert (testing.fields("dashboards/large") or {})["names"] == ["D", "B"]


def test_a_view_without_a_root_follows_its_predicate() -> None:
    with memory_app(app_of(CapitalsView)) as testing:
        City.new(doc_id="TOK", name="Tokyo", capital=True).save()
        testing.deliver()
        City.new(doc_id="ROM", name="Rome", capital=True).save()
        testing.deliver()
        assert (testing.fields("dashboards/capitals") or {})["names"] == ["Rome", "Tokyo"]


def test_an_event_outside_the_predicate_of_a_view_without_a_root_costs_nothing() -> None:
    with memory_app(app_of(CapitalsView)) as testing:
        City.new(doc_id="TOK", name="Tokyo", capital=True).save()
        testing.deliver()
        City.new(doc_id="KYO", name="Kyoto").save()
        (report,) = testing.deliver()
        assert report.usage == Usage()


def test_a_relation_of_a_model_to_itself_wakes_the_view_of_the_other_document_too() -> None:
    with memory_app(app_of(TwinView)) as testing:
        City.new(doc_id="A", name="Ann", twin="B").save()
        City.new(doc_id="B", name="Bob", twin="B").save()
        testing.deliver()
        changed(City, "B", name="Bill")
        testing.deliver()
        assert [(testing.fields(f"twinViews/{each}") or {})["twin"] for each in "AB"] == ["Bill", "Bill"]
        assert_views_equal_rebuild(testing)


def meeting(testing: MemoryApp, users: str = "ab") -> None:
    for user in "abc":
        User.new(doc_id=user, name=user.upper()).save()
        Ticket.new(doc_id=f"t{user}", user=user).save()
    Meeting.new(doc_id="m", title="Monday", tickets=[f"t{user}" for user in users]).save()
    testing.deliver()


def test_each_user_has_a_copy_and_copies_follow_the_users() -> None:
    with memory_app(app_of(MeetingView)) as testing:
        meeting(testing, "ab")
        changed(Meeting, "m", tickets=["tb", "tc"])
        testing.deliver()
        copies = [path for path in testing.documents() if "meetingViews" in path]
        assert sorted(copies) == ["users/b/meetingViews/m", "users/c/meetingViews/m"]
        assert (testing.fields("users/c/meetingViews/m") or {})["attending"] == ["B", "C"]
        assert_views_equal_rebuild(testing)


def test_a_copy_goes_with_its_user_and_comes_back_with_the_same_content() -> None:
    with memory_app(app_of(MeetingView)) as testing:
        meeting(testing, "ab")
        deleted(User, "b")
        testing.deliver()
        assert testing.fields("users/b/meetingViews/m") is None
        User.new(doc_id="b", name="B").save()
        testing.deliver()
        assert (testing.fields("users/b/meetingViews/m") or {})["attending"] == ["A", "B"]
        assert_views_equal_rebuild(testing)


def test_a_copy_for_a_new_user_is_written_when_the_content_stays_the_same() -> None:
    class TitleView(ViewModel[MeetingStore]):
        class Meta:
            path = "users/{users.doc_id}/titles/{meeting.doc_id}"

        @attrs.computed
        def title(self) -> str:
            return self.store.meeting.title

    with memory_app(app_of(TitleView)) as testing:
        meeting(testing, "a")
        changed(Meeting, "m", tickets=["ta", "tb"])
        testing.deliver()
        assert (testing.fields("users/b/titles/m") or {})["title"] == "Monday"
        assert_views_equal_rebuild(testing)


# S1, S2: duplicates


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


# S5, S6, S8: failing commits


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


# S10, S11: order


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


# S12, S20, S21: races


def test_a_slow_builder_with_an_old_snapshot_does_not_overwrite_a_newer_view() -> None:
    with memory_app(app_of(CityView)) as testing:
        City.new(doc_id="TOK", name="Tokyo").save()
        testing.deliver()
        changed(City, "TOK", name="Edo")
        slow = only(testing)

        def newer() -> None:
            changed(City, "TOK", name="Tokio")
            testing.handle(only(testing), testing.database)

        report = testing.handle(slow, Hooked(testing.database).before("commit", 1, newer))
        assert report.outcomes == {"covered": 1}
        assert_views_equal_rebuild(testing)


def test_a_slow_builder_does_not_overwrite_a_newer_one_that_changed_nothing() -> None:
    with memory_app(app_of(CityView)) as testing:
        City.new(doc_id="TOK", name="Tokyo").save()
        testing.deliver()
        changed(City, "TOK", name="Edo")
        slow = only(testing)

        def newer_but_as_before() -> None:
            changed(City, "TOK", name="Tokyo")
            assert testing.handle(only(testing), testing.database).outcomes == {"unchanged": 1}

        testing.handle(slow, Hooked(testing.database).before("commit", 1, newer_but_as_before))
        assert (testing.fields("cityViews/TOK") or {})["title"] == "TOKYO"
        assert_views_equal_rebuild(testing)


def test_a_source_that_changes_before_the_first_commit_of_a_view_is_in_the_view() -> None:
    with memory_app(app_of(PlaceView)) as testing:
        tokyo(testing, stored=False)
        created = testing.take()[-1]

        def change() -> None:
            changed(Country, "JP", name="Nippon")
            assert testing.handle(only(testing), testing.database).outcomes == {}, "nobody is registered yet"

        testing.handle(created, Hooked(testing.database).before("commit", 1, change))
        assert place(testing) == "Tokyo, Nippon"


def test_a_source_that_changes_before_a_new_dependency_is_registered_is_in_the_view() -> None:
    with memory_app(app_of(PlaceView)) as testing:
        tokyo(testing)
        Country.new(doc_id="KR", name="Korea").save()
        testing.deliver()
        changed(City, "TOK", country="KR")

        def change() -> None:
            changed(Country, "KR", name="Corea")
            testing.handle(only(testing), testing.database)

        testing.handle(only(testing), Hooked(testing.database).before("commit", 1, change))
        assert place(testing) == "Tokyo, Corea"


def test_a_source_that_changes_between_registration_and_commit_is_in_the_view() -> None:
    with memory_app(app_of(PlaceView)) as testing:
        tokyo(testing, stored=False)
        created = testing.take()[-1]

        def change() -> None:
            changed(Country, "JP", name="Nippon")
            testing.handle(only(testing), testing.database)

        testing.handle(created, Hooked(testing.database).before("commit", 2, change))
        assert place(testing) == "Tokyo, Nippon"


def test_a_document_that_enters_a_query_before_the_first_commit_is_in_the_view() -> None:
    with memory_app(app_of(CountryView)) as testing:
        Country.new(doc_id="JP", name="Japan").save()
        created = only(testing)

        def enter() -> None:
            City.new(doc_id="TOK", name="Tokyo", country="JP").save()
            testing.handle(only(testing), testing.database)

        testing.handle(created, Hooked(testing.database).before("commit", 1, enter))
        assert (testing.fields("countryViews/JP") or {})["cities"] == ["Tokyo"]


def test_a_root_alone_that_is_deleted_while_its_first_view_is_built_leaves_no_ghost() -> None:
    with memory_app(app_of(CityView)) as testing:
        City.new(doc_id="TOK", name="Tokyo").save()
        created = only(testing)

        def delete() -> None:
            deleted(City, "TOK")
            testing.handle(only(testing), testing.database)

        testing.handle(created, Hooked(testing.database).before("commit", 1, delete))
        assert_views_equal_rebuild(testing)


@pytest.mark.parametrize("nth", [1, 2])
@pytest.mark.parametrize("again", [False, True])
def test_a_root_that_is_deleted_and_perhaps_recreated_while_a_builder_runs_converges(nth: int, again: bool) -> None:
    with memory_app(app_of(PlaceView)) as testing:
        tokyo(testing, stored=False)
        created = testing.take()[-1]

        def race() -> None:
            deleted(City, "TOK")
            if again:
                City.new(doc_id="TOK", name="Edo").save()
            for delivery in testing.take():
                testing.handle(delivery, testing.database)

        testing.handle(created, Hooked(testing.database).before("commit", nth, race))
        assert place(testing) == ("Edo" if again else None)
        assert_views_equal_rebuild(testing)


def test_a_deletion_that_the_return_of_its_root_overtakes_leaves_the_new_view() -> None:
    with memory_app(app_of(PlaceView)) as testing:
        tokyo(testing)
        deleted(City, "TOK")
        gone = only(testing)

        def come_back() -> None:
            City.new(doc_id="TOK", name="Edo").save()
            testing.handle(only(testing), testing.database)

        testing.handle(gone, Hooked(testing.database).before("commit", 1, come_back))
        assert place(testing) == "Edo"
        assert_views_equal_rebuild(testing)


def test_a_ledger_that_came_and_went_while_a_builder_ran_does_not_let_it_write() -> None:
    with memory_app(app_of(PlaceView)) as testing:
        City.new(doc_id="TOK", name="Tokyo").save()
        created = only(testing)

        def race() -> None:
            testing.handle(created, testing.database)
            deleted(City, "TOK")
            testing.handle(only(testing), testing.database)

        testing.handle(created, Hooked(testing.database).before("commit", 1, race))
        assert_views_equal_rebuild(testing)


def test_a_root_that_is_read_older_than_its_ledger_knows_it_is_read_again() -> None:
    """One BatchGet may be torn: the root before another builder's commit, its ledger after."""
    with memory_app(app_of(PlaceView)) as testing:
        tokyo(testing)
        changed(City, "TOK", name="Edo")
        old = testing.database.read(["cities/TOK"]).read_time
        waiting = only(testing)
        changed(City, "TOK", name="Tokio")
        changed(Country, "JP", name="Nippon")
        for newer in testing.take():
            testing.handle(newer)
        testing.handle(waiting.without_images(), Hooked(testing.database).tear("cities/TOK", old))
        assert place(testing) == "Tokio, Nippon"
        assert_views_equal_rebuild(testing)


def test_a_document_that_its_ledger_knows_as_missing_and_that_is_read_existing_is_read_again() -> None:
    with memory_app(app_of(PlaceView)) as testing:
        tokyo(testing)
        old = testing.database.read(["countries/JP"]).read_time
        deleted(Country, "JP")
        gone = only(testing)
        testing.handle(gone)
        changed(City, "TOK", name="Edo")
        testing.handle(only(testing), Hooked(testing.database).tear("countries/JP", old))
        assert place(testing) == "Edo"


def test_a_torn_read_that_the_ledger_does_not_know_of_is_caught_by_the_versions() -> None:
    """The view holds an old source, and its event is not covered, however new the ledger is."""
    with memory_app(app_of(PlaceView)) as testing:
        tokyo(testing)
        old = testing.database.read(["countries/JP"]).read_time
        changed(Country, "JP", name="Nippon")
        missed = only(testing)
        changed(City, "TOK", name="Edo")
        testing.handle(only(testing), Hooked(testing.database).tear("countries/JP", old))
        assert place(testing) == "Edo, Japan"
        assert testing.handle(missed).outcomes == {"built": 1}
        assert place(testing) == "Edo, Nippon"


@pytest.mark.parametrize("seed", range(20))
def test_all_shapes_of_views_converge_under_duplicates_in_random_order(seed: int) -> None:
    with memory_app(app_of(*QUERIES)) as testing:
        tokyo(testing, stored=False)
        meeting(testing, "ab")
        writes: Writes = (
            lambda: changed(City, "TOK", capital=True, population=9_000_000, twin="KYO"),
            lambda: saved(City.new(doc_id="KYO", name="Kyoto", country="JP", population=1_500_000, capital=True)),
            lambda: changed(Country, "JP", name="Nippon"),
            lambda: deleted(City, "TOK"),
            lambda: changed(Meeting, "m", tickets=["tb", "tc"]),
            lambda: deleted(User, "c"),
            lambda: saved(City.new(doc_id="TOK", name="Edo", country="JP", population=2_000_000)),
            lambda: deleted(Country, "JP"),
            lambda: changed(City, "KYO", capital=None, twin="TOK"),
        )
        for number, write in enumerate(writes):
            write()
            if number % 3 == seed % 3:
                testing.deliver(duplicates=1, shuffle=seed, drain=False)
        testing.deliver(duplicates=2, shuffle=seed)
        assert_views_equal_rebuild(testing)
        assert (testing.fields("dashboards/large") or {})["names"] == ["Edo", "Kyoto"]
        assert sorted(path for path in testing.documents() if "meetingViews" in path) == ["users/b/meetingViews/m"]


# S14: what will fail again


class SortedStore(Store):
    meeting = reference(Meeting)
    tickets = references(Meeting.tickets)
    users = references(Ticket.user)


class InitialView(ViewModel[SortedStore]):
    """Its getter raises for a user without a name."""

    class Meta:
        path = "initials/{meeting.doc_id}"

    @attrs.computed
    def initials(self) -> list[str]:
        return [user.name[0] for user in self.store.users]


def dead_letters(testing: MemoryApp) -> list[dict[str, Any]]:
    found = testing.documents().values()
    return [dict(each.fields or {}) for each in found if each.collection == "boilerDeadLetters"]


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "boiler_functions")


def test_a_failing_getter_is_dead_lettered_with_code_view_and_source_and_leaves_the_view() -> None:
    with memory_app(app_of(InitialView)) as testing:
        meeting(testing, "ab")
        changed(User, "a", name="")
        (report,) = testing.deliver()
        assert report.outcomes == {"dead letter": 1}
        (letter,) = dead_letters(testing)
        assert (letter["code"], letter["view"], letter["source"]) == ("BF505", "InitialView", "users/a")
        assert letter["subject"] == "meetings/m"
        assert "InitialView.initials raised IndexError" in letter["message"]
        assert (testing.fields("initials/m") or {})["initials"] == ["A", "B"]
        changed(User, "a", name="Ann")
        testing.deliver()
        assert (testing.fields("initials/m") or {})["initials"] == ["A", "B"]
        assert_views_equal_rebuild(testing)


def test_a_stored_document_that_does_not_fit_is_dead_lettered_and_its_repair_builds_the_view() -> None:
    with memory_app(app_of(PlaceView)) as testing:
        City.new(doc_id="TOK", name="Tokyo", country="JP").save()
        testing.deliver()
        put(testing, "countries/JP", name=7)
        testing.deliver()
        (letter,) = dead_letters(testing)
        assert (letter["code"], letter["reason"], letter["source"]) == ("BF501", "InvalidDocument", "countries/JP")
        assert "countries/JP does not fit Country" in letter["message"]
        put(testing, "countries/JP", name="Japan")
        testing.deliver()
        assert place(testing) == "Tokyo, Japan"


@pytest.mark.parametrize("stored", [True, False])
def test_the_repair_of_a_failing_new_dependency_alone_brings_the_view_up_to_date(stored: bool) -> None:
    """A build that fails has registered what it read."""
    with memory_app(app_of(PlaceView)) as testing:
        put(testing, "countries/BAD", name=7)
        if stored:
            tokyo(testing)
            changed(City, "TOK", country="BAD")
        else:
            City.new(doc_id="TOK", name="Tokyo", country="BAD").save()
        testing.deliver()
        assert place(testing) == ("Tokyo, Japan" if stored else None)
        put(testing, "countries/BAD", name="Good")
        testing.deliver()
        assert place(testing) == "Tokyo, Good"
        assert_views_equal_rebuild(testing)


def test_a_poisoned_view_does_not_touch_the_others_of_its_page() -> None:
    with memory_app(app_of(PlaceView)) as testing:
        tokyo(testing)
        put(testing, "cities/BAD", name=None, country=Reference("countries/JP"))
        for number in range(5):
            City.new(doc_id=f"C{number}", name="City", country="JP").save()
        testing.deliver()
        changed(Country, "JP", name="Nippon")
        (report,) = testing.deliver()
        assert report.outcomes == {"built": 6, "dead letter": 1}
        assert place(testing, "C3") == "City, Nippon"
        assert len(dead_letters(testing)) == 1


def test_a_view_that_fails_again_counts_in_its_one_dead_letter() -> None:
    with memory_app(app_of(CityView)) as testing:
        put(testing, "cities/BAD", name=7)
        testing.deliver(duplicates=2)
        (letter,) = dead_letters(testing)
        assert letter["attempts"] == 3
        assert letter["first_time"] <= letter["last_time"]


def test_a_getter_that_reads_the_database_is_dead_lettered_as_impure() -> None:
    class ImpureView(ViewModel[CityStore]):
        class Meta:
            path = "impure/{city.doc_id}"

        @attrs.computed
        def country(self) -> str:
            found = Country.get("JP")
            return found.name if found else ""

    with memory_app(app_of(ImpureView)) as testing:
        City.new(doc_id="TOK", name="Tokyo").save()
        testing.deliver()
        (letter,) = dead_letters(testing)
        assert (letter["code"], letter["reason"]) == ("BF506", "ImpureGetter")


# S18: sizes


class LongView(ViewModel[CityStore]):
    """As many kilobytes as the city has inhabitants."""

    class Meta:
        path = "longViews/{city.doc_id}"

    @attrs.computed
    def text(self) -> str:
        return "x" * 1000 * (self.store.city.population or 0)


class CrowdStore(Store):
    city = reference(City)
    country = reference(City.country)


class CrowdView(ViewModel[CrowdStore]):
    """As many kilobytes as its country's name says."""

    class Meta:
        path = "crowdViews/{city.doc_id}"

    @attrs.computed
    def text(self) -> str:
        return "x" * 1000 * int(self.store.country.name if self.store.country else 0)


def test_a_view_over_one_mebibyte_is_dead_lettered_and_the_previous_one_stays() -> None:
    with memory_app(app_of(LongView)) as testing:
        City.new(doc_id="TOK", name="Tokyo", population=1).save()
        testing.deliver()
        changed(City, "TOK", population=1100)
        testing.deliver()
        (letter,) = dead_letters(testing)
        assert (letter["code"], letter["reason"]) == ("BF504", "TooLarge")
        assert len((testing.fields("longViews/TOK") or {})["text"]) == 1000
        changed(City, "TOK", population=2)
        testing.deliver()
        assert_views_equal_rebuild(testing)


def test_a_page_that_is_larger_than_a_commit_is_committed_in_parts() -> None:
    with memory_app(app_of(CrowdView)) as testing:
        Country.new(doc_id="JP", name="1").save()
        for number in range(10):
            City.new(doc_id=f"C{number}", name="City", country="JP").save()
        testing.deliver()
        changed(Country, "JP", name="900")
        hooked = Hooked(testing.database)
        assert testing.handle(only(testing), hooked).outcomes == {"built": 10}
        assert hooked.calls["commit"] == 4
        assert_views_equal_rebuild(testing)


def test_one_view_that_is_too_large_does_not_touch_the_others_of_its_page() -> None:
    class SumView(ViewModel[CrowdStore]):
        class Meta:
            path = "sumViews/{city.doc_id}"

        @attrs.computed
        def text(self) -> str:
            country = self.store.country
            return "x" * 1000 * (int(country.name if country else 0) + (self.store.city.population or 0))

    with memory_app(app_of(SumView)) as testing:
        Country.new(doc_id="JP", name="1").save()
        for number in range(3):
            City.new(doc_id=f"C{number}", name="City", country="JP", population=number * 500).save()
        testing.deliver()
        changed(Country, "JP", name="100")
        (report,) = testing.deliver()
        assert report.outcomes == {"built": 2, "dead letter": 1}
        assert_views_equal_rebuild(testing)


class Group(DomainModel):
    class Meta:
        collection_name = "groups"

    country = attrs.relation(Country)
    members = attrs.relation(City, many=True)


class GroupStore(Store):
    group = reference(Group)
    country = reference(Group.country)
    members = references(Group.members)


class GroupView(ViewModel[GroupStore]):
    class Meta:
        path = "groupViews/{group.doc_id}"

    @attrs.computed
    def country(self) -> str:
        return self.store.country.name if self.store.country else ""


def test_a_view_whose_dependencies_no_plain_ledger_could_list_is_built_with_the_others_of_its_page() -> None:
    """Old and new dependencies together exceed the size of a document, at the registration already."""
    with memory_app(app_of(GroupView)) as testing:
        Country.new(doc_id="JP", name="Japan").save()
        Group.new(doc_id="a", country="JP", members=[f"a{number:04}".ljust(1400, "x") for number in range(725)]).save()
        Group.new(doc_id="b", country="JP").save()
        testing.deliver()
        changed(Group, "a", members=[f"b{number:04}".ljust(1400, "x") for number in range(725)])
        testing.take()
        changed(Country, "JP", name="Nippon")
        testing.deliver()
        assert dead_letters(testing) == []
        assert [(testing.fields(f"groupViews/{group}") or {})["country"] for group in "ab"] == ["Nippon", "Nippon"]


# S19: no state crosses


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


# S24: events without images, old and new code


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
    """The app with a view of that schema_version: what the old, and what the new code deploys."""
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


# Writes that are needless, and those that are not


def test_equal_content_writes_the_ledger_and_not_the_view() -> None:
    with memory_app(app_of(CityView)) as testing:
        City.new(doc_id="TOK", name="Tokyo").save()
        testing.deliver()
        changed(City, "TOK", name="TOKYO")
        hooked = Hooked(testing.database)
        assert testing.handle(only(testing), hooked).outcomes == {"unchanged": 1}
        (writes,) = hooked.written
        assert [write.path.split("/")[0] for write in writes] == [COLLECTION]


def test_a_forced_rebuild_heals_a_view_that_was_edited_by_hand_and_a_plain_one_does_not() -> None:
    with memory_app(app_of(CityView)) as testing:
        City.new(doc_id="TOK", name="Tokyo").save()
        testing.deliver()
        put(testing, "cityViews/TOK", title="mine")
        rebuild(testing, CityView, "cities/TOK", force=False)
        assert testing.fields("cityViews/TOK") == {"title": "mine"}
        rebuild(testing, CityView, "cities/TOK", force=True)
        assert_views_equal_rebuild(testing)


def test_every_commit_of_a_built_view_carries_its_ledger_with_a_precondition() -> None:
    with memory_app(app_of(*QUERIES)) as testing:
        testing.through = hooked = Hooked(testing.database)
        tokyo(testing)
        meeting(testing, "ab")
        deleted(City, "TOK")
        testing.deliver()
        for writes in hooked.written:
            ledgers = [each for each in writes if each.path.startswith(COLLECTION)]
            assert ledgers
            assert all(each.precondition is not None for each in ledgers)


# What an event costs


def test_a_change_of_the_root_alone_costs_two_rpcs() -> None:
    with memory_app(app_of(CityView)) as testing:
        City.new(doc_id="TOK", name="Tokyo").save()
        testing.deliver()
        changed(City, "TOK", name="Edo")
        (report,) = testing.deliver()
        assert report.usage == Usage(rpcs=2, reads=2, writes=2)


def test_a_change_of_another_source_costs_three_rpcs() -> None:
    with memory_app(app_of(PlaceView)) as testing:
        tokyo(testing)
        changed(Country, "JP", name="Nippon")
        (report,) = testing.deliver()
        assert report.usage == Usage(rpcs=3, reads=3, writes=2)


def test_a_duplicate_costs_one_rpc_and_no_write() -> None:
    with memory_app(app_of(CityView, PlaceView)) as testing:
        tokyo(testing)
        changed(City, "TOK", name="Edo")
        changed(Country, "JP", name="Nippon")
        deliveries = testing.take()
        for delivery in deliveries:
            testing.handle(delivery)
        repeats = [testing.handle(delivery).usage for delivery in deliveries]
        assert [(usage.rpcs, usage.writes) for usage in repeats] == [(1, 0), (1, 0), (1, 0)]


def test_a_deletion_of_the_root_costs_two_rpcs() -> None:
    with memory_app(app_of(CityView)) as testing:
        City.new(doc_id="TOK", name="Tokyo").save()
        testing.deliver()
        deleted(City, "TOK")
        (report,) = testing.deliver()
        assert (report.usage.rpcs, report.usage.writes) == (2, 2)


def test_a_new_dependency_costs_two_rpcs_more() -> None:
    with memory_app(app_of(PlaceView)) as testing:
        tokyo(testing)
        changed(City, "TOK", name="Edo")
        (known,) = testing.deliver()
        Country.new(doc_id="KR", name="Korea").save()
        changed(City, "TOK", country="KR")
        *_, new = testing.deliver()
        assert (known.usage.rpcs, new.usage.rpcs) == (2, 4)


def test_three_levels_of_many_roots_are_read_by_one_batch_a_level() -> None:
    with memory_app(app_of(MeetingView)) as testing:
        for user in "abc":
            User.new(doc_id=user, name=user.upper()).save()
            Ticket.new(doc_id=f"t{user}", user=user).save()
        for number in range(20):
            Meeting.new(doc_id=f"m{number}", title="Monday", tickets=["ta", "tb", "tc"]).save()
        testing.deliver()
        roots = [Instance(MeetingView, f"meetings/m{number}") for number in range(20)]
        hooked = Hooked(testing.database)
        invocation = Invocation("demo", "by_hand", Metered(hooked), testing.surroundings)
        Rebuild(invocation, (MeetingView,), force=True).rebuild(roots)
        assert hooked.calls == {"read": 3, "commit": 1}


@pytest.mark.parametrize("dependents", [PAGE, PAGE + 1])
def test_a_page_of_dependents_costs_three_rpcs(dependents: int) -> None:
    with memory_app(app_of(PlaceView)) as testing:
        Country.new(doc_id="JP", name="Japan").save()
        for number in range(dependents):
            City.new(doc_id=f"C{number}", name="City", country="JP").save()
        testing.deliver()
        changed(Country, "JP", name="Nippon")
        hooked = Hooked(testing.database)
        report = testing.handle(only(testing), hooked)
        pages = -(-dependents // PAGE)
        assert report.outcomes == {"built": dependents}
        # A full page asks whether there is another.
        assert hooked.calls == {"query": 2, "read": pages, "commit": pages}
        assert_views_equal_rebuild(testing)


def test_the_referrers_of_a_page_are_found_thirty_roots_at_a_time() -> None:
    class Continent(DomainModel):
        class Meta:
            collection_name = "continents"

        name = attrs.string(required=True)

    class Land(DomainModel):
        class Meta:
            collection_name = "lands"

        name = attrs.string(required=True)
        continent = attrs.relation(Continent)

    class Town(DomainModel):
        class Meta:
            collection_name = "towns"

        name = attrs.string(required=True)
        land = attrs.relation(Land)

    class LandStore(Store):
        land = reference(Land)
        continent = reference(Land.continent)
        towns = referrers(Town.land)

    class LandView(ViewModel[LandStore]):
        class Meta:
            path = "landViews/{land.doc_id}"

        @attrs.computed
        def towns(self) -> list[str]:
            return [town.name for town in self.store.towns]

        @attrs.computed
        def continent(self) -> str:
            return self.store.continent.name if self.store.continent else ""

    with memory_app(app_of(LandView)) as testing:
        Continent.new(doc_id="AS", name="Asia").save()
        for number in range(65):
            Land.new(doc_id=f"L{number}", name="Land", continent="AS").save()
            Town.new(doc_id=f"T{number}", name=f"Town{number}", land=f"L{number}").save()
        testing.deliver()
        changed(Continent, "AS", name="Asien")
        hooked = Hooked(testing.database)
        assert testing.handle(only(testing), hooked).outcomes == {"built": 65}
        assert hooked.calls == {"query": 1 + 3, "read": 1, "commit": 1}
        assert (testing.fields("landViews/L40") or {})["towns"] == ["Town40"]
        assert_views_equal_rebuild(testing)


# Continuations


def test_a_fan_out_that_runs_out_of_time_hands_the_rest_on_and_every_view_is_built(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(query_mode, "PAGE", 10)
    with memory_app(app_of(PlaceView)) as testing:
        Country.new(doc_id="JP", name="Japan").save()
        for number in range(35):
            City.new(doc_id=f"C{number}", name="City", country="JP").save()
        testing.deliver()
        changed(Country, "JP", name="Nippon")
        delivery = only(testing)
        times = itertools.count(testing.surroundings.clock(), 10**12)
        hurried = type(testing.surroundings)(times.__next__, testing.surroundings.sleep, testing.surroundings.random)
        parts: list[Any] = []
        report = delivery.function.handle(delivery.change, testing.database, hurried, parts.append)
        assert report.outcomes == {"built": 10, "continued": 1}
        for part in parts:
            delivery.function.go_on(part, testing.database, testing.surroundings, None)
        assert_views_equal_rebuild(testing)


# Many views, one function


def test_one_function_for_a_source_serves_all_views_that_read_it() -> None:
    app = Boiler("demo", group_by="source")
    for view in QUERIES:
        app.query(view)
    with memory_app(app) as testing:
        tokyo(testing)
        meeting(testing, "ab")
        changed(City, "TOK", capital=True, population=2_000_000)
        (report,) = testing.deliver()
        assert report.function == "on_cities"
        assert_views_equal_rebuild(testing)


def test_a_document_that_is_no_city_any_more_has_no_view() -> None:
    class Animal(DomainModel):
        class Meta:
            collection_name = "animals"

        name = attrs.string(required=True)

    class Cat(Animal):
        pass

    class CatStore(Store):
        cat = reference(Cat)

    class CatView(ViewModel[CatStore]):
        class Meta:
            path = "catViews/{cat.doc_id}"

        @attrs.computed
        def name(self) -> str:
            return self.store.cat.name

    with memory_app(app_of(CatView)) as testing:
        Cat.new(doc_id="tom", name="Tom").save()
        testing.deliver()
        assert testing.fields("catViews/tom") is not None
        put(testing, "animals/tom", name="Tom", obj_type="Animal")
        testing.deliver()
        assert testing.fields("catViews/tom") is None
        put(testing, "animals/tom", name="Tommy", obj_type="Animal")
        (report,) = testing.deliver()
        assert report.usage.writes == 0
        assert_views_equal_rebuild(testing)


def test_deleting_the_sources_deletes_views_and_ledgers() -> None:
    with memory_app(app_of(PlaceView, CountryView, MeetingView)) as testing:
        tokyo(testing)
        meeting(testing, "ab")
        paths = ["countries/JP", "cities/TOK", "meetings/m", *(f"users/{each}" for each in "abc")]
        testing.database.commit([Delete(path) for path in paths])
        testing.deliver(shuffle=1)
        assert {path.split("/")[0] for path in testing.documents()} == {"tickets"}


def test_the_oracle_sees_a_changed_a_missing_and_a_left_over_view() -> None:
    with memory_app(app_of(CityView)) as testing:
        City.new(doc_id="A", name="a").save()
        City.new(doc_id="B", name="b").save()
        testing.deliver()
        put(testing, "cityViews/A", title="mine")
        testing.database.commit([Delete("cityViews/B"), Put("cityViews/C", {"title": "left"})])
        with pytest.raises(AssertionError) as raised:
            assert_views_equal_rebuild(testing)
        text = str(raised.value)
        assert "cityViews/A is" in text
        assert "cityViews/B is None" in text
        assert "cityViews/C should not exist" in text
