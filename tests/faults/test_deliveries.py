"""Events that come more than once, at once, late, in any order, without images, or to two versions of the code."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from boiler_functions import Boiler, ViewModel, attrs
from boiler_functions.database import Delete
from boiler_functions.modes import marker
from boiler_functions.modes.invocation import Surroundings
from boiler_functions.testing import VirtualClock, assert_views_equal_rebuild, memory_app
from tests.faults.scenes import (
    FORM,
    JAPAN,
    KOREA,
    TOKYO,
    content,
    effects,
    fresh_seeds,
    letters,
    place,
    send,
    stored_tokyo,
    the_one,
    tokyo,
    world,
)
from tests.torture.world import COMPLETIONS
from tests.unit.modes.cities import CityStore, put

HOUR = 3600
FORMS = [f"users/ann/{collection}/one" for collection in ("stamped", "kept", "deleted")]


@pytest.mark.parametrize("deliveries", [1, 2, 3, 4, 5])
def test_each_event_delivered_up_to_five_times_has_one_effect_and_its_repeats_write_nothing(deliveries: int) -> None:
    with world() as testing:
        stored_tokyo(testing)
        tokyo(testing, "Edo", population=2_000_000)
        for number, form in enumerate(FORMS, start=1):
            put(testing, form, amount=number)
        # What has just been written may be missing in a total, so its event would count it once more.
        testing.surroundings.sleep(1)
        firsts = testing.take()
        for each in firsts:
            testing.handle(each)
        repeats = [testing.handle(each) for each in firsts * (deliveries - 1)]
        assert sum(report.usage.writes for report in repeats) == 0
        assert sorted(effects(testing)) == [1, 2, 3]
        assert place(testing) == "Edo, Japan"
        assert_views_equal_rebuild(testing)


@pytest.mark.parametrize("copies", [2, 8, 32])
def test_copies_of_an_event_at_one_instant_have_one_effect_and_are_all_acknowledged(copies: int) -> None:
    for seed in fresh_seeds(5):
        with world() as testing:
            stored_tokyo(testing)
            tokyo(testing, "Edo")
            for number, form in enumerate(FORMS, start=1):
                put(testing, form, amount=number)
            pending = len(testing.pending)
            reports = testing.deliver(duplicates=copies - 1, at_once=copies, shuffle=seed, drain=False)
            assert len(reports) == pending * copies
            assert sorted(effects(testing)) == [1, 2, 3], f"seed {seed}"
            assert_views_equal_rebuild(testing)


@pytest.mark.parametrize("order", list(itertools.permutations(range(5))))
def test_five_updates_converge_in_every_order(order: tuple[int, ...]) -> None:
    with world() as testing:
        stored_tokyo(testing)
        put(testing, KOREA.path, name="Korea")
        testing.deliver()
        changes = []
        for fields in ({"name": "A"}, {"name": "B", "country": KOREA}, {"name": "C", "capital": True}):
            put(testing, TOKYO.path, **{"country": JAPAN, **fields})
            changes.append(testing.take())
        for name in ("Nippon", "Japan!"):
            put(testing, JAPAN.path, name=name)
            changes.append(testing.take())
        for position in order:
            for delivery in changes[position]:
                testing.handle(delivery)
        assert place(testing) == "C, Japan!"
        assert_views_equal_rebuild(testing)


def test_random_orders_of_many_changes_converge() -> None:
    for seed in fresh_seeds(20):
        random = Random(seed)
        with world() as testing:
            for number in range(20):
                country = random.choice([JAPAN, KOREA, None])
                put(testing, f"cities/{random.choice('ab')}", name=f"C{number}", country=country)
                put(testing, random.choice([JAPAN, KOREA]).path, name=f"L{number}")
            testing.deliver(shuffle=seed, duplicates=1)
            assert_views_equal_rebuild(testing)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("recreated", [True, False])
def test_a_deletion_in_any_order_with_creation_and_recreation_leaves_no_ghost(
    order: tuple[int, ...], recreated: bool
) -> None:
    with world() as testing:
        tokyo(testing)
        events = [testing.take()]
        testing.database.commit([Delete(TOKYO.path)])
        events.append(testing.take())
        if recreated:
            tokyo(testing, "Edo")
        events.append(testing.take())
        for position in order:
            for delivery in events[position]:
                testing.handle(delivery)
        assert content(testing, "cityViews/TOK", "title") == ("EDO" if recreated else None)
        assert_views_equal_rebuild(testing)


def test_an_event_of_a_document_that_is_gone_is_acknowledged_and_leaves_nothing() -> None:
    with world() as testing:
        tokyo(testing)
        send_events = testing.take()
        put(testing, FORM, amount=1)
        send_events += testing.take()
        testing.database.commit([Delete(TOKYO.path), Delete(FORM)])
        testing.take()
        for delivery in send_events:
            testing.handle(delivery)
        own = ("boilerLedgers/", "boilerContributions/")
        assert {path for path in testing.documents() if not path.startswith(own)} <= {"dashboards/large"}
        assert effects(testing) == []


@pytest.mark.parametrize("hours", [23 + 59 / 60, 24 + 1 / 60, 7 * 24])
@pytest.mark.parametrize("late", [0, 24, 72])
@pytest.mark.parametrize("collection", ["stamped", "kept", "deleted"])
def test_an_event_delivered_again_after_hours_or_days_has_no_second_effect_even_if_its_marker_expired(
    hours: float, late: int, collection: str
) -> None:
    clock = VirtualClock()
    with world() as testing:
        testing.surroundings = Surroundings(clock.now, clock.sleep, Random(0))
        delivery = send(testing, path=f"users/ann/{collection}/one")
        testing.handle(delivery)
        expire = {
            each.path: (each.fields or {})["expire_at"].timestamp()
            for each in testing.documents().values()
            if each.collection == marker.COLLECTION
        }
        assert expire
        clock.sleep(hours * HOUR)
        gone = [path for path, at in expire.items() if at + late * HOUR <= clock.now() / 1e9]
        testing.database.commit([Delete(path) for path in gone])
        report = testing.handle(delivery)
        assert report.outcomes in ({"duplicate": 1}, {"dead letter": 1})
        assert effects(testing) == [1]


def test_a_task_event_that_first_arrives_too_old_is_a_dead_letter_and_has_no_effect() -> None:
    clock = VirtualClock()
    with world() as testing:
        testing.surroundings = Surroundings(clock.now, clock.sleep, Random(0))
        delivery = send(testing)
        clock.sleep(24 * HOUR)
        testing.handle(delivery)
        assert [letter["reason"] for letter in letters(testing)] == ["EventTooOld"]
        assert effects(testing) == []


def test_a_view_event_never_ages_out() -> None:
    clock = VirtualClock()
    with world() as testing:
        testing.surroundings = Surroundings(clock.now, clock.sleep, Random(0))
        tokyo(testing)
        clock.sleep(7 * 24 * HOUR)
        testing.deliver()
        assert place(testing) == "Tokyo"


def test_eighty_events_at_once_in_one_process_do_not_mix_their_state() -> None:
    with world() as testing:
        for number in range(40):
            put(testing, f"cities/C{number}", name=f"City{number}")
            put(testing, f"users/u{number}/kept/one", amount=number)
        events = [each for each in testing.take() if each.function.entry_point in ("city_view_on_cities", "kept_task")]
        with ThreadPoolExecutor(80) as threads:
            list(threads.map(testing.handle, events))
        for number in range(40):
            assert content(testing, f"cityViews/C{number}", "title") == f"CITY{number}"
            assert effects(testing, f"u{number}") == [number]


def test_events_without_images_converge_and_take_effect_once() -> None:
    for seed in fresh_seeds(10):
        with world() as testing:
            stored_tokyo(testing)
            tokyo(testing, "Edo", capital=True, population=2_000_000)
            put(testing, JAPAN.path, name="Nippon")
            for form in FORMS:
                put(testing, form, amount=1)
                put(testing, form, amount=2)
            testing.pending = [each.without_images() for each in testing.pending]
            testing.deliver(shuffle=seed, duplicates=1, at_once=3)
            testing.database.commit([Delete(TOKYO.path), Delete(JAPAN.path)])
            testing.pending = [each.without_images() for each in testing.pending]
            testing.deliver(shuffle=seed, duplicates=1, at_once=3)
            assert effects(testing) == [2] * len(COMPLETIONS), f"seed {seed}"
            assert_views_equal_rebuild(testing)


def code(version: int) -> Boiler:
    app = Boiler("torture")

    class CityView(ViewModel[CityStore]):
        class Meta:
            path = "cityViews/{city.doc_id}"
            schema_version = version

        @attrs.computed
        def title(self) -> str:
            return f"{self.store.city.name} by {version}"

    app.query(CityView)
    return app


def test_an_old_version_of_the_code_beside_a_new_one_does_not_overwrite_its_views() -> None:
    old, new = code(1), code(2)
    with memory_app(new) as testing:
        tokyo(testing)
        created = the_one(testing, TOKYO.path)
        outdated = old.compiled.functions[created.function.entry_point]
        outdated.handle(created.change, testing.database, testing.surroundings)
        testing.handle(created.without_images())
        tokyo(testing, "Edo")
        changed = the_one(testing, TOKYO.path)
        for change in (created.change, changed.change):
            outdated.handle(change, testing.database, testing.surroundings)
            assert content(testing, "cityViews/TOK", "title") == "Tokyo by 2"
        testing.handle(changed)
        assert content(testing, "cityViews/TOK", "title") == "Edo by 2"
