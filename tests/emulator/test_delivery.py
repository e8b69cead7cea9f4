"""The harness delivers what was written as production does: at least once, again after a failure, worse on request."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from google.events.cloud.firestore_v1 import DocumentEventData

from boiler_functions.exceptions import NotDrained
from boiler_functions.local.delivery import (
    Delivered,
    DeliveryFaults,
    DeliveryHarness,
    EventHandler,
    LocalTrigger,
    Refused,
    Retries,
)
from boiler_functions.local.events import Event, EventServer
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from boiler_functions.local.functions_process import FunctionsProcess
from boiler_functions.local.loopback import request

OWNER = {"Authorization": "Bearer owner"}
SOON = Retries(first=0.01, longest=0.02)

FUNCTION = """
import os, pathlib, signal, functions_framework

@functions_framework.cloud_event
def record(event):
    folder = pathlib.Path(os.environ["FOLDER"])
    if (folder / "crash").exists():
        (folder / "crash").unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    if (folder / "fail").exists():
        (folder / "fail").unlink()
        raise RuntimeError("as asked")
    with (folder / "record").open("a") as file:
        file.write(f"{event['id']} {event['document']} {event['source']} {len(event.data)}\\n")

@functions_framework.http
def greet(request):
    return f"{request.method} {request.path}"
"""


class Recorder:
    """A target that remembers each event, and answers as the test's function does."""

    def __init__(self, act: Callable[[int], int] = lambda _: 200) -> None:
        self.events: list[Event] = []
        self._act = act
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> int:
        with self._lock:
            self.events.append(event)
            number = len(self.events)
        return self._act(number)

    @property
    def paths(self) -> list[str]:
        return [event.document for event in self.events]


class Stack:
    """One project on the emulator, and the deliveries that were seen."""

    def __init__(self, server: EventServer, emulator: FirestoreEmulator, project: str, open_: ExitStack) -> None:
        self.server, self.emulator, self.project, self._open = server, emulator, project, open_
        self.deliveries: list[Delivered] = []

    def harness(self, *triggers: LocalTrigger, **options: Any) -> DeliveryHarness:
        harness = DeliveryHarness(
            self.server, self.emulator, self.project, triggers, observer=self.deliveries.append, **options
        )
        return self._open.enter_context(harness)

    def recording(self, target: EventHandler, **options: Any) -> DeliveryHarness:
        return self.harness(LocalTrigger("record", "users/{user_id}", target), **options)

    def ask(self, method: str, path: str, body: bytes | None = None) -> int:
        base = f"/v1/projects/{self.project}/databases/(default)/documents"
        return request(self.emulator.host, method, f"{base}/{path}", body, OWNER).status

    def write(self, path: str, number: int = 1) -> None:
        fields = f'{{"fields": {{"n": {{"integerValue": "{number}"}}}}}}'
        assert self.ask("PATCH", path, fields.encode()) == 200


@pytest.fixture
def stack(event_server: EventServer, firestore_emulator: FirestoreEmulator, project: str) -> Iterator[Stack]:
    with ExitStack() as open_:
        yield Stack(event_server, firestore_emulator, project, open_)


def test_each_write_reaches_every_function_whose_pattern_it_matches(stack: Stack) -> None:
    users, tickets = Recorder(), Recorder()
    harness = stack.harness(
        LocalTrigger("on_users", "users/{user_id}", users),
        LocalTrigger("on_tickets", "users/{user_id}/tickets/{id}", tickets),
    )
    stack.write("users/uid1")
    stack.write("users/uid1/tickets/t1")
    stack.write("cities/LA")
    harness.drain()
    assert (users.paths, tickets.paths) == (["users/uid1"], ["users/uid1/tickets/t1"])
    assert [(each.function, each.subject, each.attempt, each.status) for each in stack.deliveries] == [
        ("on_users", "users/uid1", 1, 200),
        ("on_tickets", "users/uid1/tickets/t1", 1, 200),
    ]


def test_an_event_carries_the_images_of_the_document_and_productions_source(stack: Stack) -> None:
    recorder = Recorder()
    harness = stack.recording(recorder, workers=1)
    stack.write("users/J%C3%BCrgen", 1)
    stack.write("users/J%C3%BCrgen", 2)
    harness.drain()
    event = recorder.events[1]
    content = DocumentEventData.deserialize(event.data)
    assert event.document == "users/Jürgen"
    assert (content.old_value.fields["n"].integer_value, content.value.fields["n"].integer_value) == (1, 2)
    assert event.headers["ce-source"] == f"//firestore.googleapis.com/projects/{stack.project}/databases/(default)"


def test_draining_waits_for_the_writes_that_the_functions_make(stack: Stack) -> None:
    ends = Recorder()

    def step(event: Event) -> int:
        number = int(event.document.rpartition("/")[2])
        stack.write(f"steps/{number + 1}" if number < 8 else "ends/one")
        return 200

    harness = stack.harness(LocalTrigger("step", "steps/{number}", step), LocalTrigger("end", "ends/{id}", ends))
    stack.write("steps/1")
    harness.drain()
    assert ends.paths == ["ends/one"]


def test_draining_leaves_no_document_behind(stack: Stack) -> None:
    harness = stack.recording(Recorder())
    harness.drain()
    answer = request(
        stack.emulator.host,
        "POST",
        f"/v1/projects/{stack.project}/databases/(default)/documents:listCollectionIds",
        b"{}",
        OWNER,
    )
    assert b"collectionIds" not in answer.body


@pytest.mark.parametrize("failure", [503, Refused(429, "slow down"), ValueError("a bug"), SystemExit("a crash")])
def test_a_failed_delivery_is_repeated_until_it_succeeds(stack: Stack, failure: int | BaseException) -> None:
    def act(number: int) -> int:
        if number > 3:
            return 204
        if isinstance(failure, BaseException):
            raise failure
        return failure

    recorder = Recorder(act)
    harness = stack.recording(recorder, retries=SOON)
    stack.write("users/uid1")
    harness.drain()
    assert len({event.id for event in recorder.events}) == 1
    assert [each.attempt for each in stack.deliveries] == [1, 2, 3, 4]
    assert [each.acknowledged for each in stack.deliveries] == [False, False, False, True]
    assert all(bool(each.error) is not each.acknowledged for each in stack.deliveries)


def test_the_wait_doubles_up_to_its_longest() -> None:
    assert [Retries(first=10, longest=600).wait(attempt) for attempt in range(1, 9)] == [
        10, 20, 40, 80, 160, 320, 600, 600,
    ]  # fmt: skip


def test_an_event_that_always_fails_is_discarded_and_draining_says_which(stack: Stack) -> None:
    harness = stack.recording(Recorder(lambda _: 500), retries=Retries(first=0.01, attempts=3))
    stack.write("users/uid1")
    with pytest.raises(NotDrained, match=r"1 events were discarded.*record on users/uid1, attempt 3: 500"):
        harness.drain()
    assert [each.attempt for each in stack.deliveries] == [1, 2, 3]


def test_without_retry_one_failure_loses_the_event(stack: Stack) -> None:
    harness = stack.harness(LocalTrigger("record", "users/{user_id}", Recorder(lambda _: 500), retry=False))
    stack.write("users/uid1")
    with pytest.raises(NotDrained, match="attempt 1"):
        harness.drain()
    assert [each.attempt for each in harness.discarded] == [1]


def test_draining_gives_up_in_time_and_names_what_fails(stack: Stack) -> None:
    harness = stack.recording(Recorder(lambda _: 500), retries=SOON)
    stack.write("users/uid1")
    with pytest.raises(NotDrained, match=r"still under way after 0\.3 s\. 1 of them failed.*record on users/uid1"):
        harness.drain(timeout=0.3)


def test_an_event_can_come_up_to_so_many_times(stack: Stack) -> None:
    recorder = Recorder()
    harness = stack.recording(recorder, faults=DeliveryFaults(duplicate=1.0, copies=5))
    stack.write("users/uid1")
    harness.drain()
    assert len(recorder.events) == 5
    assert len({event.id for event in recorder.events}) == 1


def test_duplicates_are_the_same_event_again(stack: Stack) -> None:
    recorder = Recorder()
    harness = stack.recording(recorder, faults=DeliveryFaults(duplicate=1.0))
    for number in range(5):
        stack.write(f"users/uid{number}")
    harness.drain()
    assert set(Counter(event.id for event in recorder.events).values()) == {2}
    assert len(recorder.events) == 10


def test_shuffled_events_lose_their_order_and_all_arrive(stack: Stack) -> None:
    recorder = Recorder()
    harness = stack.recording(recorder, faults=DeliveryFaults(shuffle=0.3), workers=1)
    written = [f"users/uid{number:02}" for number in range(20)]
    for path in written:
        stack.write(path)
    harness.drain()
    assert recorder.paths != written
    assert sorted(recorder.paths) == written


def test_a_dropped_delivery_never_reaches_the_function_and_a_crashed_one_did(stack: Stack) -> None:
    recorder = Recorder()
    harness = stack.recording(recorder, retries=SOON, faults=DeliveryFaults(seed=1, drop=0.3, crash=0.3))
    for number in range(20):
        stack.write(f"users/uid{number}")
    harness.drain()
    statuses = Counter(each.status for each in stack.deliveries)
    assert statuses[200] == 20
    assert statuses[503] > 0
    assert statuses[504] > 0
    assert len(recorder.events) == statuses[200] + statuses[504]


def test_the_event_of_a_sentinel_may_come_again_after_the_harness_is_drained(stack: Stack) -> None:
    harness = stack.recording(recorder := Recorder())
    stack.write("users/uid1")
    harness.drain()
    late = Event({**recorder.events[0].headers, "ce-document": "emulatorSentinels/0"}, recorder.events[0].data)
    stack.server.deliver(stack.project, "emulatorSentinels", late)
    harness.drain()
    assert recorder.paths == ["users/uid1"]


@pytest.mark.parametrize(("equal_writes", "seen"), [(False, 1), (True, 3)])
def test_writes_that_change_nothing_send_no_event_unless_asked_for(stack: Stack, equal_writes: bool, seen: int) -> None:
    recorder = Recorder()
    harness = stack.recording(recorder, faults=DeliveryFaults(equal_writes=equal_writes))
    stack.write("users/uid1")
    stack.write("users/uid1")
    assert stack.ask("DELETE", "users/missing") == 200
    harness.drain()
    assert len(recorder.events) == seen


def test_a_stopped_harness_delivers_nothing_more_and_a_new_one_takes_over(stack: Stack) -> None:
    first, second = Recorder(), Recorder()
    with stack.recording(first) as harness:
        stack.write("users/uid1")
        harness.drain()
    stack.write("users/uid2")
    harness = stack.recording(second)
    stack.write("users/uid3")
    harness.drain()
    assert first.paths == ["users/uid1"]
    assert second.paths[-1] == "users/uid3"


def test_an_emulator_that_posts_elsewhere_is_reported(event_server: EventServer, project: str) -> None:
    with (
        FirestoreEmulator() as emulator,
        DeliveryHarness(event_server, emulator, project, []) as harness,
        pytest.raises(NotDrained, match="does not post its events"),
    ):
        harness.drain(timeout=1)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "main.py"
    path.write_text(FUNCTION)
    return path


def test_a_real_function_gets_the_event_again_after_it_raised_and_after_it_was_killed(
    stack: Stack, source: Path, tmp_path: Path
) -> None:
    (tmp_path / "fail").touch()
    (tmp_path / "crash").touch()
    with FunctionsProcess(source, "record", env={"FOLDER": str(tmp_path)}) as function:
        harness = stack.recording(function.post, retries=Retries(first=0.1, longest=0.3))
        stack.write("users/uid1")
        harness.drain()
    _, document, origin, size = (tmp_path / "record").read_text().split()
    assert document == "users/uid1"
    assert origin.endswith(f"/projects/{stack.project}/databases/(default)")
    assert int(size) > 0
    assert [each.status for each in stack.deliveries][-2:] == [500, 200]
    assert stack.deliveries[0].status == 503


def test_a_killed_process_serves_again_at_the_same_address(source: Path, tmp_path: Path) -> None:
    with FunctionsProcess(source, "greet", "http") as function:
        function.kill()
        with pytest.raises(Refused, match="did not answer"):
            function.post(Event({}, b""))
        function.restart()
        assert request(function.host, "GET", "/views/1").text == "GET /views/1"
