"""Values that every layer shares: instants, and the digest that tells values apart."""

import copy
import math
from datetime import UTC, datetime, timedelta, timezone
from enum import IntEnum
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from boiler_functions.types import (
    GeoPoint,
    Reference,
    described,
    digest,
    is_same,
    shown,
    subclasses,
    to_datetime,
    to_instant,
)

# Neighbours that a careless digest would mix up.
TRICKY: list[Any] = [
    *(None, True, False, 0, 1, -1, 0.0, 1.0, math.nan, math.inf, "", "0", "1", "nan", "True", b"", b"1", [], {}),
    *(
        [None],
        [[]],
        {"": None},
        {"number": "nan"},
        {"int": "1"},
        {"bytes": "MQ=="},
        {"map": {}},
        {"geo": ["1.0", "2.0"]},
    ),
    *(Reference("a/b"), "a/b", {"reference": "a/b"}, GeoPoint(1, 2), GeoPoint(2, 1), datetime(1970, 1, 1, tzinfo=UTC)),
]
SCALARS = (
    st.sampled_from(TRICKY)
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=5)
    | st.datetimes(timezones=st.just(UTC))
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)


def same(one: Any, other: Any) -> bool:
    """Whether Firestore would hold the two for one value, decided without a digest."""
    if type(one) is not type(other):
        return False
    match one:
        case float():
            return (math.isnan(one) and math.isnan(other)) or repr(one) == repr(other)
        case list():
            return len(one) == len(other) and all(map(same, one, other))
        case dict():
            return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
        case _:
            return bool(one == other)


@settings(deadline=None)
@given(VALUES, VALUES)
@example(1, True)
@example(1, 1.0)
@example(True, 1.0)
@example(math.nan, math.nan)
@example([1, 2], [2, 1])
@example({"a": 1, "b": 2}, {"b": 2, "a": 1})
@example({"a": {"b": 1}}, {"a": {"b": 1.0}})
def test_two_digests_are_equal_when_and_only_when_the_values_are(one: Any, other: Any) -> None:
    assert (digest(one) == digest(other)) is same(one, other)
    assert is_same(one, other) is same(one, other)
    assert is_same(one, copy.deepcopy(one))


@pytest.mark.parametrize("position", range(len(TRICKY)))
def test_tricky_values_have_different_digests(position: int) -> None:
    value = TRICKY[position]
    alike = [each for each in TRICKY if digest(each) == digest(value)]
    assert len(alike) == 1


@settings(deadline=None)
@given(st.lists(VALUES, max_size=3))
def test_several_values_have_the_digest_of_their_sequence_and_not_of_their_list(values: list[Any]) -> None:
    assert digest(*values) == digest(*values)
    assert digest(*values) != digest(values)


def test_a_digest_is_24_url_safe_characters() -> None:
    text = digest("users/uid1", 1)
    assert len(text) == 24
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_a_digest_stays_the_same_from_one_release_to_the_next() -> None:
    """Ledgers and marker keys hold digests; another algorithm would orphan all of them."""
    assert digest("users/uid1", 1) == "5gHRW-gClGrHW6tw3lHIwnFe"


def test_a_lone_surrogate_still_has_a_digest() -> None:
    assert digest("\ud83d") != digest("\ud83e")


def test_a_subclass_of_a_number_is_that_number() -> None:
    """Firestore gives back the plain number."""

    class Half(float): ...

    class Level(IntEnum):
        HIGH = 3

    assert digest(Level.HIGH) == digest(3)
    assert digest(Half(0.5)) == digest(0.5)


def test_a_time_has_one_digest_in_every_time_zone() -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    assert digest(noon) == digest(noon.astimezone(timezone(timedelta(hours=9))))


def test_a_value_that_firestore_cannot_hold_is_refused_by_digest() -> None:
    with pytest.raises(TypeError, match=r"set is not a Firestore value: \{1\}"):
        digest({1})


@settings(deadline=None)
@given(st.datetimes(timezones=st.just(UTC)))
def test_a_moment_survives_the_way_to_an_instant_and_back(moment: datetime) -> None:
    assert to_datetime(to_instant(moment)) == moment


@settings(deadline=None)
@given(st.datetimes(timezones=st.just(UTC)), st.datetimes(timezones=st.just(UTC)))
def test_instants_are_ordered_as_their_moments_are(one: datetime, other: datetime) -> None:
    assert (to_instant(one) < to_instant(other)) is (one < other)


def test_a_naive_moment_counts_as_utc() -> None:
    assert to_instant(datetime(1970, 1, 1, 0, 0, 1)) == 1_000_000_000


def test_an_instant_reads_as_an_aware_moment_in_utc() -> None:
    assert to_datetime(1_500_000_999) == datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)


def test_a_moment_with_nanoseconds_keeps_them_in_the_instant() -> None:
    class Precise(datetime):
        nanosecond = 123_456_789

    assert to_instant(Precise(1970, 1, 1, tzinfo=UTC)) == 123_456_789


def test_subclasses_are_given_at_any_depth_in_the_order_of_declaration() -> None:
    class A: ...

    class B(A): ...

    class C(B): ...

    class D(A): ...

    assert list(subclasses(A)) == [B, C, D]


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError

    __repr__ = __str__


def test_an_error_and_a_value_are_described_even_if_they_cannot_say_what_they_are() -> None:
    assert described(KeyError("x")) == "KeyError: 'x'"
    assert described(Mute()) == "Mute without a message"
    assert shown(Mute()) == "a Mute without a repr"
