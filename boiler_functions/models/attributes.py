"""Attributes of models: typed descriptors, each of which makes a marshmallow field.

    class City(DomainModel):
        city_name = attrs.string(required=True)     # str
        population = attrs.integer()                # int | None
        regions = attrs.list(str)                   # list[str], empty unless given
        country = attrs.relation(Country)           # Country | None

`boiler_functions.attrs` has the functions that declare them.
"""

from __future__ import annotations

import builtins
import copy
import inspect
import re
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from functools import cache, cached_property
from typing import Any, Generic, Protocol, TypeVar, overload

from marshmallow import ValidationError, validate
from marshmallow import fields as marshmallow_fields

from boiler_functions.exceptions import (
    GetterFailed,
    InvalidAttribute,
    InvalidCondition,
    InvalidValue,
)
from boiler_functions.models import fields
from boiler_functions.models.chance import is_drawn
from boiler_functions.models.coercion import Coercion
from boiler_functions.models.conditions import Bound
from boiler_functions.paths import field_path

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
Own = TypeVar("Own")

Validator = Callable[[Any], Any]
MakeField = Callable[..., marshmallow_fields.Field[Any]]


def _refusing(validator: Validator) -> Validator:
    """Returns a validator that also refuses a value for which the function returns False."""
    # marshmallow ignores what a function returns, and OpenAPI reads the limits of marshmallow's own validators.
    if isinstance(validator, validate.Validator):
        return validator

    def refusing(value: Any) -> None:
        if validator(value) is False:
            raise ValidationError("Not an allowed value.")

    return refusing


class _Unset(Enum):
    UNSET = "unset"


UNSET = _Unset.UNSET

STORED_AS_THEY_ARE = (str, bool, int, builtins.float)

COMPARABLE = (
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
"""The fields that hold a single value, which a query string can spell and a list can be ordered by."""


@cache
def camel_case(name: str) -> str:
    """Returns the name as a document spells it: `camel_case("city_name")` is `"cityName"`."""
    return re.sub(r"(?<=[A-Za-z0-9])_+([a-z0-9])", lambda found: found[1].upper(), name)


class Holder(Protocol):
    """What an attribute needs of the model that holds its value."""

    values: dict[str, Any]

    @property
    def recalled(self) -> bool:
        """Whether the values are those that older code stored, as far as they fit."""
        ...

    def _unset(self, name: str) -> None:
        """Returns None for an attribute without a value; raises InvalidDocument if a stored value does not fit."""
        ...


class Attribute(Generic[T]):
    """A declared attribute: its value on an instance, a Bound to build conditions from on the class."""

    name: str
    owner: type[Any]

    def __init__(
        self,
        make_field: MakeField,
        *,
        required: bool = False,
        default: Any = UNSET,
        validate: Validator | Iterable[Validator] | None = None,
        data_key: str | None = None,
        aliases: Sequence[str] = (),
        coercion: Coercion | None = None,
    ) -> None:
        if isinstance(aliases, str):
            raise InvalidAttribute(f"aliases={aliases!r} is a single string; give a list, as `aliases=[{aliases!r}]`.")
        self.aliases = tuple(aliases)
        self.coercion = coercion
        self._make_field = make_field
        self.required = required
        self.default = default
        self.fget: Callable[[Any], T] | None = None
        self.fset: Callable[[Any, Any], None] | None = None
        self._accessors: dict[str, Callable[..., Any]] = {}
        given = [validate] if callable(validate) else validate or ()
        self._validators = [_refusing(each) for each in given]
        self._data_key = data_key

    def __set_name__(self, owner: type[Any], name: str) -> None:
        if name in self._accessors and name != getattr(self, "name", name):
            setattr(owner, name, self._accessors[name])
        elif not hasattr(self, "name"):
            self.owner = owner
            self.name = name

    def __repr__(self) -> str:
        return f"{self.owner.__name__}.{self.name}"

    @overload
    def __get__(self, instance: None, owner: type[Own]) -> Bound[Own, T]: ...
    @overload
    def __get__(self, instance: Holder, owner: type[Any]) -> T: ...
    def __get__(self, instance: Holder | None, owner: type[Any]) -> Any:
        if instance is None:
            return Bound(owner, self)
        # A view that was recalled from its document has stored values for its computed attributes.
        if self.fget is None or self.name in instance.values:
            return self._value(instance)
        if instance.recalled:
            return self._recalled(instance, self.fget)
        try:
            return self.fget(instance)
        except AttributeError as error:
            # Python would report an AttributeError as a missing attribute of the model, and hide the getter's fault.
            raise GetterFailed(f"{type(instance).__name__}.{self.name} raised AttributeError: {error}") from error

    def _recalled(self, instance: Holder, fget: Callable[[Any], T]) -> T | None:
        """Returns the getter's result, or None: a recalled model may lack values, and a recalled view has no Store."""
        try:
            return fget(instance)
        except Exception:
            return None

    def __set__(self, instance: Holder, value: T) -> None:
        if self.fset:
            self.fset(instance, value)
        elif self.fget:
            raise InvalidValue(self.owner.__name__, {self.name: ["Read-only: it has a getter and no setter."]})
        else:
            instance.values[self.name] = self.adapted(value)

    def getter(self, function: F) -> F:
        """Decorates the method that computes the attribute; it may bear the attribute's name or another."""
        self.fget = function
        return self._accessor(function)

    def setter(self, function: F) -> F:
        """Decorates the method that receives a new value; an attribute with a getter and no setter is read-only."""
        self.fset = function
        return self._accessor(function)

    def _accessor(self, function: F) -> F:
        # Returns the attribute, not the function, so that `@name.getter` over `def name` leaves the attribute under
        # its name. A method of another name becomes a method again in __set_name__.
        self._accessors[function.__name__] = function
        return typing.cast(F, self)

    @cached_property
    def data_key(self) -> str:
        """The name of the field in documents and in JSON."""
        if self._data_key:
            return self._data_key
        return camel_case(self.name) if self.owner.meta("case_conversion", True) else self.name

    @property
    def field_path(self) -> str:
        return field_path(self.data_key)

    @property
    def is_queryable(self) -> bool:
        """Whether every document holds the value under one name and as one type, so that a query can find it."""
        return not self.aliases and self.coercion is None

    @property
    def queried_path(self) -> str:
        """The path of the field for a query; raises InvalidCondition if documents may hold the value otherwise."""
        if self.aliases:
            raise InvalidCondition(
                f"{self!r} is also read by its former names ({', '.join(self.aliases)}), and a query finds a document "
                f"by the name that it holds, so it would miss the old ones. Bring the documents up to date "
                f"(`boiler migrate`) and remove `aliases`, or fetch all documents and choose in the getter."
            )
        if self.coercion is not None:
            raise InvalidCondition(
                f"{self!r} is declared with `coerce=True`, and a query compares what a document holds, so it would "
                f"miss the values of another type. Bring the documents up to date (`boiler migrate`) and remove "
                f"`coerce`, or fetch all documents and choose in the getter."
            )
        return self.field_path

    def held_in(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Returns those of a document's fields that the attribute is read from; a null is not a missing field."""
        return {key: fields[key] for key in (self.data_key, *self.aliases) if key in fields}

    def stored_in(self, fields: Mapping[str, Any]) -> Any:
        """Returns what a document holds for the attribute, under its name or a former one; None if nothing."""
        if self.data_key in fields:
            return fields[self.data_key]
        return next((fields[key] for key in self.aliases if key in fields), None)

    @cached_property
    def is_list(self) -> bool:
        return isinstance(self.field(), marshmallow_fields.List)

    @property
    def is_comparable(self) -> bool:
        """Whether a list can be filtered and ordered by the attribute: it holds a single value."""
        return isinstance(self.field(), COMPARABLE)

    @property
    def read_only(self) -> bool:
        return self.fget is not None and self.fset is None

    def field(self, *, always_present: bool = False) -> marshmallow_fields.Field[Any]:
        """Returns a new marshmallow field for this attribute."""
        options: dict[str, Any] = {"data_key": self.data_key, "metadata": self._described()}
        if self._validators:
            options["validate"] = self._validators
        if self.required or always_present:
            options["required"] = True
        elif self.fget is None and not self.has_default:
            options["allow_none"] = True
        return self._make_field(**options)

    def _described(self) -> dict[str, Any]:
        """Returns what the OpenAPI document says of the attribute besides its type."""
        description = inspect.getdoc(self.fget) if self.fget else None
        described = {"description": description} if description else {}
        return {**described, **({"readOnly": True} if self.read_only else {})}

    def adapted(self, value: Any) -> Any:
        """Returns the value as the model keeps it."""
        return value

    def stored(self, value: Any) -> Any:
        """Returns the value as a document holds it, for a condition."""
        return None if value is None else self._compared(self.field(), self.adapted(value))

    def _compared(self, field: Any, value: Any) -> Any:
        try:
            return field._serialize(value, self.name, None)
        except (ValidationError, ValueError, AttributeError, TypeError) as error:
            raise InvalidCondition(f"{self!r} cannot be compared with {value!r}: {error}") from error

    def stored_item(self, value: Any) -> Any:
        """Returns the value as a document holds it in a list, for a condition."""
        field = self.field()
        if not isinstance(field, marshmallow_fields.List):
            raise InvalidCondition(f"{self!r} is not a list, so `contains` cannot search it; use `==` or `in_`.")
        return self._compared(field.inner, value)

    def initial(self) -> Any:
        """Returns a new copy of the default, so that two models never share a list or dict."""
        return self.default() if callable(self.default) else copy.deepcopy(self.default)

    @property
    def has_default(self) -> bool:
        return self.default is not UNSET

    @cached_property
    def is_drawn(self) -> bool:
        """Whether the default differs from call to call, as a random id or the current time does.

        Only a new model gets such a default. A document that lacks the attribute would read differently each time,
        and so would every view built from it.
        """
        return callable(self.default) and is_drawn(self.default)

    def _value(self, instance: Holder) -> Any:
        value = instance.values.get(self.name, UNSET)
        return instance._unset(self.name) if value is UNSET else value
