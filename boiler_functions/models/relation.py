"""Relations: attributes that refer to documents of a model."""

from __future__ import annotations

import builtins
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeVar

from marshmallow import fields as marshmallow_fields

from boiler_functions.exceptions import InvalidCondition, InvalidReference, InvalidValue
from boiler_functions.models import fields, session
from boiler_functions.models.attributes import UNSET, Attribute, Holder
from boiler_functions.paths import collection_of, could_exist, fault_of_id, id_of
from boiler_functions.types import Reference

T = TypeVar("T")

StoredBy = Literal["reference", "path", "id"]
"""How a document holds a relation: as a Firestore reference, or as a string, the path or the id."""


class Relation(Attribute[T]):
    """One or many references to documents of a model, stored as `by` says and read as the models.

    A model holds References, whatever its document holds: only the field spells them as strings.
    """

    def __init__(
        self,
        to: type[Any] | str,
        *,
        many: bool,
        by: StoredBy,
        required: bool,
        data_key: str | None,
        aliases: Sequence[str] = (),
    ) -> None:
        default = builtins.list if many else UNSET
        super().__init__(self._reference_field, required=required, data_key=data_key, default=default, aliases=aliases)
        if not isinstance(to, str) and not hasattr(to, "model_of"):
            raise InvalidReference(f"attrs.relation({to!r}): a relation leads to a DomainModel, or to the name of one.")
        said: object = by
        # An attribute (`User.email`) equals everything: its `==` makes a condition.
        if not isinstance(said, str) or said not in typing.get_args(StoredBy):
            raise InvalidReference(
                f"attrs.relation(…, by={by!r}): a document holds a relation as a reference, a path or an id, or as a "
                f"list of them. Another field of the target, or the keys of a map, name no document; store the id "
                f'beside them, and write `by="id"`.'
            )
        self.to = to
        self.many = many
        self.by: StoredBy = by
        if not isinstance(to, str):
            self._check_named(to)

    def __set__(self, instance: Holder, value: T | str | Reference | Iterable[str]) -> None:
        super().__set__(instance, typing.cast(T, value))

    @property
    def target(self) -> type[Any]:
        """The model that the relation leads to; raises InvalidReference for a name that no model has."""
        if not isinstance(self.to, str):
            return self.to
        named: type[Any] = self.owner.model_named(self.to, self)
        self._check_named(named)
        self.to = named
        return named

    def _check_named(self, target: type[Any]) -> None:
        """Raises InvalidReference if an id does not say which document of the model is meant."""
        if self.by == "id" and (above := [name for name in target.pattern().names if name != "doc_id"]):
            raise InvalidReference(
                f'attrs.relation({target.__name__}, by="id"): an id does not say which {above[0]} the document of '
                f'{target.pattern().text} belongs to; store its path, and write `by="path"`.'
            )

    def accepts(self, path: str) -> bool:
        return self.target.pattern().match(path) is not None

    def paths(self, stored: Mapping[str, Any] | None) -> builtins.list[str]:
        """Returns the paths that a document's fields refer to.

        Skips values that do not name a document of the collection; validation reports those.
        """
        value = self.stored_in(stored or {})
        items = value if isinstance(value, builtins.list) else [value]
        paths = map(self._path_in, items)
        return [path for path in paths if path is not None and self.accepts(path)]

    def check_followed(self, model: Holder) -> None:
        """Raises InvalidDocument if the model's document does not fit the relation, which would skip a value."""
        super()._value(model)

    def _path_in(self, value: Any) -> str | None:
        """Returns the path of the document that a stored value names; None for a value of another kind."""
        match self.by, value:
            case "reference", Reference(path=path):
                return path
            # As lenient as Firestore: a query finds documents by any string that an id can be, so one that is skipped
            # here would leave the events of those documents without a token.
            case "path", str() if could_exist(value):
                return value
            case "id", str() if fault_of_id(value) is None:
                return f"{collection_of(self.target.pattern().text)}/{value}"
        return None

    def stored_path(self, path: str) -> Reference | str:
        """Returns the path of a document as the field holds it, for a query."""
        match self.by:
            case "reference":
                return Reference(path)
            case "path":
                return path
            case "id":
                return id_of(path)

    def adapted(self, value: Any) -> Any:
        if self.many and isinstance(value, str | builtins.bytes):
            raise InvalidValue(self.owner.__name__, {self.name: [f"{value!r} is a single string; give a list."]})
        if self.many and value is not None:
            return [self._reference(item) for item in value]
        return self._reference(value)

    def stored_item(self, value: Any) -> Any:
        if not self.many:
            raise InvalidCondition(f"{self!r} is not a list, it leads to one document; use `==` or `in_`.")
        return self._compared(self._related_field(), self._reference(value))

    def _reference_field(self, **options: Any) -> marshmallow_fields.Field[Any]:
        return fields.Items(self._related_field(), **options) if self.many else self._related_field(**options)

    def _related_field(self, **options: Any) -> fields.Related:
        options = {"accepts": self.accepts, "collection": lambda: self.target.pattern().text, **options}
        match self.by:
            case "reference":
                return fields.Related(**options)
            case "path":
                return fields.RelatedText("path", self._path_in, str, **options)
            case "id":
                return fields.RelatedText("id", self._path_in, id_of, **options)

    def _reference(self, value: Any) -> Any:
        if value is None or isinstance(value, Reference):
            return value
        if isinstance(value, str):
            return Reference(value if "/" in value else self.target.path_of(value))
        path = getattr(value, "path", None)
        if not isinstance(path, str) or not self.accepts(path):
            raise InvalidValue(
                self.owner.__name__,
                {self.name: [f"{value!r} is not a {self.target.__name__}; give one, or its doc_id."]},
            )
        return Reference(path)

    def _value(self, instance: Holder) -> Any:
        value = super()._value(instance)
        if self.many:
            return self._related([reference.path for reference in value or []])
        return next(iter(self._related([value.path])), None) if value is not None else None

    def _related(self, paths: builtins.list[str]) -> tuple[Any, ...]:
        """Returns the models at the paths, without missing documents."""
        models = map(self.target.model_of, session.current().related(paths))
        return tuple(model for model in models if model is not None)
