"""Models: declared attributes and their values; DomainModel is a document, Embedded an object inside one."""

from __future__ import annotations

import copy
import re
import secrets
import string
import sys
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from enum import Enum
from functools import cache
from types import NoneType
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

from marshmallow import EXCLUDE, INCLUDE, Schema, ValidationError, pre_load
from marshmallow import fields as marshmallow_fields

from boiler_functions.database import PRESENT, Delete, Document, Filter, Put
from boiler_functions.database.values import Fault, dotted, fault_of_name, faults_of
from boiler_functions.exceptions import (
    InvalidAttribute,
    InvalidDocument,
    InvalidPattern,
    InvalidReference,
    InvalidValue,
    NameCollision,
)
from boiler_functions.models import session
from boiler_functions.models.attributes import Attribute
from boiler_functions.models.conditions import Condition
from boiler_functions.models.fields import AnswerSchema, Part, StoredSchema, flatten, spelling
from boiler_functions.models.selection import Selection, select
from boiler_functions.paths import Pattern, document_id, field_path, id_of
from boiler_functions.types import Fields, GeoPoint, Reference, digest, subclasses

OBJ_TYPE = "obj_type"
DOC_ID = "doc_id"
DOC_REF = "doc_ref"
DOC_VERSION = "doc_version"
# The types of values of which no part can be changed in place.
_IMMUTABLE = (str, int, float, bytes, datetime, Reference, GeoPoint, Enum, NoneType)

RESERVED_KEYS = (OBJ_TYPE, DOC_ID, DOC_REF, DOC_VERSION)

OPTIONS = {
    *("case_conversion", "collection_name", "example", "exclude", "path", "read", "schema_version"),
    *("unknown", "versioned", "write"),
}
"""What `class Meta` may set."""

_ID_ALPHABET = string.ascii_letters + string.digits


_UNSET = object()


@cache
def _option(model: Any, name: str) -> Any:
    for base in model.__mro__:
        options = vars(base).get("Meta")
        if options is not None and hasattr(options, name):
            return getattr(options, name)
    return _UNSET


class Model:
    """Declared attributes and their values."""

    attributes: ClassVar[Mapping[str, Attribute[Any]]] = {}

    takes_computed: ClassVar[bool] = False
    """Whether input may set attributes that are computed, through their setters."""

    values: dict[str, Any]
    """The values by attribute, as the model keeps them; an attribute that was never set is not there."""

    recalled: bool = False
    """Whether it is what other code left: then an attribute that this code cannot read in it is None."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        declared: dict[str, Attribute[Any]] = {}
        for base in reversed(cls.__mro__):
            declared.update({name: each for name, each in vars(base).items() if isinstance(each, Attribute)})
        cls.attributes = {name: cls._own(name, each) for name, each in declared.items()}
        cls._check_names()
        cls._check_keys()

    @classmethod
    def _own(cls, name: str, attribute: Attribute[Any]) -> Attribute[Any]:
        """The attribute; of a mixin that is no model, a copy, as others may mix it in too."""
        if attribute.name != name:
            raise InvalidAttribute(f"{cls.__name__}.{name} is {cls.__name__}.{attribute.name} again; declare another.")
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
                        f"{cls.__name__}.{min(taken)} hides what {base.__name__} needs under that name; rename it, and "
                        f"keep the name in documents and JSON: `data_key={min(taken)!r}`, which every attribute takes, "
                        f"a computed one as `@attrs.computed(data_key={min(taken)!r})`."
                    )
        if unknown := set(cls.meta("exclude", ())) - cls.attributes.keys():
            raise InvalidAttribute(f"{cls.__name__}.Meta.exclude names {min(unknown)!r}, which is no attribute.")
        options = {name for name in dir(vars(cls).get("Meta")) if not name.startswith("__")}
        if unknown := options - OPTIONS:
            raise InvalidAttribute(
                f"{cls.__name__}.Meta.{min(unknown)} is no option; there are {', '.join(sorted(OPTIONS))}."
            )

    @classmethod
    def _check_keys(cls) -> None:
        names: dict[str, str] = {}
        for name, attribute in cls.attributes.items():
            key = attribute.data_key
            if key in RESERVED_KEYS or re.fullmatch("__.*__", key):
                raise InvalidAttribute(f"{cls.__name__}.{name} is stored as {key!r}, which is kept for bookkeeping.")
            if other := names.get(key):
                raise InvalidAttribute(
                    f"{cls.__name__}.{name} and {cls.__name__}.{other} are both stored as {key!r}; "
                    f"give one of them another `data_key`."
                )
            names[key] = name

    @classmethod
    def meta(cls, name: str, default: Any = None) -> Any:
        """An option of `class Meta`, of this class or the nearest base that sets it."""
        found = _option(cast(Any, cls), name)
        return default if found is _UNSET else found

    @classmethod
    def model_named(cls, name: str, asker: object) -> type[DomainModel]:
        """The domain model of that name: what the class's module knows, or the only one; raises DeclarationError."""
        found = [each for each in subclasses(DomainModel) if each.__name__ == name]
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
        """The marshmallow schema of all attributes that are not computed alone."""
        return _schema(cast(Any, cls), base, computed=False)

    @classmethod
    def view_schema(cls, base: type[Schema] = StoredSchema) -> Schema:
        """The marshmallow schema of what `to_view_dict` gives: all attributes, computed ones always present."""
        return _schema(cast(Any, cls), base, computed=True)

    @classmethod
    def _without_unset(cls, fields: Fields) -> Fields:
        """Without a null where there is a default: the default is meant, as for a field that is not there."""
        unset = {
            each.data_key for each in cls.attributes.values() if each.has_default and fields.get(each.data_key) is None
        }
        return {key: value for key, value in fields.items() if key not in unset}

    @classmethod
    def exported(cls) -> Mapping[str, Attribute[Any]]:
        """The attributes that are stored: all but those in `Meta.exclude`."""
        return _exported(cast(Any, cls))

    @classmethod
    def _fitting(cls, schema: Schema, fields: Fields) -> dict[str, Any]:
        """The values that the schema reads in the fields, without those that are missing or do not fit."""
        try:
            values: dict[str, Any] = schema.load(fields, partial=True)
        except ValidationError as error:
            fitting = {key: value for key, value in fields.items() if key not in error.messages}
            return cls._fitting(schema, fitting) if len(fitting) < len(fields) else {}
        return values

    def _initialize(self, values: Mapping[str, Any], *, is_read: bool = False) -> None:
        self.values = {
            name: each.initial()
            for name, each in self.attributes.items()
            if each.has_default and name not in values and each.fget is None and not (is_read and each.is_drawn)
        }
        for name, value in values.items():
            if name not in self.attributes and self.meta("unknown") != INCLUDE:
                raise InvalidValue(
                    type(self).__name__,
                    {name: [f"Undeclared; declared are {', '.join(self.attributes) or 'none'}."]},
                )
            if name in self.attributes:
                setattr(self, name, value)
            else:
                self.values[name] = copy.deepcopy(value)

    def to_view_dict(self) -> dict[str, Any]:
        """The attributes by the names that documents have for them; a relation gives the path that it names."""
        return {key: _without_references(value) for key, value in self.stored_fields().items()}

    def stored_fields(self) -> dict[str, Any]:
        """The attributes that are set, as a document holds them; raises InvalidValue for one that does not fit."""
        fields = self._spelled()
        if self.recalled:
            return fields
        declared = {each.data_key for each in self.attributes.values()}
        if errors := self.view_schema().validate({key: value for key, value in fields.items() if key in declared}):
            raise InvalidValue(type(self).__name__, flatten(errors), self._refused(errors))
        if faults := {name: found for name, value in fields.items() if (found := _faults(name, value))}:
            told = {dotted((name, *each.where)): [each.reason] for name, found in faults.items() for each in found}
            raise InvalidValue(type(self).__name__, told, self._refused(faults))
        return fields

    def _refused(self, keys: Iterable[str]) -> dict[str, Any]:
        """The values that the model holds under these names of fields."""
        names = {each.data_key: name for name, each in self.attributes.items()}
        return {key: self.values[names[key]] for key in keys if names.get(key) in self.values}

    def _spelled(self) -> dict[str, Any]:
        """As `stored_fields`, of whatever values: those that were loaded have been validated, others are when saved."""
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
        return {**copy.deepcopy(extra), **by_key}

    def _computed(self, name: str) -> Any:
        return getattr(self, name)

    def _stored(self, name: str, value: Any) -> Any:
        field: Any = self.view_schema().fields[name]
        try:
            return field._serialize(value, name, self)
        except ValidationError as error:
            told = flatten(error.messages, self.attributes[name].data_key)
            raise InvalidValue(type(self).__name__, told, {name: value}) from error
        except (ValueError, AttributeError, TypeError) as error:
            told = {name: [f"Cannot be stored: {error}."]}
            raise InvalidValue(type(self).__name__, told, {name: value}) from error

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={value!r}" for name, value in sorted(self.values.items()))
        return f"{type(self).__name__}({values})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and isinstance(self, type(other)) and other.values == self.values

    if not TYPE_CHECKING:  # a type checker would take any name for an attribute

        def __getattr__(self, name: str) -> Any:
            if name in self.__dict__.get("values", {}) and name not in self.attributes:
                return self.values[name]
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")


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
                f"{cls.__name__}.{computed[0]} is computed, and an Embedded stores only what it is given; make it a "
                f"`@property`, or an attribute of the model that holds {cls.__name__}."
            )

    def __init__(self, /, **values: Any) -> None:
        self.undeclared = {}
        self._initialize(values)

    @classmethod
    def _of_values(cls, values: Mapping[str, Any]) -> Self:
        """The object that a document holds."""
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
        declared = super()._serialize(nested_obj.values, attr, obj, **kwargs)  # type: ignore[no-untyped-call]
        extra = {name: value for name, value in nested_obj.values.items() if name not in self.model.attributes}
        kept = {**nested_obj.undeclared, **extra} if spelling(self) is StoredSchema else extra
        return {**copy.deepcopy(kept), **declared}

    def _check_class(self, given: type[Any]) -> None:
        wanted = self.model.__name__
        if not issubclass(given, self.model):
            raise ValidationError(f"Not a {wanted}.")
        if given is not self.model:
            raise ValidationError(
                f"{given.__name__} would be read back as {wanted}, without what it adds; declare the attribute with it."
            )

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, partial: Any = None, **kwargs: Any
    ) -> Any:
        is_stored = isinstance(value, Mapping) and spelling(self) is StoredSchema
        known = self.model._without_unset(value) if is_stored else value
        values = super()._deserialize(known, attr, data, partial, **kwargs)
        embedded = self.model._of_values(values) if is_stored else self.model(**values)
        declared = {each.data_key for each in self.model.attributes.values()}
        embedded.undeclared = {key: copy.deepcopy(each) for key, each in value.items() if key not in declared}
        return embedded


class DomainModel(Model):
    """A document that is the source of truth.

        class City(DomainModel):
            class Meta:
                collection_name = "cities"
            city_name = attrs.string(required=True)

        City.new(doc_id="TOK", city_name="Tokyo").save()
        City.get("TOK").city_name   # "Tokyo"

    Subclasses share the collection and are told apart by `obj_type`. In a sub-collection, `collection_name` is
    `"users/{user_id}/cityForms"`, and `new`, `get` and `where` take the placeholders too:
    `CityForm.get("LA", user_id="uid1")`.
    """

    path: str
    _document: Document | None
    _loaded: Fields | None = None
    """What the document holds, as the model would store it; made when it is first compared with."""
    _filled: Mapping[str, Any]
    """The defaults that stand for what the document lacks: of a callable default, the value that it gave then."""
    _first: Mapping[str, Any] = {}
    """The very values that were loaded."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        name = cls.meta("collection_name")
        if name is not None and Pattern(name).open_collections:
            raise InvalidPattern(f"{cls.__name__}.Meta.collection_name {name!r} has a placeholder for a collection.")
        if name is not None and any("." in placeholder for placeholder in Pattern(name).names):
            raise InvalidPattern(
                f"{cls.__name__}.Meta.collection_name {name!r}: a placeholder is a name, '{{user_id}}'."
            )
        if name is not None and Pattern(name).is_document:
            raise InvalidPattern(
                f"{cls.__name__}.Meta.collection_name {name!r} names a document; "
                f"a collection has an odd number of segments."
            )
        if name is not None and (taken := {"doc_id", *cls.attributes} & set(Pattern(name).names)):
            raise InvalidPattern(f"{cls.__name__}.Meta.collection_name uses {sorted(taken)}, which the model has too.")
        if name is not None:
            cls._check_kind()

    @classmethod
    def _check_kind(cls) -> None:
        """Raises NameCollision when documents of another class in the collection would tell that they are this one's.

        A module that is loaded again declares its classes anew: then the last one counts.
        """
        own = f"{cls.__module__}.{cls.__qualname__}"
        for other in cls._root()._of_kind(cls.__name__):
            theirs = f"{other.__module__}.{other.__qualname__}"
            if theirs != own:
                raise NameCollision(
                    f"{theirs} and {own} share the collection {cls.meta('collection_name')!r}, where {OBJ_TYPE} tells "
                    f"them apart by the name that both have; rename one of them."
                )

    def __init__(self) -> None:
        raise TypeError(f"Make a {type(self).__name__} with `{type(self).__name__}.new(doc_id=…, …)`, or `get` one.")

    @classmethod
    def pattern(cls) -> Pattern:
        """The pattern of the paths of its documents: `cities/{doc_id}`."""
        name = cls.meta("collection_name")
        if name is None:
            raise InvalidPattern(
                f'{cls.__name__} has no collection; add `class Meta: collection_name = "{cls.__name__.lower()}s"`.'
            )
        return _document_pattern(name)

    @classmethod
    def path_of(cls, doc_id: str, **parents: str) -> str:
        """The path of a document: `City.path_of("TOK")` is `"cities/TOK"`."""
        pattern = cls.pattern()
        missing = set(pattern.names) - {"doc_id"} - parents.keys()
        if missing or parents.keys() - set(pattern.names):
            raise InvalidValue(
                cls.__name__,
                {name: [f"needed to find {pattern.text}"] for name in sorted(missing)}
                or {name: [f"no placeholder of {pattern.text}"] for name in parents if name not in pattern.names},
            )
        return pattern.fill({**parents, "doc_id": doc_id})

    @classmethod
    def new(cls, doc_id: str | None = None, **values: Any) -> Self:
        """A model that is not stored yet; without `doc_id` it gets a random one, as Firestore makes them."""
        parents = {name: values.pop(name) for name in cls.pattern().names if name in values}
        model = cls.__new__(cls)
        chosen = document_id(doc_id) if doc_id is not None else random_id()
        model.path = cls.path_of(chosen, **parents)
        model._document = None
        model._filled = {}
        model._initialize(values)
        return model

    @classmethod
    def from_document(cls, document: Document) -> Self:
        """The model of a document that exists; raises InvalidDocument when it does not fit."""
        actual = cls._class_of(document)
        try:
            values = actual.schema().load(actual._loadable(document.fields or {}))
        except ValidationError as error:
            raise InvalidDocument(document.path, actual.__name__, flatten(error.messages)) from error
        return actual._of_values(document, values)

    @classmethod
    def recall(cls, document: Document) -> Self:
        """The model of a document as other code left it, as far as it fits: what does not is None."""
        actual = cls._class_of(document)
        fields = actual._loadable(document.fields or {})
        values = actual._fitting(actual.schema(), fields)
        model = actual._of_values(document, values)
        model.recalled = True
        # A default stands for what is not there, not for what cannot be read.
        for name in model.values.keys() - values.keys():
            if actual.attributes[name].data_key in fields:
                del model.values[name]
        return model

    @classmethod
    def _of_values(cls, document: Document, values: Mapping[str, Any]) -> Self:
        model = cls.__new__(cls)
        model.path = document.path
        model._document = document
        model._initialize(values, is_read=True)
        model._filled = {name: copy.deepcopy(each) for name, each in model.values.items() if name not in values}
        model._first = dict(model.values)
        return model

    @classmethod
    def _loadable(cls, fields: Fields) -> Fields:
        return cls._without_unset({key: value for key, value in fields.items() if key not in RESERVED_KEYS})

    @classmethod
    def get(cls, doc_id: str, **parents: str) -> Self | None:
        """The stored model, or None."""
        return next(iter(cls._read([cls.path_of(doc_id, **parents)])), None)

    @classmethod
    def get_many(cls, doc_ids: Iterable[str], **parents: str) -> list[Self]:
        """The stored models in the order of the ids, by one read; missing ones are left out."""
        return cls._read([cls.path_of(doc_id, **parents) for doc_id in doc_ids])

    @classmethod
    def where(cls, *conditions: Condition[Any], **equal: Any) -> Selection[Self]:
        """The stored models that fulfil every condition: `City.where(City.population < 1000, capital=True)`."""
        return select(cls, conditions, equal)

    @classmethod
    def all(cls) -> Selection[Self]:
        """All stored models, of subclasses too."""
        return cls.where()

    @property
    def doc_id(self) -> str:
        return id_of(self.path)

    @property
    def params(self) -> dict[str, str]:
        """What the placeholders of the collection stand for: `{"user_id": "uid1"}`."""
        captured = self.pattern().match(self.path) or {}
        return {name: value for name, value in captured.items() if name != "doc_id"}

    def save(self) -> None:
        """Writes the declared fields; of a model that was read, those that changed. Undeclared fields survive."""
        fields = {**self.stored_fields(), OBJ_TYPE: type(self).__name__, DOC_ID: self.doc_id, DOC_REF: self.path}
        active = session.current()
        if self._document is None or not self._document.exists:
            declared = [each.data_key for each in self.exported().values()]
            names = dict.fromkeys((*declared, *fields))
            active.write(Put(self.path, fields, mask=tuple(map(field_path, names))))
        elif changed := self._changed(fields):
            kept = {name: fields[name] for name in changed if name in fields}
            active.write(Put(self.path, kept, mask=tuple(map(field_path, changed)), precondition=PRESENT))
        stored = self._document.fields if self._document else None
        self._document, self._loaded, self._first = Document(self.path, {**(stored or {}), **fields}), None, {}
        active.models[self._root(), self.path] = self

    @property
    def is_changed(self) -> bool:
        """Whether there is something to save: a model that was deleted has nothing."""
        if self._document is None:
            return True
        return self._document.exists and not self._is_untouched() and bool(self._changed(self._spelled()))

    def _is_untouched(self) -> bool:
        """Whether the values are those that were loaded, and none of a type that can change in place."""
        first = self._first
        return self.values.keys() == first.keys() and all(
            value is first[name] and isinstance(value, _IMMUTABLE) for name, value in self.values.items()
        )

    def delete(self) -> None:
        """Deletes the document; views and relations that named it see None."""
        session.current().write(Delete(self.path))
        self._document, self._loaded = Document(self.path), None

    def _changed(self, fields: Fields) -> list[str]:
        # Compared with what was loaded, not noted on assignment, so that a list changed in place counts; and not with
        # what is stored, as a default that was filled in, or 5 that reads as 5.0, is no change.
        assert self._document is not None
        if self._loaded is None:
            before = type(self).from_document(self._document)
            before.values.update(self._filled)
            self._loaded = before._spelled()
        loaded = self._loaded
        new = [key for key in RESERVED_KEYS if key in fields and key not in (self._document.fields or {})]
        declared = {key: value for key, value in fields.items() if key not in RESERVED_KEYS}
        changed = [key for key, value in declared.items() if key not in loaded or differs(loaded[key], value)]
        return [*(key for key in loaded if key not in fields), *changed, *(new if changed else ())]

    @classmethod
    def _read(cls, paths: list[str]) -> list[Self]:
        return cls._models(session.current().read(paths))

    @classmethod
    def _models(cls, documents: Iterable[Document]) -> list[Self]:
        models = (cls.model_of(document) for document in documents)
        return [model for model in models if model is not None]

    @classmethod
    def model_of(cls, document: Document) -> Self | None:
        """The model of a document in the active session; None when there is none, or it is another subclass's."""
        if not cls.holds(document):
            return None
        known = session.current().models
        key = (cls._root(), document.path)
        if key not in known:
            known[key] = cls.from_document(document)
        model: Self = known[key]
        return model

    @classmethod
    def holds(cls, document: Document) -> bool:
        """Whether the document exists and is of this class, or of a subclass."""
        return document.exists and issubclass(cls._root()._class_of(document), cls)

    @classmethod
    def _root(cls) -> type[DomainModel]:
        """The class that declares the collection."""
        return _root(cast(Any, cls))

    @classmethod
    def _class_of(cls, document: Document) -> type[Self]:
        if not cls.__subclasses__():
            return cls
        # An unknown obj_type may come from newer code; what this class declares can still be read.
        name = (document.fields or {}).get(OBJ_TYPE)
        return next(reversed(cls._of_kind(name)), cls)

    @classmethod
    def _of_kind(cls, name: object) -> list[type[Self]]:
        """The classes of that name in the collection, in the order of declaration."""
        named = (each for each in (cls, *subclasses(cls)) if each.__name__ == name)
        return [each for each in named if each._root() is cls._root()]

    @classmethod
    def discriminator(cls) -> tuple[Filter, ...]:
        """The filter that finds this class and its subclasses in a collection that it shares."""
        if cls is cls._root():
            return ()
        names = tuple(sorted({each.__name__ for each in (cls, *subclasses(cls))}))
        return (Filter(OBJ_TYPE, "==", names[0]) if len(names) == 1 else Filter(OBJ_TYPE, "in", names),)

    def __eq__(self, other: object) -> bool:
        return super().__eq__(other) and isinstance(other, DomainModel) and other.path == self.path

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path}>"

    if not TYPE_CHECKING:  # a placeholder's value is typed as `params["user_id"]`

        def __getattr__(self, name: str) -> Any:
            captured = (self.pattern().match(self.__dict__.get("path", "")) or {}) if not name.startswith("_") else {}
            return captured[name] if name in captured else super().__getattr__(name)


def differs(one: Any, other: Any) -> bool:
    """Whether Firestore would tell the two values, or models, apart: 1 and True differ, and so do 1 and 1.0."""
    if type(one) is type(other) and isinstance(one, str | bool | int | Reference | None):
        return bool(one != other)
    return digest(_plain(one)) != digest(_plain(other))


def _plain(value: Any) -> Any:
    """The value, which was loaded from a document, by Firestore's types alone; of a model its class and attributes."""
    match value:
        case Model():
            return [type(value).__qualname__, _plain(value.values)]
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
    """Why no document can hold the field."""
    reason = fault_of_name(name)
    return faults_of(value, name) if reason is None else [Fault((), reason)]


@cache
def _exported(model: Any) -> Mapping[str, Attribute[Any]]:
    excluded = set(model.meta("exclude", ()))
    return {name: each for name, each in model.attributes.items() if name not in excluded}


@cache
def _root(model: Any) -> type[DomainModel]:
    name = model.meta("collection_name")
    bases = [base for base in model.__mro__ if issubclass(base, DomainModel)]
    root: type[DomainModel] = next(base for base in reversed(bases) if base.meta("collection_name") == name)
    return root


@cache
def _document_pattern(collection_name: str) -> Pattern:
    return Pattern(collection_name + "/{doc_id}")


@cache
def _schema(model: Any, base: type[Schema], *, computed: bool) -> Schema:
    class Meta:
        unknown = model.meta("unknown") or EXCLUDE

    chosen = {
        name: each.field(always_present=_is_always_present(each, base, computed))
        for name, each in model.exported().items()
        if computed or each.fget is None or (each.fset is not None and model.takes_computed)
    }
    hooks = {"without_hidden": _without_hidden(model, chosen)} if model.meta("unknown") else {}
    members = {**chosen, **hooks, "Meta": Meta, "__module__": model.__module__}
    schema: type[Schema] = type(model.__name__, (base,), members)
    return schema()


def _without_hidden(model: type[Model], chosen: Iterable[str]) -> Any:
    """A hook that takes out what is called as an attribute and is none that the schema reads.

    That is `city_name` beside `cityName`, or what was computed: included unread, it would be taken for the attribute.
    A client is told of it where others are refused; a document of a domain model just holds it.
    """
    keys = {name: attribute.data_key for name, attribute in model.attributes.items()}
    hidden = {*keys, *keys.values()} - {keys[name] for name in chosen}

    def without_hidden(schema: Schema, data: Any, *, unknown: str | None, **_: Any) -> Any:
        hides = isinstance(data, Mapping) and (unknown == INCLUDE or issubclass(model, DomainModel))
        return {key: each for key, each in data.items() if key not in hidden} if hides else data

    return pre_load(without_hidden)


def _is_always_present(attribute: Attribute[Any], base: type[Schema], computed: bool) -> bool:
    if attribute.fget is None:
        return issubclass(base, AnswerSchema) and attribute.has_default
    return computed


def random_id() -> str:
    """An id as Firestore makes them: 20 random letters and digits."""
    return "".join(secrets.choice(_ID_ALPHABET) for _ in range(20))


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
