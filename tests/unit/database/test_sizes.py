"""Sizes are those that Firestore documents, and what is too large is refused before it is sent."""

from datetime import UTC, datetime
from typing import Any

import pytest

from boiler_functions.database.sizes import (
    MAX_DOCUMENT_BYTES,
    check_document,
    check_request,
    check_values,
    document_size,
    name_size,
    value_size,
)
from boiler_functions.exceptions import TooLarge
from boiler_functions.types import GeoPoint, Reference


def test_the_sizes_of_firestores_own_example() -> None:
    """https://firebase.google.com/docs/firestore/storage-size"""
    path = "users/jeff/tasks/my_task_id"
    fields = {"type": "Personal", "done": False, "priority": 1, "description": "Learn Cloud Firestore"}
    assert name_size(path) == 44
    assert document_size(path, fields) == 147


@pytest.mark.parametrize(
    ("value", "size"),
    [
        (None, 1), (True, 1), (1, 8), (1.0, 8), (datetime(2026, 1, 1, tzinfo=UTC), 8), ("é", 3), (b"ab", 2),
        (GeoPoint(1.0, 2.0), 16), (Reference("users/jeff"), 27), ([1, "a"], 10), ({"a": 1}, 42), ({}, 32), ([], 0),
    ],
)  # fmt: skip
def test_each_kind_of_value_has_its_size(value: Any, size: int) -> None:
    assert value_size(value) == size


@pytest.mark.parametrize("excess", [0, 1])
def test_a_document_of_one_mebibyte_is_taken_and_one_byte_more_is_not(excess: int) -> None:
    fields = {"t": "x" * (MAX_DOCUMENT_BYTES - document_size("a/b", {"t": ""}) + excess)}
    if excess:
        with pytest.raises(TooLarge, match=r"a/b has 1048577 bytes, \d+ of them in t; a document has at most 1048576"):
            check_document("a/b", fields)
    else:
        check_document("a/b", fields)


def test_a_value_and_a_request_have_their_own_limits() -> None:
    check_values("a/b", {"t": "x" * 1_048_487})
    with pytest.raises(TooLarge, match="a/b has a value of 1048488 bytes in t; one value has at most 1048487"):
        check_values("a/b", {"t": {"deep": ["x" * 1_048_488]}})
    check_request(10, limit=10)
    with pytest.raises(TooLarge, match="a request has at most 10"):
        check_request(11, limit=10)
