"""The seam to Firestore: documents, reads at one time, queries, and one atomic commit.

Two implementations pass the same contract tests: `database.firestore`, and its twin `database.memory`.

Records are named tuples where possible: every cold start creates these classes, and creating a frozen dataclass takes
seven times as long.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

from boiler_functions.exceptions import BoilerError
from boiler_functions.paths import Pattern, collection_of, id_of
from boiler_functions.types import MISSING, Fields, Instant, Version, digest

NAME = "__name__"
"""The field path by which filters and orders name the document's own path; its values are References."""

Operator: TypeAlias = Literal["==", "!=", "<", "<=", ">", ">=", "in", "not-in", "array-contains", "array-contains-any"]


class Document(NamedTuple):
    """One document as it was read; a missing document has `fields` None and `version` MISSING."""

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
    """One condition on a field path, such as `address.city` or, with a name that needs quoting, address.`postal code`.

    The value of `in`, `not-in` and `array-contains-any` is a tuple of at most 30 (`not-in`: 10). `==` and `!=` with
    None or NaN work as Firestore's unary filters do.
    """

    field: str
    op: Operator
    value: Any


class Order(NamedTuple):
    field: str
    descending: bool = False


class Cursor(NamedTuple):
    """A position in a query's order: a value for each of its first orders; with `before` just before it, else after."""

    values: tuple[Any, ...]
    before: bool


Select: TypeAlias = tuple[str, ...] | None
"""The names of the fields that documents are returned with; None for all."""


class Query(NamedTuple):
    """All documents of a collection, or of a collection group, that fulfil every filter.

    `collection` is a path such as "users/uid1/cityForms" or, with `group`, the last segment of several such paths.
    After the given orders, Firestore orders by the fields of range filters and then by path. `start` and `end` cut the
    ordered result. With `select`, documents are returned with these fields alone, without any for (), but with their
    versions; so they are sent.

    A group has the collections of that name at all depths. `pattern` keeps the documents whose paths match it, and only
    these count towards the limit.
    """

    collection: str
    group: bool = False
    filters: tuple[Filter, ...] = ()
    orders: tuple[Order, ...] = ()
    start: Cursor | None = None
    end: Cursor | None = None
    limit: int | None = None
    select: Select = None
    pattern: Pattern | None = None

    @property
    def key(self) -> str:
        """A digest that equal queries share. It tells 1 from True, which `==` does not."""
        cursors = [None if cursor is None else (cursor.values, cursor.before) for cursor in (self.start, self.end)]
        return digest(
            self.collection,
            self.group,
            [(each.field, each.op, each.value) for each in self.filters],
            [(each.field, each.descending) for each in self.orders],
            cursors,
            self.limit,
            self.select == (),
            *([self.pattern.text] if self.pattern else []),
            *([list(self.select)] if self.select else []),
        )


class Reading(NamedTuple):
    """Documents as of `read_time`: those of a read in the order of the paths, those of a query in its order.

    `rpcs` and `reads` are the cost. A query with a pattern and a limit may need several pages, and reads documents that
    it drops; for all others `reads` is None, and as many documents are read as are returned.
    """

    documents: tuple[Document, ...]
    read_time: Instant
    rpcs: int = 1
    reads: int | None = None


class Precondition(NamedTuple):
    """A condition on the stored document, without which a write fails: that it `exists`, or has this `version`."""

    exists: bool | None = None
    version: Version | None = None


ABSENT = Precondition(exists=False)
PRESENT = Precondition(exists=True)


def unchanged(document: Document) -> Precondition:
    """Returns the precondition that the document has not changed since it was read."""
    return Precondition(version=document.version) if document.exists else ABSENT


class Put(NamedTuple):
    """Writes a whole document, or with `mask` only the named field paths; a named field without a value is removed.

    An empty mask writes nothing and keeps `update_time`: the write then only checks the precondition.

    `adds` are integers to add to fields, whatever these hold at the commit; one without a number starts from 0. A sum
    stays within 64 bits.
    """

    path: str
    fields: Fields
    mask: tuple[str, ...] | None = None
    precondition: Precondition | None = None
    adds: tuple[tuple[str, int], ...] = ()


class Delete(NamedTuple):
    """Deletes the document if it exists; with the precondition ABSENT, only checks that it does not exist."""

    path: str
    precondition: Precondition | None = None


Write: TypeAlias = Put | Delete


def check(document: Document) -> Write:
    """Returns a write that changes nothing, and fails if the document has changed since it was read."""
    if document.exists:
        return Put(document.path, {}, mask=(), precondition=unchanged(document))
    return Delete(document.path, precondition=ABSENT)


class FoundVersions(NamedTuple):
    """The result of a query in the form that a commit can verify: the versions by path."""

    query: Query
    versions: Mapping[str, Version]


AggregateFunction: TypeAlias = Literal["count", "sum", "average"]

Number: TypeAlias = int | float | None
"""The result of an aggregation; an average of nothing is None."""

Groups: TypeAlias = tuple[tuple[Any, Number], ...]
"""The results of an aggregation by value, each after its value, in Firestore's order of values."""

Result: TypeAlias = Number | Groups


class Aggregation(NamedTuple):
    """A question for one number over the result of a query; `field` is what is summed, and None for a count.

    A sum and an average take only the values that are numbers. A sum of integers beyond 64 bits is a float.
    The query has no pattern, as the server cannot check it.

    With `by`, there is a number for each value of that field, and documents without the field are in none. Firestore
    has no such question, so it is asked in parts: for the next value, and for the number of this value.
    """

    query: Query
    function: AggregateFunction
    field: str | None = None
    by: str | None = None

    @property
    def asked(self) -> Query:
        """The query as Firestore runs it: in the order of the field as well, whose index holds the values."""
        is_ordered = self.field is None or any(each.field == self.field for each in self.query.orders)
        return self.query if is_ordered else self.query._replace(orders=(*self.query.orders, Order(self.field or "")))

    @property
    def first_value(self) -> Query:
        """The query for a document with the first value of the field `by`."""
        return self.query._replace(orders=(Order(self.by or ""),), limit=1)

    def of(self, value: Any) -> "Aggregation":
        """Returns the question for the number of one value."""
        same = Filter(self.by or "", "==", value)
        return self._replace(query=self.query._replace(filters=(*self.query.filters, same)), by=None)

    @property
    def key(self) -> str:
        """A digest that equal questions share."""
        return digest(self.query.key, self.function, self.field, self.by)


class Aggregated(NamedTuple):
    """The answer to an aggregation, in a form that a commit can verify; `rpcs` and `reads` are what it cost."""

    aggregation: Aggregation
    value: Result
    read_time: Instant
    reads: int = 1
    rpcs: int = 1


Verified: TypeAlias = FoundVersions | Aggregated
"""A result that a commit can verify."""


class Committed(NamedTuple):
    """The time of a commit, and the version of each written document after it (MISSING for a deleted one)."""

    commit_time: Instant
    versions: tuple[Version, ...]


class Database(Protocol):
    """The calls of Firestore that the engine uses. Each may be made from any thread, and is one RPC.

    There are two exceptions: a query with a pattern and a limit reads page after page, all at the same read time, until
    the limit is reached; and an aggregation by value asks twice for each value.

    Calls raise Conflict (a precondition failed, or Firestore aborted), UnknownOutcome (of a commit that may have been
    applied), Unavailable (a later call may succeed), TooLarge (before anything is sent) and InvalidRequest (the same
    call will fail again).
    """

    def read(self, paths: Collection[str], *, at: Instant | None = None, select: Select = None) -> Reading:
        """Returns the documents at the paths, missing ones included, as of `at` or now; one BatchGetDocuments.

        With `select`, which names a field at least, existing documents have these fields alone, but their versions.
        """
        ...

    def query(self, query: Query, *, at: Instant | None = None) -> Reading:
        """Returns the documents that match, as of `at` or now; one RunQuery per page."""
        ...

    def aggregate(self, aggregation: Aggregation, *, at: Instant | None = None) -> Aggregated:
        """Returns a number over the documents that match, as of `at` or now; one RunAggregationQuery.

        With `by`, returns a number for each value, and raises TooLarge if there are more than MAX_VALUES.
        """
        ...

    def commit(self, writes: Sequence[Write], *, verify: Sequence[Verified] = ()) -> Committed:
        """Applies all writes or none; one Commit, which no layer below retries.

        With `verify`, the queries and aggregations are run again in a transaction that the commit closes (an RPC each).
        If one of them returns anything else now, the commit raises Conflict.
        """
        ...


Target: TypeAlias = tuple[str, ...] | Query
"""The documents to listen to: some paths, or the result of a query."""

OnReading: TypeAlias = Callable[[Reading], None]
"""Receives the current documents of a target, as `read` or `query` would return them."""

Failed: TypeAlias = Callable[[BoilerError], None]
"""Receives the error that ends a listener."""


class Listener(Protocol):
    """A handle on a target that is listened to."""

    def close(self) -> None:
        """Stops listening; a second call does nothing. A callback that runs in another thread is not interrupted."""
        ...


class LiveDatabase(Database, Protocol):
    """A database that can also be listened to."""

    def listen(self, target: Target, changed: OnReading, failed: Failed) -> Listener:
        """Calls `changed` with the current documents of the target, and again after every change of them.

        The first call may come before this method returns. States that a newer one has replaced may be skipped; no
        state comes twice or after a newer one. The calls come from any thread, one at a time. A broken connection is
        opened again; `failed` receives an error that will not go away.
        """
        ...
