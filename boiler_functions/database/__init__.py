"""The seam to Firestore: documents, reads at one time, queries, and one atomic commit.

Two implementations pass one contract suite: `database.firestore` and its twin `database.memory`.

Records are named tuples where they can be: making the class of a frozen dataclass takes seven times as long, and every
cold start does.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from boiler_functions.exceptions import BoilerError
from boiler_functions.paths import Pattern, collection_of, id_of
from boiler_functions.types import MISSING, Fields, Instant, Version, digest

NAME = "__name__"
"""The field path that stands for the document's own path, in filters and orders; its values are References."""

Operator: TypeAlias = Literal["==", "!=", "<", "<=", ">", ">=", "in", "not-in", "array-contains", "array-contains-any"]


class Document(NamedTuple):
    """One document as it was read; `fields` is None, and `version` MISSING, when there is none at the path."""

    path: str
    fields: Fields | None = None
    version: Version = MISSING

    @property
    def exists(self) -> bool:
        return self.fields is not None

    @property
    def id(self) -> str:
        return id_of(self.path)

    @property
    def collection(self) -> str:
        return collection_of(self.path)


class Filter(NamedTuple):
    """One condition on a field path ("address.city"; a segment that is no identifier is put in backticks).

    The value of `in`, `not-in` and `array-contains-any` is a tuple of at most 30. `==` None and NaN work as Firestore's
    unary filters do.
    """

    field: str
    op: Operator
    value: Any


class Order(NamedTuple):
    field: str
    descending: bool = False


class Cursor(NamedTuple):
    """A position in a query's order: a value for each of its orders, from the first; `before` stands just before it."""

    values: tuple[Any, ...]
    before: bool


class Query(NamedTuple):
    """All documents of a collection that fulfil every filter.

    `collection` is a path ("users/uid1/cityForms"), or, with `group`, the last segment of all collections so called.
    Without orders the result is ordered by path (Firestore's own rule: by the fields of range filters, then by path).
    `start` and `end` cut the ordered result. `names_only` returns documents with empty fields and a true version.

    A group holds every collection of that name. With `pattern` only documents at such paths belong to the result, and
    the limit counts these alone: collections of the name elsewhere use up none of it.
    """

    collection: str
    group: bool = False
    filters: tuple[Filter, ...] = ()
    orders: tuple[Order, ...] = ()
    start: Cursor | None = None
    end: Cursor | None = None
    limit: int | None = None
    names_only: bool = False
    pattern: Pattern | None = None

    @property
    def key(self) -> str:
        """A name that equal queries share; two queries that Python holds equal (1 == True) differ in it."""
        cursors = [None if cursor is None else (cursor.values, cursor.before) for cursor in (self.start, self.end)]
        return digest(
            self.collection,
            self.group,
            [(each.field, each.op, each.value) for each in self.filters],
            [(each.field, each.descending) for each in self.orders],
            cursors,
            self.limit,
            self.names_only,
            *([self.pattern.text] if self.pattern else []),
        )


class Reading(NamedTuple):
    """Documents as of `read_time`: of a read in the order of the paths, of a query in the query's order.

    `rpcs` and `reads` are what it took: of a query with a pattern and a limit possibly several pages, and documents
    that were read in vain. Without `reads` it is the number of documents.
    """

    documents: tuple[Document, ...]
    read_time: Instant
    rpcs: int = 1
    reads: int | None = None


class Precondition(NamedTuple):
    """What a write demands of the document as it stands: that it `exists` or not, or that it has this `version`."""

    exists: bool | None = None
    version: Version | None = None


ABSENT = Precondition(exists=False)
PRESENT = Precondition(exists=True)


def unchanged(document: Document) -> Precondition:
    """The precondition that the document still is as it was read."""
    return Precondition(version=document.version) if document.exists else ABSENT


class Put(NamedTuple):
    """Writes fields: the whole document, or with `mask` the named field paths alone (a named one without value goes).

    An empty mask writes nothing and so only checks the precondition (it keeps `update_time`).
    """

    path: str
    fields: Fields
    mask: tuple[str, ...] | None = None
    precondition: Precondition | None = None


class Delete(NamedTuple):
    """Deletes the document if there is one; with the precondition ABSENT it only checks that there is none."""

    path: str
    precondition: Precondition | None = None


Write: TypeAlias = Put | Delete


def check(document: Document) -> Write:
    """A write that changes nothing and fails when the document is no longer as it was read."""
    if document.exists:
        return Put(document.path, {}, mask=(), precondition=unchanged(document))
    return Delete(document.path, precondition=ABSENT)


class Found(NamedTuple):
    """What a query returned, as a commit can verify it: the versions by path."""

    query: Query
    versions: Mapping[str, Version]


class Committed(NamedTuple):
    """The time of a commit, and the version that each written document has after it (MISSING once deleted)."""

    commit_time: Instant
    versions: tuple[Version, ...]


class Database(Protocol):
    """Firestore, as far as the engine needs it. Every call may be made from any thread, and is one RPC.

    The one exception is a query with a pattern and a limit, which reads on, at one time, until the limit is full.

    Errors: Conflict (a precondition failed, ABORTED), UnknownOutcome (commit alone), Unavailable (all that may pass),
    TooLarge (before anything is sent), InvalidRequest (refused for good).
    """

    def read(self, paths: Collection[str], *, at: Instant | None = None) -> Reading:
        """The documents at the paths, missing ones included, as of `at` or now; one BatchGetDocuments."""
        ...

    def query(self, query: Query, *, at: Instant | None = None) -> Reading:
        """The documents that match, as of `at` or now; one RunQuery a page."""
        ...

    def commit(self, writes: Sequence[Write], *, verify: Sequence[Found] = ()) -> Committed:
        """Applies all writes or none; one Commit, never retried below.

        With `verify`, the queries are run again in a transaction that the commit closes (a RunQuery each), and the
        commit is a Conflict when one of them returns anything else now.
        """
        ...


Target: TypeAlias = tuple[str, ...] | Query
"""What is listened to: documents by path, or those that a query finds."""

Changed: TypeAlias = Callable[[Reading], None]
"""Takes what a target is now, as `read` or `query` would give it."""

Failed: TypeAlias = Callable[[BoilerError], None]
"""Takes the error after which a listener hears no more."""


class Listener(Protocol):
    """A target that is listened to."""

    def close(self) -> None:
        """Ends it; does nothing the second time. A call that is under way in another thread comes to its end."""
        ...


class LiveDatabase(Database, Protocol):
    """A database that tells of changes by itself."""

    def listen(self, target: Target, changed: Changed, failed: Failed) -> Listener:
        """Calls `changed` with the target as it is, soon or before this returns, and after every change of it.

        States that are overtaken may be left out, and none comes twice or after a newer one. The calls come from any
        thread, one at a time. A connection that breaks is made anew; `failed` tells of an error that will stay.
        """
        ...
