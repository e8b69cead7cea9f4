"""How a view looks in JSON: the fields of its document, and the id of its root."""

import math
from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from boiler_functions.models import RESERVED_KEYS
from boiler_functions.types import Fields, GeoPoint, Reference, digest

ID = "id"


def represent(root_id: str, content: Fields) -> dict[str, Any]:
    """A view, as a client sees it alone and in a list.

    >>> represent("TOK", {"name": "Tokyo", "obj_type": "CityView", "doc_ref": "cityView/TOK"})
    {'id': 'TOK', 'name': 'Tokyo'}
    """
    return {ID: root_id, **{name: to_json(value) for name, value in content.items() if name not in RESERVED_KEYS}}


def etag_of(content: Fields) -> str:
    """The ETag of a view: equal for equal contents, of whichever copy, stored or built now."""
    return digest({name: value for name, value in content.items() if name not in RESERVED_KEYS})


def to_json(value: Any) -> Any:
    """A stored value as JSON has it, spelled as a JsonSchema would; NaN and the infinities are null."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case bytes():
            return b64encode(value).decode()
        case datetime():
            return value.isoformat()
        case Reference():
            return value.path
        case GeoPoint():
            return {"latitude": value.latitude, "longitude": value.longitude}
        case Mapping():
            return {name: to_json(each) for name, each in value.items()}
        case list() | tuple():
            return [to_json(each) for each in value]
        case _:
            return value
