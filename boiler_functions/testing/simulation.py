"""Delivers events: one after the other, or by a seed as badly as production can."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Protocol

from boiler_functions.database import Database, Document
from boiler_functions.database.change import Change
from boiler_functions.database.faults import Faults, Faulty
from boiler_functions.exceptions import Transient
from boiler_functions.modes.event_function import EventFunction
from boiler_functions.modes.invocation import Surroundings
from boiler_functions.modes.release import Release
from boiler_functions.modes.run import Report
from boiler_functions.testing.steps import Crashed, Stepped, Worker

MAX_DELIVERIES = 20
"""Deliveries of a failing event before its error reaches the test; the platform would redeliver it for a day."""

MAX_DISTURBED = MAX_DELIVERIES // 2
"""Failures of an event after which no more faults are injected, so that an error which reaches the test is the app's.

A real outage ends, too; without an end, likely faults could make every delivery fail.
"""

# One handler in four is so slow that others do all of their work between two of its steps.
_SPEEDS = (1.0, 1.0, 1.0, 0.03)

# The average number of steps of handlers between two acts of clients.
_STEPS_PER_ACT = 10


@dataclass(frozen=True)
class Delivery:
    """One change on its way to one function."""

    function: EventFunction
    change: Change
    attempt: int = 1
    release: Release = Release()  # noqa: RUF009  # frozen
    """The deployment whose code handles it."""

    def without_images(self) -> Delivery:
        """Returns the event without images, as it comes when the document is too large for an event."""
        missing = Document(self.change.path)
        return replace(self, change=self.change._replace(before=missing, after=missing))


@dataclass(frozen=True)
class Weather:
    """What may happen to deliveries and their handlers; `MemoryApp.deliver` describes each field."""

    duplicates: int = 0
    at_once: int = 1
    crashes: float = 0.0
    drops: float = 0.0
    faults: Faults = field(default_factory=Faults)


class World(Protocol):
    """The app that is simulated, as far as deliveries need it."""

    surroundings: Surroundings
    through: Database
    injected: Counter[str]

    def take(self) -> list[Delivery]: ...

    def handle(self, delivery: Delivery, through: Database) -> Report: ...


@dataclass
class _Handler:
    """A delivery that is being handled."""

    delivery: Delivery
    worker: Worker[Report]
    speed: float


class Simulation:
    """Delivers all pending events, and redelivers those that failed; in order, one after the other, without `chance`.

    Meanwhile it calls `acts`, which do what clients do, in their order, each at a random moment.
    """

    def __init__(
        self, world: World, weather: Weather, chance: Random | None, acts: Iterable[Callable[[], object]] = ()
    ) -> None:
        self._world = world
        self._weather = weather
        self._chance = chance
        self._acts = list(acts)
        self._queue: list[Delivery] = []
        self._running: list[_Handler] = []
        self._reports: list[Report] = []

    def run(self, *, drain: bool) -> list[Report]:
        """Returns the reports of the handlers.

        Raises the error of a handler that is not Transient, or that persists through all redeliveries.
        """
        self._collect()
        try:
            while self._acts or self._queue or self._running:
                self._go_on()
                if drain:
                    self._collect()
        finally:
            for each in self._running:
                each.worker.crash()
        return self._reports

    def _go_on(self) -> None:
        idle = not (self._queue or self._running)
        if self._acts and (idle or self._happens(1 / _STEPS_PER_ACT)):
            self._acts.pop(0)()
            return
        while self._queue and len(self._running) < self._weather.at_once:
            self._start(self._queue.pop(self._chance.randrange(len(self._queue)) if self._chance else 0))
        self._step(self._chosen())

    def _collect(self) -> None:
        taken = self._world.take()
        self._world.injected["event delivered twice"] += len(taken) * self._weather.duplicates
        self._queue += taken * (1 + self._weather.duplicates)

    def _start(self, delivery: Delivery) -> None:
        if self._happens(self._weather.drops):
            self._world.injected["delivery dropped"] += 1
            self._queue.append(delivery)
            return
        speed = self._chance.choice(_SPEEDS) if self._chance else 1.0
        worker: Worker[Report] = Worker(lambda pause: self._handle(delivery, pause))
        self._running.append(_Handler(delivery, worker, speed))

    def _handle(self, delivery: Delivery, pause: Callable[[], None]) -> Report:
        world = self._world
        database: Database = Stepped(world.through, pause)
        if self._chance and delivery.attempt <= MAX_DISTURBED:
            database = Faulty(database, self._weather.faults, self._chance, world.surroundings.sleep, world.injected)
        report = world.handle(delivery, database)
        pause()  # The work is done, and the event not acknowledged yet: the worst moment to crash.
        return report

    def _chosen(self) -> _Handler:
        if self._chance is None:
            return self._running[0]
        return self._chance.choices(self._running, [each.speed for each in self._running])[0]

    def _step(self, handler: _Handler) -> None:
        if self._happens(self._weather.crashes):
            self._world.injected["handler crashed"] += 1
            handler.worker.crash()
        elif handler.worker.step():
            return
        self._running.remove(handler)
        self._finish(handler)

    def _finish(self, handler: _Handler) -> None:
        delivery = handler.delivery
        try:
            self._reports.append(handler.worker.result())
        except Crashed:
            self._queue.append(delivery)
        except Transient:
            if delivery.attempt == MAX_DELIVERIES:
                raise
            self._queue.append(replace(delivery, attempt=delivery.attempt + 1))

    def _happens(self, likelihood: float) -> bool:
        return self._chance is not None and self._chance.random() < likelihood
