"""The OpenAPI 3.1 document, with schemas from view models; each route adds its own description."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, cast

from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from flask import Flask
from flask_smorest import Api
from marshmallow import Schema
from marshmallow import fields as marshmallow_fields

from boiler_functions.models import fields
from boiler_functions.models.spelling import AnswerSchema, JsonSchema
from boiler_functions.modes.rest.arguments import CreateBody, PatchBody, ReplaceBody, SettersBody
from boiler_functions.settings.http import ID
from boiler_functions.views.operations import OperationArguments
from boiler_functions.views.view_model import View

VERSION = "3.1.0"

_SUFFIXES: Mapping[type[Schema], str] = {
    PatchBody: "Patch",
    ReplaceBody: "Put",
    CreateBody: "New",
    AnswerSchema: "",
    JsonSchema: "Input",
}
"""The suffix of a schema's name, by the base of the schema; the first base that fits."""


class Error(Schema):
    """The body of every error."""

    code = marshmallow_fields.Integer(required=True, metadata={"description": "The HTTP status.", "example": 404})
    status = marshmallow_fields.String(
        required=True, metadata={"description": "The name of the status.", "example": "Not Found"}
    )
    message = marshmallow_fields.String(required=True, metadata={"description": "What went wrong, for humans."})
    errors = marshmallow_fields.Dict(
        keys=marshmallow_fields.String(),
        values=marshmallow_fields.List(marshmallow_fields.String()),
        required=True,
        metadata={"description": "What is wrong with each field."},
    )


class GeoPoint(Schema):
    """A GeoPoint in JSON. The class gives the component in the document its name."""

    latitude = marshmallow_fields.Float(required=True, metadata={"minimum": -90, "maximum": 90})
    longitude = marshmallow_fields.Float(required=True, metadata={"minimum": -180, "maximum": 180})


class Documented(Api):  # type: ignore[misc]  # flask-smorest has no types
    """flask-smorest's Api with our fields and errors, and without pages of its own."""

    ERROR_SCHEMA = Error

    def __init__(
        self, app: Flask, tags: Sequence[Mapping[str, str]], security: Mapping[str, Mapping[str, str]]
    ) -> None:
        self._tags = tags
        super().__init__(
            app,
            spec_kwargs={
                "marshmallow_plugin": _Plugin(schema_name_resolver=Names()),
                # Relative to the document: a function may be served under a prefix that the request does not show.
                "servers": [{"url": "."}],
            },
        )
        for name, scheme in security.items():
            cast(Any, self.spec).components.security_scheme(name, dict(scheme))

    def _register_pagination_header(self) -> None:
        """Registers nothing: flask-smorest's header would be wrong, as a page names the next one in its body."""

    def document(self) -> dict[str, Any]:
        """Returns the whole document, the same for the same declarations."""
        document: dict[str, Any] = cast(Any, self.spec).to_dict()
        document["tags"] = [dict(tag) for tag in self._tags]
        return document


class Names:
    """Names schemas: the view or object, and a suffix for the use; a second schema of the same name gets a 2."""

    def __init__(self) -> None:
        self._taken: dict[str, type[Schema]] = {}

    def __call__(self, schema: Any) -> str:
        kind = schema if isinstance(schema, type) else type(schema)
        suffix = next((suffix for base, suffix in _SUFFIXES.items() if issubclass(kind, base)), "")
        name = f"{kind.__name__}{suffix}"
        candidates = itertools.chain([name], (f"{name}{number}" for number in itertools.count(2)))
        return next(each for each in candidates if self._taken.setdefault(each, kind) is kind)


class _Converter(OpenAPIConverter):
    """Describes marshmallow's fields and ours."""

    field_mapping = {
        **OpenAPIConverter.field_mapping,
        fields.Integer: ("integer", "int64"),
        fields.Float: ("number", "double"),
        fields.Bytes: ("string", "byte"),
        fields.Related: ("string", None),
    }

    def init_attribute_functions(self) -> None:
        super().init_attribute_functions()  # type: ignore[no-untyped-call]
        # Before the last function, which adds null to the type that ours may set.
        self.attribute_functions.insert(-1, self._ours)

    def _ours(self, field: marshmallow_fields.Field[Any], ret: dict[str, Any]) -> dict[str, Any]:
        match field:
            case fields.Bytes():
                return {"contentEncoding": "base64"}
            case fields.RelatedText():
                return {"description": ret.get("description", f"The {field.spelled} of {_document_of(field)}.")}
            case fields.Related():
                return {"description": ret.get("description", f"The path of {_document_of(field)}.")}
            case fields.Place():
                ref: dict[str, Any] = self.resolve_nested_schema(GeoPoint)  # type: ignore[no-untyped-call]
                return ref
            case fields.Member():
                return {"type": _json_type(field)}
        return {}

    def _field2parameter(self, field: marshmallow_fields.Field[Any], *, name: str, location: str) -> dict[str, Any]:
        """Describes a parameter without null: our code loads an absent one as None, but no client can send null."""
        parameter: dict[str, Any] = super()._field2parameter(field, name=name, location=location)
        schema = parameter["schema"]
        if field.allow_none:
            schema["type"] = next(each for each in schema["type"] if each != "null")
            schema.get("enum", [None]).remove(None)
        if schema.get("default", ...) is None:
            del schema["default"]
        return parameter

    def schema2jsonschema(self, schema: Any) -> dict[str, Any]:
        described: dict[str, Any] = super().schema2jsonschema(schema)  # type: ignore[no-untyped-call]
        if isinstance(schema, SettersBody | OperationArguments):
            described["additionalProperties"] = False
        if (example := getattr(schema, _EXAMPLE, None)) is not None:
            described["examples"] = [example]
        return described


def _document_of(field: fields.Related) -> str:
    return f"a document of {field.collection()}"


class _Plugin(MarshmallowPlugin):
    Converter = _Converter


def answer(view: View) -> Schema:
    """Returns the schema of one instance in an answer; the same object each time, as it is one component."""
    schema: Schema = _answer(cast(Any, view))
    return schema


@cache
def _answer(view: Any) -> Any:
    has_id = view.store_class.root() is not None
    # `$id` is not a Python name, so no attribute can replace this field.
    own: dict[str, marshmallow_fields.Field[Any]] = (
        {f"${ID}": fields.String(required=True, data_key=ID, metadata=_ID)} if has_id else {}
    )
    identified = AnswerSchema.from_dict(own)
    if (example := view.__example__()) is not None:
        setattr(identified, _EXAMPLE, {**({ID: _ID["example"]} if has_id else {}), **example})
    return view.view_schema(identified)


def page(view: View) -> Schema:
    """Returns the schema of a list in an answer."""
    members: dict[str, Any] = {
        "results": marshmallow_fields.List(marshmallow_fields.Nested(answer(view)), required=True),
        "next_page_token": fields.String(
            data_key="nextPageToken", metadata={"description": "Present if more views follow."}
        ),
    }
    schema: type[Schema] = Schema.from_dict(members, name=f"{view.__name__}List")
    return schema()


_ID = {"description": "The id of the root.", "readOnly": True, "example": "4kSgEcyXIbwWb7j2PWKA"}

_EXAMPLE = "boiler_example"


def _json_type(field: fields.Member) -> list[str] | str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string"}
    found = sorted({names[type(member.value)] for member in cast(Any, field.enum) if type(member.value) in names})
    return found[0] if len(found) == 1 else found
