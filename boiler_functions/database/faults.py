"""A database whose calls go wrong by chance, as those of a real one do; the same seed, the same faults."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from boiler_functions.database import NAME, Committed, Database, Found, Query, Reading, Write
from boiler_functions.database.matching import orders_of
from boiler_functions.exceptions import Conflict, IndexBuilding, InvalidRequest, Transient, Unavailable, UnknownOutcome
from boiler_functions.types import Instant

T = TypeVar("T")

LONGEST_DELAY = 10.0
"""Seconds that a delayed call takes at most."""

# What the door to Firestore makes of a call that did nothing, with the name that it is counted by.
_NOTHING_DONE: tuple[tuple[str, type[Transient]], ...] = (
    ("commit aborted", Conflict),
    ("commit refused", Unavailable),
    ("commit lost", UnknownOutcome),
)


@dataclass(frozen=True)
class Faults:
    """How likely each fault is in one call; 0.05 disturbs one in twenty.

    `before`: nothing is done, and an error comes back. `after`: all is done, and an error comes back. `delay`: the
    answer takes its time. `torn`: a batched read sees each document at its own moment, as the emulator's do.

    `index_missing` and `index_building` are numbers: so many queries that need an index of their own are first refused
    because there is none, then so many because it is still being built. The emulator never refuses one so.
    """

    before: float = 0.0
    after: float = 0.0
    delay: float = 0.0
    torn: float = 0.0
    index_missing: int = 0
    index_building: int = 0


class Faulty:
    """Any database, with faults; `injected` counts them by kind.

    Faulty(MemoryDatabase(), Faults(before=0.1, after=0.1), Random(7))
    """

    def __init__(
        self,
        database: Database,
        faults: Faults,
        random: Random,
        sleep: Callable[[float], None] = lambda seconds: None,
        injected: Counter[str] | None = None,
    ) -> None:
        self.injected: Counter[str] = Counter() if injected is None else injected
        self._database = database
        self._faults = faults
        self._random = random
        self._sleep = sleep

    def read(self, paths: Collection[str], *, at: Instant | None = None) -> Reading:
        """As the database, or Unavailable, or torn."""
        if not paths:
            return self._database.read(paths, at=at)
        return self._asked("read", lambda: self._perhaps_torn(paths, at))

    def query(self, query: Query, *, at: Instant | None = None) -> Reading:
        """As the database, or Unavailable; or refused for want of an index."""
        self._check_index(query)
        return self._asked("query", lambda: self._database.query(query, at=at))

    def commit(self, writes: Sequence[Write], *, verify: Sequence[Found] = ()) -> Committed:
        """As the database; or nothing was written and an error says so, or leaves it open; or all was, and one does."""
        self._perhaps_delayed()
        if self._happens(self._faults.before):
            kind, error = self._random.choice(_NOTHING_DONE)
            raise self._fault(kind, error)
        committed = self._database.commit(writes, verify=verify)
        if self._happens(self._faults.after):
            raise self._fault("commit answer lost", UnknownOutcome)
        return committed

    def _asked(self, kind: str, call: Callable[[], T]) -> T:
        self._perhaps_delayed()
        if self._happens(self._faults.before):
            raise self._fault(f"{kind} failed", Unavailable)
        answer = call()
        if self._happens(self._faults.after):
            raise self._fault(f"{kind} answer lost", Unavailable)
        return answer

    def _check_index(self, query: Query) -> None:
        if not _needs_index(query):
            return
        if self.injected["index missing"] < self._faults.index_missing:
            self.injected["index missing"] += 1
            raise InvalidRequest("A fault was injected: the query requires an index.")
        if self.injected["index building"] < self._faults.index_building:
            self.injected["index building"] += 1
            raise IndexBuilding("A fault was injected: the query requires an index, which is currently building.")

    def _perhaps_torn(self, paths: Collection[str], at: Instant | None) -> Reading:
        # What was at an earlier time is certain.
        if at is not None or len(paths) == 1 or not self._happens(self._faults.torn):
            return self._database.read(paths, at=at)
        self.injected["read torn"] += 1
        order = list(dict.fromkeys(paths))
        self._random.shuffle(order)
        readings = {path: self._database.read([path]) for path in order}
        documents = tuple(readings[path].documents[0] for path in paths)
        return Reading(documents, max(each.read_time for each in readings.values()))

    def _perhaps_delayed(self) -> None:
        if self._happens(self._faults.delay):
            self.injected["call delayed"] += 1
            self._sleep(self._random.uniform(0, LONGEST_DELAY))

    def _happens(self, likelihood: float) -> bool:
        return self._random.random() < likelihood

    def _fault(self, kind: str, error: type[Transient]) -> Transient:
        self.injected[kind] += 1
        return error(f"A fault was injected: {kind}.")


def _needs_index(query: Query) -> bool:
    """Whether Firestore has no index for the query by itself: it has one of each field, within one collection."""
    fields = {*(each.field for each in query.filters), *(each.field for each in orders_of(query))} - {NAME}
    merged = all(each.op == "==" for each in query.filters) and not query.orders
    return bool(fields) and (query.group or (len(fields) > 1 and not merged))
