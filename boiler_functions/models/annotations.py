"""From a Python type to the field for its values."""

import types
import typing
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from enum import Enum
from functools import cache, partial
from typing import Any, is_typeddict

from marshmallow import Schema, fields

from boiler_functions.models.fields import (
    Anything,
    Boolean,
    Bytes,
    Float,
    Integer,
    Items,
    Member,
    Part,
    Place,
    String,
    Timestamp,
)
from boiler_functions.types import GeoPoint

_SCALARS: dict[Any, Callable[..., fields.Field[Any]]] = {
    bool: Boolean,
    int: Integer,
    float: Float,
    str: String,
    bytes: Bytes,
    datetime: Timestamp,
    date: fields.Date,
    GeoPoint: Place,
    Any: Anything,
    object: Anything,
}

_NAMES = [each.__name__ for each in _SCALARS if each not in (Any, object)]

_ARRAYS = (list, Sequence, tuple)


def field_for(annotation: Any, **options: Any) -> fields.Field[Any]:
    """Returns the field for values of the type: `list[str] | None` gives `Items(String(), allow_none=True)`.

    Raises TypeError for a type that no document can hold.
    """
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if _is_union(annotation):
        members = [each for each in arguments if each is not types.NoneType]
        optional: dict[str, Any] = {"allow_none": True} if len(members) < len(arguments) else {}
        return field_for(members[0], **options, **optional) if len(members) == 1 else Anything(**options)
    if annotation in _SCALARS:
        return _SCALARS[annotation](**options)
    if origin in _ARRAYS or annotation is list:
        alternatives = [each for item in arguments for each in (typing.get_args(item) if _is_union(item) else (item,))]
        if any(typing.get_origin(each) in _ARRAYS or each is list for each in alternatives):
            raise TypeError(f"{annotation!r} is a list of lists, which Firestore cannot hold; put a mapping between")
        return Items(field_for(arguments[0]) if arguments else Anything(), **options)
    if origin in (dict, Mapping) or annotation is dict:
        values = field_for(arguments[1]) if arguments else Anything()
        return fields.Dict(keys=String(), values=values, **options)
    if is_typeddict(annotation):
        return Part(partial(_typed_dict_schema, annotation), **options)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return Member(annotation, **options)
    if hasattr(annotation, "embedded_field"):
        embedded: fields.Field[Any] = annotation.embedded_field(**options)
        return embedded
    name = annotation.__name__ if isinstance(annotation, type) else repr(annotation)
    raise TypeError(
        f"{name} is not a type that a document can hold; use {', '.join(_NAMES)}, a list or dict of them, a TypedDict, "
        f"an Enum or an Embedded (a Decimal as its text, `str`, or as an `int` of its smallest unit)"
    )


def _is_union(annotation: Any) -> bool:
    return typing.get_origin(annotation) in (typing.Union, types.UnionType)


@cache
def _typed_dict_schema(annotation: Any, base: type[Schema]) -> Schema:
    hints = typing.get_type_hints(annotation)
    required = _required_keys(annotation)
    members = {name: field_for(hint, required=name in required) for name, hint in hints.items()}
    schema: type[Schema] = base.from_dict(members, name=annotation.__name__)
    return schema()


def _required_keys(annotation: Any) -> frozenset[str]:
    # `__required_keys__` alone misses Required[…] and NotRequired[…] where `from __future__ import annotations` turns
    # annotations into strings.
    marks = {
        name: typing.get_origin(hint) for name, hint in typing.get_type_hints(annotation, include_extras=True).items()
    }
    declared = {*annotation.__required_keys__, *(name for name, mark in marks.items() if mark is typing.Required)}
    return frozenset(name for name in declared if marks[name] is not typing.NotRequired)
