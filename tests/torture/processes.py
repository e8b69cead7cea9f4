"""Processes beside functions: each stops before every call of the database, fails as one does, and may be killed."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from random import Random

from boiler_functions.database import Database
from boiler_functions.database.faults import Faults, Faulty
from boiler_functions.exceptions import Transient
from boiler_functions.testing.steps import Crashed, Stepped, Worker

Work = Callable[[Database], object]
"""What a process does, through its own database."""

KILLED = 0.02
"""How likely it is that a process ends at a step."""


@dataclass
class Process:
    """A process that is under way."""

    name: str
    worker: Worker[object]
    ended: Callable[[bool], None]
    """Called at its end, with whether it did all of its work."""


class Processes:
    """Processes that take turns by chance."""

    def __init__(self, database: Database, faults: Faults, chance: Random, sleep: Callable[[float], None]) -> None:
        self.started: Counter[str] = Counter()
        self.kills = 0
        self._running: list[Process] = []
        self._database, self._faults, self._chance, self._sleep = database, faults, chance, sleep

    @property
    def names(self) -> list[str]:
        """The names of those that are under way."""
        return [each.name for each in self._running]

    def start(self, name: str, work: Work, ended: Callable[[bool], None] = lambda is_done: None) -> None:
        self.started[name] += 1

        def run(pause: Callable[[], None]) -> None:
            work(Faulty(Stepped(self._database, pause), self._faults, self._chance, self._sleep))

        self._running.append(Process(name, Worker(run), ended))

    def step(self) -> None:
        """Lets one of them go on up to its next call, or ends it there."""
        chosen = self._chance.choice(self._running)
        if self._chance.random() < KILLED:
            self.kills += 1
            chosen.worker.crash()
        elif chosen.worker.step():
            return
        self._running.remove(chosen)
        self._end(chosen)

    def kill_all(self) -> None:
        for each in self._running:
            each.worker.crash()
        self._running.clear()

    def _end(self, process: Process) -> None:
        is_done = False
        with suppress(Crashed, Transient):
            process.worker.result()
            is_done = True
        process.ended(is_done)
