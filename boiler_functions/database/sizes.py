"""Computes the sizes of documents and writes, by https://firebase.google.com/docs/firestore/storage-size."""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from boiler_functions.exceptions import TooLarge
from boiler_functions.types import Fields, GeoPoint, Reference

log = logging.getLogger(__name__)

MAX_DOCUMENT_BYTES = 1024 * 1024
NEAR_BYTES = MAX_DOCUMENT_BYTES * 3 // 4
"""From this size on, a document that is written is logged."""
MAX_VALUE_BYTES = MAX_DOCUMENT_BYTES - 89
MAX_REQUEST_BYTES = 10 * 1024 * 1024
MAX_COMPARED_BYTES = 1500
"""The largest value in a query: an index holds no more than this of a field."""


def text_size(text: str) -> int:
    return (len(text) if text.isascii() else len(text.encode())) + 1


def name_size(path: str) -> int:
    """Returns the size of a document's name: 44 for "users/jeff/tasks/my_task_id"."""
    # Each slash counts as the end of the text before it.
    return text_size(path) + 16


def map_size(fields: Fields) -> int:
    size = 32
    for name, value in fields.items():
        # Written out: each view is measured several times, and calls take longer than all else.
        size += (len(name) if name.isascii() else len(name.encode())) + 1
        size += _FIXED.get(type(value)) or value_size(value)
    return size


_FIXED: Mapping[type, int] = {type(None): 1, bool: 1, int: 8, float: 8, datetime: 8, GeoPoint: 16}
"""The sizes of the types whose values all have the same."""


def value_size(value: Any) -> int:
    # By their exact types first, as matching asks for one class after the other.
    kind = type(value)
    if kind is str:
        return text_size(value)
    if kind is dict:
        return map_size(value)
    if kind is list:
        return sum(map(value_size, value))
    match value:
        case None | bool():
            return 1
        case int() | float() | datetime():
            return 8
        case str():
            return text_size(value)
        case bytes():
            return len(value)
        case GeoPoint():
            return 16
        case Reference():
            return name_size(value.path)
        case Mapping():
            return map_size(value)
        case _:
            return sum(map(value_size, value))


def compared_size(value: Any) -> int:
    """Returns the size of a value in a query; unlike in a document, a map itself adds nothing to its content."""
    match value:
        case Mapping():
            return sum(text_size(name) + compared_size(each) for name, each in value.items())
        case list() | tuple():
            return sum(map(compared_size, value))
        case _:
            return value_size(value)


def document_size(path: str, fields: Fields) -> int:
    """Returns the size of the document in bytes, as Firestore counts it.

    >>> document_size("users/jeff/tasks/my_task_id", {"type": "Personal", "done": False, "priority": 1})
    112
    """
    return name_size(path) + map_size(fields)


def check_document(path: str, fields: Fields) -> None:
    """Raises TooLarge for a document that Firestore cannot hold; logs one that is near the limit."""
    size = document_size(path, fields)
    if size > MAX_DOCUMENT_BYTES:
        largest = max(fields, key=lambda name: value_size(fields[name]))
        raise TooLarge(
            f"{path} has {size} bytes, {value_size(fields[largest])} of them in {largest}; a document has at most "
            f"{MAX_DOCUMENT_BYTES}. Split it, or move long lists into a collection."
        )
    if size > NEAR_BYTES:
        log.warning(
            "%s has %d of at most %d bytes", path, size, MAX_DOCUMENT_BYTES, extra={"large": path, "bytes": size}
        )


def check_values(path: str, fields: Fields) -> None:
    """Raises TooLarge for a string, or bytes, that no field can hold."""
    for name, value in fields.items():
        if (size := _largest(value)) > MAX_VALUE_BYTES:
            raise TooLarge(
                f"{path} has a value of {size} bytes in {name}; one value has at most {MAX_VALUE_BYTES}. "
                "Store it outside Firestore."
            )


def _largest(value: Any) -> int:
    """Returns the size of the largest string, or bytes, in the value."""
    match value:
        case str():
            return len(value.encode())
        case bytes():
            return len(value)
        case Mapping():
            return max(map(_largest, value.values()), default=0)
        case list() | tuple():
            return max(map(_largest, value), default=0)
        case _:
            return 0


def check_request(size: int, limit: int = MAX_REQUEST_BYTES) -> None:
    """Raises TooLarge for a commit that the database refuses."""
    if size > limit:
        raise TooLarge(f"A commit has {size} bytes; a request has at most {limit}. Commit fewer documents at once.")
