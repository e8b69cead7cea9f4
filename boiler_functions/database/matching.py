"""Evaluates queries as Firestore does: its order of values, its filters, orders and cursors, and what it refuses."""

import math
import operator
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final, TypeAlias

from boiler_functions.database import (
    NAME,
    Aggregated,
    Aggregation,
    Cursor,
    Document,
    Filter,
    FoundVersions,
    Number,
    Order,
    Query,
    Result,
    Select,
)
from boiler_functions.database.sizes import MAX_COMPARED_BYTES, compared_size
from boiler_functions.exceptions import Conflict, InvalidRequest
from boiler_functions.paths import MAX_ID_BYTES, id_of
from boiler_functions.types import Fields, GeoPoint, Reference, digest, to_instant

SortKey: TypeAlias = tuple[Any, ...]
Test: TypeAlias = Callable[[Any, Any], bool]

ABSENT: Final = object()
"""Stands for the value of a field that a document does not have."""

_SEGMENT = re.compile(r"(?:([A-Za-z_][A-Za-z0-9_]*)|`((?:[^`\\]|\\.)+)`)(?:\.(?!\Z)|\Z)", re.DOTALL)
_RESERVED = re.compile(r"__.*__", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_INEQUALITIES: Final = frozenset({"<", "<=", ">", ">=", "!=", "not-in"})


@cache
def segments_of(field: str) -> tuple[str, ...]:
    """Returns the names along a field path; raises InvalidRequest if it cannot be parsed.

    >>> segments_of("address.`postal code`")
    ('address', 'postal code')
    """
    segments = []
    position = 0
    while found := _SEGMENT.match(field, position):
        plain, quoted = found.groups()
        segments.append(plain or _ESCAPED.sub(r"\1", quoted))
        position = found.end()
    if position != len(field) or not segments:
        raise InvalidRequest(
            f"{field!r} is not a field path. Join names with dots, and put a name that is not an identifier in "
            f"backticks, as in `a b`.c."
        )
    return tuple(segments)


def check_field(field: str) -> None:
    """Raises InvalidRequest for a field path that Firestore refuses: malformed, reserved, or too long."""
    segments = segments_of(field)
    if any(_RESERVED.fullmatch(segment) for segment in segments):
        raise InvalidRequest(f"{field[:40]!r} names a field that Firestore reserves (`__…__`). Rename the field.")
    if sum(len(segment.encode(errors="replace")) + 1 for segment in segments) > MAX_ID_BYTES:
        raise InvalidRequest(f"The field path {field[:40]!r}… has over {MAX_ID_BYTES} bytes. Use shorter names.")


def value_at(fields: Fields, segments: Iterable[str]) -> Any:
    """Returns the value that the names lead to, or ABSENT."""
    value: Any = fields
    for segment in segments:
        if not isinstance(value, Mapping) or segment not in value:
            return ABSENT
        value = value[segment]
    return value


def field_of(document: Document, field: str) -> Any:
    """Returns the value of the document that filters and orders on the field path compare, or ABSENT."""
    if field == NAME:
        return Reference(document.path)
    return value_at(document.fields or {}, segments_of(field))


def sort_key(value: Any) -> SortKey:
    """Returns a key that sorts values of all types as Firestore does: by the value's type, then within the type.

    Null and NaN count as types of their own, with one value each.
    https://firebase.google.com/docs/firestore/manage-data/data-types#value_type_ordering
    """
    match value:
        case None:
            return (0,)
        case bool():
            return (1, value)
        case int() | float():
            return (2,) if math.isnan(value) else (3, value)
        case datetime():
            return (4, to_instant(value) // 1000)
        case str():
            return (5, value)
        case bytes():
            return (6, value)
        case Reference():
            return (7, value.path.split("/"))
        case GeoPoint():
            return (8, value.latitude, value.longitude)
        case list() | tuple():
            return (9, [sort_key(item) for item in value])
        case Mapping():
            return (10, [(name, sort_key(value[name])) for name in sorted(value)])
        case _:
            raise InvalidRequest(f"{type(value).__name__} is not a Firestore value: {value!r}")


def _equal(value: Any, other: Any) -> bool:
    return sort_key(value) == sort_key(other)


def _unequal(value: Any, other: Any) -> bool:
    return value is not None and not _equal(value, other)


def _ranged(compare: Callable[[SortKey, SortKey], bool]) -> Test:
    def test(value: Any, bound: Any) -> bool:
        mine, theirs = sort_key(value), sort_key(bound)
        return mine[0] == theirs[0] and len(mine) > 1 and compare(mine, theirs)

    return test


def _member(value: Any, others: Iterable[Any]) -> bool:
    # Only "==" finds null and NaN. As members of a list they equal nothing, not even themselves.
    key = sort_key(value)
    return len(key) > 1 and any(key == sort_key(other) for other in others)


def _no_member(value: Any, others: Collection[Any]) -> bool:
    return value is not None and not any(other is None for other in others) and not _member(value, others)


def _contains_any(values: Any, wanted: Iterable[Any]) -> bool:
    return isinstance(values, list | tuple) and any(_member(each, values) for each in wanted)


_TESTS: Final[Mapping[str, Test]] = {
    "==": _equal,
    "!=": _unequal,
    "<": _ranged(operator.lt),
    "<=": _ranged(operator.le),
    ">": _ranged(operator.gt),
    ">=": _ranged(operator.ge),
    "in": _member,
    "not-in": _no_member,
    "array-contains": lambda values, wanted: _contains_any(values, (wanted,)),
    "array-contains-any": _contains_any,
}


def _fulfils(document: Document, condition: Filter) -> bool:
    value = field_of(document, condition.field)
    return value is not ABSENT and _TESTS[condition.op](value, condition.value)


def within(query: Query, collection: str) -> bool:
    """Whether the query searches the collection."""
    return id_of(collection) == query.collection if query.group else collection == query.collection


def is_of_pattern(query: Query, document: Document) -> bool:
    """Whether the document's path matches the query's pattern, which the server cannot check."""
    return query.pattern is None or query.pattern.match(document.path) is not None


def orders_of(query: Query) -> tuple[Order, ...]:
    """Returns the query's orders, followed by those that Firestore adds: the fields of range filters, then the path.

    Added orders have the direction of the last given one.
    """
    descending = query.orders[-1].descending if query.orders else False
    given = {segments_of(order.field) for order in query.orders}
    ranged = sorted({each.field for each in query.filters if each.op in _INEQUALITIES} - {NAME})
    added = [field for field in (*ranged, NAME) if segments_of(field) not in given]
    return (*query.orders, *(Order(field, descending) for field in added))


def matches(query: Query, document: Document) -> bool:
    """Whether the query finds the document, apart from its cursors and its limit."""
    return (
        document.exists
        and within(query, document.collection)
        and is_of_pattern(query, document)
        and all(_fulfils(document, condition) for condition in query.filters)
        and all(field_of(document, order.field) is not ABSENT for order in query.orders)
    )


def _side(document: Document, cursor: Cursor, orders: tuple[Order, ...]) -> int:
    """Returns -1, 0 or 1 if the document comes before, at or after the cursor's values."""
    for order, value in zip(orders, cursor.values, strict=False):
        mine, theirs = sort_key(field_of(document, order.field)), sort_key(value)
        if mine != theirs:
            return -1 if (mine < theirs) is not order.descending else 1
    return 0


def _between(document: Document, query: Query, orders: tuple[Order, ...]) -> bool:
    # Documents with exactly the cursor's values come after a cursor that is `before` them, and before any other.
    started = query.start is None or _side(document, query.start, orders) >= (0 if query.start.before else 1)
    return started and (query.end is None or _side(document, query.end, orders) <= (-1 if query.end.before else 0))


def result_of(query: Query, documents: Iterable[Document]) -> list[Document]:
    """Returns the documents that the query finds, in its order."""
    orders = orders_of(query)
    selected = (each for each in documents if matches(query, each) and _between(each, query, orders))
    return in_order(selected, orders)[: query.limit]


def selected(select: Select, document: Document) -> Document:
    """Returns the document with the selected fields alone; a missing one stays missing."""
    if select is None or document.fields is None:
        return document
    fields = document.fields
    return document._replace(fields={name: fields[name] for name in select if name in fields})


def in_order(documents: Iterable[Document], orders: Sequence[Order]) -> list[Document]:
    """Returns the documents sorted by the orders."""
    found = list(documents)
    for order in reversed(orders):
        found.sort(key=lambda each: sort_key(field_of(each, order.field)), reverse=order.descending)
    return found


def check_unchanged(found: FoundVersions, documents: Iterable[Document]) -> None:
    """Raises Conflict if the query returns other documents, or other versions, than before."""
    versions = {document.path: document.version for document in documents}
    if changed := sorted({path for path, _ in versions.items() ^ found.versions.items()}):
        raise Conflict(
            f"The query on {found.query.collection} returns another result than before: {', '.join(changed[:5])} "
            "changed. Nothing was written. Query again, and try again with the new result."
        )


READS_BILLED_TOGETHER: Final = 1000
"""Firestore bills one read for so many index entries of an aggregation, and at least one."""


def billed(entries: int) -> int:
    """Returns the billed reads of an aggregation over so many index entries."""
    return max(1, math.ceil(entries / READS_BILLED_TOGETHER))


def aggregated(aggregation: Aggregation, documents: Iterable[Document]) -> Number:
    """Returns the number over the documents that its query found, as Firestore works it out."""
    if aggregation.field is None:
        return len(list(documents))
    values = [field_of(document, aggregation.field) for document in documents]
    numbers = [each for each in values if isinstance(each, int | float) and not isinstance(each, bool)]
    if aggregation.function == "sum":
        return _sum(numbers)
    return _sum(list(map(float, numbers))) / len(numbers) if numbers else None


def _sum(numbers: Collection[int | float]) -> int | float:
    if all(isinstance(each, int) for each in numbers):
        total = sum(numbers)
        return total if -(2**63) <= total < 2**63 else float(total)
    total = 0.0
    for each in numbers:
        total += each  # Not math.fsum, which raises for an overflow and for opposite infinities.
    return total


def check_aggregation(aggregation: Aggregation) -> None:
    """Raises InvalidRequest for an aggregation that Firestore refuses, or that it would answer wrongly."""
    check_query(aggregation.asked)
    if aggregation.query.pattern is not None:
        raise InvalidRequest(
            f"An aggregation over {aggregation.query.collection} has the pattern {aggregation.query.pattern.text}, "
            f"which Firestore cannot check. Name one collection."
        )
    if (aggregation.field is None) is not (aggregation.function == "count"):
        raise InvalidRequest(f"{aggregation.function} over {aggregation.query.collection}: a field goes with a sum.")
    for field in filter(None, (aggregation.field, aggregation.by)):
        check_field(field)
    is_cut = aggregation.query.orders or aggregation.query.limit or aggregation.query.start or aggregation.query.end
    if aggregation.by is not None and is_cut:
        raise InvalidRequest(f"A total of {aggregation.query.collection} by value takes no order, limit or cursor.")


def check_same(before: Aggregated, now: Result) -> None:
    """Raises Conflict if an aggregation has another result than before."""
    if digest(now) != digest(before.value):
        asked = before.aggregation
        raise Conflict(
            f"The {asked.function} over {asked.query.collection} is {now} now, and was {before.value} when it was "
            "read. Nothing was written. Read again, and try again with the new result."
        )


# How many values Firestore accepts for each operator.
_MOST_VALUES: Final[Mapping[str, int]] = {"in": 30, "array-contains-any": 30, "not-in": 10}


# Firestore looks up each combination of the values of `in` and `array-contains-any` by itself, and accepts 30 of them:
# https://cloud.google.com/firestore/docs/query-data/queries#limits_on_or_queries
_MOST_ALTERNATIVES: Final = 30
_ALTERNATIVE: Final = ("in", "array-contains-any")


def _alternatives(conditions: Iterable[Filter]) -> int:
    """Returns how many combinations there are; equal ones count once."""
    combinations: set[frozenset[str]] = {frozenset()}
    for values in (_terms(each) for each in conditions if each.op in _ALTERNATIVE):
        combinations = {combination | {value} for combination in combinations for value in values}
        if len(combinations) > _MOST_ALTERNATIVES**2:
            break
    return len(combinations)


def _terms(condition: Filter) -> frozenset[str]:
    return frozenset(digest(condition.field, condition.op, value) for value in condition.value)


def _names_beside_inequalities(query: Query) -> bool:
    ranged = {condition.field for condition in query.filters if condition.op in _INEQUALITIES}
    named = any(condition.field == NAME and condition.op in ("==", "in") for condition in query.filters)
    return named and bool(ranged) and NAME not in ranged


def _compared(query: Query) -> Iterator[tuple[str, Any]]:
    """Yields each value that the query compares with a field; document names are not fields."""
    for condition in query.filters:
        if condition.field != NAME:
            values = condition.value if condition.op in _MOST_VALUES else (condition.value,)
            yield from ((condition.field, value) for value in values)


def _faults(query: Query) -> Iterator[str]:
    # Firestore takes equal conditions as one.
    conditions = list({digest(*each): each for each in query.filters}.values())
    ops = [condition.op for condition in conditions]
    orders = orders_of(query)
    for condition in query.filters:
        if condition.op in _MOST_VALUES and not 1 <= len(condition.value) <= _MOST_VALUES[condition.op]:
            yield f"{condition.op!r} takes 1 to {_MOST_VALUES[condition.op]} values, found {len(condition.value)}"
    if (alternatives := _alternatives(conditions)) > _MOST_ALTERNATIVES:
        yield f"its lists come to {alternatives} combinations; use at most {_MOST_ALTERNATIVES}"
    for field, value in _compared(query):
        if (size := compared_size(value)) > MAX_COMPARED_BYTES:
            yield f"{field} is compared with a value of {size} bytes; an index holds at most {MAX_COMPARED_BYTES}"
    # Equal ones too: Firestore counts these before it takes them as one.
    if sum(condition.op in ("!=", "not-in") for condition in query.filters) > 1:
        yield "it has more than one '!=' or 'not-in'; use at most one"
    if "not-in" in ops and not set(_ALTERNATIVE).isdisjoint(ops):
        yield "'not-in' cannot be combined with 'in' or 'array-contains-any'"
    if sum(op.startswith("array-contains") for op in ops) > 1:
        yield "it has more than one 'array-contains' or 'array-contains-any'; use at most one"
    if len({segments_of(order.field) for order in orders}) < len(orders):
        yield "it orders by the same field twice"
    if orders[-1].field != NAME:
        yield f"an order follows {NAME}, which must be the last"
    if any(cursor and len(cursor.values) > len(orders) for cursor in (query.start, query.end)):
        yield "a cursor has more values than the query has orders"
    if orders[0] == Order(NAME, descending=True) and all(each.field == NAME for each in query.filters):
        yield "it orders by descending path only; add an order by a field, or order by ascending path"
    if _names_beside_inequalities(query):
        yield f"'==' or 'in' on {NAME} cannot be combined with inequalities on fields"
    if query.limit is not None and query.limit < 0:
        yield "the limit is negative"


def check_query(query: Query) -> None:
    """Raises InvalidRequest for a query that Firestore refuses."""
    for field in {*(each.field for each in query.filters), *(each.field for each in query.orders)} - {NAME}:
        check_field(field)
    for fault in _faults(query):
        raise InvalidRequest(f"Firestore refuses the query on {query.collection}: {fault}.")
