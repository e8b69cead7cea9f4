"""What a query selects is decided as Firestore decides it; the contract suite compares the whole with the emulator."""

import math
from typing import Any

import pytest

from boiler_functions.database import NAME, Document, Filter, FoundVersions, Order, Query
from boiler_functions.database.matching import (
    ABSENT,
    check_query,
    check_unchanged,
    matches,
    orders_of,
    segments_of,
    sort_key,
    value_at,
)
from boiler_functions.exceptions import Conflict, InvalidRequest


@pytest.mark.parametrize(
    ("field", "segments"),
    [
        ("a", ("a",)),
        ("a.b_1", ("a", "b_1")),
        ("a.`b c`.d", ("a", "b c", "d")),
        (r"`a\`b`", ("a`b",)),
        (r"`a\\`.b", ("a\\", "b")),
        ("`a.b`", ("a.b",)),
        ("__name__", ("__name__",)),
    ],
)
def test_a_field_path_is_split_at_its_dots_but_those_in_backticks(field: str, segments: tuple[str, ...]) -> None:
    assert segments_of(field) == segments


@pytest.mark.parametrize("field", ["", ".", "a.", ".a", "a..b", "a b", "1a", "`a", "``", "a`b`"])
def test_what_is_no_field_path_is_refused(field: str) -> None:
    with pytest.raises(InvalidRequest, match="is not a field path"):
        segments_of(field)


def test_a_value_is_absent_below_what_is_no_map() -> None:
    fields = {"a": {"b": 1}, "text": "b"}
    assert value_at(fields, ("a", "b")) == 1
    assert value_at(fields, ("a", "c")) is ABSENT
    assert value_at(fields, ("text", "b")) is ABSENT


def test_integers_and_doubles_have_one_order_and_booleans_their_own() -> None:
    assert sort_key(1) == sort_key(1.0)
    assert sort_key(True) != sort_key(1)
    assert sort_key(2**53) < sort_key(2**53 + 1)


def test_what_is_no_value_has_no_order() -> None:
    with pytest.raises(InvalidRequest, match="object is not a Firestore value"):
        sort_key(object())


def test_the_fields_of_ranges_and_the_path_are_added_to_the_orders_in_the_last_direction() -> None:
    ranged = Query("users", filters=(Filter("b", ">", 1), Filter("a", "!=", 1), Filter("c", "==", 1)))
    assert orders_of(ranged) == (Order("a"), Order("b"), Order(NAME))
    descending = Query("users", filters=(Filter("b", ">", 1),), orders=(Order("`b`", descending=True),))
    assert orders_of(descending) == (Order("`b`", descending=True), Order(NAME, descending=True))


@pytest.mark.parametrize(
    ("condition", "value", "expected"),
    [
        (Filter("v", "==", math.nan), math.nan, True),
        (Filter("v", "in", (math.nan, None)), math.nan, False),
        (Filter("v", "in", (math.nan, None)), None, False),
        (Filter("v", "not-in", (1, None)), 2, False),
        (Filter("v", "not-in", (1,)), None, False),
        (Filter("v", "not-in", (1,)), 2, True),
        (Filter("v", "!=", 1), None, False),
        (Filter("v", "<", True), False, True),
        (Filter("v", "<", "a"), 1, False),
        (Filter("v", "<=", math.nan), math.nan, False),
        (Filter("v", "array-contains", 1), [1.0], True),
        (Filter("v", "array-contains", 1), 1, False),
    ],
)
def test_a_document_fulfils_a_filter_as_in_firestore(condition: Filter, value: Any, expected: bool) -> None:
    assert matches(Query("users", filters=(condition,)), Document("users/a", {"v": value}, 1)) is expected


def test_a_missing_document_and_one_of_another_collection_match_nothing() -> None:
    assert not matches(Query("users"), Document("users/a"))
    assert not matches(Query("users"), Document("teams/t/users/a", {}, 1))
    assert matches(Query("users", group=True), Document("teams/t/users/a", {}, 1))


def test_a_query_that_returns_something_else_is_a_conflict_that_names_what_changed() -> None:
    found = FoundVersions(Query("users"), {"users/a": 1, "users/b": 2})
    check_unchanged(found, [Document("users/b", {}, 2), Document("users/a", {}, 1)])
    with pytest.raises(Conflict, match=r"The query on users .* users/a, users/c changed"):
        check_unchanged(found, [Document("users/b", {}, 2), Document("users/c", {}, 3)])


def test_a_refusal_says_what_is_wrong() -> None:
    with pytest.raises(InvalidRequest, match="'in' takes 1 to 30 values, found 31"):
        check_query(Query("users", filters=(Filter("v", "in", tuple(range(31))),)))
