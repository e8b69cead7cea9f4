"""An event costs no more RPCs, reads and writes than it must."""

import itertools
from typing import Any

import pytest

from boiler_functions import DomainModel, Store, ViewModel, attrs, reference, references, referrers
from boiler_functions.database.metered import Metered, Usage
from boiler_functions.modes.invocation import Invocation
from boiler_functions.modes.ledger import COLLECTION
from boiler_functions.modes.query import rebuild as query_mode
from boiler_functions.modes.query.rebuild import PAGE, Rebuild
from boiler_functions.testing import assert_views_equal_rebuild, memory_app
from boiler_functions.views.build import Instance
from tests.unit.modes.cities import (
    QUERIES,
    City,
    CityView,
    Country,
    Meeting,
    MeetingView,
    PlaceView,
    Ticket,
    User,
    app_of,
    put,
)
from tests.unit.modes.hooked import Hooked
from tests.unit.modes.query.scenes import changed, deleted, meeting, only, rebuild, tokyo


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


def test_a_new_dependency_is_read_twice_and_the_others_once() -> None:
    with memory_app(app_of(MeetingView)) as testing:
        for user in "abcdefghijk":
            User.new(doc_id=user, name=user.upper()).save()
            Ticket.new(doc_id=f"t{user}", user=user).save()
        meeting(testing, "abcdefghij")
        changed(Meeting, "m", tickets=[f"t{user}" for user in "abcdefghijk"])
        (report,) = testing.deliver()
        # The ledger and the meeting, each ticket and each user; once more the new ticket and its user.
        assert report.usage.reads == 2 + 11 + 11 + 2
        assert report.usage.rpcs == 5
        assert_views_equal_rebuild(testing)


class Fans(Store):
    country = reference(Country)
    cities = referrers(City.country)
    twins = references(City.twin)


class FansView(ViewModel[Fans]):
    class Meta:
        path = "fansViews/{country.doc_id}"

    @attrs.computed
    def names(self) -> list[str]:
        return [city.twin.name for city in self.store.cities if city.twin]


def test_a_new_hit_of_a_known_query_leaves_the_query_and_what_it_had_found_as_read() -> None:
    with memory_app(app_of(FansView)) as testing:
        Country.new(doc_id="JP", name="Japan").save()
        for number in range(11):
            City.new(doc_id=f"T{number}", name=f"Twin {number}").save()
        for number in range(10):
            City.new(doc_id=f"C{number}", name="City", country="JP", twin=f"T{number}").save()
        testing.deliver()
        City.new(doc_id="C10", name="City", country="JP", twin="T10").save()
        report = testing.handle(only(testing))
        # The query of the ledger; the root with the known twins, the query, the new twin; and that once more.
        assert report.usage.reads == 1 + (1 + 10) + 11 + 1 + 1
        assert_views_equal_rebuild(testing)


def test_a_new_dependency_that_changes_before_it_is_registered_makes_the_build_read_everything_again() -> None:
    with memory_app(app_of(FansView)) as testing:
        Country.new(doc_id="JP", name="Japan").save()
        City.new(doc_id="T", name="Twin").save()
        testing.deliver()
        City.new(doc_id="C", name="City", country="JP", twin="T").save()
        event = only(testing)
        hooked = Hooked(testing.database).before("commit", 1, lambda: changed(City, "T", name="Brother"))
        report = testing.handle(event, hooked)
        # Ledgers; root, city and twin; the twin once more; then all three again.
        assert report.usage.reads == 1 + 3 + 1 + 3
        assert testing.fields("fansViews/JP") == {**(testing.fields("fansViews/JP") or {}), "names": ["Brother"]}


def test_three_levels_of_many_roots_are_read_by_one_batch_a_level_and_once_they_are_known_by_one_for_all() -> None:
    with memory_app(app_of(MeetingView)) as testing:
        for user in "abc":
            User.new(doc_id=user, name=user.upper()).save()
            Ticket.new(doc_id=f"t{user}", user=user).save()
        for number in range(20):
            Meeting.new(doc_id=f"m{number}", title="Monday", tickets=["ta", "tb", "tc"]).save()
        roots = [Instance(MeetingView, f"meetings/m{number}") for number in range(20)]
        # The first time, the ledgers are registered, and what they name is looked at once more. Again, the ledgers are
        # read with the roots, and then all that they name.
        for calls in ({"read": 4, "commit": 2}, {"read": 2, "commit": 1}):
            hooked = Hooked(testing.database)
            invocation = Invocation("demo", "by_hand", Metered(hooked), testing.surroundings)
            Rebuild(invocation, (MeetingView,), force=True).rebuild(roots)
            assert hooked.calls == calls


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


def test_a_covered_event_of_a_document_in_many_views_costs_a_look_up_for_ten_pages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(query_mode, "PAGE", 3)
    with memory_app(app_of(PlaceView)) as testing:
        Country.new(doc_id="JP", name="Japan").save()
        for number in range(3 + 30 + 1):
            City.new(doc_id=f"C{number}", name="City", country="JP").save()
        testing.deliver()
        changed(Country, "JP", name="Nippon")
        delivery = only(testing)
        assert testing.handle(delivery).outcomes == {"built": 34}
        hooked = Hooked(testing.database)
        assert testing.handle(delivery, hooked).outcomes == {"covered": 34}
        assert hooked.calls == {"query": 3}


def test_a_page_with_one_view_at_fault_is_built_in_few_commits() -> None:
    with memory_app(app_of(PlaceView)) as testing:
        Country.new(doc_id="JP", name="Japan").save()
        for number in range(16):
            City.new(doc_id=f"C{number}", name="City", country="JP").save()
        testing.deliver()
        changed(Country, "JP", name="Nippon")
        delivery = only(testing)
        beaten = Hooked(testing.database)
        beaten.before("commit", 1, lambda: rebuild(testing, PlaceView, "cities/C5", force=True))
        assert testing.handle(delivery, beaten).outcomes == {"built": 15, "covered": 1}
        assert beaten.calls["commit"] == 3  # Of the page, and of its halves, the first of which knows the newer ledger.
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
