"""Translates the patterns of .gitignore to regular expressions, which match byte by byte as git does.

Git itself is not used, because it need not be installed where a deployment runs; tests compare every rule with git.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator

_LETTERS, _DIGITS, _PUNCTUATION = string.ascii_letters, string.digits, string.punctuation
_CONTROL = "".join(map(chr, (*range(32), 127)))

_CLASSES = {
    b"alnum": _LETTERS + _DIGITS,
    b"alpha": _LETTERS,
    b"blank": " \t",
    b"cntrl": _CONTROL,
    b"digit": _DIGITS,
    b"graph": _LETTERS + _DIGITS + _PUNCTUATION,
    b"lower": string.ascii_lowercase,
    b"print": _LETTERS + _DIGITS + _PUNCTUATION + " ",
    b"punct": _PUNCTUATION,
    b"space": string.whitespace,
    b"upper": string.ascii_uppercase,
    b"xdigit": string.hexdigits,
}


def translate(pattern: bytes) -> bytes:
    """Returns the regular expression of a pattern; raises ValueError for a pattern that matches nothing."""
    return b"".join(_translated(pattern))


def _translated(pattern: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(pattern):
        char = pattern[at : at + 1]
        if char == b"*":
            text, at = _stars(pattern, at)
            yield text
        elif char == b"[":
            members, at = _set(pattern, at + 1)
            yield b"[" + b"".join(b"\\x%02x" % each for each in sorted(members)) + b"]" if members else b"(?!)"
        elif char == b"?":
            yield b"[^/]"
            at += 1
        else:
            literal, at = _literal(pattern, at)
            yield re.escape(bytes([literal]))


def _stars(pattern: bytes, start: int) -> tuple[bytes, int]:
    """Translates the stars at `start`: two that are a whole segment match any number of folders, including none."""
    end = start
    while pattern[end : end + 1] == b"*":
        end += 1
    begins = start == 0 or pattern[start - 1 : start] == b"/"
    if end - start < 2 or not begins or not (end == len(pattern) or pattern.startswith((b"/", b"\\/"), end)):
        return b"[^/]*", end
    return (b"(?:.*/)?", end + 1) if pattern[end : end + 1] == b"/" else (b".*", end)


def _literal(pattern: bytes, at: int) -> tuple[int, int]:
    """Reads one byte, which may be escaped; returns it and the position after it."""
    at += pattern[at : at + 1] == b"\\"
    if at >= len(pattern):
        raise ValueError("The pattern ends within a set, or after a backslash.")
    return pattern[at], at + 1


def _set(pattern: bytes, at: int) -> tuple[set[int], int]:
    """Reads a bracketed set; returns the bytes that it matches, never a slash, and the position after it."""
    negated = pattern[at : at + 1] in (b"!", b"^")
    at += negated
    members: set[int] = set()
    previous: int | None = None
    first = True
    # A closing bracket in the first place is a literal.
    while first or pattern[at : at + 1] != b"]":
        first = False
        if named := re.compile(rb"\[:([^\]]*):\]").match(pattern, at):
            if named[1] not in _CLASSES:
                raise ValueError(f"There is no class {named[1]!r}.")
            members.update(_CLASSES[named[1]].encode())
            previous, at = None, named.end()
        elif pattern[at : at + 1] == b"-" and previous is not None and pattern[at + 1 : at + 2] not in (b"", b"]"):
            last, at = _literal(pattern, at + 1)
            members.update(range(previous, last + 1))
            previous = None
        else:
            previous, at = _literal(pattern, at)
            members.add(previous)
    return (set(range(256)) - members if negated else members) - {ord("/")}, at + 1
