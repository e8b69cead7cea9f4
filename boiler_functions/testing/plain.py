"""Evaluates queries and relations by looking at every document, as plainly as possible, so that it can be trusted.

The oracle judges views by it, so it shares no code for filters, orders, patterns or relations with what builds views.
https://firebase.google.com/docs/firestore/manage-data/data-types#value_type_ordering
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import cache, cmp_to_key
from typing import Any, TypeAlias

from boiler_functions.database import AggregateFunction, Cursor, Document, Filter, Number, Query
from boiler_functions.models.domain_model import DomainModel
from boiler_functions.types import Fields, GeoPoint, Reference

AllDocuments: TypeAlias = Mapping[str, Document]
"""Every document that exists, by path."""

_NOTHING = object()
_PATH = "__name__"
_UNEQUAL = {"<", "<=", ">", ">=", "!=", "not-in"}


def is_at(pattern: str, path: str) -> bool:
    """Returns whether the path matches a pattern such as "users/{user_id}/notes/{doc_id}"."""
    return _expression(pattern).fullmatch(path) is not None


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    parts = ("[^/]+" if each.startswith("{") else re.escape(each) for each in pattern.split("/"))
    return re.compile("/".join(parts), re.DOTALL)


def is_a(model: type[DomainModel], document: Document | None) -> bool:
    """Returns whether the document exists, is in the model's collection, and belongs to its class or a subclass."""
    if document is None or document.fields is None or not is_at(model.pattern().text, document.path):
        return False
    return has_whole_collection(model) or document.fields.get("obj_type") in _names(model)


def has_whole_collection(model: type[DomainModel]) -> bool:
    """Returns whether the class declares its collection itself, rather than share that of a base."""
    name = model.meta("collection_name")
    return not any(getattr(base, "meta", lambda _: None)("collection_name") == name for base in model.__mro__[1:])


def _names(model: type[Any]) -> set[str]:
    return {model.__name__}.union(*map(_names, model.__subclasses__()))


def named(fields: Fields | None, key: str, pattern: str, by: str) -> list[str]:
    """Returns the paths that a field refers to and that match the pattern; the field holds one or a list.

    `by` says what the field holds: a "reference", or a string, the "path" or the "id"; or ids as the "keys" of a map.
    """
    items = keys(fields, key) if by == "keys" else values(fields, key)
    paths: list[str] = []
    for each in items:
        if by == "reference" and isinstance(each, Reference):
            paths.append(each.path)
        elif by != "reference" and isinstance(each, str):
            paths.append(each if by == "path" else pattern.replace("{doc_id}", each))
    return [path for path in paths if is_at(pattern, path)]


def values(fields: Fields | None, key: str) -> list[Any]:
    """Returns what a field holds, one value or a list."""
    value = (fields or {}).get(key)
    return value if isinstance(value, list) else [value]


def keys(fields: Fields | None, key: str) -> list[str]:
    """Returns the keys of a map beside which there is something."""
    value = (fields or {}).get(key)
    return sorted(name for name in value if value[name] is not None) if isinstance(value, Mapping) else []


def found(query: Query, documents: AllDocuments) -> list[Document]:
    """Returns the documents that the query returns, in its order."""
    orders = [(each.field, -1 if each.descending else 1) for each in query.orders]
    last = orders[-1][1] if orders else 1
    ranged = sorted({each.field for each in query.filters if each.op in _UNEQUAL} - {_PATH})
    orders += [(field, last) for field in (*ranged, _PATH) if field not in [name for name, _ in orders]]

    def compared(one: Document, other: Document) -> int:
        sides = (direction * compare(_value(one, field), _value(other, field)) for field, direction in orders)
        return next(filter(None, sides), 0)

    def place(document: Document, cursor: Cursor) -> int:
        pairs = zip(orders, cursor.values, strict=False)
        sides = (direction * compare(_value(document, field), value) for (field, direction), value in pairs)
        return next(filter(None, sides), 0)

    def is_between(document: Document) -> bool:
        if query.start is not None and place(document, query.start) < (0 if query.start.before else 1):
            return False
        return query.end is None or place(document, query.end) <= (-1 if query.end.before else 0)

    chosen = [
        each
        for each in documents.values()
        if _is_in(query, each.path)
        and all(_fulfils(each, condition) for condition in query.filters)
        and all(_value(each, field) is not _NOTHING for field, _ in orders)
        and is_between(each)
    ]
    return sorted(chosen, key=cmp_to_key(compared))[: query.limit]


def number(function: AggregateFunction, values: list[Any]) -> Number:
    """Returns how many values there are, or the sum or the average of those that are numbers."""
    if function == "count":
        return len(values)
    numbers = [each for each in values if type(each) in (int, float)]
    total: int | float = 0
    for each in numbers:
        total += each
    if function == "average":
        return total / len(numbers) if numbers else None
    return total if isinstance(total, float) or abs(total) < 2**63 else float(total)


def by_value(documents: list[Fields], key: str) -> list[tuple[Any, list[Fields]]]:
    """Returns the documents that have the field, in a list for each value, in the order of Firestore."""
    groups: list[tuple[Any, list[Fields]]] = []
    for each in documents:
        if key not in each:
            continue
        group = next((found for value, found in groups if compare(value, each[key]) == 0), None)
        if group is None:
            groups.append((each[key], [each]))
        else:
            group.append(each)
    by_order = cmp_to_key(compare)
    return sorted(groups, key=lambda group: by_order(group[0]))


def _is_in(query: Query, path: str) -> bool:
    collection = path.rsplit("/", 1)[0]
    if query.pattern is not None and not is_at(query.pattern.text, path):
        return False
    return collection.rsplit("/", 1)[-1] == query.collection if query.group else collection == query.collection


def _value(document: Document, field: str) -> Any:
    if field == _PATH:
        return Reference(document.path)
    value: Any = document.fields
    for plain, quoted in re.findall(r"([A-Za-z_]\w*)|`((?:[^`\\]|\\.)*)`", field):
        name = plain or re.sub(r"\\(.)", r"\1", quoted)
        if not isinstance(value, Mapping) or name not in value:
            return _NOTHING
        value = value[name]
    return value


def _fulfils(document: Document, condition: Filter) -> bool:
    value, wanted = _value(document, condition.field), condition.value
    if value is _NOTHING:
        return False
    match condition.op:
        case "==":
            return compare(value, wanted) == 0
        case "!=":
            return value is not None and compare(value, wanted) != 0
        case "in":
            return _is_one_of(value, wanted)
        case "not-in":
            return value is not None and None not in wanted and not _is_one_of(value, wanted)
        case "array-contains":
            return isinstance(value, list) and _is_one_of(wanted, value)
        case "array-contains-any":
            return isinstance(value, list) and any(_is_one_of(each, value) for each in wanted)
        case operator:
            return _kind(value) == _kind(wanted) and _is_value(value) and _RANGES[operator](compare(value, wanted))


_RANGES: Mapping[str, Callable[[int], bool]] = {
    "<": lambda side: side < 0,
    "<=": lambda side: side <= 0,
    ">": lambda side: side > 0,
    ">=": lambda side: side >= 0,
}


def _is_value(value: Any) -> bool:
    """Returns whether the value can match anything: null and NaN equal nothing in a filter of lists or ranges."""
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def _is_one_of(value: Any, others: Iterable[Any]) -> bool:
    return _is_value(value) and any(compare(value, other) == 0 for other in others)


def compare(one: Any, other: Any) -> int:
    """Returns -1, 0 or 1, as Firestore orders the two values."""
    if _kind(one) != _kind(other):
        return -1 if _kind(one) < _kind(other) else 1
    match one:
        case list() | tuple():
            return _compare_all(list(one), list(other))
        case Mapping():
            flat = ([part for name in sorted(each) for part in (name, each[name])] for each in (one, other))
            return _compare_all(*flat)
        case _:
            mine, theirs = _plain(one), _plain(other)
            return int(mine > theirs) - int(mine < theirs)


def _compare_all(ones: list[Any], others: list[Any]) -> int:
    sides = (compare(one, other) for one, other in zip(ones, others, strict=False))
    return next(filter(None, sides), (len(ones) > len(others)) - (len(ones) < len(others)))


def _kind(value: Any) -> int:
    match value:
        case None:
            return 0
        case bool():
            return 1
        case float() if math.isnan(value):
            return 2
        case int() | float():
            return 3
        case datetime():
            return 4
        case str():
            return 5
        case bytes():
            return 6
        case Reference():
            return 7
        case GeoPoint():
            return 8
        case list() | tuple():
            return 9
        case _:
            return 10


def _plain(value: Any) -> Any:
    """Returns a value that Python orders as Firestore orders this one among values of its kind."""
    match value:
        case None:
            return 0
        case float() if math.isnan(value):
            return 0
        case datetime():
            return value if value.tzinfo else value.replace(tzinfo=UTC)
        case str():
            return value.encode("utf-8", "surrogatepass")
        case Reference():
            return value.path.split("/")
        case GeoPoint():
            return (value.latitude, value.longitude)
        case _:
            return value
