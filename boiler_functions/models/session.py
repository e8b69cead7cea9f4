"""Sessions decide where models read and write: directly in the database, in a unit of work, or in what a view read."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, TypeAlias

from boiler_functions.access import Caller
from boiler_functions.database import (
    Aggregated,
    Database,
    Delete,
    Document,
    FoundVersions,
    Put,
    Query,
    Verified,
    Write,
    check,
    unchanged,
)
from boiler_functions.database.matching import result_of
from boiler_functions.exceptions import Conflict, ForeignThread, ImpureGetter, TaskFailed
from boiler_functions.models.reads import Reads
from boiler_functions.paths import field_path
from boiler_functions.types import Fields, Instant, as_stored

log = logging.getLogger(__name__)


Readable: TypeAlias = Callable[[str], frozenset[str] | None]
"""Returns the attributes that may be read of the document at a path; None for all."""


class Session(Protocol):
    """The reads and writes of models."""

    @property
    def models(self) -> dict[Any, Any]:
        """The models made from documents in this session, by class and path, so that a document has one object."""
        ...

    @property
    def loaded(self) -> dict[Any, Any]:
        """The fields and values of documents, by class and path, which sessions over the same documents share."""
        ...

    def readable(self, path: str) -> frozenset[str] | None:
        """Returns the attributes of the document that may be read; None for all."""
        ...

    @property
    def reads(self) -> Reads | None:
        """Notes which attributes are read; None where nobody asks."""
        ...

    @property
    def caller(self) -> Caller | None:
        """The sender of the request; None for an event, and for a request without a token."""
        ...

    def read(self, paths: Collection[str]) -> list[Document]:
        """Returns the documents in the order of the paths."""
        ...

    def related(self, paths: Collection[str]) -> list[Document]:
        """Returns the documents that a relation refers to, in the order of the paths."""
        ...

    def looked_up(self, query: Query, relation: str) -> Sequence[Document]:
        """Returns the documents that a relation finds by their value."""
        ...

    def query(self, query: Query) -> tuple[Document, ...]: ...

    def write(self, write: Write) -> None: ...


class _Place(NamedTuple):
    """A process and a thread of it."""

    process: int
    thread: int


class _Active(NamedTuple):
    session: Session
    place: _Place | None
    """The only place where the session may be used; None, for any place, in a session that `use` opened."""


_active: ContextVar[_Active | None] = ContextVar("session", default=None)

_at_work: set[_Place] = set()
"""The places in which a function is running user code now."""


# Noted, since asking the system takes long, and each value that a getter reads is asked for here.
_process = os.getpid()


def _note_process() -> None:
    global _process
    _process = os.getpid()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_process)


def _here() -> _Place:
    return _Place(_process, threading.get_ident())


def current() -> Session:
    """Returns the active session; without one, a session on the default Firestore database.

    Raises ForeignThread while a function runs in another thread: writes made here would not be part of its commit, and
    reads made here would not be verified.
    """
    found = _active.get()
    if found is not None and (found.place is None or found.place == (_process, threading.get_ident())):
        return found.session
    if found is not None or any(place.process == _process for place in tuple(_at_work)):
        raise _foreign_thread()
    return Direct(default_database())


def _foreign_thread() -> ForeignThread:
    error = ForeignThread(
        f"Models are used in the thread {threading.current_thread().name!r} of the process {os.getpid()} while a "
        f"function runs in another one; a function's reads and writes are one unit, in the thread that called it. "
        f"Read and write in that thread, and only compute in others. In a thread that does not belong to a function, "
        f"name the database: `with use(database):`."
    )
    # Logged too, as a thread pool hides an error until its result is asked for.
    log.error("%s", error, stack_info=True)
    return error


@contextmanager
def active(session: Session) -> Iterator[None]:
    """Makes the session the one that models use inside the block, in this thread only."""
    place = _here()
    is_outermost = place not in _at_work
    token = _active.set(_Active(session, place))
    _at_work.add(place)
    try:
        yield
    except SystemExit as error:
        # SystemExit would end the process, and with it other requests that it serves.
        raise RuntimeError(f"User code ends the process (SystemExit {error.code!r}); raise another error.") from error
    finally:
        _active.reset(token)
        if is_outermost:
            _at_work.discard(place)


@contextmanager
def use(database: Database) -> Iterator[None]:
    """Makes models read and write this database inside the block.

    with use(MemoryDatabase()):
        City.new(doc_id="TOK", city_name="Tokyo").save()
    """
    token = _active.set(_Active(Direct(database), None))
    try:
        yield
    finally:
        _active.reset(token)


def default_database() -> Database:
    """Returns the Firestore database that GOOGLE_CLOUD_PROJECT and FIRESTORE_EMULATOR_HOST name."""
    # Imported here because it takes 250 ms, and neither `boiler check` nor a test in memory needs it.
    from boiler_functions.database.firestore import connect

    return connect()


class Direct:
    """A session that keeps nothing: each call is one RPC, each write a commit of its own."""

    caller: Caller | None = None
    reads = None

    def __init__(self, database: Database) -> None:
        self.database = database

    @property
    def models(self) -> dict[Any, Any]:
        return {}

    loaded = models

    def readable(self, path: str) -> None:
        """Returns None, as all may be read."""

    def read(self, paths: Collection[str]) -> list[Document]:
        return list(self.database.read(paths).documents)

    related = read

    def looked_up(self, query: Query, relation: str) -> Sequence[Document]:
        return self.query(query)

    def query(self, query: Query) -> tuple[Document, ...]:
        return self.database.query(query).documents

    def write(self, write: Write) -> None:
        self.database.commit([write])


class Snapshot:
    """A session over the documents that a view read: relations resolve, everything else raises ImpureGetter."""

    def __init__(
        self,
        documents: Mapping[str, Document],
        view: str,
        loaded: dict[Any, Any] | None = None,
        readable: Readable | None = None,
        looked_up: Mapping[str, Sequence[str]] = MappingProxyType({}),
        reads: Reads | None = None,
    ) -> None:
        self.documents = documents
        self.reads = reads
        self._looked_up = looked_up
        self._readable = readable
        self.view = view
        self._models: dict[Any, Any] = {}
        self._loaded = {} if loaded is None else loaded

    @property
    def models(self) -> dict[Any, Any]:
        return self._models

    @property
    def loaded(self) -> dict[Any, Any]:
        return self._loaded

    def readable(self, path: str) -> frozenset[str] | None:
        return None if self._readable is None else self._readable(path)

    @property
    def caller(self) -> Caller | None:
        raise ImpureGetter(
            f"A getter of {self.view} uses `self.caller`; a view is stored once, and the same for every reader. "
            f"Use `self.caller` in setters, operations and `propagate_change`."
        )

    def related(self, paths: Collection[str]) -> list[Document]:
        missing = [path for path in paths if path not in self.documents]
        if missing:
            raise self._unfetched(f"a relation to {missing[0]}")
        return [self.documents[path] for path in paths]

    def looked_up(self, query: Query, relation: str) -> Sequence[Document]:
        paths = self._looked_up.get(query.key)
        if paths is None:
            raise self._unfetched(f"{relation} to what it finds by {query.filters[-1].value!r}")
        # One that does not fit, and that the view leaves out, is not there.
        return [document for path in paths if (document := self.documents[path]).exists]

    def _unfetched(self, what: str) -> ImpureGetter:
        return ImpureGetter(
            f"{self.view} follows {what}, which its Store does not fetch; "
            f"add `reference(…)` or `references(…)` of that relation to the Store."
        )

    def read(self, paths: Collection[str]) -> list[Document]:
        raise self._impure(f"reads {', '.join(paths)}")

    def query(self, query: Query) -> tuple[Document, ...]:
        raise self._impure(f"queries {query.collection}")

    def write(self, write: Write) -> None:
        raise self._impure(f"writes {write.path}")

    def _impure(self, what: str) -> ImpureGetter:
        return ImpureGetter(
            f"A getter of {self.view} {what}; a getter may only use what its Store fetches, as nothing rebuilds the "
            f"view when other documents change. Declare them in the Store."
        )


class UnitOfWork:
    """A session that records what it reads, with versions, and collects its writes for one commit.

    All reads are at one time, and user code sees each document in one version, the one that the commit verifies. A
    document that was written here reads as it was written.
    """

    caller: Caller | None = None
    reads = None

    def __init__(
        self,
        database: Database,
        documents: Mapping[str, Document],
        at: Instant | None = None,
        loaded: dict[Any, Any] | None = None,
    ) -> None:
        self.database = database
        self.documents = dict(documents)
        self.loaded: dict[Any, Any] = {} if loaded is None else loaded
        self.found: list[FoundVersions] = []
        self.totals: dict[str, Aggregated] = {}
        self.writes: dict[str, Write] = {}
        self.unverified: set[str] = set()
        self.read_time = at
        self._torn: Conflict | None = None
        self._models: dict[Any, Any] = {}

    @property
    def models(self) -> dict[Any, Any]:
        return self._models

    def readable(self, path: str) -> None:
        """Returns None: the commit verifies whole documents, so all may be read."""

    def read(self, paths: Collection[str]) -> list[Document]:
        missing = [path for path in dict.fromkeys(paths) if path not in self.documents]
        if missing:
            reading = self.database.read(missing, at=self.read_time)
            self.read_time = self.read_time or reading.read_time
            self.documents.update((document.path, document) for document in reading.documents)
        return [self._as_written(self.documents[path]) for path in paths]

    related = read

    def looked_up(self, query: Query, relation: str) -> Sequence[Document]:
        """Returns what the query finds after the writes, of which any may have given or taken the value."""
        known = next((tuple(each.versions) for each in self.found if each.query.key == query.key), None)
        if known is None or (len(known) == query.limit and not self.writes.keys().isdisjoint(known)):
            wider = query._replace(limit=query.limit and query.limit + len(self.writes))
            known = tuple(document.path for document in self._ask(wider))
        found = [self.documents.get(path) or Document(path) for path in dict.fromkeys([*known, *self.writes])]
        return result_of(query, map(self._as_written, found))

    def query(self, query: Query) -> tuple[Document, ...]:
        if self.writes:
            written = ", ".join(sorted(self.writes)[:3])
            raise TaskFailed(
                f"{query.collection} is queried after {written} was written in the same task or request; the query "
                f"would miss that write. Query first, all pages (`list(…)`), and write afterwards."
            )
        return self._ask(query)

    def _ask(self, query: Query) -> tuple[Document, ...]:
        reading = self.database.query(query, at=self.read_time)
        self.read_time = self.read_time or reading.read_time
        self.add_found(query, reading.documents)
        return reading.documents

    def add_found(self, query: Query, documents: Sequence[Document]) -> None:
        """Records what a query returned; raises Conflict if an earlier read saw a document in another version.

        Choosing one of the versions would be wrong: the other documents fit at most one of them.
        """
        self.found.append(FoundVersions(query, {document.path: document.version for document in documents}))
        for document in documents:
            known = self.documents.setdefault(document.path, document)
            if known.version != document.version:
                self._torn = Conflict(
                    f"{document.path} was read in two versions: {known.version}, and then {document.version} by a "
                    f"query on {query.collection}. Nothing was written: read again, and decide again."
                )
                raise self._torn

    @property
    def verified(self) -> list[Verified]:
        """What a commit verifies besides documents: results of queries, and numbers."""
        return [*self.found, *self.totals.values()]

    def write(self, write: Write) -> None:
        if isinstance(write, Put):
            # A read before the commit must give the same values as one after it.
            write = write._replace(fields=as_stored(write.fields))
        earlier = self.writes.get(write.path)
        self.writes[write.path] = _merged(earlier, write) if earlier else write

    def commit_writes(self, *, verify: bool = True) -> list[Write]:
        """Returns the writes for one commit, each on the condition that its document is unchanged since it was read.

        With `verify`, adds a check of every document that was read and not written. Raises Conflict if a document was
        read in two versions, even if user code caught that error before.
        """
        if self._torn is not None:
            raise self._torn
        writes = [self._guarded(write) for write in self.writes.values()]
        if verify:
            queried = {path for found in self.found for path in found.versions}
            read_only = self.documents.keys() - self.writes.keys() - self.unverified - queried
            writes += [check(self.documents[path]) for path in sorted(read_only)]
        return writes

    def _guarded(self, write: Write) -> Write:
        document = self.documents.get(write.path)
        return write if document is None else write._replace(precondition=unchanged(document))

    def _as_written(self, document: Document) -> Document:
        match self.writes.get(document.path):
            case None:
                return document
            case Delete():
                return Document(document.path)
            case Put(fields=fields, mask=mask):
                return document._replace(fields=overlaid(document.fields or {}, fields, mask))


def overlaid(stored: Fields, fields: Fields, mask: Sequence[str] | None) -> Fields:
    """Returns the fields of a document after a Put; `mask` names the top-level fields that it replaces, None all."""
    kept = {} if mask is None else {key: value for key, value in stored.items() if field_path(key) not in mask}
    return {**kept, **fields}


def _merged(earlier: Write, later: Write) -> Write:
    if isinstance(later, Delete):
        return later
    if isinstance(earlier, Delete) or later.mask is None:
        return later._replace(mask=None, precondition=earlier.precondition)
    mask = None if earlier.mask is None else tuple(dict.fromkeys((*earlier.mask, *later.mask)))
    fields = overlaid(earlier.fields, later.fields, later.mask)
    return later._replace(fields=fields, mask=mask, precondition=earlier.precondition)
