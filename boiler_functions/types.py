"""Small value types and functions that every layer shares."""

import hashlib
import json
import math
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final, ParamSpec, TypeAlias, TypeVar, cast

T = TypeVar("T")
P = ParamSpec("P")

Version: TypeAlias = int
"""The `update_time` of a document in nanoseconds since 1970; MISSING for a document that does not exist."""

MISSING: Final[Version] = 0

_LONGEST_SHOWN: Final = 80

Instant: TypeAlias = int
"""A moment in nanoseconds since 1970, the unit of versions, so that the two can be compared."""

Fields: TypeAlias = Mapping[str, Any]
"""The fields of a document: None, bool, int, float, str, bytes, datetime, GeoPoint, Reference, list, mapping."""


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# json.dumps makes a new encoder at each call that asks for compact text.
_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference to another document, as Firestore stores it: `Reference("users/uid1")`."""

    path: str


@dataclass(frozen=True, slots=True)
class GeoPoint:
    """A place on earth in degrees: `GeoPoint(32.880361, -117.242929)`."""

    latitude: float
    longitude: float


def cached(function: Callable[P, T]) -> Callable[P, T]:
    """Caches the function's results for ever, also those for classes whose instances have no hash."""
    # For a type checker, such a class has no hash itself, so that `functools.cache` would refuse it.
    return cast(Callable[P, T], cache(function))


def to_datetime(instant: Instant) -> datetime:
    """Returns the instant as an aware datetime in UTC, cut to microseconds as in Firestore."""
    seconds, nanoseconds = divmod(instant, 1_000_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=nanoseconds // 1000)


def to_instant(moment: datetime) -> Instant:
    """Returns the datetime in nanoseconds since 1970; a naive one counts as UTC."""
    passed = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH
    nanoseconds = getattr(moment, "nanosecond", 0) or passed.microseconds * 1000
    return (passed.days * 86_400 + passed.seconds) * 1_000_000_000 + nanoseconds


def _tagged(value: Any) -> Any:
    if type(value) is str:  # Most values are text.
        return value
    match value:
        case None | bool() | str():
            return value
        case int() | float() if math.isnan(value):
            return {"number": "nan"}
        # Tells 1 from 1.0, though Firestore's queries do not: a view that changed from one to the other has changed.
        case int():
            return {"int": int.__repr__(value)}
        case float():
            return {"float": float.__repr__(value)}
        case bytes():
            return {"bytes": b64encode(value).decode()}
        case datetime():
            return {"time": to_instant(value)}
        case Reference():
            return {"reference": value.path}
        case GeoPoint():
            return {"geo": [repr(float(value.latitude)), repr(float(value.longitude))]}
        case list() | tuple():
            return [_tagged(item) for item in value]
        case dict() | Mapping():
            return {"map": {key: _tagged(value[key]) for key in sorted(value)}}
        case _:
            raise TypeError(f"{type(value).__name__} is not a Firestore value: {value!r}")


_AS_IT_IS: Final = frozenset({type(None), bool, int, float, str, bytes, Reference})
"""The types whose values read back from a document as they were written."""


def as_stored(value: Any) -> Any:
    """Returns the value as it reads back from a document: times in UTC with microseconds, degrees as floats, lists."""
    # By its exact type first, as matching asks for one class after the other.
    if type(value) in _AS_IT_IS:
        return value
    match value:
        case datetime():
            return to_datetime(to_instant(value))
        case GeoPoint():
            return GeoPoint(float(value.latitude), float(value.longitude))
        case Mapping():
            return {key: as_stored(item) for key, item in value.items()}
        case list() | tuple():
            return [as_stored(item) for item in value]
        case _:
            return value


def digest(*values: Any) -> str:
    """Returns a short, stable name for the values: 24 url-safe characters, equal for equal values only.

    >>> digest("users/uid1", 1) == digest("users/uid1", 1.0)
    False
    """
    text = _ENCODER.encode([_tagged(value) for value in values])
    return urlsafe_b64encode(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=18).digest()).decode()


_COMPARED: Final = frozenset({type(None), bool, int, str, bytes, Reference})
"""The types of which two values are stored alike if Python takes them for equal."""


def is_same(one: Any, other: Any) -> bool:
    """Returns whether two values are stored alike; 1 is neither True nor 1.0.

    >>> is_same({"number": 1}, {"number": 1.0})
    False
    """
    kind = type(one)
    if kind is type(other):
        if kind in _COMPARED:
            return bool(one == other)
        if kind is dict:
            return one.keys() == other.keys() and all(is_same(each, other[key]) for key, each in one.items())
        if kind is list:
            return len(one) == len(other) and all(map(is_same, one, other))
    return digest(one) == digest(other)


def is_name(text: str) -> bool:
    """Returns whether the text is a simple name: ASCII letters, digits and underscores, not beginning with a digit."""
    return text.isascii() and text.isidentifier()


def is_unicode(text: str) -> bool:
    """Returns whether the text can be encoded, that is, contains no lone surrogate."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def legible(text: str) -> str:
    """Returns the text with invalid Unicode replaced, which no document can hold and user code may quote."""
    return text.encode(errors="replace").decode()


def shown(value: object) -> str:
    """Returns the value's repr for a message, shortened and as valid Unicode."""
    try:
        text = repr(value)
    except Exception:
        text = f"a {type(value).__name__} without a repr"
    return legible(text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}…")


def described(error: BaseException) -> str:
    """Returns the type and the message of an error of user code, whose message may raise in turn."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return f"{type(error).__name__} without a message"


def subclasses(cls: type[T]) -> Iterator[type[T]]:
    """Yields every subclass, at any depth, parents before children."""
    for each in cls.__subclasses__():
        yield each
        yield from subclasses(each)
