"""Implements the seam in memory, for tests, with Firestore's versions, preconditions, read times, queries and limits.

    database = MemoryDatabase()
    database.commit([Put("users/uid1", {"name": "Ada"}, precondition=ABSENT)])
    database.query(Query("users", filters=(Filter("name", "==", "Ada"),)))

It keeps every version of every document, so that old read times work.
"""

import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from operator import attrgetter
from threading import Lock, RLock
from typing import Any, Final, NamedTuple, TypeAlias

from boiler_functions.database import (
    Aggregated,
    Aggregation,
    Committed,
    Delete,
    Document,
    Failed,
    FoundVersions,
    OnReading,
    Precondition,
    Put,
    Query,
    Reading,
    Select,
    Target,
    Verified,
    Write,
)
from boiler_functions.database.groups import by_value
from boiler_functions.database.matching import (
    ABSENT,
    aggregated,
    billed,
    check_aggregation,
    check_field,
    check_query,
    check_same,
    check_unchanged,
    result_of,
    segments_of,
    selected,
    value_at,
    within,
)
from boiler_functions.database.sizes import check_document, check_request, check_values, document_size, name_size
from boiler_functions.database.values import check_fields, check_path
from boiler_functions.exceptions import Conflict, InvalidRequest
from boiler_functions.paths import collection_of
from boiler_functions.types import Fields, GeoPoint, Instant, Version, is_same, to_datetime, to_instant

OnCommit: TypeAlias = Callable[[Document, Document], None]
"""Receives a document before and after a change."""

# Firestore keeps microseconds.
_STEP: Final = 1_000

_SINCE: Final = attrgetter("since")


class _State(NamedTuple):
    """A document as one commit wrote it, valid until the next commit that changes it."""

    since: Instant
    document: Document


def _stored_map(fields: Fields) -> dict[str, Any]:
    return {name: _stored(value) for name, value in fields.items()}


def _stored(value: Any) -> Any:
    """Returns a copy of the value as Firestore would return it."""
    match value:
        case datetime():
            return to_datetime(to_instant(value))
        case GeoPoint():
            return GeoPoint(float(value.latitude), float(value.longitude))
        case Mapping():
            return _stored_map(value)
        case list() | tuple():
            return [_stored(item) for item in value]
        case _:
            return value


def _set(fields: dict[str, Any], segments: Sequence[str], value: Any) -> None:
    *parents, name = segments
    for parent in parents:
        if not isinstance(fields.get(parent), dict):
            fields[parent] = {}
        fields = fields[parent]
    fields[name] = value


def _remove(fields: dict[str, Any], segments: Sequence[str]) -> None:
    *parents, name = segments
    parent = value_at(fields, parents)
    if isinstance(parent, dict):
        parent.pop(name, None)


def _merged(before: Fields, put: Put) -> Fields:
    """Returns the fields after the write; with a mask, the old fields in which the named ones are replaced."""
    if put.mask is None:
        return put.fields
    fields = _stored_map(before)
    for segments in map(segments_of, put.mask):
        if (value := value_at(put.fields, segments)) is ABSENT:
            _remove(fields, segments)
        else:
            _set(fields, segments, value)
    return fields


def _added(fields: Fields, put: Put) -> Fields:
    """Returns the fields after the write's numbers were added."""
    if not put.adds:
        return fields
    fields = _stored_map(fields)
    for segments, number in ((segments_of(field), number) for field, number in put.adds):
        value = value_at(fields, segments)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        total = value + number if is_number else number
        _set(fields, segments, total if isinstance(total, float) else max(-(2**63), min(total, 2**63 - 1)))
    return fields


def _check_precondition(precondition: Precondition | None, document: Document) -> None:
    if precondition is None:
        return
    if precondition.exists is not None and precondition.exists is not document.exists:
        seen = "exists" if document.exists else "does not exist"
        expected = "exists" if precondition.exists else "does not exist"
        raise Conflict(
            f"{document.path} {seen}; the precondition is that it {expected}. Nothing was written. Read again."
        )
    if precondition.version is not None and precondition.version != document.version:
        raise Conflict(
            f"{document.path} has the version {document.version}; the precondition is {precondition.version}. "
            "Nothing was written. Read again."
        )


def _written(write: Write, before: Document, now: Instant) -> Document:
    """Returns the document after the write; a write that changes nothing keeps the version, as in Firestore."""
    _check_precondition(write.precondition, before)
    if isinstance(write, Delete):
        return Document(write.path) if before.exists else before
    fields = _added(_merged(before.fields or {}, write), write)
    check_document(write.path, fields)
    if before.exists and is_same(fields, before.fields):
        return before
    return Document(write.path, fields, now)


def _checked(write: Write) -> Write:
    """Returns the write with its fields as they will be stored; raises if Firestore would refuse it."""
    check_path(write.path)
    if isinstance(write, Delete):
        return write
    for field in (*(write.mask or ()), *(name for name, _ in write.adds)):
        check_field(field)
    check_fields(write.path, write.fields)
    check_values(write.path, write.fields)
    return write._replace(fields=_stored_map(write.fields))


def _size(write: Write) -> int:
    return name_size(write.path) if isinstance(write, Delete) else document_size(write.path, write.fields)


def _copied(document: Document) -> Document:
    """Returns the document with a copy of its fields, so that the caller may change them."""
    return document if document.fields is None else document._replace(fields=_stored_map(document.fields))


class MemoryListener:
    """A target that is listened to, which is read again after every commit, in the committing thread."""

    def __init__(
        self, look: Callable[[], Reading], changed: OnReading, close: Callable[["MemoryListener"], None]
    ) -> None:
        self._look = look
        self._changed = changed
        self._close = close
        self._lock = RLock()
        self._seen: list[tuple[str, Version]] | None = None
        self._is_open = True

    def look(self) -> None:
        """Reads the target, and passes it on if it has changed."""
        with self._lock:
            reading = self._look()
            seen = [(document.path, document.version) for document in reading.documents]
            if self._is_open and seen != self._seen:
                self._seen = seen
                self._changed(reading)

    def close(self) -> None:
        """Stops listening; a second call does nothing."""
        self._is_open = False
        self._close(self)


class MemoryDatabase:
    """A database in memory, empty at first, which all threads may use.

    `clock` returns nanoseconds since 1970; versions increase strictly even if it stands still.
    """

    def __init__(self, clock: Callable[[], Instant] = time.time_ns) -> None:
        self._clock = clock
        self._lock = Lock()
        self._latest: Instant = 0
        self._collections: defaultdict[str, dict[str, list[_State]]] = defaultdict(dict)
        self._listeners: list[OnCommit] = []
        self._live: dict[MemoryListener, None] = {}

    def subscribe(self, listener: OnCommit) -> None:
        """Calls the listener after each commit with every changed document, before and after the commit.

        As in production, a write of what is already stored is not a change. The database is not locked during the
        call: the listener may read and write, and commits of several threads may arrive out of order.
        """
        self._listeners.append(listener)

    def listen(self, target: Target, changed: OnReading, failed: Failed) -> MemoryListener:
        """Calls `changed` with the current documents of the target, and after every commit that changes them."""
        look = partial(self.query, target) if isinstance(target, Query) else partial(self.read, target)
        listener = MemoryListener(look, changed, lambda closed: self._live.pop(closed, None))
        self._live[listener] = None
        listener.look()
        return listener

    @property
    def listeners(self) -> int:
        """The number of targets that are listened to."""
        return len(self._live)

    def read(self, paths: Collection[str], *, at: Instant | None = None, select: Select = None) -> Reading:
        """Returns the documents at the paths, missing ones included, as of `at` or now."""
        for path in paths:
            check_path(path)
        with self._lock:
            read_time = self._read_time(at)
            found = (selected(select, self._document(path, read_time)) for path in paths)
            return Reading(tuple(map(_copied, found)), read_time)

    def query(self, query: Query, *, at: Instant | None = None) -> Reading:
        """Returns the documents that match, as of `at` or now."""
        check_query(query)
        with self._lock:
            read_time = self._read_time(at)
            documents = self._select(query, read_time)
            return Reading(tuple(_copied(selected(query.select, document)) for document in documents), read_time)

    def aggregate(self, aggregation: Aggregation, *, at: Instant | None = None) -> Aggregated:
        """Returns a number over the documents that match, as of `at` or now."""
        check_aggregation(aggregation)
        with self._lock:
            return self._aggregate(aggregation, self._read_time(at))

    def commit(self, writes: Sequence[Write], *, verify: Sequence[Verified] = ()) -> Committed:
        """Applies all writes or none; raises Conflict if what is in `verify` returns another result than before."""
        writes = list(map(_checked, writes))
        check_request(sum(map(_size, writes)))
        with self._lock:
            now = self._tick()
            for each in verify:
                self._verify(each, now)
            before = {write.path: self._document(write.path, now) for write in writes}
            after = dict(before)
            for write in writes:
                after[write.path] = _written(write, after[write.path], now)
            changes = [(before[path], document) for path, document in after.items() if document is not before[path]]
            self._store(changes, now)
        self._notify(changes)
        return Committed(now, tuple(after[write.path].version for write in writes))

    def _verify(self, before: Verified, now: Instant) -> None:
        if isinstance(before, FoundVersions):
            check_unchanged(before, self._select(before.query, now))
        else:
            check_same(before, self._aggregate(before.aggregation, now).value)

    def _tick(self) -> Instant:
        """Returns the time of a commit, which is later than every earlier commit and read: the past never changes."""
        self._latest = max(self._clock() // _STEP * _STEP, self._latest + _STEP)
        return self._latest

    def _read_time(self, at: Instant | None) -> Instant:
        self._latest = max(self._clock() // _STEP * _STEP, self._latest)
        if at is None:
            return self._latest
        if not 0 < at <= self._latest:
            raise InvalidRequest(f"The read time {at} is in the future: it is {self._latest} now. Read at a past time.")
        return at // _STEP * _STEP

    def _document(self, path: str, at: Instant) -> Document:
        states = self._collections.get(collection_of(path), {}).get(path, [])
        position = bisect_right(states, at, key=_SINCE)
        return states[position - 1].document if position else Document(path)

    def _select(self, query: Query, at: Instant) -> list[Document]:
        collections = [documents for name, documents in self._collections.items() if within(query, name)]
        return result_of(query, [self._document(path, at) for documents in collections for path in documents])

    def _aggregate(self, aggregation: Aggregation, at: Instant) -> Aggregated:
        if aggregation.by is None:
            return self._number(aggregation, at)
        return by_value(aggregation, lambda query, _: self._first(query, at), lambda of, _: self._number(of, at), at)

    def _number(self, aggregation: Aggregation, at: Instant) -> Aggregated:
        check_aggregation(aggregation)
        documents = self._select(aggregation.asked, at)
        return Aggregated(aggregation, aggregated(aggregation, documents), at, billed(len(documents)))

    def _first(self, query: Query, at: Instant) -> Reading:
        check_query(query)
        return Reading(tuple(self._select(query, at)), at)

    def _store(self, changes: Sequence[tuple[Document, Document]], now: Instant) -> None:
        for _, after in changes:
            self._collections[after.collection].setdefault(after.path, []).append(_State(now, after))

    def _notify(self, changes: Sequence[tuple[Document, Document]]) -> None:
        for before, after in changes:
            for listener in self._listeners:
                listener(_copied(before), _copied(after))
        for live in list(self._live) if changes else ():
            live.look()
