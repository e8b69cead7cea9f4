"""JSON for Socket.IO, as strict as that of the REST function."""

from __future__ import annotations

import json
from typing import Any

from marshmallow import ValidationError

from boiler_functions.modes.rest import strict_json

MALFORMED = "malformed"
"""The event that stands in for one that cannot be read: it is answered, where an exception would only be logged."""


class StrictJson:
    """What python-socketio uses in place of the module `json`."""

    @staticmethod
    def dumps(value: Any, **options: Any) -> str:
        return json.dumps(value, **options)

    @staticmethod
    def loads(text: str) -> Any:
        try:
            return strict_json.parse(text)
        except (ValueError, ValidationError) as error:
            return [MALFORMED, str(error)]
