"""Coercions: values of old documents, of another type than the attribute, read as what they clearly mean.

Each function returns the value of the attribute's type, or the value unchanged if it does not clearly mean one; the
attribute then reports it as it reports any value that does not fit.
"""

import math
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

Coercion = Callable[[Any], Any]

_WHOLE = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_TRUTH = {"true": True, "false": False, "1": True, "0": False}


def to_string(value: Any) -> Any:
    """Returns a number or a truth value as text: 7 as "7", 7.5 as "7.5", True as "true"."""
    match value:
        case bool():
            return str(value).lower()
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)
        case int():
            return str(value)
    return value


def to_integer(value: Any) -> Any:
    """Returns text of a whole number, or a double without a fraction, as an integer: "7" and 7.0 as 7."""
    match value:
        case str() if _WHOLE.fullmatch(value.strip()):
            return int(value)
        case float() if value.is_integer() and abs(value) < 2**63:
            return int(value)
    return value


def to_float(value: Any) -> Any:
    """Returns text of a number as a double: "12.5" as 12.5."""
    match value:
        case str() if _NUMBER.fullmatch(value.strip()) and math.isfinite(float(value)):
            return float(value)
    return value


def to_boolean(value: Any) -> Any:
    """Returns "true", "false", "1", "0", 1 and 0 as a truth value."""
    match value:
        case str():
            return _TRUTH.get(value.strip().lower(), value)
        case int() if not isinstance(value, bool):
            return _TRUTH.get(str(value), value)
    return value


def to_timestamp(value: Any) -> Any:
    """Returns ISO 8601 text with a time zone as a moment; a number is left, as it could be seconds or milliseconds."""
    match value:
        case str():
            try:
                moment = datetime.fromisoformat(value.strip())
            except ValueError:
                return value
            return value if moment.tzinfo is None else moment
    return value
