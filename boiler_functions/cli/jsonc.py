"""Reads JSON as firebase-tools does: with comments, and with commas after the last entry."""

from __future__ import annotations

import json
import re
from typing import Any

_STRING = r'("(?:\\.|[^"\\])*")'
_COMMENT = re.compile(rf"{_STRING}|//[^\n]*|/\*.*?\*/", re.DOTALL)
_LAST_COMMA = re.compile(rf"{_STRING}|,(?=\s*[}}\]])", re.DOTALL)


def loads(text: str) -> Any:
    """Parses the text; raises ValueError as `json.loads` does."""
    without = _COMMENT.sub(lambda found: found[1] or " ", text)
    return json.loads(_LAST_COMMA.sub(lambda found: found[1] or "", without))
