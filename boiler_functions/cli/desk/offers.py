"""What a client may try on an app: its forms, its documents, and its HTTP calls, each with an example to begin with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from marshmallow import Schema
from marshmallow import fields as marshmallow_fields

from boiler_functions.app import Boiler
from boiler_functions.cli.openapi import served_json
from boiler_functions.models import fields
from boiler_functions.modes.clients import Exposed
from boiler_functions.plan.security_rules import documents

# An example of each type, as Firestore's REST interface writes values. A subclass comes before its base.
_VALUES: Final[tuple[tuple[type[marshmallow_fields.Field[Any]], Mapping[str, Any]], ...]] = (
    (marshmallow_fields.Boolean, {"booleanValue": True}),
    (fields.Integer, {"integerValue": "1"}),
    (marshmallow_fields.Number, {"doubleValue": 1.5}),
    (fields.Timestamp, {"timestampValue": "2030-01-01T12:00:00Z"}),
    (fields.Bytes, {"bytesValue": ""}),
    (fields.Place, {"geoPointValue": {"latitude": 0, "longitude": 0}}),
    (fields.RelatedText, {"stringValue": ""}),
    (fields.Related, {"referenceValue": ""}),
    (marshmallow_fields.List, {"arrayValue": {"values": []}}),
    (marshmallow_fields.Dict, {"mapValue": {"fields": {}}}),
)

_JSON_VALUES: Final = {"string": "", "integer": 1, "number": 1.5, "boolean": True, "array": [], "object": {}}

_METHODS: Final = ("get", "post", "put", "patch", "delete")


def offers(app: Boiler) -> dict[str, Any]:
    """Returns the forms with an example of their fields, the paths of the views, and the calls with example bodies."""
    found = list(documents(app.declarations))
    return {
        "forms": [_offer(each) | {"fields": _fields(each)} for each in found if each.is_sent],
        "documents": [_offer(each) for each in found if not each.is_sent],
        "calls": list(_calls(app)),
    }


def _offer(each: Exposed) -> dict[str, Any]:
    return {"name": each.name, "path": each.pattern.text}


def _fields(each: Exposed) -> dict[str, Any]:
    return {key: value for key, value in _example(each.schema).items() if key not in each.reserved}


def _example(schema: Schema) -> dict[str, Any]:
    return {each.data_key or name: _value(each) for name, each in schema.fields.items() if not each.dump_only}


def _value(field: marshmallow_fields.Field[Any]) -> Mapping[str, Any]:
    if isinstance(field, fields.Member):
        first = next(iter(cast(Any, field.enum))).value
        return {"integerValue": str(first)} if isinstance(first, int) else {"stringValue": first}
    if isinstance(field, fields.Part):
        return {"mapValue": {"fields": _example(field.schema)}}
    return next((value for kind, value in _VALUES if isinstance(field, kind)), {"stringValue": ""})


def _calls(app: Boiler) -> Iterator[dict[str, Any]]:
    document = json.loads(served_json(app) or '{"paths": {}}')
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                yield {"method": method.upper(), "path": path, "body": _body(item[method], document)}


def _body(operation: Mapping[str, Any], document: Mapping[str, Any]) -> Any:
    """Returns an example of the body that an operation takes; None without a body."""
    contents = operation.get("requestBody", {}).get("content", {})
    schema = next((each.get("schema") for each in contents.values()), None)
    return None if schema is None else _json_example(schema, document)


def _json_example(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Any:
    if "$ref" in schema:
        found: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return _json_example(found, document)
    if (several := schema.get("anyOf") or schema.get("allOf")) is not None:
        return _json_example(several[0], document)
    if properties := schema.get("properties"):
        return {name: _json_example(each, document) for name, each in properties.items() if not each.get("readOnly")}
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "object")
    return _JSON_VALUES.get(next(iter(kind)) if isinstance(kind, list) else kind)
