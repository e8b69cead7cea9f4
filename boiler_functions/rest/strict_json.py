"""JSON that Firestore can hold: no duplicate keys, NaN, numbers over 64 bits, arrays in arrays; at most 20 deep."""

import json
import math
import re
from typing import Any

from marshmallow import ValidationError

from boiler_functions.fields import INT64
from boiler_functions.paths import MAX_ID_BYTES

# https://firebase.google.com/docs/firestore/quotas#limits: maps and arrays are nested at most 20 deep.
MAX_DEPTH = 20

_LONGEST_INTEGER = len(str(-(2**63)))
_RESERVED = re.compile(r"__.*__", re.DOTALL)


def parse(text: str) -> Any:
    """The value; raises ValueError for what is no JSON or too deep, ValidationError for what no document can hold."""
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise ValueError(f"It is nested more than {MAX_DEPTH} deep") from None
    _check(value, depth=1)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValidationError({name: ["Given more than once."] for name in found if names.count(name) > 1})
    return found


def _constant(name: str) -> Any:
    raise ValidationError(f"{name} is no JSON number.")


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
        raise ValidationError("Too large a number.")
    return value


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_constant, parse_int=_integer, parse_float=_number
)


def _check(value: Any, depth: int) -> None:
    if depth > MAX_DEPTH and isinstance(value, dict | list):
        raise ValueError(f"It is nested more than {MAX_DEPTH} deep")
    match value:
        case str():
            _check_text(value)
        case list():
            _check_array(value, depth)
        case dict():
            _check_object(value, depth)


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValidationError("A text is not valid Unicode: it holds half of a surrogate pair.") from None


def _check_array(items: list[Any], depth: int) -> None:
    for item in items:
        _check(item, depth + 1)
        if isinstance(item, list):
            raise ValidationError("An array holds no arrays; put each into an object.")


def _check_object(fields: dict[str, Any], depth: int) -> None:
    for name, value in fields.items():
        _check_text(name)
        if not name or _RESERVED.fullmatch(name) or len(name.encode()) > MAX_ID_BYTES:
            raise ValidationError({name[:MAX_ID_BYTES]: ["No name of a field: it is empty, reserved or too long."]})
        _check(value, depth + 1)
