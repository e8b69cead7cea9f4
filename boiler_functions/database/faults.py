"""A database whose calls fail at random, as those of a real one do; the same seed gives the same faults."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from boiler_functions.database import (
    NAME,
    Aggregated,
    Aggregation,
    Committed,
    Database,
    Query,
    Reading,
    Select,
    Verified,
    Write,
)
from boiler_functions.database.matching import orders_of
from boiler_functions.exceptions import Conflict, IndexBuilding, InvalidRequest, Transient, Unavailable, UnknownOutcome
from boiler_functions.types import Instant

T = TypeVar("T")

LONGEST_DELAY = 10.0
"""The longest delay of a call, in seconds."""

# The errors of a commit that was not applied, with the name under which each is counted.
_NOTHING_DONE: tuple[tuple[str, type[Transient]], ...] = (
    ("commit aborted", Conflict),
    ("commit refused", Unavailable),
    ("commit lost", UnknownOutcome),
)


@dataclass(frozen=True)
class Faults:
    """The probability of each fault in one call, from 0 to 1.

    `before`: the call fails and has no effect. `after`: the call takes effect and then fails. `delay`: the answer is
    late. `torn`: a batched read sees each document at another time, as a read of the emulator may.

    `index_missing` and `index_building` are numbers of calls: the first queries that need a composite index are refused
    because it is missing, the next because it is still being built. The emulator never refuses such queries.
    """

    before: float = 0.0
    after: float = 0.0
    delay: float = 0.0
    torn: float = 0.0
    index_missing: int = 0
    index_building: int = 0


class Faulty:
    """Wraps a database and injects faults; `injected` counts them by kind.

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

    def read(self, paths: Collection[str], *, at: Instant | None = None, select: Select = None) -> Reading:
        """Reads; may raise Unavailable, or return documents of different times."""
        if not paths:
            return self._database.read(paths, at=at, select=select)
        return self._asked("read", lambda: self._perhaps_torn(paths, at, select))

    def query(self, query: Query, *, at: Instant | None = None) -> Reading:
        """Queries; may raise Unavailable, InvalidRequest (no index) or IndexBuilding."""
        self._check_index(query)
        return self._asked("query", lambda: self._database.query(query, at=at))

    def aggregate(self, aggregation: Aggregation, *, at: Instant | None = None) -> Aggregated:
        """Aggregates; may raise Unavailable."""
        return self._asked("aggregation", lambda: self._database.aggregate(aggregation, at=at))

    def commit(self, writes: Sequence[Write], *, verify: Sequence[Verified] = ()) -> Committed:
        """Commits; or fails before writing; or fails after writing (UnknownOutcome)."""
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

    def _perhaps_torn(self, paths: Collection[str], at: Instant | None, select: Select) -> Reading:
        # A read at a given time never tears.
        if at is not None or len(paths) == 1 or not self._happens(self._faults.torn):
            return self._database.read(paths, at=at, select=select)
        self.injected["read torn"] += 1
        order = list(dict.fromkeys(paths))
        self._random.shuffle(order)
        readings = {path: self._database.read([path], select=select) for path in order}
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
    """Whether the query needs a composite index; Firestore itself indexes each single field within one collection."""
    fields = {*(each.field for each in query.filters), *(each.field for each in orders_of(query))} - {NAME}
    merged = all(each.op == "==" for each in query.filters) and not query.orders
    return bool(fields) and (query.group or (len(fields) > 1 and not merged))
