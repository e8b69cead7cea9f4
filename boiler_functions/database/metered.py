"""A database that counts its RPCs, and its reads and writes as Firestore bills them."""

from collections.abc import Collection, Sequence
from threading import Lock
from typing import NamedTuple

from boiler_functions.database import (
    Aggregated,
    Aggregation,
    Committed,
    Database,
    FoundVersions,
    Query,
    Reading,
    Select,
    Verified,
    Write,
)
from boiler_functions.types import Instant


class Usage(NamedTuple):
    """Numbers of RPCs, of documents that were read (found or not), and of writes that were sent."""

    rpcs: int = 0
    reads: int = 0
    writes: int = 0

    def __add__(self, other: "Usage") -> "Usage":  # type: ignore[override]
        return Usage(self.rpcs + other.rpcs, self.reads + other.reads, self.writes + other.writes)

    def __sub__(self, other: "Usage") -> "Usage":
        return Usage(self.rpcs - other.rpcs, self.reads - other.reads, self.writes - other.writes)


def _billed(documents: int) -> int:
    """Returns the billed reads of a query: at least one, even if it returns nothing."""
    return max(documents, 1)


class Metered:
    """Wraps a database for one event, and counts its `usage`; `commit_time` is that of the latest commit.

    metered = Metered(database)
    metered.read(["users/uid1"])
    metered.usage == Usage(rpcs=1, reads=1)
    """

    def __init__(self, database: Database) -> None:
        self.usage = Usage()
        self.commit_time: Instant | None = None
        self._database = database
        self._lock = Lock()

    def read(self, paths: Collection[str], *, at: Instant | None = None, select: Select = None) -> Reading:
        """Reads; each path is billed once, and without paths there is no RPC."""
        self._count(Usage(rpcs=int(bool(paths)), reads=len(set(paths))))
        return self._database.read(paths, at=at, select=select)

    def query(self, query: Query, *, at: Instant | None = None) -> Reading:
        """Queries; bills every document that was read, also those that the pattern then dropped."""
        reading = self._database.query(query, at=at)
        reads = len(reading.documents) if reading.reads is None else reading.reads
        self._count(Usage(rpcs=reading.rpcs, reads=_billed(reads)))
        return reading

    def aggregate(self, aggregation: Aggregation, *, at: Instant | None = None) -> Aggregated:
        """Aggregates; bills one read for each 1,000 index entries."""
        answer = self._database.aggregate(aggregation, at=at)
        self._count(Usage(rpcs=answer.rpcs, reads=answer.reads))
        return answer

    def commit(self, writes: Sequence[Write], *, verify: Sequence[Verified] = ()) -> Committed:
        """Commits; a query to verify is billed by the size of its earlier result, which a commit requires to be equal.

        The commit is counted before it is made: Firestore bills one that fails, too.
        """
        reads = sum(_billed(len(each.versions)) if isinstance(each, FoundVersions) else each.reads for each in verify)
        rpcs = sum(1 if isinstance(each, FoundVersions) else each.rpcs for each in verify)
        self._count(Usage(rpcs=1 + rpcs, reads=reads, writes=len(writes)))
        committed = self._database.commit(writes, verify=verify)
        with self._lock:
            self.commit_time = max(self.commit_time or 0, committed.commit_time)
        return committed

    def _count(self, usage: Usage) -> None:
        with self._lock:
            self.usage += usage
