"""Writes values, fields and path segments in the language of security rules."""

from __future__ import annotations

import re
from typing import Any

from boiler_functions.types import is_name

# https://firebase.google.com/docs/reference/rules/rules: words that no variable and no field after a dot can be.
WORDS = frozenset(
    {
        *("allow", "database", "debug", "document", "duration", "exists", "existsAfter", "false", "function", "get"),
        *("getAfter", "hashing", "if", "in", "is", "latlng", "let", "match", "math", "null", "path", "request"),
        *("resource", "return", "rules_version", "service", "string", "timestamp", "true"),
    }
)

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SEGMENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def literal(value: Any) -> str:
    """Returns the value as a literal of the rules language."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str():
            escaped = value.replace("\\", "\\\\").replace("'", "\\'")
            return "'" + _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", escaped) + "'"
        case list():
            return f"[{', '.join(map(literal, value))}]"
        case dict():
            return "{" + ", ".join(f"{literal(name)}: {literal(each)}" for name, each in value.items()) + "}"
        case _:
            return str(value)


def member(data: str, key: str) -> str:
    """Returns the expression for a field of a map."""
    return f"{data}.{key}" if is_name(key) and key not in WORDS else f"{data}[{literal(key)}]"


def is_segment(name: str) -> bool:
    """Returns whether a path of rules can contain the name unchanged.

    Some other names do not compile, and `a+b` would match `a b`.
    """
    return _SEGMENT.fullmatch(name) is not None
