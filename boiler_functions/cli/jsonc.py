"""Reads JSON with comments, as firebase-tools does, and with last commas; and adds to it, keeping the rest."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Sequence
from typing import Any, TypeAlias

_STRING = r'("(?:\\.|[^"\\])*")'
_COMMENT = re.compile(rf"{_STRING}|//[^\n]*|/\*.*?\*/", re.DOTALL)
_LAST_COMMA = re.compile(rf"{_STRING}|,(?=\s*[}}\]])", re.DOTALL)
_TOKEN = re.compile(rf"{_STRING}|(//[^\n]*|/\*.*?\*/)|[{{}}\[\],:]|[^\s{{}}\[\],:\"/]+", re.DOTALL)

_Tokens: TypeAlias = Sequence[re.Match[str]]


def loads(text: str) -> Any:
    """Parses the text; raises ValueError as `json.loads` does."""
    without = _COMMENT.sub(lambda found: found[1] or " ", text)
    return json.loads(_LAST_COMMA.sub(lambda found: found[1] or "", without))


def appended(text: str, key: str, value: Any) -> str:
    """Returns the text of an object, with the value added to the list under the key.

    A value that stands there alone becomes the first of a list. All other text stays, comments and layout too.
    """
    tokens = [token for token in _TOKEN.finditer(text) if not token[2]]
    at = _value_of(tokens, key)
    if at is None:
        return _with_entry(text, tokens, len(tokens) - 1, f"{json.dumps(key)}: {_dumped([value])}")
    end = _end(tokens, at)
    if tokens[at][0] == "[":
        return _with_entry(text, tokens, end, _dumped(value))
    start, stop = tokens[at].start(), tokens[end].end()
    added = textwrap.indent(_dumped(value), _indentation(text, start)).lstrip()
    return f"{text[:start]}[{text[start:stop]}, {added}]{text[stop:]}"


def _dumped(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _value_of(tokens: _Tokens, key: str) -> int | None:
    """Returns the index of the first token of the key's value in the outermost object."""
    depth = 0
    for index, token in enumerate(tokens[:-1]):
        depth += (token[0] in "{[") - (token[0] in "}]")
        if depth == 1 and token[1] and json.loads(token[1]) == key and tokens[index + 1][0] == ":":
            return index + 2
    return None


def _end(tokens: _Tokens, start: int) -> int:
    """Returns the index of the last token of the value that begins at the token `start`."""
    depth = 0
    for index in range(start, len(tokens)):
        depth += (tokens[index][0] in "{[") - (tokens[index][0] in "}]")
        if depth == 0:
            return index
    raise ValueError("the text ends inside of a value")


def _with_entry(text: str, tokens: _Tokens, closing: int, entry: str) -> str:
    """Returns the text with an entry before the closing bracket, and a comma before it where one is needed."""
    last, close = tokens[closing - 1], tokens[closing].start()
    comma = "" if last[0] in ("{", "[", ",") else ","
    outer = _indentation(text, close)
    between = text[last.end() : close].rstrip()
    return f"{text[: last.end()]}{comma}{between}\n{textwrap.indent(entry, outer + '  ')}\n{outer}{text[close:]}"


def _indentation(text: str, place: int) -> str:
    line = text[text.rfind("\n", 0, place) + 1 :]
    return line[: len(line) - len(line.lstrip(" \t"))]
