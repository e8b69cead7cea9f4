"""What a request may say: the parameters of a read, the filters of a list, the body of a PATCH."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from marshmallow import Schema, ValidationError, post_load, pre_load, validate
from marshmallow import fields as marshmallow_fields

from boiler_functions import fields
from boiler_functions.attrs import Attribute
from boiler_functions.conditions import Condition
from boiler_functions.fields import JsonSchema
from boiler_functions.models import DomainModel
from boiler_functions.rest import strict_json
from boiler_functions.view_models import ViewModel

DEFAULT_LIMIT = 20
MAX_LIMIT = 100

_FILTERED = (
    fields.String,
    fields.Integer,
    fields.Float,
    fields.Boolean,
    fields.Timestamp,
    fields.Bytes,
    fields.Related,
    fields.Member,
    marshmallow_fields.Date,
)


class ReadArguments(JsonSchema):
    """The query of a GET; its texts are read as the JSON values that the fields take."""

    error_messages = {"unknown": "Not a parameter."}

    fresh = fields.Boolean(load_default=False)

    @pre_load
    def from_texts(self, texts: Mapping[str, str], **_: Any) -> dict[str, Any]:
        by_key = {field.data_key or name: field for name, field in self.fields.items()}
        return {key: from_text(by_key.get(key), text) for key, text in texts.items()}


class ListArguments(ReadArguments):
    """The query of a list."""

    limit = fields.Integer(load_default=DEFAULT_LIMIT, validate=validate.Range(1, MAX_LIMIT))
    page_token = fields.String(load_default=None, data_key="pageToken")


class PatchBody(JsonSchema):
    """The body of a PATCH: its values in the order of the body, which is that of the setters."""

    error_messages = {"unknown": "Unknown, or read-only."}

    @post_load(pass_original=True)
    def in_order(self, values: dict[str, Any], body: Mapping[str, Any], **_: Any) -> dict[str, Any]:
        names = {field.data_key or name: name for name, field in self.fields.items()}
        return {names[key]: values[names[key]] for key in body}


def list_arguments(model: type[DomainModel]) -> Schema:
    """The schema of a list's query: its own parameters, and a filter for each attribute of the root that can have one.

    An attribute called as one of the list's own parameters has none.
    """
    own = ListArguments().fields
    taken = {*own, *(field.data_key for field in own.values())}
    filters = {
        name: field
        for name, attribute in model.exported().items()
        if attribute.fget is None and not {name, attribute.data_key} & taken and (field := filter_field(attribute))
    }
    schema: type[Schema] = type(f"{model.__name__}List", (ListArguments,), filters)
    return schema()


def filter_field(attribute: Attribute[Any]) -> marshmallow_fields.Field[Any] | None:
    """The field of a filter on the attribute, on an item of it for a list; None when no text can name its values."""
    field = attribute.field()
    if isinstance(field, marshmallow_fields.List):
        field = field.inner
    if not isinstance(field, _FILTERED):
        return None
    field.data_key = attribute.data_key
    field.required = False
    return field


def conditions(model: type[DomainModel], filters: Mapping[str, Any]) -> list[Condition[Any]]:
    """The conditions that filters by attribute stand for: a list contains the value, anything else equals it."""
    return [_condition(model, name, value) for name, value in filters.items()]


def _condition(model: type[DomainModel], name: str, value: Any) -> Condition[Any]:
    bound = getattr(model, name)
    is_list = isinstance(model.attributes[name].field(), marshmallow_fields.List)
    found: Condition[Any] = bound.contains(value) if is_list else bound == value
    return found


def settable(view: type[ViewModel[Any]]) -> list[str]:
    """The attributes that a PATCH may name: those with a setter."""
    return [name for name, attribute in view.exported().items() if attribute.fset is not None]


def patch_body(view: type[ViewModel[Any]]) -> Schema:
    """The schema of a PATCH's body; nothing in it is required."""
    return type(view.schema(PatchBody))(only=settable(view), partial=True)


def from_text(field: marshmallow_fields.Field[Any] | None, text: str) -> Any:
    """The JSON value that a parameter's text stands for; the text itself where it is none that the field could take."""
    if not _is_literal(field):
        return text
    try:
        return strict_json.parse(text)
    except (ValueError, ValidationError):
        return text


def _is_literal(field: marshmallow_fields.Field[Any] | None) -> bool:
    if isinstance(field, fields.Member):
        members: type[Enum] = field.enum
        return not any(isinstance(member.value, str) for member in members)
    return isinstance(field, fields.Integer | fields.Float | fields.Boolean)
