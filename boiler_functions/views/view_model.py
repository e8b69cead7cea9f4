"""ViewModel: what a front end reads, computed from the documents of a Store, or a form that it sends."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar, Generic, cast

from marshmallow import Schema, ValidationError
from typing_extensions import TypeVar

from boiler_functions.access import Audience, Caller, Owner, audience
from boiler_functions.exceptions import (
    DeclarationError,
    GetterFailed,
    InvalidAccess,
    InvalidAttribute,
    InvalidDocument,
    InvalidOption,
    InvalidPattern,
    InvalidReference,
    Permanent,
    Transient,
)
from boiler_functions.models import session
from boiler_functions.models.conditions import Condition
from boiler_functions.models.fields import String, flatten
from boiler_functions.models.model import DOC_VERSION, RESERVED_KEYS, Model
from boiler_functions.models.selection import Selection, select
from boiler_functions.models.spelling import AnswerSchema, JsonSchema
from boiler_functions.paths import Pattern
from boiler_functions.types import described
from boiler_functions.views.copies import Copies, copies_of, owners_of
from boiler_functions.views.copy import AskedForCopy, Copy, CopyPlace, OneOf
from boiler_functions.views.store import Store
from boiler_functions.views.stored_copy import check_has_id, copy_model


class NoStore(Store):
    """The Store of a view model without a Store; fetches nothing."""


S = TypeVar("S", bound=Store, default=NoStore)
C_co = TypeVar("C_co", bound=Copy, covariant=True, default=Copy)


class ViewModel(Model, Generic[S, C_co]):
    """What a front end reads, computed from several documents, or a form that it sends.

        class CityView(ViewModel[CityStore]):
            class Meta:
                path = "cityView/{city.doc_id}"

            @attrs.computed
            def name(self) -> str:
                return self.store.city.city_name

    `Meta.path` says where copies are stored. It names the root's whole key; a placeholder of a reference to many gives
    one copy for each of its documents. A getter may use the Store only, and with a `Copy` as second argument ask for
    whom the copy is: `ViewModel[MeetingStore, MeetingCopy]`, `self.copy.users`. `Meta.read` and `Meta.write` say who
    may read and change the view (`access.owner("user.doc_id")`); without them no client may, over HTTP or in Firestore.
    """

    takes_computed = True
    store_class: ClassVar[type[Store]] = NoStore
    copy_class: ClassVar[type[Copy]] = Copy

    store: S
    params: Mapping[str, str]
    """The values of the placeholders in the root's path, or in the path of a task's form."""

    _copy_path: str | None = None
    _shared: Mapping[str, Any] | None = None
    """What all copies share, as documents hold it, by attribute; None unless the view is one of copies that differ."""
    _asked: bool | None = None
    """Whether a getter has asked for the copy; None unless it is worked out what all copies share."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for base in vars(cls).get("__orig_bases__", ()):
            for argument in typing.get_args(base):
                if isinstance(argument, type) and issubclass(argument, Store):
                    cls.store_class = argument
                if isinstance(argument, type) and issubclass(argument, Copy):
                    cls.copy_class = argument
        if old := [name for name, each in cls.attributes.items() if each.aliases or each.coercion]:
            raise InvalidAttribute(
                f"{cls.__name__}.{old[0]} has `aliases` or `coerce`, which are for documents that are there already; "
                f"declare them in a DomainModel. A form is checked strictly."
            )
        if cls.meta("path") is not None:
            cls._check_path()
        for member in cls.copy_class.__declared__():
            cls._check_member(member)
        for option in ("read", "write"):
            cls._check_audience(option)

    def __init__(self) -> None:
        raise TypeError(
            f"{type(self).__name__} cannot be called; functions make it, and tests use `{type(self).__name__}.of`."
        )

    @classmethod
    def of(
        cls,
        store: S,
        params: Mapping[str, str],
        values: Mapping[str, Any] | None = None,
        *,
        copy_path: str | None = None,
    ) -> typing.Self:
        """Returns a view over a Store; `values` are those of a form, `copy_path` is where it is stored."""
        view = cls.__new__(cls)
        vars(view).update(store=store, params=params, _copy_path=copy_path)
        view._initialize({})
        assign(view, values or {})
        return view

    @classmethod
    def recall(cls, params: Mapping[str, str], content: Mapping[str, Any]) -> typing.Self:
        """Returns the view that a stored document holds; its attributes have the values that were computed then.

        It has no Store, so nothing else can be computed. If older code wrote the document, attributes that it did not
        have, or that have another type now, are None.
        """
        view = cls.__new__(cls)
        view.params = params
        declared = {key: value for key, value in content.items() if key not in RESERVED_KEYS}
        view.values, _ = cls._fitting(cls.view_schema(), declared)
        view.recalled = True
        return view

    @classmethod
    def where(cls, *conditions: Condition[Any], **equal: Any) -> Selection[typing.Self]:
        """Selects the stored copies that meet every condition; without conditions, all copies.

        As in `matching(Card.where(status="open"))`; each is read as it is stored.
        """
        check_has_id(cls)
        return select(copy_model(cls), conditions, equal)

    @classmethod
    def load_form(cls, path: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the values of a form's document by attribute; raises InvalidDocument if it does not fit."""
        values = cls.load_by(cls.schema(), path, fields)
        return {name: value for name, value in values.items() if name in cls.attributes}

    @classmethod
    def load_by(cls, schema: Schema, path: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Returns the values that the schema loads from a document; raises InvalidDocument if it does not fit."""
        try:
            values = cast(dict[str, Any], schema.load(fields))
        except ValidationError as error:
            raise InvalidDocument(path, cls.__name__, flatten(error.messages)) from error
        return values

    @classmethod
    def pattern(cls) -> Pattern:
        """Returns the pattern of the copies' paths; its placeholders are `reference.attribute`.

        Raises InvalidPattern for a view without `Meta.path`.
        """
        path = cls.meta("path")
        if path is None:
            raise InvalidPattern(f'{cls.__name__} is not stored; add `class Meta: path = "…/{{root.doc_id}}"`.')
        return _pattern(path)

    @classmethod
    def copy_schema(cls) -> Schema:
        """Returns the schema of a stored copy: what it always has is required."""
        version: dict[str, Any] = {DOC_VERSION: String(required=True)} if cls.is_versioned() else {}
        return cls.view_schema(AnswerSchema.from_dict(version))

    @classmethod
    def settable(cls) -> list[str]:
        """Returns the attributes that have a setter, in the order of declaration."""
        return [name for name, attribute in cls.exported().items() if attribute.fset is not None]

    @classmethod
    def is_versioned(cls) -> bool:
        """Returns whether copies hold their version: `Meta.versioned`."""
        return bool(cls.meta("versioned"))

    @classmethod
    def __example__(cls) -> dict[str, Any] | None:
        """Returns `Meta.example`, one view as JSON, for the OpenAPI document; raises InvalidOption if it is wrong."""
        found: dict[str, Any] | None = cls.meta("example")
        if found is not None and (errors := cls.view_schema(JsonSchema).validate(found)):
            raise InvalidOption(f"{cls.__name__}.Meta.example does not fit the view: {flatten(errors)}.")
        return found

    @classmethod
    def __readers__(cls) -> Audience:
        """Returns the audience of `Meta.read`, which may read the view."""
        return audience(cls.meta("read"))

    @classmethod
    def __writers__(cls) -> Audience:
        """Returns the audience of `Meta.write`, which may use the setters and operations, or send the form."""
        return audience(cls.meta("write"))

    def __copies__(self) -> Copies:
        """Returns where the copies of the view belong; nowhere without `Meta.path`."""
        return copies_of(type(self).__name__, self.pattern(), self.store) if self.meta("path") else Copies()

    def __owners__(self, placeholder: str) -> set[str]:
        return owners_of(type(self).__name__, placeholder, self.store)

    @classmethod
    def has_own_copies(cls) -> bool:
        """Returns whether copies differ, as getters may ask for whom one is."""
        return cls.copy_class is not Copy

    @property
    def copy(self) -> C_co:
        """For whom the copy is that getters or setters work on: `self.copy.users`, as the view's Copy declares."""
        if not self.has_own_copies():
            raise GetterFailed(
                f"{type(self).__name__} asks for whom a copy is, and does not say who that could be. Declare it: "
                f"`class {type(self).__name__}Copy(Copy): users = one_of({self.store_class.__name__}.users)`, and "
                f"`class {type(self).__name__}(ViewModel[{self.store_class.__name__}, {type(self).__name__}Copy])`."
            )
        if self._asked is not None:
            self._asked = True
            raise AskedForCopy
        if self._copy_path is None:
            raise GetterFailed(
                f"{type(self).__name__} asks for whom a copy is where there is no copy: an audience and `on_create` "
                f"have none, nor has a caller without one."
            )
        found = self.copy_class(CopyPlace(self.store, self.pattern(), self._copy_path))
        return cast(C_co, found)

    def __shared__(self) -> dict[str, Any]:
        """Returns what all copies share, as documents hold it: the results of getters that do not ask for the copy."""
        found: dict[str, Any] = {}
        for name, attribute in self.exported().items():
            self._asked = False
            try:
                stored = self._stored(name, self._computed(name)) if attribute.fget else None
            except AskedForCopy:
                continue
            finally:
                was_asked, self._asked = self._asked, None
            if was_asked:
                break  # The getter has caught it: what it kept in the view for others may be of no copy.
            if attribute.fget:
                found[name] = stored
        return found

    def __own__(self, path: str, shared: Mapping[str, Any]) -> typing.Self:
        """Returns the view as the copy at the path, with what all copies share."""
        view = self.of(self.store, self.params, copy_path=path)
        view._shared = shared
        return view

    @property
    def caller(self) -> Caller | None:
        """The sender of the request, for setters, operations and hooks; None without a token, and in tasks."""
        return session.current().caller

    def propagate_change(self) -> None:
        """Saves every model of the Store that a setter changed; a form overrides it to say what it does."""
        for model in self.store.changed():
            model.save()

    def on_create(self) -> None:
        """Runs on a new root before the setters, with `@app.rest(…, create=True)`; override it to fill the root."""

    def on_delete(self) -> None:
        """Runs on a DELETE, with `@app.rest(…, delete=True)`; deletes the root unless overridden."""
        root = self.store_class.root()
        for model in self.store.models(root) if root else ():
            model.delete()

    def to_view_dict(self) -> dict[str, Any]:
        """Returns the content of the view's copies; raises GetterFailed if a getter raises."""
        return super().to_view_dict()

    def _computed(self, name: str) -> Any:
        if self._shared is not None and name in self._shared:
            return self._shared[name]
        try:
            return getattr(self, name)
        except (Permanent, Transient):
            raise
        # `sys.exit()` in a getter is a bug like any other, and must not end a process that serves others.
        except (Exception, SystemExit) as error:
            raise GetterFailed(f"{type(self).__name__}.{name} raised {described(error)}") from error

    def _stored(self, name: str, value: Any) -> Any:
        if self._shared is not None and name in self._shared:
            return value  # It is as documents hold it.
        return super()._stored(name, value)

    @classmethod
    def _check_member(cls, member: OneOf[Any]) -> None:
        """Raises DeclarationError unless each copy is for exactly one of the documents."""
        where = f"{cls.__name__}: {cls.copy_class.__name__}.{member.name}"
        if member.source not in cls.store_class.sources:
            raise InvalidReference(
                f"{where} is one of a reference that {cls.store_class.__name__} does not have; name one of its own."
            )
        if cls.meta("path") is None:
            return  # Each mode that needs a path says so.
        if missing := member.needed - {*cls.pattern().names}:
            raise InvalidPattern(
                f"{where} is the one of {cls.store_class.__name__}.{member.source.name} for whom a copy is, and "
                f"{cls.__name__}.Meta.path {cls.pattern().text!r} does not have a copy for each of them; add "
                f"{', '.join(f'{{{each}}}' for each in sorted(missing))}."
            )

    @classmethod
    def _check_path(cls) -> None:
        pattern = cls.pattern()
        if not pattern.is_document:
            raise InvalidPattern(
                f"{cls.__name__}.Meta.path {pattern.text!r} names a collection; "
                f"a document has an even number of segments."
            )
        if pattern.open_collections:
            raise InvalidPattern(
                f"{cls.__name__}.Meta.path {pattern.text!r} has the placeholder {{{pattern.open_collections[0]}}} for "
                f"a collection, so its value could store the view in any collection; write the collection's name "
                f"there. Placeholders stand for documents, in every second segment."
            )
        for name in pattern.names:
            cls._check_placeholder(name)
        root = cls.store_class.root()
        if root is not None:
            wanted = {f"{root.name}.{key}" for key in root.model.pattern().names}
            if missing := wanted - set(pattern.names):
                raise InvalidPattern(
                    f"{cls.__name__}.Meta.path {pattern.text!r} does not name the whole key of its root; "
                    f"add {', '.join(f'{{{each}}}' for each in sorted(missing))}, or two roots would share a document."
                )

    @classmethod
    def _check_audience(cls, option: str) -> None:
        try:
            declared = audience(cls.meta(option))
        except DeclarationError as error:
            raise InvalidAccess(f"{cls.__name__}.Meta.{option}: {error}") from error
        names = owner_names(cls)
        for part in declared.parts():
            # A name without a dot belongs to the path of a task, which its decorator gives later.
            if isinstance(part, Owner) and "." in part.placeholder and part.placeholder not in names:
                raise InvalidAccess(
                    f"{cls.__name__}.Meta.{option} has owner({part.placeholder!r}), which is not a placeholder of its "
                    f"path; there are {', '.join(names) or 'none'}. To admit by anything else, write a function: "
                    f"`{option} = lambda caller, view: …`."
                )

    @classmethod
    def _check_placeholder(cls, name: str) -> None:
        reference, _, attribute = name.partition(".")
        declared = {source.name: source for source in cls.store_class.sources if source.leads}
        if reference not in declared or not attribute:
            known = ", ".join(f"{{{each}.doc_id}}" for each in declared) or "nothing"
            raise InvalidPattern(
                f"{cls.__name__}.Meta.path has the placeholder {{{name}}}, which names nothing in "
                f"{cls.store_class.__name__}; it could name {known}."
            )
        model = declared[reference].model
        if attribute in model.pattern().names:
            return
        if attribute not in model.attributes:
            raise InvalidPattern(f"{cls.__name__}.Meta.path has {{{name}}}, and {model.__name__} has no {attribute!r}.")
        if not isinstance(model.attributes[attribute].field(), String):
            raise InvalidPattern(
                f"{cls.__name__}.Meta.path has {{{name}}}, which is not a string; use a doc_id, or a string attribute."
            )


@cache
def _pattern(path: str) -> Pattern:
    return Pattern(path)


def owner_names(view: type[ViewModel[Any]]) -> tuple[str, ...]:
    """Returns the names that `access.owner` accepts: the placeholders of `Meta.path`, or without it of the root."""
    if view.meta("path") is not None:
        return view.pattern().names
    root = view.store_class.root()
    return tuple(f"{root.name}.{name}" for name in root.model.pattern().names) if root else ()


def assign(view: ViewModel[Any], values: Mapping[str, Any]) -> None:
    """Sets attributes of the view by name; runs the setter of an attribute that has one."""
    for name, value in values.items():
        setattr(view, name, value)


View = type[ViewModel[Any]]
"""The class of a view model."""
