"""Compares forms by the fields that their views declare, so that a change of any other field is not a new form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from marshmallow import Schema, fields

from boiler_functions.models.fields import Part
from boiler_functions.types import Fields, digest

OUTCOME = "outcome"
"""The field of an input document that `on_completion="stamp"` writes; the form's own fields are all others."""

DONE = "done"
"""The status of a form that took effect."""

Shape: TypeAlias = "dict[str, Shape] | list[Shape] | None"
"""What is declared of a value: the names in an object, the one shape of all items of a list or mapping, or a whole."""


def declared(schema: Schema) -> str:
    """Returns the names that a schema loads, also inside objects, as JSON: a document cannot nest lists as they do."""
    return json.dumps(_names(schema), sort_keys=True, separators=(",", ":"))


def said(form: Fields, names: str) -> Fields:
    """Returns the names, and a digest of the form's values in these fields."""
    return {"fields": names, "digest": digest(_declared_part(form, json.loads(names)))}


def says(form: Fields, record: object) -> bool:
    """Whether a form is the one that was recorded; a change of a declared field makes it a new one.

    The record names the fields that were declared then. A field that newer code declares, and a migration fills in, is
    no news; nor is one that nobody declares. A digest alone is of all fields: of a form that does not fit, and as the
    version before this one of the package left it.
    """
    if isinstance(record, Mapping):
        return record == said(form, record["fields"])
    return record == digest(without_outcome(form))


def is_stamped(form: Fields) -> bool:
    """Whether the form has the outcome of its current fields."""
    stamp = form.get(OUTCOME)
    return isinstance(stamp, dict) and says(form, stamp.get("input"))


def is_still_stamped(before: Fields, after: Fields, names: str) -> bool:
    """Whether a form was done before a change that touched no declared field of it, nor its stamp.

    The stamp of the version before this one of the package speaks of all fields, so the form alone would not tell.
    """
    stamp = before.get(OUTCOME)
    is_done = isinstance(stamp, dict) and stamp.get("status") == DONE and after.get(OUTCOME) == stamp
    return is_done and is_stamped(before) and says(after, said(before, names))


def without_outcome(form: Fields) -> dict[str, Any]:
    return {name: value for name, value in form.items() if name != OUTCOME}


def _names(schema: Schema) -> dict[str, Shape]:
    return {each.data_key or name: _shape(each) for name, each in schema.fields.items()}


def _shape(field: fields.Field[Any]) -> Shape:
    match field:
        case Part():
            return _names(field.schema)
        case fields.List():
            return _shape_of_items(field.inner)
        case fields.Dict() if field.value_field is not None:
            return _shape_of_items(field.value_field)
        case _:
            return None


def _shape_of_items(field: fields.Field[Any]) -> Shape:
    shape = _shape(field)
    return None if shape is None else [shape]


def _declared_part(value: Any, shape: Shape) -> Any:
    match shape, value:
        case dict(), Mapping():
            # A null reads as a field that is not there.
            return {
                name: _declared_part(value[name], inner) for name, inner in shape.items() if value.get(name) is not None
            }
        case [inner], list():
            return [_declared_part(each, inner) for each in value]
        case [inner], Mapping():
            return {name: _declared_part(each, inner) for name, each in value.items()}
        case _:
            return value
