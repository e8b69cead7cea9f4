"""Embedded: an object inside a document."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Self

from marshmallow import ValidationError
from marshmallow import fields as marshmallow_fields

from boiler_functions.exceptions import (
    InvalidAttribute,
)
from boiler_functions.models.fields import Part
from boiler_functions.models.model import Model
from boiler_functions.models.spelling import StoredSchema, spelling


class Embedded(Model):
    """An object inside a document: `attrs.embedded(Address)`.

    class Address(Embedded):
        street = attrs.string(required=True)
        city = attrs.string()
    """

    undeclared: Mapping[str, Any]
    """The fields of a stored object that the model does not declare; they survive a save."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if computed := [name for name, each in cls.attributes.items() if each.fget is not None]:
            raise InvalidAttribute(
                f"{cls.__name__}.{computed[0]} is computed, and an Embedded stores given values only; make it a "
                f"`@property`, or an attribute of the model that holds {cls.__name__}."
            )

    def __init__(self, /, **values: Any) -> None:
        self.undeclared = {}
        self._initialize(values)

    @classmethod
    def _of_values(cls, values: Mapping[str, Any]) -> Self:
        """Returns the object that a document holds."""
        embedded = cls.__new__(cls)
        embedded.undeclared = {}
        embedded._initialize(values, is_read=True)
        return embedded

    @classmethod
    def embedded_field(cls, **options: Any) -> marshmallow_fields.Field[Any]:
        return _EmbeddedField(cls, **options)


class _EmbeddedField(Part):
    def __init__(self, model: type[Embedded], **options: Any) -> None:
        super().__init__(model.schema, **options)
        self.model = model

    def _serialize(self, nested_obj: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        if nested_obj is None:
            return None
        self._check_class(type(nested_obj))
        declared: Any = super()._serialize(nested_obj.values, attr, obj, **kwargs)  # type: ignore[no-untyped-call]
        extra = {name: value for name, value in nested_obj.values.items() if name not in self.model.attributes}
        kept = {**nested_obj.undeclared, **extra} if spelling(self) is StoredSchema else extra
        return {**copy.deepcopy(kept), **declared}

    def _check_class(self, given: type[Any]) -> None:
        wanted = self.model.__name__
        if not issubclass(given, self.model):
            raise ValidationError(f"Not a {wanted}.")
        if given is not self.model:
            raise ValidationError(
                f"{given.__name__} would read back as {wanted}, without its own attributes; declare the attribute "
                f"as `attrs.embedded({given.__name__})`."
            )

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, partial: Any = None, **kwargs: Any
    ) -> Any:
        is_stored = isinstance(value, Mapping) and spelling(self) is StoredSchema
        known = self.model._current(value) if is_stored else value
        values: Any = super()._deserialize(known, attr, data, partial, **kwargs)
        embedded = self.model._of_values(values) if is_stored else self.model(**values)
        declared = {key for each in self.model.attributes.values() for key in (each.data_key, *each.aliases)}
        embedded.undeclared = {key: copy.deepcopy(each) for key, each in value.items() if key not in declared}
        return embedded
