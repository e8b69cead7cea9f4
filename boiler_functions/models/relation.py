"""Relations: attributes that refer to documents of a model."""

from __future__ import annotations

import builtins
import typing
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal, TypeVar

from marshmallow import fields as marshmallow_fields

from boiler_functions.database import Document, Filter, Query
from boiler_functions.database.matching import check_field
from boiler_functions.exceptions import (
    InvalidCondition,
    InvalidDocument,
    InvalidReference,
    InvalidRequest,
    InvalidValue,
)
from boiler_functions.models import fields, session
from boiler_functions.models.attributes import UNSET, Attribute, Holder
from boiler_functions.models.conditions import Bound
from boiler_functions.models.selection import collection_query
from boiler_functions.paths import collection_of, could_exist, fault_of_id, field_path, id_of
from boiler_functions.types import Reference

T = TypeVar("T")

StoredBy = Literal["reference", "path", "id", "keys"]
"""How a document names those of a relation: by a Firestore reference, by a string, or by the keys of a map."""


class Relation(Attribute[T]):
    """One or many documents of a model, named as `by` says and read as the models."""

    reads_target: ClassVar[bool] = False
    """Whether what a document holds of its target is a value of the target's, rather than its name."""
    is_keyed: ClassVar[bool] = False
    """Whether each target has a field of its own: its key of a map."""

    def __init__(
        self,
        to: type[Any] | str,
        *,
        many: bool,
        required: bool,
        data_key: str | None,
        aliases: Sequence[str] = (),
    ) -> None:
        default = UNSET if not many else dict if self.is_keyed else builtins.list
        super().__init__(self._related_fields, required=required, data_key=data_key, default=default, aliases=aliases)
        if not isinstance(to, str) and not hasattr(to, "model_of"):
            raise InvalidReference(f"attrs.relation({to!r}): a relation leads to a DomainModel, or to the name of one.")
        self.to = to
        self.many = many

    def __set__(self, instance: Holder, value: T | str | Reference | Iterable[str]) -> None:
        super().__set__(instance, typing.cast(T, value))

    @property
    def target(self) -> type[Any]:
        """The model that the relation leads to; raises InvalidReference for a name that no model has."""
        if not isinstance(self.to, str):
            return self.to
        named: type[Any] = self.owner.model_named(self.to, self)
        self._check_target(named)
        self.to = named
        return named

    @abstractmethod
    def _check_target(self, target: type[Any]) -> None:
        """Raises InvalidReference if what documents hold does not say which document of the model is meant."""

    @abstractmethod
    def spelled(self) -> tuple[Any, ...]:
        """Returns how documents hold the relation, for a fingerprint; nothing for the default, a reference."""

    @abstractmethod
    def filter_to(self, target: Document) -> Filter | None:
        """Returns the condition that documents which refer to the target meet; None if none can refer to it."""

    @abstractmethod
    def filters_in(self, stored: Mapping[str, Any]) -> Iterable[Filter]:
        """Returns the conditions by which a document with these fields is found from the documents it refers to."""

    @abstractmethod
    def example_filter(self) -> Filter:
        """Returns a condition that needs the same index as that for any target."""

    def check_followed(self, model: Holder) -> None:
        """Raises InvalidDocument if the model's document does not fit the relation, which would skip a value."""
        super()._value(model)

    @abstractmethod
    def _related_fields(self, **options: Any) -> marshmallow_fields.Field[Any]:
        """Returns the marshmallow field of the attribute."""

    @property
    def _target_name(self) -> str:
        return self.to if isinstance(self.to, str) else self.to.__name__

    def _held(self, stored: Mapping[str, Any] | None) -> builtins.list[Any]:
        """Returns what a document holds for the relation, as a list; also values that do not fit."""
        value = self.stored_in(stored or {})
        return value if isinstance(value, builtins.list) else [value]

    def _check_list(self, value: Any) -> None:
        if self.many and isinstance(value, str | builtins.bytes):
            raise InvalidValue(self.owner.__name__, {self.name: [f"{value!r} is a single string; give a list."]})

    def _check_many(self) -> None:
        if not self.many:
            raise InvalidCondition(f"{self!r} is not a list, it leads to one document; use `==` or `in_`.")

    def _not_one(self, value: Any, given: str) -> InvalidValue:
        name = self.target.__name__
        return InvalidValue(self.owner.__name__, {self.name: [f"{value!r} is not a {name}; give one, or its {given}."]})


class NamingRelation(Relation[T]):
    """A relation to documents that are named by a reference, a path or an id.

    A model holds References, whatever its document holds: only the field spells them as strings.
    """

    def __init__(self, to: type[Any] | str, *, by: StoredBy, **options: Any) -> None:
        super().__init__(to, **options)
        self.by: StoredBy = by
        if not isinstance(to, str):
            self._check_target(to)

    def _check_target(self, target: type[Any]) -> None:
        if self.by in ("id", "keys") and (above := [name for name in target.pattern().names if name != "doc_id"]):
            raise InvalidReference(
                f'attrs.relation({target.__name__}, by="{self.by}"): an id does not say which {above[0]} the document '
                f'of {target.pattern().text} belongs to; store its path, and write `by="path"`.'
            )

    def spelled(self) -> tuple[Any, ...]:
        # Without the default, so that upgrading this package leaves every fingerprint as it was.
        return () if self.by == "reference" else (self.by,)

    def accepts(self, path: str) -> bool:
        return self.target.pattern().match(path) is not None

    def paths(self, stored: Mapping[str, Any] | None) -> builtins.list[str]:
        """Returns the paths that a document's fields refer to.

        Skips values that do not name a document of the collection; validation reports those.
        """
        paths = map(self._path_in, self._held(stored))
        return [path for path in paths if path is not None and self.accepts(path)]

    def filter_to(self, target: Document) -> Filter | None:
        return Filter(self.queried_path, "array-contains" if self.many else "==", self._stored_path(target.path))

    def filters_in(self, stored: Mapping[str, Any]) -> Iterable[Filter]:
        found = (self.filter_to(Document(path)) for path in self.paths(stored))
        return [each for each in found if each is not None]

    def example_filter(self) -> Filter:
        found = self.filter_to(Document("any/document"))
        assert found is not None
        return found

    def _path_in(self, value: Any) -> str | None:
        """Returns the path of the document that a stored value names; None for a value of another kind."""
        if self.by == "reference":
            return value.path if isinstance(value, Reference) else None
        match self.by, value:
            # As lenient as Firestore: a query finds documents by any string that an id can be, so one that is skipped
            # here would leave the events of those documents without a token.
            case "path", str() if could_exist(value):
                return value
            case "id" | "keys", str() if fault_of_id(value) is None:
                return f"{collection_of(self.target.pattern().text)}/{value}"
        return None

    def _stored_path(self, path: str) -> Reference | str:
        """Returns the path of a document as the field holds it."""
        match self.by:
            case "reference":
                return Reference(path)
            case "path":
                return path
            case "id" | "keys":
                return id_of(path)

    def adapted(self, value: Any) -> Any:
        self._check_list(value)
        if self.many and value is not None:
            return [self._reference(item) for item in value]
        return self._reference(value)

    def stored_item(self, value: Any) -> Any:
        self._check_many()
        return self._compared(self._related_field(), self._reference(value))

    def _related_fields(self, **options: Any) -> marshmallow_fields.Field[Any]:
        return fields.Items(self._related_field(), **options) if self.many else self._related_field(**options)

    def _related_field(self, **options: Any) -> fields.Related:
        options = {"accepts": self.accepts, "collection": lambda: self.target.pattern().text, **options}
        match self.by:
            case "reference":
                return fields.Related(**options)
            case "path":
                return fields.RelatedText("path", self._path_in, str, **options)
            case _:
                return fields.RelatedText("id", self._path_in, id_of, **options)

    def _reference(self, value: Any) -> Any:
        if value is None or isinstance(value, Reference):
            return value
        if isinstance(value, str):
            return Reference(value if "/" in value else self.target.path_of(value))
        path = getattr(value, "path", None)
        if not isinstance(path, str) or not self.accepts(path):
            raise self._not_one(value, "doc_id")
        return Reference(path)

    def _value(self, instance: Holder) -> Any:
        value = super()._value(instance)
        if self.many:
            return self._related(self._named(value or []))
        return next(iter(self._related([value.path])), None) if value is not None else None

    def _named(self, value: Any) -> builtins.list[str]:
        """Returns the paths that a model's value names."""
        return [reference.path for reference in value]

    def _related(self, paths: builtins.list[str]) -> tuple[Any, ...]:
        """Returns the models at the paths, without missing documents."""
        models = map(self.target.model_of, session.current().related(paths))
        return tuple(model for model in models if model is not None)


class KeyedRelation(NamingRelation[T]):
    """A relation to the documents whose ids are the keys of a map: `{"members": {"uid1": true}}`.

    A key whose value is null names nobody: no filter of Firestore finds the documents that have it. A model holds the
    map, so that what stands beside the keys survives a change of them.
    """

    is_keyed = True

    def __set__(self, instance: Holder, value: Any) -> None:
        if self.fget is None and self.fset is None and not isinstance(value, Mapping):
            before = instance.values.get(self.name) or {}
            value = {key: True if before.get(key) is None else before[key] for key in self.adapted(value)}
        super().__set__(instance, value)

    def filter_to(self, target: Document) -> Filter | None:
        field = f"{self.queried_path}.{field_path(id_of(target.path))}"
        try:
            check_field(field)
        except InvalidRequest:
            return None  # The id is too long for a key, so no map has it.
        return Filter(field, "!=", None)

    def example_filter(self) -> Filter:
        # Of the whole map: the fields in it have the indexes that it has.
        return Filter(self.queried_path, "!=", None)

    def adapted(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return dict(value)
        self._check_list(value)
        return {id_of(self._reference(item).path): True for item in value or ()}

    def stored(self, value: Any) -> Any:
        if value is None:
            return None
        raise self._not_compared()

    def stored_item(self, value: Any) -> Any:
        raise self._not_compared()

    def _not_compared(self) -> InvalidCondition:
        return InvalidCondition(
            f"{self!r} holds documents by the keys of a map, and no condition compares these; use "
            f"`referrers({self!r})`, or keep the ids in a list as well."
        )

    def _held(self, stored: Mapping[str, Any] | None) -> builtins.list[Any]:
        return _keys_of(self.stored_in(stored or {}))

    def _named(self, value: Any) -> builtins.list[str]:
        return [f"{collection_of(self.target.pattern().text)}/{each}" for each in _keys_of(value)]

    def _related_fields(self, **options: Any) -> marshmallow_fields.Field[Any]:
        return fields.RelatedKeys(self._is_key, lambda: self.target.pattern().text, **options)

    def _is_key(self, key: Any) -> bool:
        path = self._path_in(key)
        return path is not None and self.accepts(path)

    def _described(self) -> dict[str, Any]:
        return {"description": f"A map whose keys are ids of {self._target_name}.", **super()._described()}


def _keys_of(value: Any) -> builtins.list[Any]:
    """Returns the keys of a map in the order of Firestore, which keeps no other."""
    return sorted(key for key, each in value.items() if each is not None) if isinstance(value, Mapping) else []


class ValueRelation(Relation[T]):
    """A relation to the document that has a value in a field which no other has: `by=User.email`.

    A model holds the value. The document is found by a query, for two documents, since Firestore lets two have one.
    """

    reads_target = True

    def __init__(self, to: type[Any] | str, *, by: Attribute[Any], **options: Any) -> None:
        super().__init__(to, **options)
        self.by = by
        if not isinstance(to, str):
            self._check_target(to)

    def _check_target(self, target: type[Any]) -> None:
        # An attribute in the body of a class that is not made yet belongs to none.
        owner = getattr(self.by, "owner", None)
        if owner is None or not issubclass(target, owner):
            raise InvalidReference(
                f"attrs.relation({target.__name__}, by={repr(self.by) if owner else '…'}): give an attribute of "
                f"{target.__name__}, as `by={target.__name__}.email`."
            )
        said = f"attrs.relation({target.__name__}, by={self.by!r})"
        is_stored = self.by.fget is None and not isinstance(self.by, Relation)
        if not is_stored or type(self.by.field()) not in (fields.String, fields.Integer):
            raise InvalidReference(
                f"{said}: a document is found by a stored string or a whole number; give an attribute declared with "
                f"`attrs.string()` or `attrs.integer()`."
            )
        try:
            _ = self.by.queried_path
        except InvalidCondition as error:
            raise InvalidReference(f"{said}: {error}") from error

    def spelled(self) -> tuple[Any, ...]:
        return ("value", self.by.field_path)

    def values_in(self, stored: Mapping[str, Any] | None) -> builtins.list[Any]:
        """Returns the values that a document's fields hold, each once; validation reports those that do not fit."""
        values = map(self._comparable, self._held(stored))
        return builtins.list(dict.fromkeys(value for value in values if value is not None))

    def look_up(self, value: Any) -> Query:
        """Returns the query for the document that has the value."""
        filters = (*self.target.discriminator(), Filter(self.by.queried_path, "==", value))
        return collection_query(self.target, {})._replace(filters=filters, limit=2)

    def look_ups_of(self, target: Document) -> builtins.list[Query]:
        """Returns the queries that may find the target, by the value that it has."""
        value = self._comparable(self.by.stored_in(target.fields or {}))
        return [] if value is None else [self.look_up(value)]

    def example_look_up(self) -> Query:
        return self.look_up(0 if self._is_number else "any value")

    def filter_to(self, target: Document) -> Filter | None:
        value = self._comparable(self.by.stored_in(target.fields or {}))
        return None if value is None else self._filter(value)

    def filters_in(self, stored: Mapping[str, Any]) -> Iterable[Filter]:
        return map(self._filter, self.values_in(stored))

    def example_filter(self) -> Filter:
        return self._filter(0 if self._is_number else "any value")

    def check_followed(self, model: Holder) -> None:
        self._value(model)

    def adapted(self, value: Any) -> Any:
        self._check_list(value)
        if self.many and value is not None:
            return [self._held_of(item) for item in value]
        return self._held_of(value)

    def stored_item(self, value: Any) -> Any:
        self._check_many()
        return self._compared(self._one_field(), self._held_of(value))

    def _filter(self, value: Any) -> Filter:
        return Filter(self.queried_path, "array-contains" if self.many else "==", value)

    @property
    def _is_number(self) -> bool:
        return isinstance(self.by.field(), fields.Integer)

    def _comparable(self, value: Any) -> Any:
        """Returns a stored value as queries have it; None for one that finds nothing.

        Firestore takes 2 and 2.0 for equal, and a token tells them apart.
        """
        if self._is_number and isinstance(value, float) and value.is_integer():
            return int(value)
        kind = int if self._is_number else str
        return value if isinstance(value, kind) and not isinstance(value, bool) else None

    def _held_of(self, value: Any) -> Any:
        """Returns the value that names a document: its own, or that of a model."""
        if not isinstance(value, self.target):
            if hasattr(value, "path"):
                raise self._not_one(value, self.by.name)
            return value
        held = getattr(value, self.by.name)
        if held is None:
            reason = f"{value!r} has no {self.by.name}, by which the relation would find it; set that first."
            raise InvalidValue(self.owner.__name__, {self.name: [reason]})
        return held

    def _related_fields(self, **options: Any) -> marshmallow_fields.Field[Any]:
        return fields.Items(self._one_field(), **options) if self.many else self._one_field(**options)

    def _one_field(self, **options: Any) -> marshmallow_fields.Field[Any]:
        return type(self.by.field())(**options)

    def _described(self) -> dict[str, Any]:
        return {"description": f"The {self.by.data_key} of a {self._target_name}.", **super()._described()}

    def _value(self, instance: Holder) -> Any:
        held = super()._value(instance)
        if not self.many:
            return None if held is None else self._found(instance, held)
        found = (self._found(instance, each) for each in held or ())
        return tuple(model for model in found if model is not None)

    def _found(self, instance: Holder, value: Any) -> Any:
        documents = session.current().looked_up(self.look_up(value), repr(self))
        if len(documents) > 1:
            raise self._ambiguous(instance, value, documents)
        return self.target.model_of(documents[0]) if documents else None

    def _ambiguous(self, instance: Holder, value: Any, documents: Sequence[Document]) -> Exception:
        names = " and ".join(each.path for each in documents)
        reasons = {self.data_key: [f"{value!r} is the {self.by.name} of {names}, and leads to one; change the others."]}
        path = getattr(instance, "path", None)
        name = type(instance).__name__
        return InvalidValue(name, reasons) if path is None else InvalidDocument(path, name, reasons)


def relation_to(to: type[Any] | str, *, by: Any, **options: Any) -> Relation[Any]:
    """Returns the relation that documents hold as `by` says; raises InvalidReference for a way that names nothing."""
    attribute = by.attribute if isinstance(by, Bound) else by
    if isinstance(attribute, Attribute):
        return ValueRelation(to, by=attribute, **options)
    match by:
        case "reference" | "path" | "id":
            return NamingRelation(to, by=by, **options)
        case "keys" if options["many"]:
            return KeyedRelation(to, by=by, **options)
        case "keys":
            raise InvalidReference('attrs.relation(…, by="keys"): a map has many keys; add `many=True`.')
    raise InvalidReference(
        f'attrs.relation(…, by={by!r}): a document holds a relation as a "reference", a "path" or an "id", as a list '
        f'of them, as the "keys" of a map, or as the value of a field of the target, which is `by=User.email`.'
    )
