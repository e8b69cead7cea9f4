"""The kit for users' own tests: an app in memory, its events in any order, and the oracle."""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from random import Random
from typing import Any

import pytest

from boiler_functions import Store, ViewModel, attrs, reference
from boiler_functions.database import (
    Committed,
    Database,
    Delete,
    Put,
    Reading,
    Select,
    Verified,
    Write,
)
from boiler_functions.exceptions import Unavailable
from boiler_functions.modes.invocation import Surroundings
from boiler_functions.modes.ledger import COLLECTION
from boiler_functions.testing import (
    MAX_DELIVERIES,
    Delivery,
    Faults,
    MemoryApp,
    VirtualClock,
    assert_views_equal_rebuild,
    memory_app,
)
from boiler_functions.types import Instant, Reference
from tests.unit.modes.cities import (
    CapitalsView,
    City,
    CityStore,
    CityView,
    Country,
    CountryView,
    PlaceView,
    app_of,
    put,
)
from tests.unit.modes.hooked import Hooked, raises


def three_cities(testing: MemoryApp) -> None:
    for name in "abc":
        City.new(doc_id=name, name=name).save()


def faults(testing: MemoryApp) -> str:
    with pytest.raises(AssertionError) as raised:
        assert_views_equal_rebuild(testing)
    return str(raised.value)


def test_models_read_and_write_the_apps_database_inside_the_block() -> None:
    with memory_app(app_of(CityView)) as testing:
        City.new(doc_id="TOK", name="Tokyo").save()
        assert (testing.fields("cities/TOK") or {})["name"] == "Tokyo"
        city = City.get("TOK")
        assert city is not None
        assert city.name == "Tokyo"


def test_every_commit_leaves_an_event_for_each_function_that_it_triggers() -> None:
    with memory_app(app_of(CityView, PlaceView)) as testing:
        City.new(doc_id="TOK", name="Tokyo").save()
        Country.new(doc_id="JP", name="Japan").save()
        waiting = [(each.function.entry_point, each.change.path) for each in testing.pending]
        assert waiting == [
            ("city_view_on_cities", "cities/TOK"),
            ("place_view_on_cities", "cities/TOK"),
            ("place_view_on_countries", "countries/JP"),
        ]
        assert testing.pending[0].change.after.fields == testing.fields("cities/TOK")


def test_deliver_returns_a_report_of_each_delivery_and_leaves_nothing() -> None:
    with memory_app(app_of(CityView)) as testing:
        three_cities(testing)
        assert [each.document for each in testing.deliver()] == ["cities/a", "cities/b", "cities/c"]
        assert testing.pending == []
        assert testing.deliver() == []


def test_duplicates_come_after_the_others() -> None:
    with memory_app(app_of(CityView)) as testing:
        three_cities(testing)
        reports = testing.deliver(duplicates=1)
        assert [each.document[-1] for each in reports] == list("abcabc")
        assert [dict(each.outcomes) for each in reports] == [{"built": 1}] * 3 + [{"covered": 1}] * 3


def test_a_shuffle_changes_the_order_and_repeats_it_for_the_same_seed() -> None:
    def order(seed: int) -> list[str]:
        with memory_app(app_of(CityView)) as testing:
            three_cities(testing)
            return [each.document for each in testing.deliver(duplicates=2, shuffle=seed)]

    assert order(1) == order(1)
    assert len({tuple(order(seed)) for seed in range(10)}) > 5


def test_a_failing_test_names_the_seed_of_its_order() -> None:
    def fail() -> None:
        with memory_app(app_of(CityView)) as testing:
            three_cities(testing)
            testing.deliver(shuffle=4711)
            raise AssertionError("as a test does")

    with pytest.raises(AssertionError) as raised:
        fail()
    assert raised.value.__notes__ == ["The events came in the random order of deliver(shuffle=4711)."]


def test_events_that_deliveries_cause_are_delivered_too_unless_drain_is_false() -> None:
    class Copied(City):
        class Meta:
            collection_name = "cityViews"

    class CopyStore(Store):
        copied = reference(Copied)

    class CopyView(ViewModel[CopyStore]):
        class Meta:
            path = "copyViews/{copied.doc_id}"

        @attrs.computed
        def id(self) -> str:
            return self.store.copied.doc_id

    with memory_app(app_of(CityView, CopyView)) as testing:
        City.new(doc_id="TOK", name="Tokyo").save()
        testing.deliver(drain=False)
        assert [each.change.path for each in testing.pending] == ["cityViews/TOK"]
        testing.deliver()
        assert testing.pending == []


def test_a_failing_event_is_delivered_again() -> None:
    with memory_app(app_of(CityView)) as testing:
        three_cities(testing)
        testing.through = Hooked(testing.database).before("read", 1, raises(Unavailable("down")))
        assert [each.document[-1] for each in testing.deliver()] == ["b", "c", "a"]
        assert_views_equal_rebuild(testing)


def test_an_event_that_fails_for_ever_reaches_the_test() -> None:
    with memory_app(app_of(CityView)) as testing:
        City.new(doc_id="TOK", name="Tokyo").save()
        testing.through = hooked = Hooked(testing.database)
        for nth in range(1, MAX_DELIVERIES + 1):
            hooked.before("read", nth, raises(Unavailable("down")))
        with pytest.raises(Unavailable, match="down"):
            testing.deliver()
        assert hooked.calls["read"] == MAX_DELIVERIES


def test_no_injected_fault_is_taken_for_a_failure_of_the_app() -> None:
    worst = Faults(before=0.5, after=0.5, delay=0.1, torn=0.2)
    for seed in range(5):
        with memory_app(app_of(CityView, PlaceView, CountryView)) as testing:
            three_cities(testing)
            testing.deliver(
                duplicates=1, shuffle=seed, at_once=4, crashes=0.05, drops=0.2, faults=worst, meanwhile=changes(testing)
            )
            assert (testing.fields("cityViews/a") or {})["title"] == "NAME9"


def test_an_event_that_fails_for_ever_reaches_the_test_among_injected_faults() -> None:
    class Down(Hooked):
        def read(self, paths: Collection[str], *, at: Instant | None = None, select: Select = None) -> Reading:
            raise Unavailable("down for good")

    with memory_app(app_of(CityView)) as testing:
        three_cities(testing)
        testing.through = Down(testing.database)
        with pytest.raises(Unavailable, match="down for good"):
            testing.deliver(shuffle=1, faults=WORST)


def test_time_and_chance_are_those_that_were_passed_in() -> None:
    surroundings = Surroundings(lambda: 5_000_000_000, lambda seconds: None, Random(1))
    with memory_app(app_of(CityView), surroundings) as testing:
        City.new(doc_id="TOK", name="Tokyo").save()
        assert testing.pending[0].change.time == 5_000_000_000
        assert testing.pending[0].change.after.version == 5_000_000_000


def test_an_event_without_images_has_neither_before_nor_after() -> None:
    with memory_app(app_of(CityView)) as testing:
        City.new(doc_id="TOK", name="Tokyo").save()
        change = testing.pending[0].without_images().change
        assert (change.path, change.has_images) == ("cities/TOK", False)


# Chance


WORST = Faults(before=0.05, after=0.05, delay=0.05, torn=0.2)


def stormy(seed: int, views: tuple[type[ViewModel[Any]], ...] = (CityView, PlaceView)) -> MemoryApp:
    """An app that went through everything at once, with changes while the events were delivered."""
    clock = VirtualClock()
    with memory_app(app_of(*views), Surroundings(clock.now, clock.sleep, Random(seed))) as testing:
        three_cities(testing)
        testing.deliver(
            duplicates=1, shuffle=seed, at_once=4, crashes=0.05, drops=0.05, faults=WORST, meanwhile=changes(testing)
        )
    return testing


def changes(testing: MemoryApp) -> list[Callable[[], object]]:
    def change(number: int) -> Callable[[], object]:
        if number % 4 == 3:
            return lambda: put(testing, "countries/JP", name=f"land{number}")
        return lambda: put(
            testing, f"cities/{'abc'[number % 3]}", name=f"name{number}", country=Reference("countries/JP")
        )

    return [change(number) for number in range(12)]


def test_whatever_goes_wrong_the_views_equal_a_rebuild_in_the_end() -> None:
    injected: Counter[str] = Counter()
    for seed in range(20):
        testing = stormy(seed)
        assert_views_equal_rebuild(testing)
        assert (testing.fields("cityViews/a") or {})["title"] == "NAME9"
        assert (testing.fields("placeViews/b") or {})["place"] == "name10, land11"
        injected += testing.injected
    kinds = {
        "call delayed", "commit aborted", "commit answer lost", "commit lost", "commit refused", "delivery dropped",
        "event delivered twice", "handler crashed", "query answer lost", "query failed", "read answer lost",
        "read failed", "read torn",
    }  # fmt: skip
    assert set(injected) == kinds


def test_the_same_seed_repeats_the_run_and_another_seed_does_not() -> None:
    def told(seed: int) -> tuple[object, ...]:
        testing = stormy(seed)
        ledgers = [each.fields for each in testing.documents().values() if each.collection == COLLECTION]
        return testing.injected, ledgers, testing.surroundings.clock()

    assert told(5) == told(5)
    assert told(5) != told(6)


def test_handlers_take_turns_at_every_call_of_the_database() -> None:
    class Told(Hooked):
        def read(self, paths: Collection[str], *, at: Instant | None = None, select: Select = None) -> Reading:
            calls.append("read")
            return super().read(paths, at=at, select=select)

        def commit(self, writes: Sequence[Write], *, verify: Sequence[Verified] = ()) -> Committed:
            calls.append("commit")
            return super().commit(writes, verify=verify)

    orders = set()
    for seed in range(20):
        calls: list[str] = []
        with memory_app(app_of(CityView)) as testing:
            three_cities(testing)
            testing.through = Told(testing.database)
            testing.deliver(shuffle=seed, at_once=3)
        orders.add("".join(call[0] for call in calls))
    assert {Counter(order)["r"] for order in orders} == {6}
    assert len(orders) > 10


def test_a_race_is_found_by_search_and_replayed_by_its_seed() -> None:
    """Get, then set, of two handlers: some seed loses an update, and does so again."""

    def lost(seed: int) -> bool:
        with memory_app(app_of(CityView)) as testing:
            put(testing, "counters/one", n=0)
            three_cities(testing)

            def count(delivery: Delivery, through: Database | None = None) -> Any:
                assert through
                fields: Any = through.read(["counters/one"]).documents[0].fields
                through.commit([Put("counters/one", {"n": fields["n"] + 1})])

            testing.handle = count  # type: ignore[method-assign]
            testing.deliver(shuffle=seed, at_once=3)
            return testing.fields("counters/one") != {"n": 3}

    seed = next(seed for seed in range(50) if lost(seed))
    assert all(lost(seed) for _ in range(5))
    assert not all(lost(seed) for seed in range(50))


def test_a_crash_ends_a_handler_between_two_calls_and_its_event_comes_again() -> None:
    states: set[tuple[bool, bool]] = set()
    for seed in range(30):
        with memory_app(app_of(CityView)) as testing:
            City.new(doc_id="TOK", name="Tokyo").save()
            testing.deliver(shuffle=seed, crashes=0.3)
            states.add((testing.injected["handler crashed"] > 0, testing.fields("cityViews/TOK") is not None))
    assert states == {(True, True), (False, True)}


def test_random_faults_are_refused_without_a_seed() -> None:
    with memory_app(app_of(CityView)) as testing, pytest.raises(ValueError, match=r"give a seed"):
        testing.deliver(crashes=0.1)


@pytest.mark.parametrize("never", [{"crashes": 1.0}, {"drops": 1.0}, {"crashes": -0.1}])
def test_a_likelihood_by_which_no_event_arrives_is_refused(never: dict[str, Any]) -> None:
    with (
        memory_app(app_of(CityView)) as testing,
        pytest.raises(ValueError, match=r"crashes and drops must be at least 0 and below 1"),
    ):
        testing.deliver(shuffle=1, **never)


def test_an_error_that_no_redelivery_can_help_reaches_the_test_and_ends_the_other_handlers() -> None:
    with memory_app(app_of(CityView)) as testing:
        three_cities(testing)
        testing.through = Hooked(testing.database).before("commit", 2, raises(ZeroDivisionError("a bug of the engine")))
        before = threading.active_count()
        with pytest.raises(ZeroDivisionError):
            testing.deliver(shuffle=1, at_once=3)
        for _ in range(100):
            if threading.active_count() == before:
                break
            threading.Event().wait(0.01)
        assert threading.active_count() == before


def test_a_virtual_clock_stands_still_until_sleep_is_called() -> None:
    clock = VirtualClock(start=5_000_000_000)
    assert (clock.now(), clock.now()) == (5_000_000_000, 5_000_000_000)
    clock.sleep(1.5)
    assert clock.now() == 6_500_000_000


# The oracle


def test_the_oracle_accepts_views_that_equal_a_rebuild() -> None:
    with memory_app(app_of(CityView, PlaceView, CapitalsView)) as testing:
        three_cities(testing)
        testing.deliver()
        assert_views_equal_rebuild(testing)


def test_the_oracle_sees_a_view_that_differs() -> None:
    with memory_app(app_of(CityView)) as testing:
        three_cities(testing)
        testing.deliver()
        testing.database.commit([Put("cityViews/a", {"title": "mine"})])
        assert "cityViews/a is {'title': 'mine'}, and should be {'title': 'A'" in faults(testing)


def test_the_oracle_sees_a_view_that_is_missing() -> None:
    with memory_app(app_of(CityView)) as testing:
        three_cities(testing)
        assert "cityViews/b is None" in faults(testing)


def test_the_oracle_sees_a_ghost_without_a_ledger() -> None:
    with memory_app(app_of(CityView)) as testing:
        testing.database.commit([Put("cityViews/x", {"title": "left"})])
        assert "cityViews/x should not exist; it is {'title': 'left'}" in faults(testing)


def test_the_oracle_sees_a_ghost_with_its_ledger() -> None:
    with memory_app(app_of(CityView)) as testing:
        three_cities(testing)
        testing.deliver()
        testing.database.commit([Delete("cities/a")])
        text = faults(testing)
        assert "cityViews/a should not exist" in text
        assert "the ledger of CityView of cities/a" in text


def test_the_oracle_sees_a_ledger_that_lists_other_copies() -> None:
    with memory_app(app_of(CityView)) as testing:
        three_cities(testing)
        testing.deliver()
        ledger = next(path for path in testing.documents() if path.startswith(COLLECTION))
        testing.database.commit([Put(ledger, {"destinations": []}, mask=("destinations",))])
        assert "lists the copies ()" in faults(testing)


def test_the_oracle_sees_an_event_that_was_never_delivered() -> None:
    with memory_app(app_of(PlaceView)) as testing:
        Country.new(doc_id="JP", name="Japan").save()
        City.new(doc_id="TOK", name="Tokyo", country="JP").save()
        testing.deliver()
        testing.database.commit([Put("countries/JP", {"name": "Nippon"})])
        testing.take()
        assert "Tokyo, Nippon" in faults(testing)


@pytest.mark.parametrize("value", [(1, 2), datetime(2024, 1, 1), {"at": (datetime(2024, 1, 1), 1.0)}])
def test_the_oracle_compares_what_is_stored(value: Any) -> None:
    class Loose(ViewModel[CityStore]):
        class Meta:
            path = "loose/{city.doc_id}"

        value = attrs.bproperty()

        @value.getter
        def get_value(self) -> Any:
            return value

    with memory_app(app_of(Loose)) as testing:
        three_cities(testing)
        testing.deliver()
        assert_views_equal_rebuild(testing)
        testing.database.commit([Put("loose/a", {"value": 3}, mask=("value",))])
        assert "loose/a is {'value': 3" in faults(testing)


def test_the_oracle_shortens_long_values() -> None:
    with memory_app(app_of(CityView)) as testing:
        testing.database.commit([Put("cityViews/x", {"title": "x" * 100_000})])
        assert len(faults(testing)) < 2_000


def test_a_client_writes_and_deletes_whole_documents() -> None:
    with memory_app(app_of(CityView)) as testing:
        testing.write("somewhere/else", {"a": 1})
        assert testing.fields("somewhere/else") == {"a": 1}
        testing.write("somewhere/else", {"b": 2})
        assert testing.fields("somewhere/else") == {"b": 2}
        testing.write("somewhere/else", None)
        assert testing.fields("somewhere/else") is None
