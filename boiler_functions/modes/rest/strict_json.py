"""JSON that Firestore can hold: no duplicate keys, NaN, numbers over 64 bits, arrays in arrays; and within limits."""

import json
import math
import re
from typing import Any

from marshmallow import ValidationError

from boiler_functions.models.fields import INT64
from boiler_functions.paths import MAX_ID_BYTES
from boiler_functions.settings.http import MAX_DEPTH

MAX_KEYS = 2000

_LONGEST_INTEGER = len(str(-(2**63)))
_RESERVED = re.compile(r"__.*__", re.DOTALL)


def parse(text: str, max_depth: int = MAX_DEPTH, max_keys: int = MAX_KEYS) -> Any:
    """The value; raises ValueError for what is no JSON or over a limit, ValidationError for what no document holds."""
    try:
        value = _DECODER.decode(text)
        if _keys(value) > max_keys:
            raise ValueError(f"It has more than {max_keys} names of fields")
        _check(value, max_depth)
    except RecursionError:
        raise ValueError(f"It is nested more than {max_depth} deep") from None
    return value


def _keys(value: Any) -> int:
    """The names of fields in all of the value; without recursion, as its depth is not known yet."""
    count, left = 0, [value]
    while left:
        match left.pop():
            case dict() as fields:
                count += len(fields)
                left.extend(fields.values())
            case list() as items:
                left.extend(items)
    return count


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


def _check(value: Any, left: int) -> None:
    """Checks a value that may be `left` levels deep; raises RecursionError for a deeper one, as the decoder does."""
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
        raise ValidationError("A text is not valid Unicode: it holds half of a surrogate pair.") from None


def _check_array(items: list[Any], left: int) -> None:
    for item in items:
        _check(item, left - 1)
        if isinstance(item, list):
            raise ValidationError("An array holds no arrays; put each into an object.")


def _check_object(fields: dict[str, Any], left: int) -> None:
    for name, value in fields.items():
        _check_text(name)
        if not name or _RESERVED.fullmatch(name) or len(name.encode()) > MAX_ID_BYTES:
            raise ValidationError({name[:MAX_ID_BYTES]: ["No name of a field: it is empty, reserved or too long."]})
        _check(value, left - 1)
