"""Parses JSON that Firestore can store: no duplicate names, NaN, integers over 64 bits, or arrays in arrays."""

import json
import math
import re
from collections import Counter
from typing import Any

from marshmallow import ValidationError

from boiler_functions.models.fields import INT64
from boiler_functions.paths import MAX_ID_BYTES
from boiler_functions.settings.http import MAX_DEPTH

MAX_KEYS = 2000

_LONGEST_INTEGER = len(str(-(2**63)))
_RESERVED = re.compile(r"__.*__", re.DOTALL)


def parse(text: str, max_depth: int = MAX_DEPTH, max_keys: int = MAX_KEYS) -> Any:
    """Returns the value; raises ValueError if it is not JSON or too large, ValidationError if Firestore refuses it."""
    decoder = json.JSONDecoder(
        object_pairs_hook=_Objects(max_keys), parse_constant=_constant, parse_int=_integer, parse_float=_number
    )
    try:
        value = decoder.decode(text)
        _check(value, max_depth)
    except RecursionError:
        raise ValueError(f"It is nested deeper than {max_depth} levels") from None
    return value


class _Objects:
    """Makes objects from their pairs; refuses duplicate names, and too many names in the whole text."""

    def __init__(self, max_keys: int) -> None:
        self._max_keys = max_keys
        self._names = 0

    def __call__(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        # Counted while parsing, so that a text over the limit is abandoned early.
        self._names += len(pairs)
        if self._names > self._max_keys:
            raise ValueError(f"It has more than {self._max_keys} field names")
        found = dict(pairs)
        if len(found) < len(pairs):
            times = Counter(name for name, _ in pairs)
            raise ValidationError({name: ["Given more than once."] for name in found if times[name] > 1})
        return found


def _constant(name: str) -> Any:
    raise ValidationError(f"{name} is not a JSON number.")


def _integer(digits: str) -> int:
    # The length first: Python takes quadratic time to read a long number.
    if len(digits) > _LONGEST_INTEGER:
        raise ValidationError(str(INT64.error))
    value = int(digits)
    INT64(value)
    return value


def _number(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValidationError("The number is too large.")
    return value


def _check(value: Any, left: int) -> None:
    """Checks a value of up to `left` levels; raises RecursionError if it is deeper, as the decoder does."""
    if left < 1 and isinstance(value, dict | list):
        raise RecursionError
    match value:
        case str():
            _check_text(value)
        case list():
            _check_array(value, left)
        case dict():
            _check_object(value, left)


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValidationError("A string is not valid Unicode: it contains half of a surrogate pair.") from None


def _check_array(items: list[Any], left: int) -> None:
    for item in items:
        _check(item, left - 1)
        if isinstance(item, list):
            raise ValidationError("Firestore stores no arrays in arrays; put each inner array into an object.")


def _check_object(fields: dict[str, Any], left: int) -> None:
    for name, value in fields.items():
        _check_text(name)
        if not name or _RESERVED.fullmatch(name) or len(name.encode()) > MAX_ID_BYTES:
            raise ValidationError({name[:MAX_ID_BYTES]: ["Not a valid field name: it is empty, reserved or too long."]})
        _check(value, left - 1)
