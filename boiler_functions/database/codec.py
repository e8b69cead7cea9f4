"""Converts values to Firestore's protocol messages and back.

It imports no protocol library, because a message creates its own parts. So the same code decodes documents from
Firestore's answers and from events, whose message classes differ.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias

from boiler_functions.database import Document
from boiler_functions.types import Fields, GeoPoint, Instant, Reference, to_datetime, to_instant

Message: TypeAlias = Any
"""A protocol message. The classes are created at run time, so there is no more precise type."""


def to_nanoseconds(timestamp: Message) -> Instant:
    """Returns the timestamp message as an instant; 0 (MISSING) if it is not set."""
    return int(timestamp.seconds) * 1_000_000_000 + int(timestamp.nanos)


def set_timestamp(timestamp: Message, instant: Instant) -> None:
    # Firestore keeps microseconds; a finer read time would be refused.
    timestamp.seconds, nanoseconds = divmod(instant, 1_000_000_000)
    timestamp.nanos = nanoseconds // 1000 * 1000


_KINDS: Final[Mapping[type, str]] = {
    str: "string_value",
    bool: "boolean_value",
    int: "integer_value",
    float: "double_value",
    bytes: "bytes_value",
}
"""The kinds of values that a message takes and gives as Python's own types."""

_SCALARS: Final = frozenset(_KINDS.values())


class Codec:
    """Encodes and decodes for one database: `Codec("projects/p/databases/(default)")`."""

    def __init__(self, database: str) -> None:
        self.prefix = f"{database}/documents/"

    def name(self, path: str) -> str:
        """Returns the document's full name; a path that starts with "/" holds one, of another database."""
        return path[1:] if path.startswith("/") else self.prefix + path

    def path(self, name: str) -> str:
        """Returns the path of a full name; for another database it is the name after a "/", as no path has."""
        return name.removeprefix(self.prefix) if name.startswith(self.prefix) else f"/{name}"

    def encode(self, value: Any, message: Message) -> None:
        """Sets a Value message; raises TypeError or ValueError for a value that Firestore cannot hold."""
        # By its exact type first, as matching asks for one class after the other.
        if (kind := _KINDS.get(type(value))) is not None:
            setattr(message, kind, value)
            return
        match value:
            case str():
                message.string_value = value
            case bool():
                message.boolean_value = value
            case int():
                message.integer_value = value
            case float():
                message.double_value = value
            case None:
                message.null_value = 0
            case datetime():
                set_timestamp(message.timestamp_value, to_instant(value))
            case bytes():
                message.bytes_value = value
            case Reference():
                message.reference_value = self.name(value.path)
            case GeoPoint():
                message.geo_point_value.latitude = value.latitude
                message.geo_point_value.longitude = value.longitude
            case list() | tuple():
                array = message.array_value
                array.SetInParent()
                add = array.values.add
                for item in value:
                    self.encode(item, add())
            case dict() | Mapping():
                held = message.map_value
                held.SetInParent()
                self.encode_fields(value, held.fields)
            case _:
                raise TypeError(f"{type(value).__name__} is not a Firestore value: {value!r}")

    def encode_fields(self, fields: Fields, messages: Message) -> None:
        for name, value in fields.items():
            self.encode(value, messages[name])

    def decode(self, message: Message) -> Any:
        """Returns the value of a Value message."""
        kind = message.WhichOneof("value_type")
        if kind in _SCALARS:
            return getattr(message, kind)
        match kind:
            case "null_value":
                return None
            case "timestamp_value":
                return to_datetime(to_nanoseconds(message.timestamp_value))
            case "reference_value":
                return Reference(self.path(message.reference_value))
            case "geo_point_value":
                return GeoPoint(message.geo_point_value.latitude, message.geo_point_value.longitude)
            case "array_value":
                return list(map(self.decode, message.array_value.values))
            case "map_value":
                return self.decode_fields(message.map_value.fields)
            case _:
                raise ValueError(
                    f"A stored value has the kind {kind}, which this version of boiler_functions cannot read. "
                    "Install a newer version."
                )

    def decode_fields(self, messages: Mapping[str, Message]) -> dict[str, Any]:
        # Not by `items`: that of a message is slow.
        decode = self.decode
        return {name: decode(messages[name]) for name in messages}

    def decode_document(self, message: Message) -> Document:
        """Returns the document of a Document message."""
        return Document(
            self.path(message.name), self.decode_fields(message.fields), to_nanoseconds(message.update_time)
        )
