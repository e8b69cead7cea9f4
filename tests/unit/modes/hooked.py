"""A database that writes races down: it records its calls, and does something before or after the n-th of a kind."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Literal, TypeAlias, TypeVar

from boiler_functions.database import (
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
from boiler_functions.types import Instant

T = TypeVar("T")
Kind: TypeAlias = Literal["read", "query", "commit"]
Moment: TypeAlias = Literal["before", "after"]


class Hooked:
    """The database, with hooks: `Hooked(database).before("commit", 1, race)` calls `race()` before the first commit.

    A hook that raises makes the call fail: before it nothing was done, after it all was.
    """

    def __init__(self, database: Database) -> None:
        self.calls: Counter[str] = Counter()
        self.written: list[Sequence[Write]] = []
        self._database = database
        self._hooks: dict[tuple[Moment, Kind, int], Callable[[], object]] = {}
        self._torn: dict[str, Instant] = {}

    def before(self, kind: Kind, nth: int, hook: Callable[[], object]) -> "Hooked":
        self._hooks["before", kind, nth] = hook
        return self

    def after(self, kind: Kind, nth: int, hook: Callable[[], object]) -> "Hooked":
        self._hooks["after", kind, nth] = hook
        return self

    def tear(self, path: str, at: Instant) -> "Hooked":
        """Makes the next read that holds the path see it as of an earlier time, as the emulator's torn reads do."""
        self._torn[path] = at
        return self

    def read(self, paths: Collection[str], *, at: Instant | None = None, select: Select = None) -> Reading:
        # Without paths it is no RPC, and so no call.
        if not paths:
            return self._database.read(paths, at=at, select=select)
        return self._hooked("read", lambda: self._torn_read(paths, at, select))

    def query(self, query: Query, *, at: Instant | None = None) -> Reading:
        return self._hooked("query", lambda: self._database.query(query, at=at))

    def aggregate(self, aggregation: Aggregation, *, at: Instant | None = None) -> Aggregated:
        return self._hooked("query", lambda: self._database.aggregate(aggregation, at=at))

    def commit(self, writes: Sequence[Write], *, verify: Sequence[Verified] = ()) -> Committed:
        self.written.append(writes)
        return self._hooked("commit", lambda: self._database.commit(writes, verify=verify))

    def _hooked(self, kind: Kind, call: Callable[[], T]) -> T:
        self.calls[kind] += 1
        nth = self.calls[kind]
        self._hooks.pop(("before", kind, nth), _nothing)()
        result = call()
        self._hooks.pop(("after", kind, nth), _nothing)()
        return result

    def _torn_read(self, paths: Collection[str], at: Instant | None, select: Select) -> Reading:
        reading = self._database.read(paths, at=at, select=select)
        torn = {path: self._torn.pop(path) for path in list(self._torn) if path in paths}
        former = {path: self._database.read([path], at=at, select=select).documents[0] for path, at in torn.items()}
        return Reading(tuple(former.get(each.path, each) for each in reading.documents), reading.read_time)


def raises(error: Exception) -> Callable[[], None]:
    """A hook that lets the call fail."""

    def hook() -> None:
        raise error

    return hook


def _nothing() -> None:
    """No hook."""
