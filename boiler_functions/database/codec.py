"""Our values as Firestore's protocol messages, and back.

It imports no protocol library: the messages that it is handed make their own parts. So it reads documents from
Firestore's answers and from the events that triggers deliver alike.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeAlias

from boiler_functions.database import Document
from boiler_functions.types import Fields, GeoPoint, Instant, Reference, to_datetime, to_instant

Message: TypeAlias = Any
"""A protocol message; their classes are made at run time, so that no type says more."""


def to_nanoseconds(timestamp: Message) -> Instant:
    """The timestamp message as an instant; 0 (MISSING) when it is not set."""
    return int(timestamp.seconds) * 1_000_000_000 + int(timestamp.nanos)


def set_timestamp(timestamp: Message, instant: Instant) -> None:
    # Firestore keeps microseconds; a finer read time would be refused.
    timestamp.seconds, nanoseconds = divmod(instant, 1_000_000_000)
    timestamp.nanos = nanoseconds // 1000 * 1000


class Codec:
    """Encodes and decodes for one database: `Codec("projects/p/databases/(default)")`."""

    def __init__(self, database: str) -> None:
        self.prefix = f"{database}/documents/"

    def name(self, path: str) -> str:
        """The document's full name; a path with a "/" before it is one already, of another database."""
        return path[1:] if path.startswith("/") else self.prefix + path

    def path(self, name: str) -> str:
        """The path of a full name; of another database, the name itself with a "/" before it, as no path has."""
        return name.removeprefix(self.prefix) if name.startswith(self.prefix) else f"/{name}"

    def encode(self, value: Any, message: Message) -> None:
        """Sets the Value message to the value; raises TypeError or ValueError for one that Firestore cannot hold."""
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
            case Mapping():
                message.map_value.SetInParent()
                self.encode_fields(value, message.map_value.fields)
            case list() | tuple():
                message.array_value.SetInParent()
                for item in value:
                    self.encode(item, message.array_value.values.add())
            case _:
                raise TypeError(f"{type(value).__name__} is not a Firestore value: {value!r}")

    def encode_fields(self, fields: Fields, messages: Message) -> None:
        for name, value in fields.items():
            self.encode(value, messages[name])

    def decode(self, message: Message) -> Any:
        """The value of a Value message."""
        match message.WhichOneof("value_type"):
            case "string_value" | "boolean_value" | "integer_value" | "double_value" | "bytes_value" as kind:
                return getattr(message, kind)
            case "null_value":
                return None
            case "timestamp_value":
                return to_datetime(to_nanoseconds(message.timestamp_value))
            case "reference_value":
                return Reference(self.path(message.reference_value))
            case "geo_point_value":
                return GeoPoint(message.geo_point_value.latitude, message.geo_point_value.longitude)
            case "array_value":
                return [self.decode(item) for item in message.array_value.values]
            case "map_value":
                return self.decode_fields(message.map_value.fields)
            case kind:
                raise ValueError(f"A stored value of the kind {kind}; this version of the package does not know it.")

    def decode_fields(self, messages: Mapping[str, Message]) -> dict[str, Any]:
        return {name: self.decode(message) for name, message in messages.items()}

    def decode_document(self, message: Message) -> Document:
        """The document of a Document message."""
        return Document(
            self.path(message.name), self.decode_fields(message.fields), to_nanoseconds(message.update_time)
        )
