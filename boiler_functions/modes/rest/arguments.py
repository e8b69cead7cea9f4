"""The schemas of requests: parameters of reads, filters of lists, bodies of mutations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from functools import cache
from typing import Any, ClassVar, TypeAlias

from marshmallow import Schema, ValidationError, post_load, pre_load, validate
from marshmallow import fields as marshmallow_fields

from boiler_functions.database import Order
from boiler_functions.database.sizes import value_size
from boiler_functions.exceptions import InvalidPath
from boiler_functions.models import fields
from boiler_functions.models.attributes import COMPARABLE
from boiler_functions.models.conditions import Bound, Condition
from boiler_functions.models.spelling import JsonSchema
from boiler_functions.modes.rest import strict_json
from boiler_functions.modes.rest.columns import Column
from boiler_functions.paths import document_id
from boiler_functions.settings.http import ID
from boiler_functions.types import Reference
from boiler_functions.views.view_model import ViewModel

Columns: TypeAlias = Mapping[str, Column]
"""The columns that a list can filter and order by, by the name of the view's attribute."""

DEFAULT_LIMIT = 20

MAX_INDEXED_BYTES = 1500

BOUNDS: Mapping[str, str] = {">": "at least", "<": "at most"}
"""The signs behind an attribute in the name of a range's parameter: a URL that says `seats>=3` gives `seats>` the 3."""

_RANGED = (fields.String, fields.Integer, fields.Float, fields.Timestamp, marshmallow_fields.Date)


class TextArguments(JsonSchema):
    """Query parameters; reads their texts as the JSON values that the fields take. A socket sends such values."""

    error_messages = {"unknown": "Not a parameter."}

    @pre_load
    def from_texts(self, texts: Mapping[str, str], **_: Any) -> dict[str, Any]:
        by_key = {field.data_key or name: field for name, field in self.fields.items()}
        return {key: from_text(by_key.get(key), text) for key, text in texts.items()}


class ReadArguments(TextArguments):
    """The query parameters of a GET."""

    fresh = fields.Boolean(load_default=False)


class ListArguments(ReadArguments):
    """The query parameters of a list; `orderBy` is an attribute, or several, each with a `-` for descending order."""

    limit = fields.Integer(load_default=None, validate=validate.Range(1))
    page_token = fields.String(load_default=None, data_key="pageToken")
    order_by = fields.String(load_default=None, data_key="orderBy")

    unfiltered: ClassVar[frozenset[str]] = frozenset()
    """What the view shows, and this list cannot be filtered by."""

    @pre_load
    def only_filters(self, asked: Mapping[str, Any], **_: Any) -> Mapping[str, Any]:
        if wrong := [key for key in asked if named_by(key) in self.unfiltered]:
            possible = [
                key for name, field in self.fields.items() if (key := field.data_key or name) not in _own_keys()
            ]
            named = ", ".join(key for key in possible if named_by(key) == key) or "nothing"
            raise ValidationError({key: [f"This list can be filtered by {named}."] for key in wrong})
        return asked


class MutationArguments(TextArguments):
    """The query parameters of a mutation; `wait` is how many seconds to wait until the stored view shows it."""

    wait = fields.Integer(load_default=None, validate=validate.Range(0))


class SettersBody(JsonSchema):
    """The body of a POST, PUT or PATCH; keeps the order of the body, in which the setters then run."""

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


def list_arguments(
    view: type[ViewModel[Any]], columns: Columns, max_limit: int, filtered_orders: Sequence[str] = ()
) -> Schema:
    """Returns the schema of a list's query: the list's own parameters, and a filter for each filterable column."""
    filters = {each: filter_field(column) for each, column in filterable(columns).items()}
    ranges = {f"{each}{sign}": range_field(column, sign) for each, column in ranged(columns).items() for sign in BOUNDS}
    own_limit = fields.Integer(load_default=min(DEFAULT_LIMIT, max_limit), validate=validate.Range(1, max_limit))
    orders = [f"{sign}{key}" for key in orderable(columns) for sign in ("", "-")]
    orders += [each for each in filtered_orders if each not in orders]
    own_order = fields.String(load_default=None, data_key="orderBy", validate=validate.OneOf(orders))
    own_fields = {"limit": own_limit, "order_by": own_order}
    shown = {each.data_key for each in view.exported().values()}
    unfiltered = frozenset(shown - {columns[each].key for each in filters} - _own_keys())
    body = {**filters, **ranges, **own_fields, "unfiltered": unfiltered}
    schema: type[Schema] = type(f"{view.__name__}List", (ListArguments,), body)
    return schema()


def filterable(columns: Columns) -> dict[str, Column]:
    """Returns the columns that a list can filter by, by name.

    An attribute with the name of one of the list's own parameters, such as `limit`, cannot be filtered by.
    """
    return {
        name: column
        for name, column in columns.items()
        if not {name, column.key} & _own_keys() and filter_field(column) is not None
    }


@cache
def _own_keys() -> frozenset[str]:
    """Returns the names of the list's own parameters, in code and in the query."""
    own = ListArguments().fields
    return frozenset({*own, *(field.data_key or name for name, field in own.items())})


def ranged(columns: Columns) -> dict[str, Column]:
    """Returns the columns that a list can take a range of, by name: those of one value whose order means something."""
    return {name: each for name, each in filterable(columns).items() if isinstance(each.declared().field(), _RANGED)}


def range_field(column: Column, sign: str) -> marshmallow_fields.Field[Any]:
    """Returns the field of a parameter such as `seats>`, which a URL spells `seats>=3`."""
    field = column.declared().field()
    field.data_key = f"{column.key}{sign}"
    field.required = field.allow_none = False
    # The end of a range need not be a value that the attribute can have.
    field.validators = [_is_indexed]
    field.metadata = {"description": f"Those whose `{column.key}` is {BOUNDS[sign]} this: `{column.key}{sign}=…`."}
    return field


def orderable(columns: Columns) -> dict[str, Bound[Any, Any]]:
    """Returns what a list can be ordered by, by the name in `orderBy`: the columns with one comparable value."""
    return {each.key: each.bound for each in columns.values() if each.declared().is_comparable}


def orders_of(columns: Columns, order_by: str | None) -> tuple[Order, ...]:
    """Returns the orders that `orderBy` names: `-seats,price` is descending by seats, then ascending by price."""
    by_key = orderable(columns)
    named = [] if order_by is None else order_by.split(",")
    bounds = [(by_key[each.removeprefix("-")], each.startswith("-")) for each in named]
    return tuple(bound.desc() if descending else bound.asc() for bound, descending in bounds)


def ordering(order_by: str | None) -> list[str]:
    """Returns the keys of the columns that `orderBy` names, without their signs."""
    return [] if order_by is None else [each.removeprefix("-") for each in order_by.split(",")]


def filter_field(column: Column) -> marshmallow_fields.Field[Any] | None:
    """Returns the field of a filter on the column, or on its items; None if a parameter cannot name its values."""
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
    # https://firebase.google.com/docs/firestore/quotas: the limit of an indexed value, and of a value in a query.
    if isinstance(value, str | bytes | Reference) and value_size(value) > MAX_INDEXED_BYTES:
        raise ValidationError(f"Longer than {MAX_INDEXED_BYTES} bytes, the most that a filter can compare.")


def named_by(filter_name: str) -> str:
    """Returns the name of the attribute that a filter is on: of `seats>` it is `seats`."""
    return filter_name.rstrip("".join(BOUNDS))


def conditions(columns: Columns, filters: Mapping[str, Any]) -> list[Condition[Any]]:
    """Returns the conditions of the filters: a range, or else a list contains the value and any other one equals it."""
    return [_condition(columns[named_by(name)], name[-1], value) for name, value in filters.items()]


def _condition(column: Column, sign: str, value: Any) -> Condition[Any]:
    bound: Any = column.bound
    found: Condition[Any]
    match sign:
        case ">":
            found = bound >= value
        case "<":
            found = bound <= value
        case _:
            found = bound.contains(value) if column.declared().is_list else bound == value
    return found


def settable(view: type[ViewModel[Any]]) -> list[str]:
    """Returns the attributes that a PATCH may set: those with a setter."""
    return [name for name, attribute in view.exported().items() if attribute.fset is not None]


def patch_body(view: type[ViewModel[Any]]) -> Schema:
    """Returns the schema of a PATCH's body; nothing in it is required."""
    return type(view.schema(PatchBody))(only=settable(view), partial=True)


def replace_body(view: type[ViewModel[Any]]) -> Schema:
    """Returns the schema of a PUT's body; it requires every attribute with a setter, as a PUT replaces them all."""
    schema = type(view.schema(ReplaceBody))(only=settable(view))
    for field in schema.fields.values():
        field.required = True
    return schema


def create_body(view: type[ViewModel[Any]]) -> Schema:
    """Returns the schema of a POST's body: attributes with a setter, and optionally the id."""
    own = type(view.schema(CreateBody))
    made: type[Schema] = type(view.__name__, (own,), {ID: fields.String(validate=_is_id)})
    return made(only=[*settable(view), ID], partial=True)


def _is_id(value: str) -> None:
    try:
        document_id(value)
    except InvalidPath as error:
        raise ValidationError("Not a valid document id.") from error


def from_text(field: marshmallow_fields.Field[Any] | None, text: Any) -> Any:
    """Returns the JSON value of a parameter's text; the text itself if the field takes strings, or it is not JSON."""
    if not isinstance(text, str) or not _is_literal(field):
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
