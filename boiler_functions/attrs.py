"""Declares the attributes of models, by the names of Firestore's types.

    class City(DomainModel):
        city_name = attrs.string(required=True)     # str
        population = attrs.integer()                # int | None
        regions = attrs.list(str)                   # list[str], empty unless given
        country = attrs.relation(Country)           # Country | None

Use them as `attrs.list`, never by a star-import: they would hide builtins such as `list`.
"""

from __future__ import annotations

import builtins
import contextlib
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from functools import partial
from types import GenericAlias
from typing import Any, Generic, Literal, TypeVar, overload

from marshmallow import fields as marshmallow_fields

from boiler_functions.exceptions import InvalidAttribute
from boiler_functions.models import coercion, fields
from boiler_functions.models.annotations import field_for
from boiler_functions.models.attributes import STORED_AS_THEY_ARE, Attribute, MakeField, Validator
from boiler_functions.models.coercion import Coercion
from boiler_functions.models.conditions import Bound
from boiler_functions.models.domain_model import DomainModel
from boiler_functions.models.embedded import Embedded
from boiler_functions.models.relation import Relation, StoredBy, relation_to
from boiler_functions.types import GeoPoint

T = TypeVar("T")
V = TypeVar("V")
M = TypeVar("M", bound=DomainModel)
E = TypeVar("E", bound=Enum)
N = TypeVar("N", bound=Embedded)


class Scalar(Generic[V]):
    """Makes attributes of one type; `str | None` unless the attribute is required or has a default."""

    def __init__(self, make_field: MakeField, coercion: Coercion | None = None) -> None:
        self._make_field = make_field
        self._coercion = coercion

    @overload
    def __call__(
        self,
        *,
        required: Literal[True],
        validate: Validator | Iterable[Validator] | None = None,
        data_key: str | None = None,
        aliases: Sequence[str] = (),
        coerce: bool = False,
    ) -> Attribute[V]: ...
    @overload
    def __call__(
        self,
        *,
        default: V | Callable[[], V],
        required: bool = False,
        validate: Validator | Iterable[Validator] | None = None,
        data_key: str | None = None,
        aliases: Sequence[str] = (),
        coerce: bool = False,
    ) -> Attribute[V]: ...
    @overload
    def __call__(
        self,
        *,
        validate: Validator | Iterable[Validator] | None = None,
        data_key: str | None = None,
        aliases: Sequence[str] = (),
        coerce: bool = False,
    ) -> Attribute[V | None]: ...
    def __call__(self, *, coerce: bool = False, **options: Any) -> Attribute[Any]:
        """Returns an attribute of this type.

        `aliases` are former names of its field in documents. `coerce` reads stored values of another type as what they
        clearly mean: "12.5" as 12.5. Both are for reading; a query over such an attribute is refused.
        """
        if coerce and self._coercion is None:
            name = getattr(self._make_field, "__name__", "It")
            raise InvalidAttribute(f"coerce=True: {name} reads no values of other types; leave `coerce` out.")
        return Attribute(self._make_field, coercion=self._coercion if coerce else None, **options)


@overload
def relation(
    to: type[M],
    *,
    by: StoredBy | Bound[Any, Any] | Attribute[Any] = "reference",
    required: bool = False,
    data_key: str | None = None,
    aliases: Sequence[str] = (),
) -> Relation[M | None]: ...
@overload
def relation(
    to: type[M],
    *,
    many: Literal[True],
    by: StoredBy | Bound[Any, Any] | Attribute[Any] = "reference",
    data_key: str | None = None,
    aliases: Sequence[str] = (),
) -> Relation[Sequence[M]]: ...
@overload
def relation(
    to: str,
    *,
    many: bool = False,
    by: StoredBy | Bound[Any, Any] | Attribute[Any] = "reference",
    required: bool = False,
    data_key: str | None = None,
    aliases: Sequence[str] = (),
) -> Relation[Any]: ...
def relation(
    to: type[Any] | str,
    *,
    many: bool = False,
    by: StoredBy | Bound[Any, Any] | Attribute[Any] = "reference",
    required: bool = False,
    data_key: str | None = None,
    aliases: Sequence[str] = (),
) -> Relation[Any]:
    """Declares a relation to another model, stored as a reference (with `many`, as a list of references).

    Reads as the model, or None if its document does not exist; with `many`, as a tuple of the models that exist.
    Accepts a model, its doc_id, or a Reference. Name a model that is declared later: `attrs.relation("City")`.
    Where documents hold a string instead, say which: `by="id"` for `"uid1"`, `by="path"` for `"users/uid1"`, and
    `by=User.email` for the value of a field that no two users share. `by="keys"` is for `{"uid1": true}`.
    """
    return relation_to(to, many=many, by=by, required=required, data_key=data_key, aliases=aliases)


@overload
def list(
    item: type[V],
    *,
    validate: Validator | Iterable[Validator] | None = None,
    data_key: str | None = None,
    aliases: Sequence[str] = (),
) -> Attribute[builtins.list[V]]: ...
@overload
def list(
    item: Any,
    *,
    validate: Validator | Iterable[Validator] | None = None,
    data_key: str | None = None,
    aliases: Sequence[str] = (),
) -> Attribute[builtins.list[Any]]: ...
def list(item: Any, **options: Any) -> Attribute[Any]:
    """Declares a list of values of one type, empty by default: `regions = attrs.list(str)`."""
    return Attribute(_typed_field(GenericAlias(builtins.list, (item,))), default=builtins.list, **options)


@overload
def mapping(
    value: type[V],
    *,
    validate: Validator | Iterable[Validator] | None = None,
    data_key: str | None = None,
    aliases: Sequence[str] = (),
) -> Attribute[dict[str, V]]: ...
@overload
def mapping(
    value: Any,
    *,
    validate: Validator | Iterable[Validator] | None = None,
    data_key: str | None = None,
    aliases: Sequence[str] = (),
) -> Attribute[dict[str, Any]]: ...
def mapping(value: Any, **options: Any) -> Attribute[Any]:
    """Declares a dict from names to values of one type, empty by default: `scores = attrs.mapping(int)`."""
    return Attribute(_typed_field(GenericAlias(dict, (str, value))), default=dict, **options)


@overload
def enum(
    members: type[E],
    *,
    required: Literal[True],
    validate: Validator | Iterable[Validator] | None = None,
    data_key: str | None = None,
    aliases: Sequence[str] = (),
) -> Attribute[E]: ...
@overload
def enum(
    members: type[E],
    *,
    default: E | Callable[[], E],
    required: bool = False,
    validate: Validator | Iterable[Validator] | None = None,
    data_key: str | None = None,
    aliases: Sequence[str] = (),
) -> Attribute[E]: ...
@overload
def enum(
    members: type[E],
    *,
    validate: Validator | Iterable[Validator] | None = None,
    data_key: str | None = None,
    aliases: Sequence[str] = (),
) -> Attribute[E | None]: ...
def enum(members: type[Any], **options: Any) -> Attribute[Any]:
    """Declares a member of an Enum, stored as its value: `status = attrs.enum(Status, required=True)`."""
    return Attribute(_typed_field(members), **options)


@overload
def embedded(
    model: type[N],
    *,
    required: Literal[True],
    validate: Validator | Iterable[Validator] | None = None,
    data_key: str | None = None,
    aliases: Sequence[str] = (),
) -> Attribute[N]: ...
@overload
def embedded(
    model: type[N],
    *,
    default: N | Callable[[], N],
    required: bool = False,
    validate: Validator | Iterable[Validator] | None = None,
    data_key: str | None = None,
    aliases: Sequence[str] = (),
) -> Attribute[N]: ...
@overload
def embedded(
    model: type[N],
    *,
    validate: Validator | Iterable[Validator] | None = None,
    data_key: str | None = None,
    aliases: Sequence[str] = (),
) -> Attribute[N | None]: ...
def embedded(model: type[Any], **options: Any) -> Attribute[Any]:
    """Declares an object inside the document: `address = attrs.embedded(Address)`."""
    return Attribute(_typed_field(model), **options)


@overload
def computed(function: Callable[[Any], T]) -> Attribute[T]: ...
@overload
def computed(*, data_key: str | None = None) -> Callable[[Callable[[Any], T]], Attribute[T]]: ...
def computed(function: Callable[[Any], T] | None = None, *, data_key: str | None = None) -> Any:
    """Declares an attribute that the decorated method computes; the return type chooses its marshmallow field.

    @attrs.computed
    def in_session(self) -> bool:
        return self.store.meeting.status == "in-session"

    @attrs.computed(data_key="values")
    def all_values(self) -> list[int]: ...
    """
    return partial(_computed, data_key=data_key) if function is None else _computed(function, data_key=data_key)


def _computed(function: Callable[[Any], T], *, data_key: str | None) -> Attribute[T]:
    if "return" not in getattr(function, "__annotations__", {}):
        raise InvalidAttribute(
            f"{getattr(function, '__qualname__', function)} has no return type; write `-> str`, or use "
            f"`attrs.bproperty()` for an untyped one."
        )

    def make_field(**options: Any) -> marshmallow_fields.Field[Any]:
        try:
            annotation = typing.get_type_hints(function)["return"]
            _check_storable(annotation)
            return field_for(annotation, **options)
        except (TypeError, NameError) as error:
            raise InvalidAttribute(f"The return type of {function.__qualname__}: {error}.") from error

    # The return type may be declared further down; then it is looked up when the app is compiled.
    with contextlib.suppress(NameError):
        typing.get_type_hints(function)
        make_field()
    attribute: Attribute[T] = Attribute(make_field, data_key=data_key)
    attribute.fget = function
    return attribute


def bproperty(*, data_key: str | None = None) -> Attribute[Any]:
    """Declares an attribute of any type, for getters and setters without annotations."""
    return Attribute(fields.Anything, data_key=data_key)


def _typed_field(annotation: Any) -> MakeField:
    try:
        _check_storable(annotation)
        field_for(annotation)
    except TypeError as error:
        raise InvalidAttribute(f"{error}; use one of Firestore's types, an Enum or an Embedded.") from error
    return lambda **options: field_for(annotation, **options)


def _check_storable(annotation: Any) -> None:
    """Raises TypeError for a type whose values would read back from a document as something else."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is tuple and len({*arguments} - {...}) > 1:
        raise TypeError(f"{annotation!r} has a type of its own for each position; write `list[A | B]`")
    if origin in (dict, Mapping) and arguments[0] is not str:
        raise TypeError(f"{annotation!r} is a mapping whose keys are not strings; write `dict[str, …]`")
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        _check_members(annotation)
    for each in arguments:
        _check_storable(each)


def _check_members(members: type[Enum]) -> None:
    for each in members:
        if not isinstance(each.value, STORED_AS_THEY_ARE):
            raise TypeError(f"{each} has the value {each.value!r}, which does not read back from a document unchanged")


string = Scalar[str](fields.String, coercion.to_string)
"""Text: `attrs.string(required=True)`, at most 1 MiB with the rest of the document."""
integer = Scalar[int](fields.Integer, coercion.to_integer)
"""A whole number of 64 bits."""
float = Scalar[builtins.float](fields.Float, coercion.to_float)
"""A double; a whole number that is stored is read as one, too."""
boolean = Scalar[bool](fields.Boolean, coercion.to_boolean)
"""True or false."""
timestamp = Scalar[datetime](fields.Timestamp, coercion.to_timestamp)
"""A moment with a time zone, kept in UTC to the microsecond."""
bytes = Scalar[builtins.bytes](fields.Bytes)
"""Bytes."""
geopoint = Scalar[GeoPoint](fields.Place)
"""A latitude and a longitude: `GeoPoint(52.5, 13.4)`."""

__all__ = [
    "Attribute",
    "Relation",
    "boolean",
    "bproperty",
    "bytes",
    "computed",
    "embedded",
    "enum",
    "float",
    "geopoint",
    "integer",
    "list",
    "mapping",
    "relation",
    "string",
    "timestamp",
]
