"""Delivers events as production does: at least once, unordered, again after a failure; and with faults on request."""

import http.client
import json
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Self, TypeAlias
from urllib.parse import quote

from boiler_functions.exceptions import ConfigurationError, NotDrained
from boiler_functions.local.events import Event, EventServer
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from boiler_functions.local.loopback import request
from boiler_functions.local.schedule import Schedule

EventHandler: TypeAlias = Callable[[Event], int]
"""Handles an event and returns an HTTP status; 2xx acknowledges it. It is called from several threads at once."""

WRITTEN = "google.cloud.firestore.document.v1.written"
_DELETED = "google.cloud.firestore.document.v1.deleted"
_SENTINELS = "emulatorSentinels"


class Refused(Exception):
    """A target answered with a status that does not acknowledge the event."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class LocalTrigger:
    """Sends changes to a function: `LocalTrigger("city_view_on_cities", "cities/{city_id}", target)`."""

    function: str
    document: str
    target: EventHandler
    event_type: str = WRITTEN
    retry: bool = True


@dataclass(frozen=True, slots=True)
class Retries:
    """When failed deliveries are repeated: after `first` seconds, then twice as long each time, up to `longest`.

    Production waits 10 to 600 s for 24 hours, which makes about 150 attempts.
    """

    first: float = 0.1
    longest: float = 2.0
    attempts: int = 150

    def wait(self, attempt: int) -> float:
        """Returns the seconds between this attempt and the next."""
        return min(self.longest, self.first * 2.0 ** (attempt - 1))


@dataclass(frozen=True, slots=True)
class DeliveryFaults:
    """Faults to simulate: each a probability (0 to 1) or a time in seconds; equal seeds draw equal numbers."""

    seed: int = 0
    duplicate: float = 0.0
    """The chance that an event is delivered once more, and again, up to `copies` times in all."""
    copies: int = 2
    shuffle: float = 0.0
    """The longest random wait of a first delivery in seconds, by which the order is lost."""
    delay: float = 0.0
    """The seconds that every first delivery waits."""
    drop: float = 0.0
    """The chance that a delivery does not reach the function, and is repeated."""
    crash: float = 0.0
    """The chance that the function does its work, its answer is lost, and the delivery is repeated."""
    equal_writes: bool = False
    """Whether writes that change nothing send events too, as in the emulator and unlike production."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """The result of one attempt to deliver an event."""

    function: str
    event_id: str
    subject: str
    attempt: int
    status: int
    milliseconds: float
    error: str = ""

    @property
    def acknowledged(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class _Attempt:
    trigger: LocalTrigger
    event: Event
    number: int = 1


class DeliveryHarness:
    """Delivers the events of one project to its functions until it is stopped.

    with DeliveryHarness(server, emulator, "demo-x", [LocalTrigger("f", "users/{id}", target)]) as harness:
        client.document("users/uid1").set({"name": "Ada"})
        harness.drain()

    The observer is called after each attempt, by one thread at a time.
    """

    def __init__(
        self,
        server: EventServer,
        emulator: FirestoreEmulator,
        project: str,
        triggers: Sequence[LocalTrigger],
        *,
        observer: Callable[[Delivered], None] | None = None,
        workers: int = 4,
        retries: Retries | None = None,
        faults: DeliveryFaults | None = None,
    ) -> None:
        self._server = server
        self._emulator = emulator
        self._project = project
        self._triggers = {trigger.function: trigger for trigger in triggers}
        self._observer = observer
        self._retries = retries or Retries()
        self.simulate(faults or DeliveryFaults())
        self._observing = threading.Lock()
        self._schedule: Schedule[_Attempt] = Schedule()
        self._failing: dict[tuple[str, str], Delivered] = {}
        self._rounds = count()
        self._sentinels: dict[str, threading.Event] = {}
        self.discarded: list[Delivered] = []
        server.receive(project, self._receive)
        self._register()
        self._workers = [threading.Thread(target=self._work, daemon=True) for _ in range(workers)]
        for worker in self._workers:
            worker.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def simulate(self, faults: DeliveryFaults) -> None:
        """Has these faults happen from now on, drawn anew from their seed."""
        self._faults = faults
        self._random = random.Random(faults.seed)

    def add(self, trigger: LocalTrigger) -> None:
        """Sends changes to one more function from now on."""
        self._triggers[trigger.function] = trigger
        self._register_one(trigger.function, trigger.event_type, trigger.document)

    def remove(self, prefix: str) -> None:
        """Drops the events of the functions whose names begin so."""
        for name in [each for each in self._triggers if each.startswith(prefix)]:
            del self._triggers[name]

    def stop(self) -> None:
        """Stops delivering: waits for deliveries in progress, and drops those that wait."""
        self._server.forget(self._project)
        self._schedule.close()
        for worker in self._workers:
            worker.join()

    def drain(self, timeout: float = 60.0) -> None:
        """Returns once the events of all writes are handled, also of functions' writes; raises NotDrained otherwise.

        The emulator posts events in the order of the commits. So once the event of a sentinel document arrives, the
        events of all earlier writes have arrived; if there were none, and none was in progress, everything is handled.
        """
        deadline = time.monotonic() + timeout
        while not self._is_quiet(deadline, timeout):
            pass
        if self.discarded:
            last = self.discarded[-1]
            raise NotDrained(f"{len(self.discarded)} events were discarded. The last: {_described(last)}")

    def _is_quiet(self, deadline: float, timeout: float) -> bool:
        events = self._schedule.wait_idle(deadline)
        if events is None:
            raise NotDrained(f"Events are still under way after {timeout:g} s. {self._complaint()}")
        self._pass_sentinel(deadline)
        return self._schedule.is_idle_since(events)

    def _complaint(self) -> str:
        with self._observing:
            failing = list(self._failing.values())
        if not failing:
            return "None of them failed: the functions are slow, or trigger one another without end."
        return f"{len(failing)} of them failed at least once. The last: {_described(failing[-1])}"

    def _pass_sentinel(self, deadline: float) -> None:
        """Writes and deletes a document, and waits for its event; leaves nothing behind."""
        name = str(next(self._rounds))
        passed = self._sentinels[name] = threading.Event()
        path = f"/v1/projects/{self._project}/databases/(default)/documents/{_SENTINELS}/{name}"
        self._ask("PATCH", path, {})
        self._ask("DELETE", path)
        if not passed.wait(max(1.0, deadline - time.monotonic())):
            raise NotDrained(f"The emulator does not post its events. The end of its log:\n{self._emulator.log()}")
        del self._sentinels[name]

    def _register(self) -> None:
        self._register_one(_SENTINELS, _DELETED, f"{_SENTINELS}/{{round}}")
        for trigger in self._triggers.values():
            self._register_one(trigger.function, trigger.event_type, trigger.document)

    def _register_one(self, identifier: str, event_type: str, document: str) -> None:
        path = f"/emulator/v1/projects/{self._project}/eventarcTrigger?eventarcTriggerId={quote(identifier, safe='')}"
        pattern = {"value": document, "matchType": "PATH_PATTERN"}
        self._ask(
            "POST",
            path,
            {"eventType": event_type, "database": "(default)", "namespace": "(default)", "document": pattern},
        )

    def _ask(self, method: str, path: str, content: object = None) -> None:
        body = None if content is None else json.dumps(content).encode()
        headers = {"Authorization": "Bearer owner", "Content-Type": "application/json"}
        try:
            answer = request(self._emulator.host, method, path, body, headers)
        except (OSError, http.client.HTTPException) as error:
            raise ConfigurationError(f"The emulator at {self._emulator.host} is gone: {error!r}") from error
        if answer.status != 200:
            raise ConfigurationError(f"The emulator refused {method} {path} {content}: {answer.status} {answer.text}")

    def _receive(self, identifier: str, event: Event) -> None:
        if identifier == _SENTINELS:
            # Nobody waits for a sentinel whose event comes again; an error would leave the sender without an answer.
            if passed := self._sentinels.get(event.document.rpartition("/")[2]):
                passed.set()
        elif identifier in self._triggers and (self._faults.equal_writes or not event.changes_nothing):
            self._accept(_Attempt(self._triggers[identifier], event))

    def _accept(self, attempt: _Attempt) -> None:
        copies = 1
        while copies < self._faults.copies and self._chance(self._faults.duplicate):
            copies += 1
        waits = [self._faults.delay + self._random.uniform(0, self._faults.shuffle) for _ in range(copies)]
        self._schedule.add([attempt] * copies, waits)

    def _work(self) -> None:
        while attempt := self._schedule.take():
            started = time.perf_counter()
            status, error = self._attempt(attempt)
            milliseconds = (time.perf_counter() - started) * 1000
            event = attempt.event
            delivery = Delivered(
                attempt.trigger.function, event.id, event.document, attempt.number, status, milliseconds, error
            )
            again = self._next(attempt, delivery)
            try:
                self._observe(delivery)
            finally:
                self._schedule.finish(again, self._retries.wait(attempt.number))

    def _attempt(self, attempt: _Attempt) -> tuple[int, str]:
        """Returns the status that the sender sees, and the reason of a failure."""
        if self._chance(self._faults.drop):
            return 503, "fault: the delivery was dropped"
        status, error = _call(attempt.trigger.target, attempt.event)
        return (504, "fault: the answer was lost") if self._chance(self._faults.crash) else (status, error)

    def _next(self, attempt: _Attempt, delivery: Delivered) -> _Attempt | None:
        if delivery.acknowledged:
            return None
        if attempt.trigger.retry and attempt.number < self._retries.attempts:
            return replace(attempt, number=attempt.number + 1)
        self.discarded.append(delivery)
        return None

    def _observe(self, delivery: Delivered) -> None:
        with self._observing:
            self._failing.pop((delivery.function, delivery.event_id), None)
            if not delivery.acknowledged:
                self._failing[delivery.function, delivery.event_id] = delivery
            if self._observer is not None:
                self._observer(delivery)

    def _chance(self, probability: float) -> bool:
        return self._random.random() < probability


def _call(target: EventHandler, event: Event) -> tuple[int, str]:
    try:
        status = target(event)
    except Refused as refused:
        return refused.status, str(refused)
    except BaseException as error:  # includes the simulated crash of a test, which must not end the thread
        return 500, f"{type(error).__name__}: {error}"
    return status, "" if 200 <= status < 300 else f"answered {status}"


def _described(delivery: Delivered) -> str:
    what = f"{delivery.function} on {delivery.subject}, attempt {delivery.attempt}"
    return f"{what}: {delivery.status} {delivery.error[-500:]}"


def post_to(url: str, timeout: float = 60.0) -> EventHandler:
    """Returns a target that posts events to the function at HOST:PORT, as Eventarc does."""

    def post(event: Event) -> int:
        try:
            answer = request(url, "POST", "/", event.data, event.headers, timeout=timeout)
        except (OSError, http.client.HTTPException) as error:
            raise Refused(503, f"{url} did not answer: {error!r}") from error
        if answer.status >= 300:
            raise Refused(answer.status, answer.text)
        return answer.status

    return post
