"""The JSON of a view: the fields of its document, and the id of its root."""

from typing import Any

from boiler_functions.models.model import RESERVED_KEYS
from boiler_functions.models.spelling import as_json
from boiler_functions.settings.http import ID
from boiler_functions.types import Fields, digest


def represent(root_id: str, content: Fields) -> dict[str, Any]:
    """Returns the view in JSON, as an answer or as an item of a list; the id only if it has a root.

    >>> represent("TOK", {"name": "Tokyo", "obj_type": "CityView", "doc_ref": "cityView/TOK"})
    {'id': 'TOK', 'name': 'Tokyo'}
    """
    identified = {ID: root_id} if root_id else {}
    return {**identified, **{name: as_json(value) for name, value in content.items() if name not in RESERVED_KEYS}}


def etag_of(content: Fields) -> str:
    """Returns the ETag of a view: the same for equal contents, whether stored in any copy or built now."""
    return digest({name: value for name, value in content.items() if name not in RESERVED_KEYS})
