"""The two spellings of a value: as documents hold it, and as JSON.

A JsonSchema reads and writes what HTTP carries: ISO 8601 text, base64, a mapping of latitude and longitude, a path.
Any other schema reads and writes Firestore's own values.
"""

import math
from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from marshmallow import Schema, fields

from boiler_functions.types import GeoPoint, Reference


class StoredSchema(Schema):
    """Reads and writes Firestore's own values."""


class JsonSchema(Schema):
    """Reads and writes what HTTP carries."""


class AnswerSchema(JsonSchema):
    """Describes the answers of the API: a JsonSchema in which an attribute with a default is required, too."""


def spelling(field: fields.Field[Any]) -> type[Schema]:
    """Returns the kind of schema that the field is part of: StoredSchema, JsonSchema or AnswerSchema."""
    return next((each for each in (AnswerSchema, JsonSchema) if isinstance(field.root, each)), StoredSchema)


def in_json(field: fields.Field[Any]) -> bool:
    """Returns whether the field reads and writes JSON."""
    return isinstance(field.root, JsonSchema)


def as_json(value: Any) -> Any:
    """Returns a value of a document as JSON spells it; NaN and the infinities, which JSON lacks, become null."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case datetime():
            return value.isoformat()
        case bytes():
            return b64encode(value).decode()
        case GeoPoint():
            return {"latitude": value.latitude, "longitude": value.longitude}
        case Reference():
            return value.path
        case Mapping():
            return {key: as_json(item) for key, item in value.items()}
        case list() | tuple():
            return [as_json(item) for item in value]
        case _:
            return value
