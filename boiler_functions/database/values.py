"""Checks what a document can hold: names, depth, types and ranges; sizes are in `database.sizes`.

Models and views apply these rules where a value is created, so that the error names its attribute; both databases apply
them again before they write. https://firebase.google.com/docs/firestore/quotas#collections_documents_and_fields
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

from boiler_functions.exceptions import InvalidRequest
from boiler_functions.paths import fault_of_id
from boiler_functions.types import Fields, GeoPoint, Reference, is_unicode, legible, shown

MAX_DEPTH: Final = 20

MAX_NAME_BYTES: Final = 1500
"""The longest name of a field; for a nested field, of all names that lead to it, joined by dots."""

_RESERVED_NAME = re.compile(r"__.*__", re.DOTALL)
_FOREIGN = re.compile(r"/projects/[^/]+/databases/[^/]+/documents/")


_BESIDE: Final = 100
"""Bytes that `as_name` leaves for the names that lead to the field."""

_LONGEST_NAME: Final = 200

_ALWAYS_FIT: Final = frozenset({type(None), bool, float, bytes})
"""Types whose every value a document can hold, as far as its size allows."""


class Fault(NamedTuple):
    """A reason why a document cannot hold a value, and its place: the keys and indexes that lead to it."""

    where: tuple[str | int, ...]
    reason: str


def faults_of(value: Any, name: str = "") -> list[Fault]:
    """Returns all reasons why a document cannot hold the value in the field of that name.

    >>> faults_of({"lines": [{"": 1}]}, "order")
    [Fault(where=('lines', 0, ''), reason='The key is empty.')]
    """
    # Most values are plain, and looking into them takes longer than all else that is done with them.
    if _is_plain(value):
        return []
    found: list[Fault] = []
    _look(value, (), _size(name), 0, found)
    return found


def _is_plain(value: Any) -> bool:
    kind = type(value)
    if kind is str:
        return bool(value.isascii())
    if kind is int:
        return bool(-(2**63) <= value < 2**63)
    # Another time zone may lead out of the years that a document can hold.
    return kind in _ALWAYS_FIT or (kind is datetime and value.tzinfo is UTC)


def fault_of_name(name: Any, parents: int = 0) -> str | None:
    """Returns why a field cannot have this name, or None; `parents` is the size of the names that lead to it."""
    if not isinstance(name, str):
        return f"The key is of type {type(name).__name__}; it must be a string."
    return _fault_of_text(name, parents)


@lru_cache(maxsize=4096)  # The documents of a page repeat a few names.
def _fault_of_text(name: str, parents: int) -> str | None:
    if not name:
        return "The key is empty."
    if name.startswith("__") and _RESERVED_NAME.fullmatch(name):
        return "The key is between double underscores, which Firestore reserves."
    if not is_unicode(name):
        return "The key is not valid Unicode."
    if parents + _size(name) > MAX_NAME_BYTES:
        return f"The key, with the keys that lead to it, has over {MAX_NAME_BYTES} bytes."
    return None


def fault_of_path(path: str) -> str | None:
    """Returns why no document can have this path, or None if one can."""
    segments = path.split("/")
    if len(segments) % 2 or not all(segments):
        return "it must alternate collections and ids, as 'users/uid1' does"
    faults = ((segment, fault_of_id(segment)) for segment in segments)
    return next((f"of {shown(segment)}, {fault}" for segment, fault in faults if fault), None)


def check_path(path: str) -> None:
    """Raises InvalidRequest if no document can have this path."""
    if fault := fault_of_path(path):
        raise InvalidRequest(f"{shown(path)} is not a document path: {fault}.")


def check_fields(path: str, fields: Fields) -> None:
    """Raises InvalidRequest for the first field that the document cannot hold."""
    for name, value in fields.items():
        if reason := fault_of_name(name):
            raise InvalidRequest(f"{path} cannot be written: field {shown(name)}: {reason}")
        for fault in faults_of(value, name):
            raise InvalidRequest(f"{path} cannot be written: field {dotted((name, *fault.where))}: {fault.reason}")


def as_name(text: str) -> str:
    """Returns the text as the name of a field: unchanged if it is a valid name, else made legible, cut, in brackets."""
    return text if fault_of_name(text, _BESIDE) is None else f"({legible(text)[:_LONGEST_NAME]})"


def dotted(where: Iterable[str | int]) -> str:
    """Returns the place as a string such as `order.lines.0`; shortened, and valid Unicode, whatever the keys are."""
    return legible(".".join(str(each) or "''" for each in where))


def is_instant(moment: datetime) -> bool:
    """Whether the moment is in the years 1 to 9999 in UTC, too."""
    try:
        moment.astimezone(UTC)
    except Exception:
        # OverflowError, or whatever a time zone of user code raises.
        return False
    return True


def _size(name: str) -> int:
    return len(name) if name.isascii() else len(name.encode(errors="replace"))


def _look(value: Any, where: tuple[str | int, ...], names: int, depth: int, found: list[Fault]) -> None:
    """Adds the faults of a value that is not plain."""
    # A dict first: asking whether a value is any Mapping takes long.
    match value:
        case dict():
            _look_into(value, where, names, depth, found)
        case list() | tuple():
            if depth == MAX_DEPTH and value:
                found.append(Fault(where, f"Nested more than {MAX_DEPTH} deep."))
                return
            for index, item in enumerate(value):
                if _is_plain(item):
                    continue
                if isinstance(item, list | tuple):
                    found.append(Fault((*where, index), "A list in a list; put a mapping between."))
                else:
                    _look(item, (*where, index), names, depth + 1, found)
        case Mapping():
            _look_into(value, where, names, depth, found)
        case _:
            if reason := _reason(value):
                found.append(Fault(where, reason))


def _look_into(value: Fields, where: tuple[str | int, ...], names: int, depth: int, found: list[Fault]) -> None:
    if depth == MAX_DEPTH:
        found.append(Fault(where, f"Nested more than {MAX_DEPTH} deep."))
        return
    parents = names + 1 if names else 0
    for key, item in value.items():
        if reason := fault_of_name(key, parents):
            found.append(Fault((*where, str(key)), reason))
        elif not _is_plain(item):
            _look(item, (*where, key), parents + _size(key), depth + 1, found)


def _reason(value: Any) -> str | None:
    """Returns why no document can hold this value, which is neither a mapping nor a list, or None."""
    match value:
        case None | bool() | float() | bytes():
            return None
        case str():
            return None if is_unicode(value) else "Not valid Unicode."
        case int():
            return None if -(2**63) <= value < 2**63 else "Not a 64-bit integer."
        case datetime():
            return None if is_instant(value) else "Not a valid timestamp."
        case Reference():
            return _fault_of_reference(value.path)
        case GeoPoint():
            is_on_earth = _is_within(value.latitude, 90) and _is_within(value.longitude, 180)
            return None if is_on_earth else f"{value} is not a place on earth."
        case _:
            return f"A {type(value).__name__} is not a value that a document can hold."


def _fault_of_reference(path: object) -> str | None:
    if not isinstance(path, str):
        return f"A reference whose path is of type {type(path).__name__}; it must be a string."
    fault = None if _FOREIGN.match(path) else fault_of_path(path)
    return f"A reference to {shown(path)}, which is not a document path: {fault}." if fault else None


def _is_within(degrees: object, most: int) -> bool:
    return isinstance(degrees, int | float) and abs(degrees) <= most
