"""DomainModel: a document that is the source of truth."""

from __future__ import annotations

import copy
import secrets
import string
from collections.abc import Collection, Iterable, Mapping
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from boiler_functions.database import PRESENT, Delete, Document, Filter, Put
from boiler_functions.exceptions import (
    ImpureGetter,
    InvalidDocument,
    InvalidPattern,
    InvalidValue,
    NameCollision,
)
from boiler_functions.models import session
from boiler_functions.models.conditions import Condition
from boiler_functions.models.fields import flatten
from boiler_functions.models.model import DOC_ID, DOC_REF, OBJ_TYPE, RESERVED_KEYS, Misfit, Model
from boiler_functions.models.original import IMMUTABLE, Original
from boiler_functions.models.reads import Reads
from boiler_functions.models.selection import Selection, select
from boiler_functions.paths import Pattern, document_id, field_path, id_of
from boiler_functions.types import Fields, cached, subclasses

Loaded: TypeAlias = tuple[Mapping[str, Any], Mapping[str, Misfit]]
"""The values of a document's attributes, and what does not fit."""

_ID_ALPHABET = string.ascii_letters + string.digits


class DomainModel(Model):
    """A document that is the source of truth.

        class City(DomainModel):
            class Meta:
                collection_name = "cities"
            city_name = attrs.string(required=True)

        City.new(doc_id="TOK", city_name="Tokyo").save()
        City.get("TOK").city_name   # "Tokyo"

    Subclasses share the collection; the field `obj_type` says which class a document belongs to. For a sub-collection,
    `collection_name` is `"users/{user_id}/cityForms"`, and `new`, `get` and `where` take the placeholders as keyword
    arguments: `CityForm.get("LA", user_id="uid1")`.
    """

    is_document = True

    path: str
    _original: Original | None
    """What `save` compares with; None for a model that was never stored."""
    _readable: frozenset[str] | None = None
    """The attributes that getters of a view may read; None for all."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        name = cls.meta("collection_name")
        if name is not None and Pattern(name).open_collections:
            raise InvalidPattern(
                f"{cls.__name__}.Meta.collection_name {name!r} has a placeholder for a collection; write the "
                f"collection's name there. Placeholders stand for documents: 'users/{{user_id}}/cities'."
            )
        if name is not None and any("." in placeholder for placeholder in Pattern(name).names):
            raise InvalidPattern(
                f"{cls.__name__}.Meta.collection_name {name!r} has a placeholder with a dot; use a simple name: "
                f"'{{user_id}}'."
            )
        if name is not None and Pattern(name).is_document:
            raise InvalidPattern(
                f"{cls.__name__}.Meta.collection_name {name!r} names a document; "
                f"a collection has an odd number of segments."
            )
        if name is not None and (taken := {"doc_id", *cls.attributes} & set(Pattern(name).names)):
            raise InvalidPattern(
                f"{cls.__name__}.Meta.collection_name has the placeholder {{{min(taken)}}}, which is also an attribute "
                f"of the model; rename one of them."
            )
        if name is not None:
            cls._check_kind()

    @classmethod
    def _check_kind(cls) -> None:
        """Raises NameCollision if another class of the collection has the same name, and so the same `obj_type`.

        A class of the same module and name is a reload of that module; the last one counts.
        """
        own = f"{cls.__module__}.{cls.__qualname__}"
        for other in cls._root()._of_kind(cls.__name__):
            theirs = f"{other.__module__}.{other.__qualname__}"
            if theirs != own:
                raise NameCollision(
                    f"{theirs} and {own} share the collection {cls.meta('collection_name')!r} and the name "
                    f"{cls.__name__}, by which {OBJ_TYPE} tells classes apart; rename one of them."
                )

    def __init__(self) -> None:
        raise TypeError(f"Make a {type(self).__name__} with `{type(self).__name__}.new(doc_id=…, …)`, or `get` one.")

    @classmethod
    def pattern(cls) -> Pattern:
        """Returns the pattern of the documents' paths: `cities/{doc_id}`."""
        return _pattern(cls)

    @classmethod
    def path_of(cls, doc_id: str, **parents: str) -> str:
        """Returns the path of a document: `City.path_of("TOK")` is `"cities/TOK"`."""
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
        """Returns a model that is not stored yet; without `doc_id`, its id is random, in Firestore's format."""
        parents = {name: values.pop(name) for name in cls.pattern().names if name in values}
        model = cls.__new__(cls)
        chosen = document_id(doc_id) if doc_id is not None else random_id()
        model.path = cls.path_of(chosen, **parents)
        model._original = None
        model._initialize(values)
        return model

    @classmethod
    def from_document(cls, document: Document) -> Self:
        """Returns the model of an existing document.

        An attribute that does not fit raises InvalidDocument when it is read, so that one that nobody reads does no
        harm. `Meta.unknown = RAISE` refuses the document at once.
        """
        actual = cls._class_of(document)
        return actual._of_values(document, *actual._loaded(document))

    @classmethod
    def _loaded(cls, document: Document) -> Loaded:
        fields = cls._loadable(document.fields or {})
        values, messages = cls._fitting(cls.schema(), fields)
        if undeclared := messages.keys() - {each.data_key for each in cls.attributes.values()}:
            raise InvalidDocument(document.path, cls.__name__, flatten({key: messages[key] for key in undeclared}))
        return values, cls._misfits_of(fields, messages)

    @classmethod
    def recall(cls, document: Document) -> Self:
        """Returns the model of a document that other code may have written; an attribute that does not fit is None."""
        actual = cls._class_of(document)
        fields = actual._loadable(document.fields or {})
        values, messages = actual._fitting(actual.schema(), fields)
        model = actual._of_values(document, values, actual._misfits_of(fields, messages))
        model.recalled = True
        return model

    @classmethod
    def _misfits_of(cls, fields: Fields, messages: Mapping[str, Any]) -> Mapping[str, Misfit]:
        return {
            name: Misfit(fields.get(each.data_key), messages[each.data_key])
            for name, each in cls.attributes.items()
            if each.data_key in messages
        }

    @classmethod
    def _of_values(cls, document: Document, values: Mapping[str, Any], misfits: Mapping[str, Misfit]) -> Self:
        model = cls.__new__(cls)
        vars(model).update(path=document.path, _misfits=misfits)  # No attributes, which an assignment would look for.
        model._initialize(values, is_read=True)
        # For a callable default, the value that it returned: calling it again may return another.
        filled = {name: copy.deepcopy(each) for name, each in model.values.items() if name not in values}
        spell = partial(cls._as_read, document, (values, misfits), filled)
        model._original = Original(document.fields, model.values, spell)
        return model

    @classmethod
    def _as_read(cls, document: Document, found: Loaded, filled: Mapping[str, Any]) -> Fields:
        """Returns the fields as a model read from the document stores them unchanged."""
        before = cls._of_values(document, *(found if _is_constant(found) else cls._loaded(document)))
        before.recalled = bool(before._misfits)  # A getter that reads a misfit gave nothing that could be stored.
        before.values.update(filled)
        return before._spelled()

    @classmethod
    def _loadable(cls, fields: Fields) -> Fields:
        return cls._current({key: value for key, value in fields.items() if key not in RESERVED_KEYS})

    @classmethod
    def get(cls, doc_id: str, **parents: str) -> Self | None:
        """Returns the stored model, or None if the document does not exist."""
        return next(iter(cls._read([cls.path_of(doc_id, **parents)])), None)

    @classmethod
    def get_many(cls, doc_ids: Iterable[str], **parents: str) -> list[Self]:
        """Returns the stored models in the order of the ids, without missing ones; one read for all."""
        return cls._read([cls.path_of(doc_id, **parents) for doc_id in doc_ids])

    @classmethod
    def where(cls, *conditions: Condition[Any], **equal: Any) -> Selection[Self]:
        """Selects the stored models that meet every condition: `City.where(City.population < 1000, capital=True)`."""
        return select(cls, conditions, equal)

    @classmethod
    def all(cls) -> Selection[Self]:
        """Selects all stored models, including those of subclasses."""
        return cls.where()

    @classmethod
    def __misfits__(cls, document: Document) -> dict[str, list[str]]:
        """Returns marshmallow's messages about a document, by field; nothing if all of it fits."""
        try:
            model = cls.from_document(document)
        except InvalidDocument as error:
            return error.errors
        return model._misfit(model._misfits).errors

    def __compare_with_document__(self, document: Document) -> None:
        """Lets `save` write whatever the document does not hold as the declaration has it now.

        Fields under former names, values of other types, and defaults that are missing; not what does not fit.
        """
        left = {self.attributes[name].data_key for name in self._misfits}
        held = {key: value for key, value in (document.fields or {}).items() if key in self._spelled() or key in left}
        self._original = Original(
            document.fields, {}, lambda: {key: value for key, value in held.items() if key not in left}
        )

    def _narrow(self, readable: frozenset[str] | None) -> None:
        """Forgets the values that may not be read, so that reading one of them raises."""
        if readable is not None:
            self._readable = readable
            self.values = {name: value for name, value in self.values.items() if name in readable}

    def _note(self, reads: Reads | None) -> None:
        """Has what is read from now on noted."""
        if reads is not None:
            self.values = reads.noted(type(self), self.values)

    def _unread(self, name: str) -> ImpureGetter:
        read = ", ".join(sorted(self._readable or ())) or "none"
        return ImpureGetter(
            f"A getter reads {type(self).__name__}.{name} of {self.path}, which no reference fetches: their `fields` "
            f"have {read}. Add {type(self).__name__}.{name} to the `fields` of the reference that reaches it, so that "
            f"a change of it rebuilds the view."
        )

    def _unset(self, name: str) -> None:
        if self._readable is not None and name not in self._readable and name not in self.values:
            raise self._unread(name)
        if name in self._misfits and not self.recalled:
            raise self._misfit([name])

    def _misfit(self, names: Collection[str]) -> InvalidDocument:
        """Returns the error of the attributes of these names, which the document does not fit."""
        messages = {self.attributes[name].data_key: self._misfits[name].reasons for name in names}
        return InvalidDocument(self.path, type(self).__name__, flatten(messages))

    def to_view_dict(self) -> dict[str, Any]:
        """Returns the attributes by their names in documents; raises InvalidDocument if one does not fit."""
        if self._readable is not None:
            plain = [name for name, each in self.exported().items() if each.fget is None]
            if unread := [name for name in plain if name not in self._readable]:
                raise self._unread(unread[0])
        unfit = [name for name in self._misfits if name in self.exported() and name not in self.values]
        if unfit and not self.recalled:
            raise self._misfit(unfit)
        return super().to_view_dict()

    @property
    def doc_id(self) -> str:
        return id_of(self.path)

    @property
    def params(self) -> dict[str, str]:
        """The values of the placeholders in `collection_name`: `{"user_id": "uid1"}`."""
        captured = self.pattern().match(self.path) or {}
        return {name: value for name, value in captured.items() if name != "doc_id"}

    def save(self) -> None:
        """Writes the declared fields; for a model that was read, only those that changed. Undeclared fields survive.

        A field that is written under its name is deleted under its former names, so that a document has one value.
        """
        fields = {**self.stored_fields(), OBJ_TYPE: type(self).__name__, DOC_ID: self.doc_id, DOC_REF: self.path}
        active = session.current()
        names: Iterable[str]
        if self._original is not None and self._original.exists:
            names, precondition = self._original.changed(fields), PRESENT
            names = [*names, *(each for each in self._former(names) if self._original.holds(each))]
        else:
            declared = [each.data_key for each in self.exported().values()]
            names, precondition = dict.fromkeys((*declared, *fields, *self._former(declared))), None
        if names:
            kept = {name: fields[name] for name in names if name in fields}
            active.write(Put(self.path, kept, tuple(map(field_path, names)), precondition))
            self._original = Original.saved(fields, self.values)
        active.models[self._root(), self.path] = self

    @classmethod
    def _former(cls, keys: Iterable[str]) -> list[str]:
        """Returns the former names of these fields."""
        written = set(keys)
        return [alias for each in cls.attributes.values() if each.data_key in written for alias in each.aliases]

    @property
    def is_changed(self) -> bool:
        """Whether `save` has something to write; False for a deleted model."""
        original = self._original
        if original is None:
            return True
        return original.exists and not original.is_untouched(self.values) and bool(original.changed(self._spelled()))

    def delete(self) -> None:
        """Deletes the document; relations to it then read as None."""
        session.current().write(Delete(self.path))
        self._original = Original.deleted()

    @classmethod
    def _read(cls, paths: list[str]) -> list[Self]:
        return cls._models(session.current().read(paths))

    @classmethod
    def _models(cls, documents: Iterable[Document]) -> list[Self]:
        models = (cls.model_of(document) for document in documents)
        return [model for model in models if model is not None]

    @classmethod
    def model_of(cls, document: Document) -> Self | None:
        """Returns the document's model in the active session, the same object at each call.

        Returns None if the document does not exist, or belongs to another subclass.
        """
        if not cls.holds(document):
            return None
        active = session.current()
        known, key = active.models, (cls._root(), document.path)
        if key not in known:
            known[key] = cls._class_of(document)._with(document, active.loaded)
            known[key]._narrow(active.readable(document.path))
            known[key]._note(active.reads)
        model: Self = known[key]
        return model

    @classmethod
    def _with(cls, document: Document, loaded: dict[Any, Any]) -> Self:
        """Returns a model of its own with the values that another of the same document has loaded."""
        of_fields, found = loaded.get((cls, document.path)) or (None, None)
        # A document that was written in between has other fields under the same path.
        if found is None or of_fields is not document.fields:
            found = cls._loaded(document)
            if _is_constant(found):
                loaded[cls, document.path] = document.fields, found
        return cls._of_values(document, *found)

    @classmethod
    def holds(cls, document: Document) -> bool:
        """Returns whether the document exists and belongs to this class or a subclass."""
        root = cls._root()
        return document.exists and (cls is root or issubclass(root._class_of(document), cls))

    @classmethod
    def _root(cls) -> type[DomainModel]:
        """Returns the topmost class of the collection, the one that declares it."""
        return _root(cls)

    @classmethod
    def _class_of(cls, document: Document) -> type[Self]:
        if not cls.__subclasses__():
            return cls
        # Newer code may have written an unknown obj_type; the attributes of this class can still be read.
        name = (document.fields or {}).get(OBJ_TYPE)
        return next(reversed(cls._of_kind(name)), cls)

    @classmethod
    def _of_kind(cls, name: object) -> list[type[Self]]:
        """Returns the classes of that name in the collection, in the order of declaration."""
        named = (each for each in (cls, *subclasses(cls)) if each.__name__ == name)
        return [each for each in named if each._root() is cls._root()]

    @classmethod
    def discriminator(cls) -> tuple[Filter, ...]:
        """Returns the filter that finds this class and its subclasses in a shared collection, or () for all of it."""
        if cls is cls._root():
            return ()
        names = tuple(sorted({each.__name__ for each in (cls, *subclasses(cls))}))
        return (Filter(OBJ_TYPE, "==", names[0]) if len(names) == 1 else Filter(OBJ_TYPE, "in", names),)

    def __eq__(self, other: object) -> bool:
        # First by the path: comparing the values reads them all.
        return isinstance(other, DomainModel) and other.path == self.path and super().__eq__(other)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path}>"

    if not TYPE_CHECKING:  # For a type checker, a placeholder's value is `params["user_id"]`.

        def __getattr__(self, name: str) -> Any:
            captured = (self.pattern().match(self.__dict__.get("path", "")) or {}) if not name.startswith("_") else {}
            return captured[name] if name in captured else super().__getattr__(name)


def _is_constant(found: Loaded) -> bool:
    """Returns whether models can share what was loaded, as none of them can change it in place."""
    values, misfits = found
    return not misfits and all(isinstance(each, IMMUTABLE) for each in values.values())


@cached
def _pattern(model: Any) -> Pattern:
    name = model.meta("collection_name")
    if name is None:
        raise InvalidPattern(
            f'{model.__name__} has no collection; add `class Meta: collection_name = "{model.__name__.lower()}s"`.'
        )
    return _document_pattern(name)


@cached
def _root(model: Any) -> type[DomainModel]:
    name = model.meta("collection_name")
    bases = [base for base in model.__mro__ if issubclass(base, DomainModel)]
    root: type[DomainModel] = next(base for base in reversed(bases) if base.meta("collection_name") == name)
    return root


@cache
def _document_pattern(collection_name: str) -> Pattern:
    return Pattern(collection_name + "/{doc_id}")


def random_id() -> str:
    """Returns an id in Firestore's format: 20 random letters and digits."""
    return "".join(secrets.choice(_ID_ALPHABET) for _ in range(20))
