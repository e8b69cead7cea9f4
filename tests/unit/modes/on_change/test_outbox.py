"""The outbox: a receiver gets every change at least once, always under the same key."""

import dataclasses
import logging
import math
import types
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from enum import Enum
from functools import partial
from random import Random
from typing import Any

import pytest

from boiler_functions import Boiler, Changed, DomainModel, Embedded, Store, ViewModel, attrs, reference
from boiler_functions.database import Database, Delete, Document, Put, Write
from boiler_functions.database.faults import Faults
from boiler_functions.exceptions import (
    Conflict,
    DeclarationError,
    Transient,
    Unavailable,
    Undeliverable,
    Undelivered,
    UnknownOutcome,
)
from boiler_functions.modes.dead_letter import letters_of
from boiler_functions.modes.invocation import Surroundings
from boiler_functions.modes.letters import Retry
from boiler_functions.modes.outbox import COLLECTION
from boiler_functions.modes.query.rebuild_all import RebuildAll
from boiler_functions.modes.run import Report
from boiler_functions.testing import Delivery, MemoryApp, assert_views_equal_rebuild, memory_app
from tests.unit.modes.cities import put
from tests.unit.modes.hooked import Hooked, raises


class City(DomainModel):
    class Meta:
        collection_name = "cities"

    name = attrs.string(required=True)
    population = attrs.integer(default=0)


class Capital(City):
    """A city with a government."""


class CityStore(Store):
    city = reference(City)


class CityView(ViewModel[CityStore]):
    class Meta:
        path = "cityViews/{city.doc_id}"

    suffix = ""

    @attrs.computed
    def title(self) -> str:
        return self.store.city.name.upper() + self.suffix


class Day(Enum):
    MONDAY = "mon"
    SUNDAY = "sun"


class Plug(Embedded):
    value = attrs.bproperty()


class Receiver:
    """Runs the next function in `plan`, which may raise, and then notes the change."""

    def __init__(self, *plan: Callable[[], object]) -> None:
        self.told: list[Changed[Any]] = []
        self.plan = list(plan)

    def __call__(self, change: Changed[Any]) -> None:
        if self.plan:
            self.plan.pop(0)()
        self.told.append(change)

    @property
    def keys(self) -> list[str]:
        return [change.key for change in self.told]

    @property
    def titles(self) -> list[tuple[str | None, str | None]]:
        return [tuple(view and view.title for view in (each.before, each.after)) for each in self.told]  # type: ignore[misc]

    @property
    def names(self) -> list[tuple[str | None, str | None]]:
        return [tuple(city and city.name for city in (each.before, each.after)) for each in self.told]  # type: ignore[misc]


def telling(receiver: Receiver, target: type[Any] = CityView, *, max_attempts: int | None = None) -> Boiler:
    """An app with a stored view, and a receiver of the target's changes."""
    app = Boiler("demo", max_event_age=timedelta(hours=23))
    app.query(CityView)

    @app.on_change(target, max_attempts=max_attempts)
    def tell(change: Changed[Any]) -> None:
        receiver(change)

    return app


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "boiler_functions")


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def testing(receiver: Receiver) -> Iterator[MemoryApp]:
    with memory_app(telling(receiver)) as memory:
        yield memory


def letters(testing: MemoryApp) -> list[dict[str, Any]]:
    return [dict(each.fields or {}) for each in testing.documents().values() if each.collection == "boilerDeadLetters"]


def records(testing: MemoryApp) -> list[dict[str, Any]]:
    found = testing.documents().values()
    return [dict(each.fields or {}) for each in found if each.collection.endswith(f"/{COLLECTION}")]


def outcomes(reports: list[Report]) -> list[str]:
    return [outcome for report in reports for outcome in report.outcomes]


def sent(testing: MemoryApp) -> Delivery:
    """The one event of the sink that is pending; those of the view are handled."""
    while views := [each for each in testing.pending if each.function.mode != "on_change"]:
        testing.pending = [each for each in testing.pending if each.function.mode == "on_change"]
        for each in views:
            testing.handle(each)
    (delivery,) = testing.take()
    return delivery


# A view.


def test_a_view_is_delivered_when_it_is_created_changed_and_deleted(testing: MemoryApp, receiver: Receiver) -> None:
    for name in ("Tokyo", "Edo"):
        put(testing, "cities/TOK", name=name)
        testing.deliver()
    testing.database.commit([Delete("cities/TOK")])
    testing.deliver()
    assert receiver.titles == [(None, "TOKYO"), ("TOKYO", "EDO"), ("EDO", None)]
    assert len(set(receiver.keys)) == 3


def test_the_change_of_a_view_names_its_root_and_its_copies(testing: MemoryApp, receiver: Receiver) -> None:
    put(testing, "cities/TOK", name="Tokyo")
    testing.deliver()
    (change,) = receiver.told
    assert (change.name, change.path, change.doc_id) == ("CityView", "cities/TOK", "TOK")
    assert change.copies == ("cityViews/TOK",)
    assert change.after
    assert change.after.to_view_dict() == {"title": "TOKYO"}
    assert change.attempt == 1


def test_a_build_that_leaves_the_content_as_it_is_delivers_no_change(testing: MemoryApp, receiver: Receiver) -> None:
    put(testing, "cities/TOK", name="Tokyo")
    testing.deliver()
    put(testing, "cities/TOK", name="Tokyo", population=1)
    testing.deliver()
    assert len(receiver.told) == 1


def test_the_record_is_written_in_the_commit_of_the_view_and_costs_no_more_calls() -> None:
    calls, written = [], []
    for app in (telling(Receiver()), telling(Receiver(), City)):
        with memory_app(app) as testing:
            put(testing, "cities/TOK", name="Tokyo")
            testing.deliver()
            put(testing, "cities/TOK", name="Edo")
            hooked = Hooked(testing.database)
            (event,) = [each for each in testing.take() if each.function.views]
            testing.handle(event, hooked)
            calls.append(hooked.calls)
            written.append([write.path.split("/")[0] for write in hooked.written[-1]])
    assert calls[0] == calls[1]
    assert written[1] == ["boilerLedgers", "cityViews"]
    assert written[0] == ["boilerLedgers", "cityViews", "boilerOutbox"]


def test_repeated_events_of_a_source_tell_of_one_change(testing: MemoryApp, receiver: Receiver) -> None:
    put(testing, "cities/TOK", name="Tokyo")
    testing.deliver(duplicates=3, shuffle=5)
    assert receiver.titles == [(None, "TOKYO")]


def test_a_change_is_not_delivered_again_when_its_event_is_repeated(testing: MemoryApp, receiver: Receiver) -> None:
    put(testing, "cities/TOK", name="Tokyo")
    event = sent(testing)
    assert outcomes([testing.handle(event), testing.handle(event)]) == ["delivered", "duplicate"]
    assert len(receiver.told) == 1


def test_a_view_commit_whose_answer_is_lost_leaves_one_record(testing: MemoryApp, receiver: Receiver) -> None:
    put(testing, "cities/TOK", name="Tokyo")
    testing.deliver()
    put(testing, "cities/TOK", name="Edo")
    (event,) = testing.take()
    testing.handle(event, Hooked(testing.database).after("commit", 1, raises(UnknownOutcome("lost"))))
    testing.deliver()
    assert receiver.titles == [(None, "TOKYO"), ("TOKYO", "EDO")]


def test_stamping_a_record_is_no_event_of_its_sink(testing: MemoryApp, receiver: Receiver) -> None:
    put(testing, "cities/TOK", name="Tokyo")
    testing.handle(sent(testing))
    assert testing.take() == []
    (record,) = records(testing)
    assert (record["status"], record["attempts"]) == ("delivered", 1)


def test_each_receiver_has_a_record_of_its_own() -> None:
    app, deaf, other = Boiler("demo"), Receiver(*[raises(OSError("busy"))] * 2), Receiver()
    app.query(CityView)

    @app.on_change(CityView)
    def mail(change: Changed[CityView]) -> None:
        deaf(change)

    @app.on_change(CityView)
    def publish(change: Changed[CityView]) -> None:
        other(change)

    with memory_app(app) as testing:
        put(testing, "cities/TOK", name="Tokyo")
        testing.deliver()
    assert [change.attempt for change in deaf.told] == [3]
    assert [change.attempt for change in other.told] == [1]
    assert not {*deaf.keys} & {*other.keys}


def test_an_expired_record_is_nothing_to_tell(testing: MemoryApp, receiver: Receiver) -> None:
    put(testing, "cities/TOK", name="Tokyo")
    event = sent(testing)
    testing.database.commit([Delete(event.change.path)])
    assert outcomes([testing.handle(event)]) == ["unaffected"]
    assert testing.take() == []


# Builds by hand.


def built_by_hand(testing: MemoryApp) -> None:
    declared = testing.compiled.declarations
    list(RebuildAll(declared.app, CityView, testing.database, testing.surroundings, declared.recipients).run())


def test_a_build_by_hand_tells_of_nothing_that_was_there_before(testing: MemoryApp, receiver: Receiver) -> None:
    put(testing, "cities/TOK", name="Tokyo")
    testing.take()
    built_by_hand(testing)
    testing.deliver()
    assert receiver.told == []


def test_a_build_by_hand_tells_of_no_change_of_the_code(
    testing: MemoryApp, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(testing, "cities/TOK", name="Tokyo")
    testing.deliver()
    monkeypatch.setattr(CityView, "suffix", "!")
    built_by_hand(testing)
    testing.deliver()
    assert receiver.titles == [(None, "TOKYO")]
    assert (testing.fields("cityViews/TOK") or {})["title"] == "TOKYO!"


def test_what_was_there_before_a_build_by_hand_is_known_to_the_next_change(
    testing: MemoryApp, receiver: Receiver
) -> None:
    put(testing, "cities/TOK", name="Tokyo")
    testing.take()
    built_by_hand(testing)
    put(testing, "cities/TOK", name="Edo")
    testing.deliver()
    assert receiver.titles == [("TOKYO", "EDO")]


@pytest.mark.parametrize("after", ["Edo", None])
def test_a_change_that_a_build_by_hand_includes_before_its_event_comes_is_delivered(
    testing: MemoryApp, receiver: Receiver, after: str | None
) -> None:
    put(testing, "cities/TOK", name="Tokyo")
    testing.deliver()
    testing.database.commit([Put("cities/TOK", {"name": after}) if after else Delete("cities/TOK")])
    late = testing.take()
    built_by_hand(testing)
    testing.pending += late
    testing.deliver(duplicates=1)
    assert receiver.titles == [(None, "TOKYO"), ("TOKYO", after and after.upper())]


# A failure.


@pytest.mark.parametrize("target", [CityView, City])
def test_a_receiver_that_fails_gets_the_change_again_under_the_same_key(target: type[Any]) -> None:
    receiver = Receiver(raises(OSError("no route")), raises(Undelivered("busy")))
    keys: list[str] = []
    with memory_app(telling(receiver, target)) as testing:
        put(testing, "cities/TOK", name="Tokyo")
        event = sent(testing)
        for _ in range(2):
            with pytest.raises(Undelivered, match=r"tell failed on cities/TOK, attempt \d"):
                testing.handle(event)
            (record,) = records(testing)
            keys.append(record["status"])
        testing.handle(event)
        assert outcomes([testing.handle(event)]) == ["duplicate"]
    assert keys == ["pending", "pending"]
    assert [change.attempt for change in receiver.told] == [3]


@pytest.mark.parametrize("target", [CityView, City])
def test_a_failure_for_good_is_a_dead_letter_and_acknowledged(target: type[Any]) -> None:
    receiver = Receiver(raises(Undeliverable("gone")))
    with memory_app(telling(receiver, target)) as testing:
        put(testing, "cities/TOK", name="Tokyo")
        event = sent(testing)
        assert outcomes([testing.handle(event), testing.handle(event)]) == ["dead letter", "duplicate"]
        (letter,) = letters(testing)
        (record,) = records(testing)
    assert (letter["code"], letter["view"], letter["message"]) == ("BF512", "tell", "gone")
    assert (record["status"], record["error"]) == ("dead", "gone")
    assert receiver.told == []


@pytest.mark.parametrize("target", [CityView, City])
def test_after_max_attempts_there_is_a_dead_letter(target: type[Any]) -> None:
    receiver = Receiver(*[raises(OSError("no route"))] * 9)
    with memory_app(telling(receiver, target, max_attempts=3)) as testing:
        put(testing, "cities/TOK", name="Tokyo")
        testing.deliver()
        (letter,) = letters(testing)
    assert letter["message"] == "tell failed 3 times; at last OSError: no route"
    assert len(receiver.plan) == 6


@pytest.mark.parametrize("target", [CityView, City])
def test_before_the_platform_drops_the_event_there_is_a_dead_letter_with_the_last_error(target: type[Any]) -> None:
    receiver = Receiver(raises(OSError("no route")))
    now = [1_700_000_000_000_000_000]
    surroundings = Surroundings(lambda: now[0], lambda _: None, Random(0))
    with memory_app(telling(receiver, target), surroundings) as testing:
        put(testing, "cities/TOK", name="Tokyo")
        event = sent(testing)
        with pytest.raises(Undelivered):
            testing.handle(event)
        now[0] += 24 * 3600 * 1_000_000_000
        assert outcomes([testing.handle(event)]) == ["dead letter"]
        (letter,) = letters(testing)
    assert "1 day, 0:00:00 old, more than `max_event_age`" in letter["message"]
    assert "OSError: no route" in letter["message"]
    assert receiver.told == []


@pytest.mark.parametrize("target", [CityView, City])
def test_a_crash_before_the_stamp_repeats_the_key(target: type[Any]) -> None:
    receiver = Receiver()
    with memory_app(telling(receiver, target)) as testing:
        put(testing, "cities/TOK", name="Tokyo")
        event = sent(testing)
        with pytest.raises(Unavailable):
            testing.handle(event, Hooked(testing.database).before("commit", 1, raises(Unavailable("down"))))
        testing.handle(event)
        assert outcomes([testing.handle(event)]) == ["duplicate"]
    assert len(receiver.told) == 2
    assert len(set(receiver.keys)) == 1


@pytest.mark.parametrize("target", [CityView, City])
def test_a_receiver_may_read_models_but_not_write_them(target: type[Any]) -> None:
    seen: list[str] = []

    def write() -> None:
        city = City.get("TOK")
        assert city is not None
        seen.append(city.name)
        city.name = "Edo"
        city.save()

    with memory_app(telling(Receiver(write), target)) as testing:
        put(testing, "cities/TOK", name="Tokyo")
        testing.deliver()
        (letter,) = letters(testing)
        assert testing.fields("cities/TOK") == {"name": "Tokyo"}
    assert seen == ["Tokyo"]
    assert "tell writes cities/TOK, but a function of `@app.on_change` may only read models" in letter["message"]


# A model.


@pytest.fixture
def cities(receiver: Receiver) -> Iterator[MemoryApp]:
    with memory_app(telling(receiver, City)) as memory:
        yield memory


def test_the_change_of_a_model_is_delivered_whoever_writes_its_document(cities: MemoryApp, receiver: Receiver) -> None:
    City.new(doc_id="TOK", name="Tokyo").save()
    cities.deliver(duplicates=1)
    put(cities, "cities/TOK", name="Edo", population=5)
    cities.deliver(duplicates=1)
    cities.database.commit([Delete("cities/TOK")])
    cities.deliver(duplicates=1)
    assert receiver.names == [(None, "Tokyo"), ("Tokyo", "Edo"), ("Edo", None)]
    assert len(set(receiver.keys)) == 3
    assert {change.path for change in receiver.told} == {"cities/TOK"}


def test_a_field_that_the_model_does_not_declare_is_no_change_of_it(cities: MemoryApp, receiver: Receiver) -> None:
    put(cities, "cities/TOK", name="Tokyo")
    put(cities, "cities/TOK", name="Tokyo", seen=1)
    assert "unaffected" in outcomes(cities.deliver())
    assert receiver.names == [(None, "Tokyo")]


def test_a_change_between_values_that_are_equal_in_python_is_delivered_if_firestore_distinguishes_them(
    receiver: Receiver,
) -> None:
    class Light(DomainModel):
        class Meta:
            collection_name = "lights"

        state = attrs.bproperty()
        days = attrs.list(Day)
        socket = attrs.embedded(Plug)

    written: list[dict[str, Any]] = [
        {"state": 1},
        {"state": True},
        {"state": 1.0},
        {"state": {"on": 0}},
        {"state": {"on": False}},
        {"days": ["mon"]},
        {"days": ["mon", "sun"]},
        {"socket": {"value": [0]}},
        {"socket": {"value": [False]}},
    ]
    with memory_app(telling(receiver, Light)) as testing:
        for fields in written:
            put(testing, "lights/one", **fields)
            testing.deliver(duplicates=1)
        assert len(receiver.told) == len(written)
        # NaN is no change to itself, nor is what the model does not declare.
        put(testing, "lights/one", state=math.nan)
        testing.deliver()
        receiver.told.clear()
        put(testing, "lights/one", state=math.nan, seen=1)
        put(testing, "lights/one", state=math.nan, seen=2)
        testing.deliver()
        assert receiver.told == []


def test_an_equal_write_is_no_change(cities: MemoryApp, receiver: Receiver) -> None:
    put(cities, "cities/TOK", name="Tokyo")
    event = sent(cities)
    equal = replace(event, change=event.change._replace(before=event.change.after))
    assert outcomes([cities.handle(equal)]) == ["ignored"]
    assert receiver.told == []


def test_an_event_without_images_tells_of_the_document_as_it_is(cities: MemoryApp, receiver: Receiver) -> None:
    put(cities, "cities/TOK", name="Tokyo")
    cities.handle(sent(cities).without_images())
    assert receiver.names == [(None, "Tokyo")]


def test_an_event_without_images_of_a_deleted_document_is_still_delivered(
    cities: MemoryApp, receiver: Receiver
) -> None:
    put(cities, "cities/TOK", name="Tokyo")
    event = sent(cities)
    cities.database.commit([Delete("cities/TOK")])
    cities.handle(event.without_images())
    assert receiver.names == [(None, None)]


def test_a_document_that_becomes_another_class_leaves_the_one_and_enters_the_other(receiver: Receiver) -> None:
    with memory_app(telling(receiver, Capital)) as testing:
        put(testing, "cities/TOK", name="Tokyo", obj_type="City")
        put(testing, "cities/TOK", name="Tokyo", obj_type="Capital")
        put(testing, "cities/TOK", name="Tokyo", obj_type="City")
        testing.deliver()
    assert receiver.names == [(None, "Tokyo"), ("Tokyo", None)]


class Reading(Receiver):
    """Reads the city's name."""

    def __call__(self, change: Changed[Any]) -> None:
        assert change.after
        assert change.after.name
        super().__call__(change)


def test_a_value_that_does_not_fit_is_a_dead_letter_once_it_is_read_and_its_repair_is_delivered() -> None:
    receiver = Reading()
    with memory_app(telling(receiver, City)) as cities:
        put(cities, "cities/TOK", name=5)
        cities.deliver()
        assert [each["code"] for each in letters(cities) if each["view"] == "tell"] == ["BF501"]
        put(cities, "cities/TOK", name="Tokyo")
        cities.deliver()
        assert receiver.names == [(None, "Tokyo")]


def test_a_receiver_is_told_of_each_change_of_a_value_that_does_not_fit_and_that_it_does_not_read(
    cities: MemoryApp, receiver: Receiver
) -> None:
    for population in ("ten", "eleven"):
        put(cities, "cities/TOK", population=population, name="Tokyo")
    cities.deliver()
    assert receiver.names == [(None, "Tokyo"), ("Tokyo", "Tokyo")]


# What older code left.


def city_view(**declared: Any) -> type[ViewModel[CityStore]]:
    """A view called CityView with these attributes, as one deployment or another declares it."""

    class Meta:
        path = "cityViews/{city.doc_id}"

    def init(namespace: dict[str, Any]) -> None:
        namespace.update(declared, Meta=Meta, __module__=__name__)

    return types.new_class("CityView", (ViewModel[CityStore],), {}, init)


def computed(value: Callable[[Any], Any], returns: Any) -> Any:
    def get(self: Any) -> Any:
        return value(self)

    get.__annotations__["return"] = returns
    return attrs.computed(get)


TITLE = {"title": computed(lambda self: self.store.city.name.upper(), str)}
SIZE = {"size": computed(lambda self: self.store.city.population or 0, int)}
TEXT_SIZE = {"size": computed(lambda self: str(self.store.city.population), str)}

Given = tuple[dict[str, Any] | None, dict[str, Any] | None]


def app_with(view: type[ViewModel[Any]], given: list[Given]) -> Boiler:
    app = Boiler("demo")
    app.query(view)

    @app.on_change(view)
    def tell(change: Changed[Any]) -> None:
        for each in (change.before, change.after):
            assert each is None or all(hasattr(each, name) for name in view.attributes)
        before, after = (each and each.to_view_dict() for each in (change.before, change.after))
        given.append((before, after))

    return app


def deployed(testing: MemoryApp, app: Boiler) -> None:
    """Replaces the app's code; pending events go to the functions of the same names."""
    testing.compiled = app.compiled
    testing.pending = [
        dataclasses.replace(each, function=app.compiled.functions[each.function.entry_point])
        for each in testing.pending
    ]


@pytest.mark.parametrize(
    ("old", "new", "before", "after"),
    [
        ({**TITLE}, {**TITLE, **SIZE}, {"title": "TOKYO"}, {"title": "EDO", "size": 0}),
        ({**TITLE, **SIZE}, {**TITLE}, {"title": "TOKYO"}, {"title": "EDO"}),
        ({**TITLE, **SIZE}, {**TITLE, **TEXT_SIZE}, {"title": "TOKYO"}, {"title": "EDO", "size": "0"}),
        ({**SIZE}, {**TITLE}, {}, {"title": "EDO"}),
    ],
    ids=["added", "removed", "of another type", "replaced"],
)
def test_a_view_that_older_code_stored_is_delivered_as_far_as_it_fits(
    old: dict[str, Any], new: dict[str, Any], before: dict[str, Any], after: dict[str, Any]
) -> None:
    given: list[Given] = []
    with memory_app(app_with(city_view(**old), [])) as testing:
        put(testing, "cities/TOK", name="Tokyo", population=0)
        testing.deliver()
        deployed(testing, app_with(city_view(**new), given))
        put(testing, "cities/TOK", name="Edo", population=0)
        testing.deliver()
        assert given == [(before, after)]
        assert letters(testing) == []


def test_a_record_that_older_code_left_is_delivered_as_far_as_it_fits() -> None:
    given: list[Given] = []
    with memory_app(app_with(city_view(**TITLE), [])) as testing:
        put(testing, "cities/TOK", name="Tokyo", population=0)
        testing.pending = [sent(testing)]
        deployed(testing, app_with(city_view(**TITLE, **SIZE), given))
        testing.deliver()
        assert given == [(None, {"title": "TOKYO"})]
        assert letters(testing) == []


def test_a_record_with_fewer_fields_is_delivered_as_far_as_it_fits() -> None:
    given: list[Given] = []
    with memory_app(app_with(city_view(**TITLE), given)) as testing:
        put(testing, "cities/TOK", name="Tokyo", population=0)
        record = sent(testing)
        fields = {"app": "demo", "path": "cities/TOK", "after": {"title": "TOKYO"}, "status": "pending"}
        testing.write(record.change.path, fields)
        testing.take()
        testing.handle(record)
        assert given == [(None, {"title": "TOKYO"})]


def test_a_model_that_older_code_wrote_is_given_as_far_as_it_goes(cities: MemoryApp, receiver: Receiver) -> None:
    put(cities, "cities/TOK", population=9)
    put(cities, "cities/TOK", population=9, name="Tokyo")
    put(cities, "cities/TOK", population="ten", name="Tokyo")
    put(cities, "cities/TOK", population=10, name="Tokyo")
    cities.deliver()
    told = [(change.before and change.before.to_view_dict(), change.path) for change in receiver.told]
    assert told == [
        (None, "cities/TOK"),
        ({"population": 9}, "cities/TOK"),
        ({"population": 9, "name": "Tokyo"}, "cities/TOK"),
        ({"name": "Tokyo"}, "cities/TOK"),
    ]


# A function that is renamed.


def renamed(receiver: Receiver, target: type[Any]) -> Boiler:
    """The app of `telling` after its function got another name."""
    app = Boiler("demo", max_event_age=timedelta(hours=23))
    app.query(CityView)

    @app.on_change(target, name="tell")
    def notify(change: Changed[Any]) -> None:
        receiver(change)

    return app


@pytest.mark.parametrize("target", [CityView, City])
@pytest.mark.parametrize("fails", [False, True])
def test_a_renamed_function_with_its_former_name_goes_on_where_that_stopped(target: type[Any], fails: bool) -> None:
    before, after = Receiver(*[raises(OSError("busy"))] * fails), Receiver()
    with memory_app(telling(before, target)) as testing:
        put(testing, "cities/TOK", name="Tokyo")
        event = sent(testing)
        with pytest.raises(Undelivered) if fails else nullcontext():
            testing.handle(event)
        testing.deploy(renamed(after, target))
        again = replace(event, function=testing.compiled.functions[event.function.entry_point])
        assert outcomes([testing.handle(again)]) == ["delivered" if fails else "duplicate"]
        assert [change.attempt for change in after.told] == [2] * fails
        assert len(records(testing)) == 1


@pytest.mark.parametrize("target", [CityView, City])
def test_a_letter_is_delivered_again_by_the_renamed_function(target: type[Any]) -> None:
    after = Receiver()
    with memory_app(telling(Receiver(raises(Undeliverable("gone"))), target)) as testing:
        put(testing, "cities/TOK", name="Tokyo")
        testing.deliver()
        testing.deploy(renamed(after, target))
        (letter,) = letters_of(testing.database, "demo")
        Retry("demo", letter).run(testing.compiled.declarations, testing.database, testing.surroundings)
        assert len(after.told) == 1


@pytest.mark.parametrize("name", ["", "tell me", "a/b", 5])
def test_a_name_that_no_function_can_have_is_refused(name: Any) -> None:
    with pytest.raises(DeclarationError, match=r"@app\.on_change\(City\): name must be the name of a function; found"):
        Boiler("demo").on_change(City, name=name)


# What is declared.


def test_a_view_that_is_not_stored_has_no_changes_to_receive() -> None:
    app = Boiler("demo")

    @app.on_change(CityView)
    def tell(change: Changed[CityView]) -> None: ...

    with pytest.raises(DeclarationError, match=r"decorate CityView with `@app\.query`"):
        _ = app.compiled


def test_without_retry_a_notification_would_be_lost_and_is_refused() -> None:
    app = Boiler("demo", retry=False)

    @app.on_change(City)
    def tell(change: Changed[City]) -> None: ...

    with pytest.raises(DeclarationError, match="leave `retry` on"):
        _ = app.compiled


def test_a_receiver_may_have_options_of_its_own() -> None:
    app = Boiler("demo", timeout_sec=60)

    @app.on_change(City, timeout_sec=120, secrets=["CITIES_SECRET"])
    def tell(change: Changed[City]) -> None: ...

    (function,) = app.manifest.functions
    assert function.options.timeout_sec == 120
    assert function.options.secrets == ("CITIES_SECRET",)
    assert app.compiled.functions["tell_on_cities"].timeout_sec == 120


async def later(change: Changed[Any]) -> None: ...


@pytest.mark.parametrize("function", [later, print, lambda change: None, Receiver()])
def test_only_a_plain_function_is_accepted(function: Any) -> None:
    with pytest.raises(DeclarationError, match=r"@app\.on_change\(City\) decorates .*; it needs a plain function"):
        Boiler("demo").on_change(City)(function)


@pytest.mark.parametrize("target", [CityStore, "City", None])
def test_only_a_model_or_a_view_has_changes(target: Any) -> None:
    with pytest.raises(DeclarationError, match="give the DomainModel or ViewModel whose changes it receives"):
        Boiler("demo").on_change(target)


def test_the_manifest_has_a_function_for_each_receiver() -> None:
    app = telling(Receiver())

    @app.on_change(City)
    def write_mail(change: Changed[City]) -> None: ...

    told = [each for each in app.manifest.functions if each.mode == "on_change"]
    assert [each.entry_point for each in told] == ["tell_on_city_view", "write_mail_on_cities"]
    view, model = (each.to_wire()["eventTrigger"] for each in told)
    assert view["eventType"] == "google.cloud.firestore.document.v1.created"
    assert view["eventFilterPathPatterns"] == {"document": "boilerOutbox/demo.tell.CityView/boilerOutbox/{key}"}
    assert model["eventType"] == "google.cloud.firestore.document.v1.written"
    assert model["eventFilterPathPatterns"] == {"document": "cities/{doc_id}"}


# Faults.


class Faulty:
    """A database whose calls fail at times: before, as a crash or an outage, or after, as an answer that is lost."""

    def __init__(self, database: Database, chance: Random) -> None:
        self.database = database
        self.chance = chance
        self.injected: dict[str, int] = {"before": 0, "lost": 0, "conflict": 0}

    def read(self, *args: Any, **kwargs: Any) -> Any:
        self._perhaps("before", Unavailable("down"), 0.05)
        return self.database.read(*args, **kwargs)

    def query(self, *args: Any, **kwargs: Any) -> Any:
        self._perhaps("before", Unavailable("down"), 0.05)
        return self.database.query(*args, **kwargs)

    def aggregate(self, *args: Any, **kwargs: Any) -> Any:
        self._perhaps("before", Unavailable("down"), 0.05)
        return self.database.aggregate(*args, **kwargs)

    def commit(self, *args: Any, **kwargs: Any) -> Any:
        self._perhaps("before", Unavailable("down"), 0.1)
        self._perhaps("conflict", Conflict("contended"), 0.1)
        committed = self.database.commit(*args, **kwargs)
        self._perhaps("lost", UnknownOutcome("lost"), 0.15)
        return committed

    def _perhaps(self, kind: str, error: Exception, chance: float) -> None:
        if self.chance.random() < chance:
            self.injected[kind] += 1
            raise error


@pytest.mark.parametrize("seed", range(8))
def test_under_any_faults_every_change_is_delivered_under_one_key(seed: int) -> None:
    chance = Random(seed)
    failures = [raises(OSError("no route")) if chance.random() < 0.2 else lambda: None for _ in range(2000)]
    of_view, of_model = Receiver(*failures), Receiver(*failures)
    app = Boiler("demo")
    app.query(CityView)

    @app.on_change(CityView)
    def tell(change: Changed[CityView]) -> None:
        of_view(change)

    @app.on_change(City)
    def mail(change: Changed[City]) -> None:
        of_model(change)

    with memory_app(app) as testing:
        happened = changes_of(testing)
        faulty = Faulty(testing.database, chance)
        testing.through = faulty
        for step in range(60):
            testing.database.commit([random_write(chance, step)])
            if chance.random() < 0.3:
                deliver_some(testing, chance)
        for _ in range(200):
            deliver_some(testing, chance)
        assert testing.pending == []
        testing.through = testing.database
        assert letters(testing) == []
        assert_views_equal_rebuild(testing)
    assert all(count > 5 for count in faulty.injected.values()), faulty.injected
    assert told_of(of_view, "title") == happened("cityViews", "title")
    assert told_of(of_model, "name") == happened("cities", "name")


@pytest.mark.parametrize("seed", range(6))
def test_under_any_crashes_every_change_is_delivered_under_one_key(seed: int) -> None:
    of_view, of_model = Receiver(), Receiver()
    app = Boiler("demo")
    app.query(CityView)

    @app.on_change(CityView)
    def tell(change: Changed[CityView]) -> None:
        of_view(change)

    @app.on_change(City)
    def mail(change: Changed[City]) -> None:
        of_model(change)

    chance = Random(seed)
    with memory_app(app) as testing:
        happened = changes_of(testing)
        acts = [partial(testing.database.commit, [random_write(chance, step)]) for step in range(40)]
        weather = Faults(before=0.02, after=0.03, torn=0.02)
        testing.deliver(duplicates=1, shuffle=seed, at_once=4, crashes=0.01, drops=0.05, faults=weather, meanwhile=acts)
        assert testing.injected["handler crashed"]
        assert_views_equal_rebuild(testing)
    assert told_of(of_view, "title") == happened("cityViews", "title")
    assert told_of(of_model, "name") == happened("cities", "name")


def random_write(chance: Random, step: int) -> Write:
    path = f"cities/{chance.choice('ABC')}"
    return Delete(path) if chance.random() < 0.1 else Put(path, {"name": f"name {step}"})


def deliver_some(testing: MemoryApp, chance: Random) -> None:
    """Delivers the pending events once, some twice, in any order; those that fail are pending again."""
    events = testing.take()
    events += [each for each in events if chance.random() < 0.3]
    chance.shuffle(events)
    for event in events:
        try:
            testing.handle(event)
        except Transient:
            testing.pending.append(event)


def changes_of(testing: MemoryApp) -> Callable[[str, str], list[tuple[str | None, str | None]]]:
    """What changed in a collection: the field before and after, in order of the values."""
    seen: list[tuple[Document, Document]] = []
    testing.database.subscribe(lambda before, after: seen.append((before, after)))

    def happened(collection: str, field: str) -> list[tuple[str | None, str | None]]:
        pairs = [
            ((before.fields or {}).get(field), (after.fields or {}).get(field))
            for before, after in seen
            if after.path.startswith(f"{collection}/")
        ]
        return sorted((pair for pair in pairs if pair[0] != pair[1]), key=str)

    return happened


def told_of(receiver: Receiver, attribute: str) -> list[tuple[str | None, str | None]]:
    """Returns the changes of a receiver, one for each key; asserts that repetitions are equal."""
    by_key: dict[str, tuple[str | None, str | None]] = {}
    for change in receiver.told:
        pair = (change.before and getattr(change.before, attribute), change.after and getattr(change.after, attribute))
        assert by_key.setdefault(change.key, pair) == pair
    return sorted(by_key.values(), key=str)
