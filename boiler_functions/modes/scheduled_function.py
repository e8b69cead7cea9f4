"""A function that a schedule invokes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import partial

from boiler_functions.database import Database
from boiler_functions.modes.event_function import Enqueue
from boiler_functions.modes.invocation import REAL, Invocation, Surroundings
from boiler_functions.modes.run import Report, nothing, run
from boiler_functions.settings.options import Options


@dataclass(frozen=True, eq=False)
class ScheduledFunction(ABC):
    """A compiled function that a schedule invokes; each mode has a subclass that does the work.

    A run that is lost, or comes twice, must do no harm: what there is to do, the database says.
    """

    app: str
    mode: str
    entry_point: str
    options: Options
    serves: tuple[str, ...]
    """The names of the views or functions that it serves."""

    @abstractmethod
    def work(self, invocation: Invocation, enqueue: Enqueue | None) -> None:
        """Does all work that is due, as far as the time of the invocation allows; the next run does the rest."""

    @property
    def timeout_sec(self) -> int:
        return self.options.time_limit

    def attempt(self, database: Database, surroundings: Surroundings = REAL, enqueue: Enqueue | None = None) -> Report:
        """Runs once, and returns a report, with the error that ended the run if there was one."""
        work = partial(self.work, enqueue=enqueue)
        return run(self, nothing(self.entry_point), database, surroundings, work)
