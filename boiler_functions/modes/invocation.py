"""One invocation of a compiled function: its database, its clock and its outcomes."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from threading import Lock
from typing import Any, NamedTuple

from boiler_functions.database.metered import Metered
from boiler_functions.modes.edition import FORMER, SHELF, STAGED, Edition, scope_of, shelf_of
from boiler_functions.modes.ledger import ledger_path, shelved
from boiler_functions.modes.release import Release
from boiler_functions.types import Instant
from boiler_functions.views.build import Instance
from boiler_functions.views.view_model import ViewModel

# Full jitter: a random pause up to a bound that doubles, so that competing builders spread out.
# https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
FIRST_PAUSE = 0.01
LONGEST_PAUSE = 2.0


class Outcome(StrEnum):
    """The result for one view, or for one form."""

    BUILT = "built"
    UNCHANGED = "unchanged"
    DELETED = "deleted"
    WITHDRAWN = "withdrawn"
    COVERED = "covered"
    UNAFFECTED = "unaffected"
    POSTPONED = "postponed"
    DONE = "done"
    DELIVERED = "delivered"
    REJECTED = "rejected"
    DUPLICATE = "duplicate"
    SUPERSEDED = "superseded"
    IGNORED = "ignored"
    DEAD_LETTER = "dead letter"
    CONTINUED = "continued"
    LEFT = "left to newer code"


class Surroundings(NamedTuple):
    """The clock, the random numbers, the release and the threads, passed in so that a simulation can replace them."""

    clock: Callable[[], Instant] = time.time_ns
    sleep: Callable[[float], None] = time.sleep
    random: random.Random = random.SystemRandom()
    release: Release = Release()
    """The deployment of this process."""
    threads: int = 1
    """How many pages of views are in work at once; with one, the calls come in the same order each time."""


REAL = Surroundings(threads=4)
"""The clock and the random numbers of the machine, with threads, as most of the time goes by waiting for Firestore."""


@dataclass(eq=False, repr=False)
class Invocation:
    """The work on one event, in one or several threads; it is dropped with the event."""

    app: str
    function: str
    database: Metered
    surroundings: Surroundings = REAL
    deadline: Instant | None = None
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    attempts: int = 1
    contested: Counter[tuple[str, str]] = field(default_factory=Counter)
    """The instances, by view and root, whose ledgers another builder changed first, and how often."""
    lag: float | None = None
    has_met_earlier_ledgers: bool = False
    """Whether it read a ledger of an earlier version of this package, which no query by view finds."""
    on_shelf: bool | None = None
    """Whether it works on the shelf, which nobody sees; by default, the functions of a staged version do."""
    started: Instant = field(init=False)
    _lock: Lock = field(default_factory=Lock)
    _editions: dict[type[ViewModel[Any]], Edition] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.started = self.now()
        if self.on_shelf is None:
            self.on_shelf = bool(self.surroundings.release.staged)

    @property
    def keeper(self) -> str:
        """What stands for the app in the ledgers that it writes: the app, or the shelf as its own code uses it."""
        if not self.on_shelf:
            return self.app
        return shelf_of(self.app, STAGED if self.surroundings.release.staged else FORMER)

    @property
    def is_former(self) -> bool:
        """Whether it works on the former version of views of which a staged version is shown."""
        return bool(self.on_shelf) and not self.surroundings.release.staged

    def elsewhere(self) -> Invocation:
        """Returns this invocation on the shelf, or if it is there, on what is shown."""
        return replace(self, on_shelf=not self.on_shelf, _editions={})

    def ledger_of(self, instance: Instance) -> str:
        """Returns the path of the instance's ledger, where this invocation works."""
        place = shelf_of(self.app, SHELF) if self.on_shelf else self.app
        return ledger_path(scope_of(place, instance.view), instance)

    def copy_at(self, instance: Instance, path: str) -> str:
        """Returns where the copy of a path is kept, where this invocation works."""
        return shelved(self.app, instance, path) if self.on_shelf else path

    def edition_of(self, view: type[ViewModel[Any]]) -> Edition:
        """Returns the edition of the view that this process builds."""
        if view not in self._editions:
            self._editions[view] = Edition.of(self.keeper, view, self.surroundings.release)
        return self._editions[view]

    def note(self, outcome: Outcome, count: int = 1) -> None:
        with self._lock:
            self.outcomes[outcome] += count

    def note_contested(self, view: type[ViewModel[Any]], root: str) -> None:
        with self._lock:
            self.contested[view.__name__, root] += 1

    def pause(self, attempt: int) -> None:
        """Counts the next attempt, and waits before it."""
        with self._lock:
            self.attempts += 1
        bound = min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt)
        self.surroundings.sleep(self.surroundings.random.uniform(0, bound))

    def now(self) -> Instant:
        return self.surroundings.clock()

    @property
    def is_out_of_time(self) -> bool:
        return self.deadline is not None and self.now() >= self.deadline
