"""A database that counts what it is asked: RPCs, and reads and writes as they are billed."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from boiler_functions.database import Committed, Database, Found, Query, Reading, Write
from boiler_functions.types import Instant


class Usage(NamedTuple):
    """What was asked of the database; a read is a document returned or looked up, a write one that was sent."""

    rpcs: int = 0
    reads: int = 0
    writes: int = 0

    def __add__(self, other: "Usage") -> "Usage":  # type: ignore[override]
        return Usage(self.rpcs + other.rpcs, self.reads + other.reads, self.writes + other.writes)

    def __sub__(self, other: "Usage") -> "Usage":
        return Usage(self.rpcs - other.rpcs, self.reads - other.reads, self.writes - other.writes)


def _billed(documents: int) -> int:
    """The reads of a query: one even when it returns nothing."""
    return max(documents, 1)


class Metered:
    """The database, with the `usage` since it was wrapped, and the time of the last commit; one per event.

    metered = Metered(database)
    metered.read(["users/uid1"])
    metered.usage == Usage(rpcs=1, reads=1)
    """

    def __init__(self, database: Database) -> None:
        self.usage = Usage()
        self.commit_time: Instant | None = None
        self._database = database

    def read(self, paths: Collection[str], *, at: Instant | None = None) -> Reading:
        """As the database; each path is billed once, and no path is no RPC."""
        self.usage += Usage(rpcs=int(bool(paths)), reads=len(set(paths)))
        return self._database.read(paths, at=at)

    def query(self, query: Query, *, at: Instant | None = None) -> Reading:
        """As the database."""
        reading = self._database.query(query, at=at)
        reads = len(reading.documents) if reading.reads is None else reading.reads
        self.usage += Usage(rpcs=reading.rpcs, reads=_billed(reads))
        return reading

    def commit(self, writes: Sequence[Write], *, verify: Sequence[Found] = ()) -> Committed:
        """As the database; a query to verify is billed for what it returned before."""
        reads = sum(_billed(len(found.versions)) for found in verify)
        self.usage += Usage(rpcs=1 + len(verify), reads=reads, writes=len(writes))
        committed = self._database.commit(writes, verify=verify)
        self.commit_time = committed.commit_time
        return committed
