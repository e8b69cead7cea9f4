"""A view that asks for the time is built again when an answer changes, by whoever comes first, and never by a clock."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random
from typing import Any

import pytest

from boiler_functions import (
    Boiler,
    Changed,
    DomainModel,
    HttpSettings,
    Rejected,
    Store,
    ViewModel,
    access,
    attrs,
    reference,
)
from boiler_functions.database import Put, Reading, Select
from boiler_functions.database.metered import Metered
from boiler_functions.modes.invocation import Invocation, Outcome, Surroundings
from boiler_functions.modes.ledger import COLLECTION
from boiler_functions.testing import MemoryApp, VirtualClock, assert_views_equal_rebuild, http_client, memory_app
from boiler_functions.types import Instant, to_datetime
from boiler_functions.views.now import Now
from tests.unit.modes.hooked import Hooked

MINUTE = timedelta(minutes=1)


class Task(DomainModel):
    class Meta:
        collection_name = "tasks"

    title = attrs.string(default="Write")
    due_at = attrs.timestamp(required=True)
    asks = attrs.string(default="overdue")


class TaskStore(Store):
    task = reference(Task)


app = Boiler("time", http=HttpSettings(rate=None))


@app.query
@app.rest("/tasks")
class TaskView(ViewModel[TaskStore]):
    class Meta:
        path = "taskViews/{task.doc_id}"
        read = access.public
        write = access.public

    @attrs.computed
    def title(self) -> str:
        return self.store.task.title

    @title.setter
    def set_title(self, value: str) -> None:
        if self.store.now.has_passed(self.store.task.due_at):
            raise Rejected("It is too late.")
        self.store.task.title = value

    @attrs.computed
    def answer(self) -> int:
        task, now = self.store.task, self.store.now
        match task.asks:
            case "overdue":
                return int(now.has_passed(task.due_at))
            case "days":
                return now.days_until(task.due_at)
            case "soon":
                return int(now.is_within(task.due_at, 15 * MINUTE))
        raise ValueError(task.asks)


told: list[Changed[TaskView]] = []


@app.on_change(TaskView)
def tell(change: Changed[TaskView]) -> None:
    told.append(change)


class Done(ViewModel[TaskStore]):
    def propagate_change(self) -> None:
        if self.store.now.has_passed(self.store.task.due_at):
            raise Rejected("It is too late.")
        self.store.task.title = "Done"
        self.store.task.save()


app.task("tasks/{doc_id}/done/{form_id}", writes=[Task])(Done)


@contextmanager
def running() -> Iterator[MemoryApp]:
    told.clear()
    clock = VirtualClock()
    with memory_app(app, Surroundings(clock.now, clock.sleep, Random(7))) as testing:
        yield testing


@pytest.fixture
def testing() -> Iterator[MemoryApp]:
    with running() as memory:
        yield memory


def due(testing: MemoryApp, after: timedelta, asks: str = "overdue", doc_id: str = "t") -> None:
    Task.new(doc_id=doc_id, due_at=now(testing) + after, asks=asks).save()
    testing.deliver()


def now(testing: MemoryApp) -> datetime:
    return to_datetime(testing.surroundings.clock())


def answer(testing: MemoryApp, doc_id: str = "t") -> Any:
    return (testing.fields(f"taskViews/{doc_id}") or {})["answer"]


def answered(response: Any) -> Any:
    return response.json["answer"]


def skewed(testing: MemoryApp, seconds: int) -> int:
    return testing.surroundings.clock() + seconds * 1_000_000_000


def ledger(testing: MemoryApp) -> Any:
    return next(each.fields for each in testing.documents().values() if each.collection == COLLECTION)


def test_a_view_changes_when_its_moment_comes_and_not_before() -> None:
    with running() as testing:
        due(testing, after=2 * MINUTE)
        assert testing.advance(minutes=1) == {}
        assert answer(testing) == 0
        assert testing.advance(minutes=1) == {"built": 1}
        assert answer(testing) == 1
        assert_views_equal_rebuild(testing)
        assert ledger(testing).get("wake_at") is None
        assert testing.advance(days=365) == {}


def test_a_moment_between_two_seconds_is_met_neither_early_nor_late(testing: MemoryApp) -> None:
    due(testing, after=timedelta(microseconds=1_500_000))
    assert testing.advance(microseconds=1_499_999) == {}
    assert testing.advance(microseconds=1) == {"built": 1}
    assert answer(testing) == 1


def test_days_are_counted_down_to_zero_and_no_further(testing: MemoryApp) -> None:
    due(testing, after=timedelta(days=2, hours=1), asks="days")
    seen = [answer(testing)]
    for _ in range(5):
        testing.advance(hours=20)
        assert_views_equal_rebuild(testing)
        seen.append(answer(testing))
    assert seen == [2, 1, 0, 0, 0, 0]
    assert ledger(testing).get("wake_at") is None


def test_a_moment_is_within_reach_on_both_of_its_sides(testing: MemoryApp) -> None:
    due(testing, after=timedelta(hours=1), asks="soon")
    seen = []
    for _ in range(5):
        seen.append(answer(testing))
        testing.advance(minutes=20)
        assert_views_equal_rebuild(testing)
    assert seen == [0, 0, 0, 1, 0]


def test_an_event_after_the_moment_builds_the_view_and_upkeep_finds_nothing_left(testing: MemoryApp) -> None:
    due(testing, after=MINUTE)
    testing.surroundings.sleep(120)
    testing.write("tasks/t", {**(testing.fields("tasks/t") or {}), "title": "Rewrite"})
    testing.deliver()
    assert answer(testing) == 1
    assert testing.advance() == {}


def test_a_moved_moment_is_followed(testing: MemoryApp) -> None:
    due(testing, after=MINUTE)
    due(testing, after=10 * MINUTE)
    assert testing.advance(minutes=2) == {}
    due(testing, after=MINUTE)
    assert testing.advance(minutes=2) == {"built": 1}


def test_a_change_by_time_is_delivered_once(testing: MemoryApp) -> None:
    due(testing, after=MINUTE)
    told.clear()
    testing.advance(minutes=1)
    testing.deliver(duplicates=2, shuffle=3)
    assert [(each.before and each.before.answer, each.after and each.after.answer) for each in told] == [(0, 1)]


def test_a_build_by_hand_after_the_moment_delivers_the_change_as_upkeep_finds_nothing_left(testing: MemoryApp) -> None:
    due(testing, after=MINUTE)
    told.clear()
    testing.surroundings.sleep(60)
    testing.upkeep()
    testing.deliver()
    assert len(told) == 1


def test_a_process_whose_clock_is_ahead_or_behind_changes_no_answer() -> None:
    with running() as testing:
        due(testing, after=2 * MINUTE)
        for skew in (3600, -3600):
            surroundings = testing.surroundings._replace(clock=partial(skewed, testing, skew))
            declarations = app.compiled.declarations
            invocation = Invocation(declarations.app, "upkeep", Metered(testing.database), surroundings)
            for mode in declarations.modes:
                mode.look_after(declarations, invocation, invocation.now())
            assert answer(testing) == 0
        assert testing.advance(minutes=2) == {"built": 1}
        assert_views_equal_rebuild(testing)


def test_upkeep_that_slept_for_days_builds_all_that_came_due_meanwhile(testing: MemoryApp) -> None:
    for number in range(120):
        due(testing, after=number * MINUTE, doc_id=f"t{number:03}")
    assert testing.advance(days=3)[Outcome.BUILT] == 119
    assert {answer(testing, f"t{number:03}") for number in range(120)} == {1}


def test_a_view_that_cannot_be_built_at_its_moment_becomes_a_debt_with_pauses(testing: MemoryApp) -> None:
    due(testing, after=MINUTE)
    testing.write("tasks/t", {**(testing.fields("tasks/t") or {}), "asks": "nonsense"})
    testing.take()
    assert testing.advance(minutes=1) == {"dead letter": 1}
    assert ledger(testing)["owed"]["why"] == "GetterFailed"
    assert ledger(testing).get("wake_at") is None
    assert testing.advance(seconds=30) == {}


def test_an_old_builder_cannot_turn_an_answer_back(testing: MemoryApp) -> None:
    due(testing, after=MINUTE)
    testing.write("tasks/t", {**(testing.fields("tasks/t") or {}), "title": "Rewrite"})

    def wake() -> None:
        assert testing.advance(minutes=1) == {"built": 1}

    for each in testing.take():
        testing.handle(each, Hooked(testing.database).before("commit", 1, wake))
    assert answer(testing) == 1
    assert_views_equal_rebuild(testing)


def test_the_moment_is_in_the_commit_of_the_content(testing: MemoryApp) -> None:
    hooked = Hooked(testing.database)
    Task.new(doc_id="t", due_at=now(testing) + MINUTE).save()
    for each in testing.take():
        testing.handle(each, hooked)
    (put,) = [
        each for writes in hooked.written for each in writes if isinstance(each, Put) and "wake_at" in each.fields
    ]
    (commit,) = [writes for writes in hooked.written if put in writes]
    assert "taskViews/t" in [each.path for each in commit]


class Torn(Hooked):
    """Answers a read with the time at which its first document was read, as a torn BatchGet may."""

    since: int = 0

    def read(self, paths: Collection[str], *, at: Instant | None = None, select: Select = None) -> Reading:
        reading = super().read(paths, at=at, select=select)
        since, self.since = self.since, 0
        return reading._replace(read_time=since or reading.read_time)


def test_a_torn_read_from_before_the_moment_turns_no_answer_back() -> None:
    with running() as testing:
        due(testing, after=MINUTE)
        testing.write("tasks/t", {**(testing.fields("tasks/t") or {}), "title": "Rewrite"})
        (event,) = [
            each.without_images() for each in testing.take() if each.function.entry_point == "task_view_on_tasks"
        ]
        torn = Torn(testing.database)
        torn.since = testing.surroundings.clock()
        testing.advance(minutes=1)
        assert testing.handle(event.without_images(), torn).outcomes == {"unchanged": 1}
        assert answer(testing) == 1


def test_a_request_after_the_moment_and_before_upkeep_has_the_new_answer(testing: MemoryApp) -> None:
    due(testing, after=MINUTE)
    client = http_client(testing)
    first = client.get("/tasks/t")
    assert answered(first) == 0
    testing.surroundings.sleep(60)
    assert answer(testing) == 0
    second = client.get("/tasks/t", headers={"If-None-Match": first.headers["ETag"]})
    assert (second.status_code, answered(second)) == (200, 1)


def test_setters_and_forms_may_ask_for_the_time(testing: MemoryApp) -> None:
    due(testing, after=MINUTE)
    client = http_client(testing)
    assert client.patch("/tasks/t", json={"title": "Edit"}).status_code == 200
    testing.write("tasks/t/done/one", {})
    testing.deliver()
    assert (testing.fields("tasks/t/done/one") or {})["outcome"]["status"] == "done"
    testing.advance(minutes=1)
    assert client.patch("/tasks/t", json={"title": "Late"}).status_code == 422
    testing.write("tasks/t/done/two", {})
    testing.deliver()
    assert (testing.fields("tasks/t/done/two") or {})["outcome"]["status"] == "rejected"


def test_a_moment_without_a_time_zone_is_refused_by_name(testing: MemoryApp) -> None:
    with pytest.raises(TypeError, match=r"self\.store\.now\.has_passed\(None\): give a datetime with a time zone"):
        Now(int).has_passed(None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="give a datetime with a time zone"):
        Now(int).days_until(datetime(2026, 1, 1))


def test_a_moment_that_no_timestamp_can_hold_wakes_nobody() -> None:
    last = datetime.max.replace(tzinfo=UTC)
    asked = Now(int)
    assert not asked.is_within(last, timedelta(days=1))
    assert asked.changes_at is not None
    assert not asked.has_passed(last)


def test_time_moves_forward_only(testing: MemoryApp) -> None:
    with pytest.raises(ValueError, match="time only moves forward"):
        testing.advance(hours=-1)


def test_a_view_that_nobody_would_wake_is_named() -> None:
    unkept = Boiler("time", upkeep=False)
    unkept.query(TaskView)
    told = [each for mode in unkept.compiled.declarations.modes for each in mode.advice(unkept.compiled.declarations)]
    assert [each.about for each in told if each.name == "never-woken"] == ["TaskView.answer"]
