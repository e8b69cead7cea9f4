"""ViewModel: what a front end wants to read, computed from the documents of a Store."""

from __future__ import annotations

import typing
from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar, Generic

from marshmallow import Schema, ValidationError
from typing_extensions import TypeVar

from boiler_functions.access import Audience, Caller, Owner, audience
from boiler_functions.exceptions import (
    DeclarationError,
    GetterFailed,
    InvalidAccess,
    InvalidDocument,
    InvalidOption,
    InvalidPattern,
    Permanent,
    Transient,
)
from boiler_functions.models import session
from boiler_functions.models.fields import JsonSchema, String, flatten
from boiler_functions.models.model import RESERVED_KEYS, Model
from boiler_functions.paths import Pattern
from boiler_functions.views.copies import Copies, copies_of, owners_of
from boiler_functions.views.store import Store


class NoStore(Store):
    """The Store of a view model that declares none: nothing is fetched."""


S = TypeVar("S", bound=Store, default=NoStore)


class ViewModel(Model, Generic[S]):
    """What a front end wants to read, gathered from several documents, or a form that it sends.

        class CityView(ViewModel[CityStore]):
            class Meta:
                path = "cityView/{city.doc_id}"

            @attrs.computed
            def name(self) -> str:
                return self.store.city.city_name

    `Meta.path` says where a copy is stored: it names the root's whole key, and a placeholder of a many reference gives
    one copy each. A getter is a function of the Store alone. `Meta.read` and `Meta.write` say who may
    (`access.owner("user.doc_id")`); without them nobody may, over HTTP or from a client.
    """

    takes_computed = True
    store_class: ClassVar[type[Store]] = NoStore

    store: S
    params: Mapping[str, str]
    """The key: what the placeholders of the root's, or the task's, path stand for."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for base in vars(cls).get("__orig_bases__", ()):
            for argument in typing.get_args(base):
                if isinstance(argument, type) and issubclass(argument, Store):
                    cls.store_class = argument
        if cls.meta("path") is not None:
            cls._check_path()
        for option in ("read", "write"):
            cls._check_audience(option)

    def __init__(self) -> None:
        raise TypeError(
            f"A {type(self).__name__} is made by a function that serves it, or by `{type(self).__name__}.of`."
        )

    @classmethod
    def of(cls, store: S, params: Mapping[str, str], values: Mapping[str, Any] | None = None) -> typing.Self:
        """A view over a Store; `values` are those of a form."""
        view = cls.__new__(cls)
        view.store = store
        view.params = params
        view._initialize({})
        assign(view, values or {})
        return view

    @classmethod
    def recall(cls, params: Mapping[str, str], content: Mapping[str, Any]) -> typing.Self:
        """The view as a document holds it: an attribute gives what its getter gave then.

        There is no Store: nothing else can be computed. Where older code wrote the document, an attribute that it did
        not have, or that is of another type now, is None.
        """
        view = cls.__new__(cls)
        view.params = params
        declared = {key: value for key, value in content.items() if key not in RESERVED_KEYS}
        view.values = cls._fitting(cls.view_schema(), declared)
        view.recalled = True
        return view

    @classmethod
    def load_form(cls, path: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The values of a form's document by attribute; raises InvalidDocument when they do not fit."""
        values = cls.load_by(cls.schema(), path, fields)
        return {name: value for name, value in values.items() if name in cls.attributes}

    @classmethod
    def load_by(cls, schema: Schema, path: str, fields: Mapping[str, Any]) -> dict[str, Any]:
        """What the schema makes of a document; raises InvalidDocument when it does not fit."""
        try:
            values: dict[str, Any] = schema.load(fields)
        except ValidationError as error:
            raise InvalidDocument(path, cls.__name__, flatten(error.messages)) from error
        return values

    @classmethod
    def pattern(cls) -> Pattern:
        """Where the view is stored; placeholders are `reference.attribute`. Raises DeclarationError without a path."""
        path = cls.meta("path")
        if path is None:
            raise InvalidPattern(f'{cls.__name__} is not stored; add `class Meta: path = "…/{{root.doc_id}}"`.')
        return _pattern(path)

    @classmethod
    def settable(cls) -> list[str]:
        """The attributes that have a setter, in the order in which they are declared."""
        return [name for name, attribute in cls.exported().items() if attribute.fset is not None]

    @classmethod
    def is_versioned(cls) -> bool:
        """Whether its copies hold their version: `Meta.versioned`."""
        return bool(cls.meta("versioned"))

    @classmethod
    def __example__(cls) -> dict[str, Any] | None:
        """`Meta.example`, one view as JSON has it, for the API's description; raises InvalidOption for a wrong one."""
        found: dict[str, Any] | None = cls.meta("example")
        if found is not None and (errors := cls.view_schema(JsonSchema).validate(found)):
            raise InvalidOption(f"{cls.__name__}.Meta.example does not fit the view: {flatten(errors)}.")
        return found

    @classmethod
    def __readers__(cls) -> Audience:
        """Who may read the view: `Meta.read`."""
        return audience(cls.meta("read"))

    @classmethod
    def __writers__(cls) -> Audience:
        """Who may change what the view shows, through its setters or operations, or send the form: `Meta.write`."""
        return audience(cls.meta("write"))

    def __copies__(self) -> Copies:
        """Where its copies belong; nowhere without `Meta.path`."""
        return copies_of(type(self).__name__, self.pattern(), self.store) if self.meta("path") else Copies()

    def __owners__(self, placeholder: str) -> set[str]:
        return owners_of(type(self).__name__, placeholder, self.store)

    @property
    def caller(self) -> Caller | None:
        """Who sent the request, in setters, operations and `propagate_change`; None without a token, or in a task."""
        return session.current().caller

    def propagate_change(self) -> None:
        """Saves every model of the Store that a setter changed; a form says here what it does instead."""
        for model in self.store.changed():
            model.save()

    def on_create(self) -> None:
        """Runs over a new root, before the setters, where `@app.rest(…, create=True)` makes one; by default nothing."""

    def on_delete(self) -> None:
        """What a DELETE does where `@app.rest(…, delete=True)` offers it; by default it deletes the root."""
        root = self.store_class.root()
        for model in self.store.models(root) if root else ():
            model.delete()

    def to_view_dict(self) -> dict[str, Any]:
        """The content of the view document; raises GetterFailed when user code raises."""
        return super().to_view_dict()

    def _computed(self, name: str) -> Any:
        try:
            return getattr(self, name)
        except (Permanent, Transient):
            raise
        # `sys.exit()` in a getter is a bug of it, and must not end the process.
        except (Exception, SystemExit) as error:
            raise GetterFailed(f"{type(self).__name__}.{name} raised {type(error).__name__}: {error}") from error

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
                f"a collection, so that a value could store the view among any documents; write the collection's name "
                f"there. Placeholders stand for documents: every second segment."
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
            # A name without a dot is of a task's path, which the class does not know yet.
            if isinstance(part, Owner) and "." in part.placeholder and part.placeholder not in names:
                raise InvalidAccess(
                    f"{cls.__name__}.Meta.{option} has owner({part.placeholder!r}), which is not a placeholder of its "
                    f"path; there are {', '.join(names) or 'none'}."
                )

    @classmethod
    def _check_placeholder(cls, name: str) -> None:
        reference, _, attribute = name.partition(".")
        declared = {source.name: source for source in cls.store_class.sources}
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
                f"{cls.__name__}.Meta.path has {{{name}}}, which is no text; a segment of a path is one, or a doc_id."
            )


@cache
def _pattern(path: str) -> Pattern:
    return Pattern(path)


def owner_names(view: type[ViewModel[Any]]) -> tuple[str, ...]:
    """What `access.owner` can name: the placeholders of `Meta.path`, or those of the root where there is none."""
    if view.meta("path") is not None:
        return view.pattern().names
    root = view.store_class.root()
    return tuple(f"{root.name}.{name}" for name in root.model.pattern().names) if root else ()


def assign(view: ViewModel[Any], values: Mapping[str, Any]) -> None:
    """Sets attributes of the view, by their names: a setter does what it does, any other takes the value."""
    for name, value in values.items():
        setattr(view, name, value)


View = type[ViewModel[Any]]
"""A view model's class."""
