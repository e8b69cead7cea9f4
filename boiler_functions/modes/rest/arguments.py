"""What a request may say: the parameters of a read, the filters of a list, the body of a mutation."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeAlias

from marshmallow import Schema, ValidationError, post_load, pre_load, validate
from marshmallow import fields as marshmallow_fields

from boiler_functions.database import Order
from boiler_functions.database.sizes import value_size
from boiler_functions.exceptions import InvalidPath
from boiler_functions.models import fields
from boiler_functions.models.attributes import COMPARABLE
from boiler_functions.models.conditions import Bound, Condition
from boiler_functions.models.fields import JsonSchema
from boiler_functions.modes.rest import strict_json
from boiler_functions.modes.rest.columns import Column
from boiler_functions.paths import document_id
from boiler_functions.settings.http import ID
from boiler_functions.types import Reference
from boiler_functions.views.view_model import ViewModel

Columns: TypeAlias = Mapping[str, Column]
"""What a list can be filtered and ordered by, by the name of the view's attribute."""

DEFAULT_LIMIT = 20

MAX_INDEXED_BYTES = 1500


class TextArguments(JsonSchema):
    """A query; its texts are read as the JSON values that the fields take."""

    error_messages = {"unknown": "Not a parameter."}

    @pre_load
    def from_texts(self, texts: Mapping[str, str], **_: Any) -> dict[str, Any]:
        by_key = {field.data_key or name: field for name, field in self.fields.items()}
        return {key: from_text(by_key.get(key), text) for key, text in texts.items()}


class ReadArguments(TextArguments):
    """The query of a GET."""

    fresh = fields.Boolean(load_default=False)


class ListArguments(ReadArguments):
    """The query of a list; `orderBy` is an attribute, with a `-` before it from high to low."""

    limit = fields.Integer(load_default=None, validate=validate.Range(1))
    page_token = fields.String(load_default=None, data_key="pageToken")
    order_by = fields.String(load_default=None, data_key="orderBy")


class MutationArguments(TextArguments):
    """The query of a mutation: seconds to wait until the stored view has caught up with it."""

    wait = fields.Integer(load_default=None, validate=validate.Range(0))


class SettersBody(JsonSchema):
    """The body of a POST, PUT or PATCH: its values in the order of the body, which is that of the setters."""

    error_messages = {"unknown": "Unknown, or read-only."}

    @post_load(pass_original=True)
    def in_order(self, values: dict[str, Any], body: Mapping[str, Any], **_: Any) -> dict[str, Any]:
        names = {field.data_key or name: name for name, field in self.fields.items()}
        return {names[key]: values[names[key]] for key in body}


class PatchBody(SettersBody):
    """The body of a PATCH."""


class ReplaceBody(SettersBody):
    """The body of a PUT."""


class CreateBody(SettersBody):
    """The body of a POST."""


def list_arguments(name: str, columns: Columns, max_limit: int) -> Schema:
    """The schema of the query of a view's list: its own parameters, and a filter for each column that can have one.

    An attribute called as one of the list's own parameters has none.
    """
    filters = {each: filter_field(column) for each, column in filterable(columns).items()}
    own_limit = fields.Integer(load_default=min(DEFAULT_LIMIT, max_limit), validate=validate.Range(1, max_limit))
    orders = [f"{sign}{key}" for key in orderable(columns) for sign in ("", "-")]
    own_order = fields.String(load_default=None, data_key="orderBy", validate=validate.OneOf(orders))
    own_fields = {"limit": own_limit, "order_by": own_order}
    schema: type[Schema] = type(f"{name}List", (ListArguments,), {**filters, **own_fields})
    return schema()


def filterable(columns: Columns) -> dict[str, Column]:
    """The columns, by name, that a list can have a filter on."""
    own = ListArguments().fields
    taken = {*own, *(field.data_key for field in own.values())}
    return {
        name: column
        for name, column in columns.items()
        if not {name, column.key} & taken and filter_field(column) is not None
    }


def orderable(columns: Columns) -> dict[str, Bound[Any, Any]]:
    """What a list can be ordered by, as parameters name it: columns of one comparable value."""
    return {each.key: each.bound for each in columns.values() if each.declared().is_comparable}


def order_of(columns: Columns, order_by: str | None) -> Order | None:
    """The order that the parameter names: `-seats` is from high to low."""
    if order_by is None:
        return None
    bound = orderable(columns)[order_by.removeprefix("-")]
    return bound.desc() if order_by.startswith("-") else bound.asc()


def filter_field(column: Column) -> marshmallow_fields.Field[Any] | None:
    """The field of a filter on the column, on an item of it for a list; None when no text can name its values."""
    field = column.declared().field()
    if isinstance(field, marshmallow_fields.List):
        field = field.inner
    if not isinstance(field, COMPARABLE):
        return None
    field.data_key = column.key
    field.required = False
    field.validators = [*field.validators, _is_indexed]
    return field


def _is_indexed(value: Any) -> None:
    # https://firebase.google.com/docs/firestore/quotas: an index holds no more of a value, and a query takes no more.
    if isinstance(value, str | bytes | Reference) and value_size(value) > MAX_INDEXED_BYTES:
        raise ValidationError(f"Longer than the {MAX_INDEXED_BYTES} bytes of a value that can be looked for.")


def conditions(columns: Columns, filters: Mapping[str, Any]) -> list[Condition[Any]]:
    """The conditions that filters by column stand for: a list contains the value, anything else equals it."""
    return [_condition(columns[name], value) for name, value in filters.items()]


def _condition(column: Column, value: Any) -> Condition[Any]:
    bound: Any = column.bound
    found: Condition[Any] = bound.contains(value) if column.declared().is_list else bound == value
    return found


def settable(view: type[ViewModel[Any]]) -> list[str]:
    """The attributes that a PATCH may name: those with a setter."""
    return [name for name, attribute in view.exported().items() if attribute.fset is not None]


def patch_body(view: type[ViewModel[Any]]) -> Schema:
    """The schema of a PATCH's body; nothing in it is required."""
    return type(view.schema(PatchBody))(only=settable(view), partial=True)


def replace_body(view: type[ViewModel[Any]]) -> Schema:
    """The schema of a PUT's body: every attribute with a setter, as nothing of what was there is kept."""
    schema = type(view.schema(ReplaceBody))(only=settable(view))
    for field in schema.fields.values():
        field.required = True
    return schema


def create_body(view: type[ViewModel[Any]]) -> Schema:
    """The schema of a POST's body: attributes with a setter, and the id if the client chooses it."""
    own = type(view.schema(CreateBody))
    made: type[Schema] = type(view.__name__, (own,), {ID: fields.String(validate=_is_id)})
    return made(only=[*settable(view), ID], partial=True)


def _is_id(value: str) -> None:
    try:
        document_id(value)
    except InvalidPath as error:
        raise ValidationError("Not an id that a document can have.") from error


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
