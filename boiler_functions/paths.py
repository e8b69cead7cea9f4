"""Document paths, and path patterns that match, capture and fill them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from boiler_functions.exceptions import InvalidPath, InvalidPattern
from boiler_functions.types import is_name, is_unicode, shown

# https://firebase.google.com/docs/firestore/quotas: at most 1,500 bytes, no "/", not "." or "..", not "__.*__".
MAX_ID_BYTES = 1500
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def _is_plain(segment: str) -> bool:
    """Returns whether the text is surely an id: ASCII letters and digits."""
    return segment.isalnum() and segment.isascii() and len(segment) <= MAX_ID_BYTES


def fault_of_id(segment: str) -> str | None:
    """Returns why Firestore refuses the id of a document or collection; None if it accepts it."""
    # Most ids are plain, and each is asked for several times in a build.
    if _is_plain(segment):
        return None
    if not segment or segment in (".", "..") or "/" in segment:
        return "it may not be empty, '.' or '..', or contain '/'"
    if len(segment) >= 4 and segment.startswith("__") and segment.endswith("__"):
        return "Firestore reserves names between double underscores"
    if not is_unicode(segment):
        return "it is not valid Unicode"
    if (size := len(segment.encode())) > MAX_ID_BYTES:
        return f"it has {size} bytes, and may have at most {MAX_ID_BYTES} bytes"
    return None


def document_id(value: object) -> str:
    """Returns the value as one segment of a path; raises InvalidPath for an id that Firestore or triggers cannot take.

    Stricter than Firestore on purpose: the client reads `a/b/c` as three segments, and a trailing space stops gen2
    triggers (https://github.com/firebase/firebase-functions/issues/1922).
    """
    if not isinstance(value, str):
        raise InvalidPath(f"A document id is a string; found {shown(value)}.")
    if _is_plain(value):
        return value
    if fault := fault_of_id(value):
        raise InvalidPath(f"{shown(value)} is not a document id: {fault}.")
    if _CONTROL.search(value) or value != value.strip():
        raise InvalidPath(f"{shown(value)} is not a document id: control characters and outer spaces break triggers.")
    return value


def could_exist(path: str) -> bool:
    """Returns whether Firestore accepts the path; unlike `document_id`, admits ids that stop triggers."""
    return not any(map(fault_of_id, path.split("/")))


def id_of(path: str) -> str:
    """Returns the last segment: `id_of("users/uid1")` is `"uid1"`."""
    return path.rpartition("/")[2]


def collection_of(path: str) -> str:
    """Returns the path of the document's collection: `collection_of("users/uid1")` is `"users"`."""
    return path.rpartition("/")[0]


def field_path(name: str) -> str:
    """Returns the field path of a top-level field: its name, in backticks unless that is a simple name."""
    # https://firebase.google.com/docs/firestore/reference/rest/v1/StructuredQuery#FieldReference
    if is_name(name):
        return name
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


@dataclass(frozen=True)
class Pattern:
    """A path with placeholders, each of which is a whole segment.

    >>> Pattern("users/{user_id}/cityForms/{city_id}").match("users/uid1/cityForms/LA")
    {'user_id': 'uid1', 'city_id': 'LA'}
    """

    text: str

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise InvalidPattern(f"A path must be a string, as 'users/{{user_id}}'; found {self.text!r}.")
        for segment in self.segments:
            if not segment:
                raise InvalidPattern(f"The path {self.text!r} has an empty segment; write it as 'users/{{user_id}}'.")
            if ("{" in segment or "}" in segment) and not self._placeholder(segment):
                raise InvalidPattern(
                    f"In the path {self.text!r}, {segment!r} is not a placeholder; write a whole one: '{{user_id}}'."
                )
            if not self._placeholder(segment):
                self._check_literal(segment)
        names = self.names
        for name in names:
            if names.count(name) > 1:
                raise InvalidPattern(f"The path {self.text!r} has the placeholder {{{name}}} twice; rename one.")

    @staticmethod
    def _placeholder(segment: str) -> str | None:
        name = segment[1:-1]
        is_one = segment == f"{{{name}}}" and name.count(".") <= 1 and all(map(is_name, name.split(".")))
        return name if is_one else None

    def _check_literal(self, segment: str) -> None:
        try:
            document_id(segment)
        except InvalidPath as error:
            raise InvalidPattern(f"The path {self.text!r}: {error}") from error

    @cached_property
    def segments(self) -> tuple[str, ...]:
        return tuple(self.text.split("/"))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the placeholders, in order."""
        return tuple(name for name in self._placeholders if name)

    @cached_property
    def _placeholders(self) -> tuple[str | None, ...]:
        """For each segment, the name of its placeholder, or None for a literal."""
        return tuple(self._placeholder(segment) for segment in self.segments)

    @cached_property
    def _expression(self) -> re.Pattern[str]:
        placeholders = zip(self._placeholders, self.segments, strict=True)
        return re.compile("/".join("([^/]*)" if name else re.escape(segment) for name, segment in placeholders))

    @property
    def is_document(self) -> bool:
        return len(self.segments) % 2 == 0

    @property
    def open_collections(self) -> tuple[str, ...]:
        """The placeholders that stand for a collection, so that the document could be in any."""
        return tuple(name for name in self._placeholders[::2] if name)

    def match(self, path: str) -> dict[str, str] | None:
        """Returns the values of the placeholders in the path, or None if it does not match."""
        found = self._expression.fullmatch(path)
        return dict(zip(self.names, found.groups(), strict=True)) if found else None

    def fill(self, values: Mapping[str, object]) -> str:
        """Returns the path with every placeholder replaced; raises InvalidPath for a value that is not an id."""
        if missing := [name for name in self.names if name not in values]:
            raise InvalidPath(f"{self.text!r} needs {', '.join(missing)}; found {', '.join(values) or 'nothing'}.")
        placeholders = zip(self._placeholders, self.segments, strict=True)
        return "/".join([document_id(values[name]) if name else segment for name, segment in placeholders])

    def overlaps(self, other: "Pattern") -> bool:
        """Returns whether some path matches both patterns."""
        return len(self.segments) == len(other.segments) and all(
            mine == theirs or bool(my_name) or bool(their_name)
            for mine, my_name, theirs, their_name in zip(
                self.segments, self._placeholders, other.segments, other._placeholders, strict=True
            )
        )
