"""Model: what documents, embedded objects and views share. Declared attributes, their values, and the schema."""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, cast

from marshmallow import INCLUDE, Schema, ValidationError

from boiler_functions.database.values import Fault, dotted, fault_of_name, faults_of
from boiler_functions.exceptions import (
    BoilerError,
    InvalidAttribute,
    InvalidCondition,
    InvalidReference,
    InvalidValue,
)
from boiler_functions.models.attributes import Attribute
from boiler_functions.models.fields import CHECKED, flatten
from boiler_functions.models.schemas import schema_of
from boiler_functions.models.spelling import StoredSchema
from boiler_functions.types import Fields, Reference, cached, described, is_same, shown, subclasses

OBJ_TYPE = "obj_type"
DOC_ID = "doc_id"
DOC_REF = "doc_ref"
DOC_VERSION = "doc_version"

RESERVED_KEYS = (OBJ_TYPE, DOC_ID, DOC_REF, DOC_VERSION)

OPTIONS = {
    *("case_conversion", "collection_name", "example", "exclude", "path", "read", "schema_version"),
    *("unknown", "versioned", "write"),
}
"""What `class Meta` may set."""


_UNSET = object()


@cached
def _option(model: Any, name: str) -> Any:
    for base in model.__mro__:
        options = vars(base).get("Meta")
        if options is not None and hasattr(options, name):
            return getattr(options, name)
    return _UNSET


class Misfit(NamedTuple):
    """A stored value that does not fit its attribute; a missing one is None."""

    value: Any
    reasons: Any
    """marshmallow's messages."""


class Model:
    """The base of all models: declared attributes and their values."""

    attributes: ClassVar[Mapping[str, Attribute[Any]]] = {}

    takes_computed: ClassVar[bool] = False
    """Whether input may set computed attributes, through their setters."""

    is_document: ClassVar[bool] = False
    """Whether the model is a document of its own, which relations can lead to."""

    values: dict[str, Any]
    """The values by attribute name; holds no entry for an attribute that was never set."""

    recalled: bool = False
    """Whether other code, an earlier deployment, may have written it; an attribute that does not fit reads as None."""

    _misfits: Mapping[str, Misfit] = MappingProxyType({})
    """What a document holds for attributes that it does not fit, by attribute; reading one of these raises."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        declared: dict[str, Attribute[Any]] = {}
        for base in reversed(cls.__mro__):
            declared.update({name: each for name, each in vars(base).items() if isinstance(each, Attribute)})
        cls.attributes = {name: cls._own(name, each) for name, each in declared.items()}
        cls._check_names()
        cls._check_keys()
        cls._check_defaults()

    @classmethod
    def _own(cls, name: str, attribute: Attribute[Any]) -> Attribute[Any]:
        """Returns the attribute, or a copy of it when a mixin declares it, as other models may share the mixin."""
        if attribute.name != name:
            raise InvalidAttribute(
                f"{cls.__name__}.{name} is the same object as {cls.__name__}.{attribute.name}; declare an attribute "
                f"for each name."
            )
        if issubclass(attribute.owner, Model):
            return attribute
        owned = copy.copy(attribute)
        owned.owner = cls
        setattr(cls, name, owned)
        return owned

    @classmethod
    def _check_names(cls) -> None:
        for base in cls.__mro__[1:]:
            if base.__module__.startswith("boiler_functions."):
                members = {*vars(base), *vars(base).get("__annotations__", ())}
                if taken := members & cls.attributes.keys():
                    raise InvalidAttribute(
                        f"{cls.__name__}.{min(taken)}: the name is reserved by {base.__name__}. Rename the attribute, "
                        f"and set `data_key={min(taken)!r}` to keep the name in documents and JSON; a computed one "
                        f"takes it as `@attrs.computed(data_key={min(taken)!r})`."
                    )
        if unknown := set(cls.meta("exclude", ())) - cls.attributes.keys():
            raise InvalidAttribute(f"{cls.__name__}.Meta.exclude names {min(unknown)!r}, which is not an attribute.")
        options = {name for name in dir(vars(cls).get("Meta")) if not name.startswith("__")}
        if unknown := options - OPTIONS:
            raise InvalidAttribute(
                f"{cls.__name__}.Meta.{min(unknown)} is not an option; there are {', '.join(sorted(OPTIONS))}."
            )

    @classmethod
    def _check_defaults(cls) -> None:
        for name, attribute in cls.attributes.items():
            if attribute.has_default and not callable(attribute.default) and attribute.default is not None:
                try:
                    attribute.stored(attribute.default)
                except InvalidCondition as error:
                    raise InvalidAttribute(
                        f"{cls.__name__}.{name} has the default {attribute.default!r}, which is not one of its values. "
                        f"Give a value of its type, or leave the default out."
                    ) from error

    @classmethod
    def _check_keys(cls) -> None:
        names: dict[str, str] = {}
        for name, attribute in cls.attributes.items():
            key = attribute.data_key
            if key in RESERVED_KEYS:
                raise InvalidAttribute(
                    f"{cls.__name__}.{name} is stored as {key!r}, a name that is reserved for bookkeeping; rename it, "
                    f"or set another `data_key`."
                )
            if fault := fault_of_name(key):
                raise InvalidAttribute(f"{cls.__name__}.{name} is stored as {shown(key)}. {fault}")
            if other := names.get(key):
                raise InvalidAttribute(
                    f"{cls.__name__}.{name} and {cls.__name__}.{other} are both stored as {key!r}; "
                    f"give one of them another `data_key`."
                )
            names[key] = name
        for name, attribute in cls.attributes.items():
            for alias in attribute.aliases:
                if other := names.get(alias) or ("" if alias in RESERVED_KEYS else None):
                    raise InvalidAttribute(
                        f"{cls.__name__}.{name} has the former name {alias!r}, under which {cls.__name__}.{other} is "
                        f"stored; a value has one attribute."
                    )
                names[alias] = name

    @classmethod
    def meta(cls, name: str, default: Any = None) -> Any:
        """Returns an option of `class Meta`, from this class or the nearest base that sets it."""
        found = _option(cls, name)
        return default if found is _UNSET else found

    @classmethod
    def model_named(cls, name: str, asker: object) -> type[Any]:
        """Returns the domain model of that name: the one that the class's own module knows, else the only one.

        Raises InvalidReference if no model has the name, or several modules declare one. `asker`, the relation that
        names the model, is shown in the message.
        """
        found = [each for each in subclasses(Model) if each.is_document and each.__name__ == name]
        if not found:
            raise InvalidReference(f"{asker!r} leads to {name!r}, and no DomainModel has that name; import its module.")
        known = vars(sys.modules[cls.__module__]).get(name)
        local = [each for each in found if each is known or each.__module__ == cls.__module__]
        if len({each.__module__ for each in found}) > 1 and not local:
            modules = ", ".join(sorted({each.__module__ for each in found}))
            raise InvalidReference(f"{asker!r} leads to {name!r}, which {modules} declare; give the class itself.")
        return (local or found)[-1]

    @classmethod
    def schema(cls, base: type[Schema] = StoredSchema) -> Schema:
        """Returns the marshmallow schema for input: all attributes except those that only a getter gives."""
        return schema_of(cls, base, False)

    @classmethod
    def view_schema(cls, base: type[Schema] = StoredSchema) -> Schema:
        """Returns the marshmallow schema of `to_view_dict`: all attributes, the computed ones always present."""
        return schema_of(cls, base, True)

    @classmethod
    def _current(cls, fields: Fields) -> Fields:
        """Returns what a document holds as the declaration has it now.

        Values under former names get the present one, values of another type are coerced where the attribute says so,
        and a null that stands for a default is left out, as a missing field is.
        """
        for attribute in _read_otherwise(cls):
            found = attribute.stored_in(fields)
            others = {
                key: value for key, value in fields.items() if key not in (attribute.data_key, *attribute.aliases)
            }
            coerced = attribute.coercion(found) if attribute.coercion else found
            is_held = len(others) < len(fields)
            fields = {**others, attribute.data_key: coerced} if is_held else fields
        unset = {
            each.data_key for each in cls.attributes.values() if each.has_default and fields.get(each.data_key) is None
        }
        return {key: value for key, value in fields.items() if key not in unset}

    @classmethod
    def exported(cls) -> Mapping[str, Attribute[Any]]:
        """Returns the attributes that are stored: all except those in `Meta.exclude`."""
        return _exported(cls)

    @classmethod
    def _fitting(cls, schema: Schema, fields: Fields) -> tuple[dict[str, Any], dict[str, Any]]:
        """Returns the values that the schema loads from the fields, and marshmallow's messages about the others."""
        try:
            return cast(dict[str, Any], schema.load(fields)), {}
        except ValidationError as error:
            messages = cast(dict[str, Any], error.messages)
            # marshmallow keeps the valid items of a list that does not fit; half a list would pass for a value.
            keys = {name: field.data_key for name, field in schema.fields.items()}
            valid = cast(dict[str, Any], error.valid_data)
            return {name: value for name, value in valid.items() if keys.get(name, name) not in messages}, messages

    def _unset(self, name: str) -> None:
        """Returns None, which an attribute without a value reads as."""

    def _initialize(self, values: Mapping[str, Any], *, is_read: bool = False) -> None:
        self.values = {
            name: each.initial()
            for name, each in _filled(type(self)).items()
            if name not in values and name not in self._misfits and not (is_read and each.is_drawn)
        }
        for name, value in values.items():
            if name not in self.attributes and self.meta("unknown") != INCLUDE:
                raise InvalidValue(
                    type(self).__name__,
                    {name: [f"Undeclared; the declared attributes are {', '.join(self.attributes) or 'none'}."]},
                )
            if name in self.attributes:
                self.attributes[name].__set__(self, value)
            else:
                self.values[name] = copy.deepcopy(value)

    def to_view_dict(self) -> dict[str, Any]:
        """Returns the attributes by their names in documents; a relation as the path of its document."""
        return {key: _without_references(value) for key, value in self.stored_fields().items()}

    def stored_fields(self) -> dict[str, Any]:
        """Returns the attributes that are set, as a document holds them; raises InvalidValue if one does not fit.

        Leaves out what was read and does not fit: it stays in the document as it is.
        """
        fields = self._spelled()
        if self.recalled:
            return fields
        names = _names(type(self))
        declared = {key: value for key, value in fields.items() if key in names}
        is_checked = declared.keys() == _checked_keys(type(self)) and None not in declared.values()
        errors = {} if is_checked else self.view_schema().validate(declared)
        left = {self.attributes[name].data_key for name in self._misfits if name not in self.values}
        if errors := {key: messages for key, messages in errors.items() if key not in left}:
            raise InvalidValue(type(self).__name__, flatten(errors), self._refused(errors))
        if faults := {name: found for name, value in fields.items() if (found := _faults(name, value))}:
            reasons = {dotted((name, *each.where)): [each.reason] for name, found in faults.items() for each in found}
            raise InvalidValue(type(self).__name__, reasons, self._refused(faults))
        return fields

    def _refused(self, keys: Iterable[str]) -> dict[str, Any]:
        """Returns the values that the model holds for these fields."""
        names = _names(type(self))
        return {key: self.values[names[key]] for key in keys if names.get(key) in self.values}

    def _spelled(self) -> dict[str, Any]:
        """Returns the same as `stored_fields`, without validating it.

        Loaded values were validated when they were read, and others are validated when the model is saved.
        """
        values = {
            name: self.values[name] if each.fget is None else self._computed(name)
            for name, each in self.exported().items()
            if name in self.values or each.fget is not None
        }
        if self.recalled:
            values = {name: value for name, value in values.items() if name in self.values or value is not None}
        stored = {attribute: self._stored(attribute, value) for attribute, value in values.items()}
        by_key = {self.attributes[name].data_key: value for name, value in stored.items()}
        extra = {name: value for name, value in self.values.items() if name not in self.attributes}
        return {**copy.deepcopy(extra), **by_key} if extra else by_key

    def _computed(self, name: str) -> Any:
        return getattr(self, name)

    def _stored(self, name: str, value: Any) -> Any:
        field: Any = self.view_schema().fields[name]
        try:
            return field._serialize(value, name, self)
        except ValidationError as error:
            messages = flatten(error.messages, self.attributes[name].data_key)
            raise InvalidValue(type(self).__name__, messages, {name: value}) from error
        except BoilerError:
            raise
        except Exception as error:
            # A generator, or a class of user code, may raise anything as it is read.
            messages = {name: [f"Cannot be stored: {described(error)}."]}
            raise InvalidValue(type(self).__name__, messages, {name: value}) from error

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value!r}" for name, value in sorted(self.values.items()))
        return f"{type(self).__name__}({values})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and isinstance(self, type(other)) and other.values == self.values

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and name not in _assignable(type(self)):
            if self.meta("unknown") != INCLUDE:
                raise InvalidValue(
                    type(self).__name__,
                    {name: [f"Undeclared; the declared attributes are {', '.join(self.attributes) or 'none'}."]},
                )
            self.values[name] = value
            return
        super().__setattr__(name, value)

    if not TYPE_CHECKING:  # With `__getattr__`, a type checker would accept any misspelled attribute.

        def __getattr__(self, name: str) -> Any:
            if name in self.__dict__.get("values", {}) and name not in self.attributes:
                return self.values[name]
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")


def differs(one: Any, other: Any) -> bool:
    """Returns whether two values, or models, are stored differently: 1 differs from True and from 1.0."""
    return not is_same(_plain(one), _plain(other))


def _plain(value: Any) -> Any:
    """Returns a loaded value in Firestore's own types; for a model, its class name and values."""
    match value:
        case Model():
            unfit = {name: each.value for name, each in value._misfits.items()}
            return [type(value).__qualname__, _plain(value.values), *([unfit] if unfit else [])]
        case Enum():
            return value.value
        case datetime():
            return value
        case date():
            return value.isoformat()
        case Mapping():
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return value


def _faults(name: str, value: Any) -> list[Fault]:
    """Returns the reasons why no document can hold the field."""
    reason = fault_of_name(name)
    return faults_of(value, name) if reason is None else [Fault((), reason)]


@cached
def _assignable(model: Any) -> frozenset[str]:
    """Returns the names that the classes of a model declare: its attributes, and what they annotate or define."""
    return frozenset(name for each in model.__mro__ for name in (*vars(each), *vars(each).get("__annotations__", ())))


@cached
def _read_otherwise(model: Any) -> list[Attribute[Any]]:
    """Returns the attributes whose values a document may hold under another name, or as another type."""
    return [each for each in model.attributes.values() if each.aliases or each.coercion]


@cached
def _exported(model: Any) -> Mapping[str, Attribute[Any]]:
    excluded = set(model.meta("exclude", ()))
    return {name: each for name, each in model.attributes.items() if name not in excluded}


@cached
def _filled(model: Any) -> Mapping[str, Attribute[Any]]:
    """Returns the attributes that have a default value."""
    return {name: each for name, each in model.attributes.items() if each.has_default and each.fget is None}


@cached
def _checked_keys(model: Any) -> frozenset[str] | None:
    """Returns the names of the fields if serializing checks each value; None if something is left to validate.

    For such a model, validating refuses missing values and nulls only.
    """
    found = model.view_schema().fields.values()
    is_checked = all(type(each) in CHECKED and not each.validators for each in found)
    return frozenset(each.data_key for each in found) if is_checked else None


@cached
def _names(model: Any) -> Mapping[str, str]:
    """Returns the names of the attributes, by those of the fields that hold them."""
    return {each.data_key: name for name, each in model.attributes.items()}


def _without_references(value: Any) -> Any:
    match value:
        case Reference(path=path):
            return path
        case list():
            return [_without_references(item) for item in value]
        case dict():
            return {key: _without_references(item) for key, item in value.items()}
        case _:
            return value
