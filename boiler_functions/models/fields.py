"""marshmallow fields for Firestore's values, in both spellings; each is strict: "1" is not a number."""

import copy
import math
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, cast

from marshmallow import Schema, ValidationError, fields, validate

from boiler_functions.database.matching import sort_key
from boiler_functions.database.values import MAX_DEPTH, Fault, faults_of, is_instant
from boiler_functions.exceptions import InvalidPath
from boiler_functions.models.spelling import as_json, in_json, spelling
from boiler_functions.paths import document_id
from boiler_functions.types import GeoPoint, Reference, is_unicode

INT64 = validate.Range(-(2**63), 2**63 - 1, error="Not a 64-bit integer.")


class _Strict(fields.Field[Any]):
    """Validates on the way out as on the way in; marshmallow's own integer field would store 10.7 as 10."""

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        if value is None:
            return None
        return self._in_text(value) if in_json(self) else self._deserialize(value, attr, None)

    def _in_text(self, value: Any) -> Any:
        """Returns the value as JSON spells it."""
        return self._deserialize(value, None, None)


class String(_Strict, fields.String):
    """A string that Firestore can hold: valid Unicode, not bytes."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise self.make_error("invalid")
        if not is_unicode(value):
            raise self.make_error("invalid_utf8")
        return value


class Integer(_Strict, fields.Integer):
    """A 64-bit integer; True and "1" are refused."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(strict=True, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.make_error("invalid", input=value)
        INT64(value)
        return value


class Float(_Strict, fields.Float):
    """A number; NaN and the infinities only in documents, as JSON cannot spell them."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_nan=True, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.make_error("invalid", input=value)
        try:
            number = float(value)
        except OverflowError as error:
            raise self.make_error("too_large", input=value) from error
        if in_json(self) and not math.isfinite(number):
            raise self.make_error("special")
        return number


class Boolean(_Strict, fields.Boolean):
    """True or False; 1 and "yes" are refused."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        if not isinstance(value, bool):
            raise self.make_error("invalid", input=value)
        return value


class Timestamp(_Strict, fields.AwareDateTime):
    """An aware datetime; in JSON ISO 8601 text."""

    default_error_messages = {
        "invalid_awareness": "Has no time zone; give one, as datetime.now(UTC), or 2026-01-31T12:00:00Z in JSON."
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(format="iso", **kwargs)

    def _in_text(self, value: Any) -> Any:
        return fields.AwareDateTime._serialize(self, value, None, None)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        if in_json(self):
            value = super()._deserialize(value, attr, data, **kwargs)
        if not isinstance(value, datetime):
            raise self.make_error("invalid", input=value, obj_type="timestamp")
        if value.tzinfo is None:
            raise self.make_error("invalid_awareness", awareness="aware", obj_type="timestamp", input=value)
        if not is_instant(value):
            raise self.make_error("invalid", input=value, obj_type="timestamp")
        return value


class Bytes(_Strict):
    """Bytes; in JSON base64 text."""

    default_error_messages = {"invalid": "Not valid bytes."}

    def _in_text(self, value: Any) -> Any:
        return as_json(value)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bytes:
        if in_json(self) and isinstance(value, str):
            try:
                return b64decode(value, validate=True)
            except ValueError as error:  # binascii.Error, or a character outside ASCII
                raise self.make_error("invalid") from error
        if not isinstance(value, bytes):
            raise self.make_error("invalid")
        return value


class Place(_Strict):
    """A GeoPoint; in JSON `{"latitude": …, "longitude": …}`."""

    default_error_messages = {"invalid": "Not a valid place: latitude -90…90 and longitude -180…180."}

    def _in_text(self, value: Any) -> Any:
        return as_json(value)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> GeoPoint:
        if in_json(self) and isinstance(value, dict) and value.keys() == {"latitude", "longitude"}:
            degrees = [value["latitude"], value["longitude"]]
            if all(isinstance(each, int | float) and not isinstance(each, bool) for each in degrees):
                value = GeoPoint(*map(float, degrees))
        if not isinstance(value, GeoPoint) or not (-90 <= value.latitude <= 90 and -180 <= value.longitude <= 180):
            raise self.make_error("invalid")
        return value


class Related(_Strict):
    """A reference to a document whose path `accepts` admits; in JSON the path."""

    default_error_messages = {
        "invalid": "Not a reference to a document.",
        "elsewhere": "Not a reference into {collection}.",
    }

    def __init__(self, accepts: Callable[[str], bool], collection: Callable[[], str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.accepts = accepts
        self.collection = collection

    def _in_text(self, value: Any) -> Any:
        return as_json(value)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Reference:
        if in_json(self) and isinstance(value, str):
            value = Reference(value)
        if not isinstance(value, Reference):
            raise self.make_error("invalid")
        if not self.accepts(value.path):
            raise self.make_error("elsewhere", collection=self.collection())
        if in_json(self):
            self._check_path(value.path)
        return value

    def _check_path(self, path: str) -> None:
        try:
            for segment in path.split("/"):
                document_id(segment)
        except InvalidPath as error:
            raise self.make_error("invalid") from error


CHECKED = (String, Integer, Float, Boolean, Timestamp, Bytes, Place, Related)
"""The fields that refuse on the way out what they refuse on the way in; their subclasses may not."""


class RelatedText(Related):
    """A reference to a document that is stored, and spelled in JSON, as a string: its path or its id.

    `read` makes a path of it, or None of a value that names no document; `spell` undoes it.
    """

    default_error_messages = {
        "invalid": "Not the {spelled} of a document of {collection}.",
        "elsewhere": "Not the {spelled} of a document of {collection}.",
    }

    def __init__(
        self, spelled: str, read: Callable[[Any], str | None], spell: Callable[[str], str], **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.spelled = spelled
        self._read = read
        self._spell = spell

    def make_error(self, key: str, **kwargs: Any) -> ValidationError:
        return super().make_error(key, **{"spelled": self.spelled, "collection": self.collection(), **kwargs})

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return None if value is None else self._spell(super()._deserialize(value, attr, None).path)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Reference:
        path = self._read(value)
        if path is None:
            raise self.make_error("invalid")
        return super()._deserialize(Reference(path), attr, data, **kwargs)


class RelatedKeys(fields.Dict):
    """A map whose keys name documents, as `is_key` says, spelled so in JSON, too; beside a key stands any value."""

    default_error_messages = {
        "invalid": "Not a map whose keys are ids of documents of {collection}.",
        "elsewhere": "Not the id of a document of {collection}.",
    }

    def __init__(self, is_key: Callable[[Any], bool], collection: Callable[[], str], **kwargs: Any) -> None:
        super().__init__(values=Anything(), **kwargs)
        self.is_key = is_key
        self.collection = collection

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        if value is None:
            return None
        return super()._serialize(self._checked(value), attr, obj, **kwargs)  # type: ignore[no-untyped-call]

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        return super()._deserialize(self._checked(value), attr, data, **kwargs)  # type: ignore[no-untyped-call]

    def _checked(self, value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise self.make_error("invalid", collection=self.collection())
        if others := [key for key in value if not self.is_key(key)]:
            reason = self.make_error("elsewhere", collection=self.collection()).messages
            raise ValidationError(dict.fromkeys(others, reason))
        return value


class Items(fields.List[Any]):
    """A list; a string or a mapping is refused, as its letters or keys would become the items.

    Sorts a set as Firestore orders values: Python orders it differently in each process, and two processes would
    overwrite each other's copy of the same view for ever.
    """

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> list[Any] | None:
        if isinstance(value, str | bytes | Mapping):
            raise self.make_error("invalid")
        items = super()._serialize(value, attr, obj, **kwargs)
        return sorted(items, key=sort_key) if items is not None and isinstance(value, set | frozenset) else items


class Anything(fields.Raw):
    """Any value that a document can hold, spelled in JSON by its type.

    Copies the value, so that a change in place differs from what was loaded, and is saved.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "allow_none": True})

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        try:
            return as_json(value) if in_json(self) else copy.deepcopy(value)
        except RecursionError as error:
            raise ValidationError(f"Nested more than {MAX_DEPTH} deep.") from error

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        if faults := faults_of(value):
            raise ValidationError(nested(faults))
        return copy.deepcopy(value)


def nested(faults: Iterable[Fault]) -> Any:
    """Returns the reasons nested by the keys and indexes that lead to them, as marshmallow nests its messages."""
    messages: dict[str | int, Any] = {}
    for where, reason in faults:
        if not where:
            return [reason]
        *parents, last = where
        inner = messages
        for each in parents:
            inner = inner.setdefault(each, {})
        inner[last] = [reason]
    return messages


def flatten(messages: Any, prefix: str = "") -> dict[str, list[str]]:
    """Returns marshmallow's nested messages by dotted field: `{"address.city": ["Missing data…"]}`."""
    if isinstance(messages, Mapping):
        flat: dict[str, list[str]] = {}
        for key, inner in messages.items():
            flat.update(flatten(inner, f"{prefix}.{key}" if prefix else str(key)))
        return flat
    return {prefix: [str(message) for message in (messages if isinstance(messages, list) else [messages])]}


class Part(fields.Nested):
    """An object inside a document; `make` returns its schema for the kind of schema that the whole is loaded with."""

    def __init__(self, make: Callable[[type[Schema]], Schema], **kwargs: Any) -> None:
        super().__init__(Schema, **kwargs)
        self.make = make

    @property
    def schema(self) -> Schema:
        return self.make(spelling(self))


class Member(fields.Enum[Any]):
    """A member of an Enum, stored as its value."""

    def __init__(self, enum: type[Any], **kwargs: Any) -> None:
        super().__init__(enum, by_value=True, **kwargs)

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        if value is not None and not isinstance(value, self.enum):
            members = ", ".join(str(each) for each in cast(Any, self.enum))
            raise ValidationError(f"Not a member of {self.enum.__name__}; its members are {members}.")
        return super()._serialize(value, attr, obj, **kwargs)
