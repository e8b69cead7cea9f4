"""Compares forms by the fields that their views declare, so that a change of any other field is not a new form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from marshmallow import Schema, fields

from boiler_functions.models.fields import Part
from boiler_functions.types import Fields, digest

OUTCOME = "outcome"
"""The field of a form that `on_completion="stamp"` writes; all other fields are the sender's."""

DONE = "done"
"""The status of a form that took effect."""

Parts: TypeAlias = "dict[str, Parts] | list[Parts] | None"
"""The declared parts of a value.

A dict has the names in an object, a list the one shape of all items of a list or mapping; None is a value that is
compared as a whole.
"""


def declared(schema: Schema) -> str:
    """Returns the names that a schema loads, also inside objects; as JSON, because Firestore cannot nest lists."""
    return json.dumps(_names(schema), sort_keys=True, separators=(",", ":"))


def said(form: Fields, names: str) -> Fields:
    """Returns a record of a form: the names, and a digest of the form's values in these fields."""
    return {"fields": names, "digest": digest(_declared_part(form, json.loads(names)))}


def says(form: Fields, record: object) -> bool:
    """Whether a form still has the values that were recorded; a change of a declared field makes it a new form.

    The record names the fields that were declared then. So a field that newer code declares and a migration fills in
    does not make a new form, nor does a field that nobody declares. A record that is only a digest covers all fields:
    that of a form that did not fit, or one that the previous version of this package wrote.
    """
    if isinstance(record, Mapping):
        return record == said(form, record["fields"])
    return record == digest(without_outcome(form))


def is_stamped(form: Fields) -> bool:
    """Whether the form's outcome is that of its current fields."""
    stamp = form.get(OUTCOME)
    return isinstance(stamp, dict) and says(form, stamp.get("input"))


def is_still_stamped(before: Fields, after: Fields, names: str) -> bool:
    """Whether a form had taken effect before a change that left its declared fields and its stamp as they were.

    The previous version of this package recorded all fields in the stamp, so the changed form alone does not show it.
    """
    stamp = before.get(OUTCOME)
    is_done = isinstance(stamp, dict) and stamp.get("status") == DONE and after.get(OUTCOME) == stamp
    return is_done and is_stamped(before) and says(after, said(before, names))


def without_outcome(form: Fields) -> dict[str, Any]:
    """Returns the fields that the sender wrote."""
    return {name: value for name, value in form.items() if name != OUTCOME}


def _names(schema: Schema) -> dict[str, Parts]:
    return {each.data_key or name: _shape(each) for name, each in schema.fields.items()}


def _shape(field: fields.Field[Any]) -> Parts:
    match field:
        case Part():
            return _names(field.schema)
        case fields.List():
            return _shape_of_items(field.inner)
        case fields.Dict() if field.value_field is not None:
            return _shape_of_items(field.value_field)
        case _:
            return None


def _shape_of_items(field: fields.Field[Any]) -> Parts:
    shape = _shape(field)
    return None if shape is None else [shape]


def _declared_part(value: Any, shape: Parts) -> Any:
    match shape, value:
        case dict(), Mapping():
            # A null reads as a missing field.
            return {
                name: _declared_part(value[name], inner) for name, inner in shape.items() if value.get(name) is not None
            }
        case [inner], list():
            return [_declared_part(each, inner) for each in value]
        case [inner], Mapping():
            return {name: _declared_part(each, inner) for name, each in value.items()}
        case _:
            return value
