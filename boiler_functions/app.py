"""Boiler: the app object that view models are declared with, and that compiles to Cloud Functions."""

from __future__ import annotations

import gc
import inspect
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, overload

from boiler_functions.access import Nobody, Where
from boiler_functions.compile.compiler import Compiled, Declarations, GroupBy, Rule, Socket, compile_app
from boiler_functions.compile.manifest import Manifest, Mode
from boiler_functions.exceptions import (
    DeclarationError,
    InvalidAccess,
    InvalidAttribute,
    InvalidOption,
    InvalidPattern,
    InvalidReference,
    InvalidRule,
    InvalidSink,
)
from boiler_functions.models.model import DomainModel, Model
from boiler_functions.modes.document.document import IF_VERSION, Document, trigger_path
from boiler_functions.modes.on_change.outbox import Changed, Sink
from boiler_functions.modes.task.task import OUTCOME, Completion, Isolation, Task
from boiler_functions.paths import Pattern
from boiler_functions.settings.checks import (
    check_each,
    duration,
    flag,
    mapping,
    of_kind,
    one_of,
    optional,
    text,
    texts,
    whole,
)
from boiler_functions.settings.http import DEFAULT_HTTP, ID, HttpSettings
from boiler_functions.settings.options import (
    DEFAULTS,
    AnyOptions,
    AppOptions,
    EventOptions,
    FunctionOptions,
    HttpOptions,
    Options,
)
from boiler_functions.settings.sockets import DEFAULT_SOCKETS, SocketSettings
from boiler_functions.views.operations import operations_of
from boiler_functions.views.purity import check_getters
from boiler_functions.views.view_model import ViewModel

if TYPE_CHECKING:
    from boiler_functions.modes.websocket import Sockets

V = TypeVar("V", bound=type[ViewModel[Any]])
M = TypeVar("M", bound=Model)


class Boiler:
    """An app: declared view models, compiled into functions.

        app = Boiler("meeting-room")

        @app.query
        class MeetingSession(ViewModel[MeetingStore]): ...

        app.export(globals())   # in functions/main.py

    Options are spelled as in firebase-functions (`region`, `memory`, `timeout_sec`, `min_instances`, …), and are those
    of every function; a view's own, and those that `functions` names by entry point, go before them:

        app = Boiler("orders", region="europe-west1", functions={"api": {"min_instances": 1}})

    `timeout_sec` is the functions' time limit; half of it is what one invocation spends on a fan-out before it hands
    the rest on. `retry` is on, unlike Google's default, which drops an event that failed. With `group_by="source"` one
    function per collection serves all views: fewer functions and look-ups. `database` is the Firestore database's id.
    With `docs` the HTTP function describes itself at /openapi.json, and shows that at /apidocs.
    `http` is what the function `api` demands of requests: HttpSettings.
    `sockets` is what the WebSocket service admits and endures: SocketSettings.
    """

    def __init__(
        self,
        name: str,
        *,
        group_by: GroupBy = "view",
        max_retries: int = 5,
        max_event_age: timedelta = timedelta(hours=23),
        docs: bool = True,
        functions: Mapping[str, AnyOptions] | None = None,
        http: HttpSettings = DEFAULT_HTTP,
        sockets: SocketSettings = DEFAULT_SOCKETS,
        **options: Unpack[AppOptions],
    ) -> None:
        text("The app's name", name)
        if not name or not name.replace("-", "").isalnum() or not name.isascii() or not name[0].isalpha():
            raise InvalidOption(
                f"The app's name {name!r} becomes part of function names: letters, digits and '-' only."
            )
        said = {"group_by": group_by, "max_retries": max_retries, "max_event_age": max_event_age, "docs": docs}
        check_each(f"{name}: ", {**said, "functions": functions, "http": http, "sockets": sockets}, _APP_CHECKS)
        own = DEFAULTS.merged(Options.of(name, options, AppOptions))
        own.settled(name)
        http.check()
        sockets.check()
        if http.tenant and sockets.tenant and http.tenant != sockets.tenant:
            raise InvalidOption(
                f"{name}: HttpSettings.tenant is {http.tenant!r} and SocketSettings.tenant is {sockets.tenant!r}; an "
                f"app admits the users of one tenant, on every surface. Say it once."
            )
        named = {
            entry_point: Options.of(f"{name}, functions[{entry_point!r}]", each)
            for entry_point, each in (functions or {}).items()
        }
        self.name = name
        self.max_retries = max_retries
        self.max_event_age = max_event_age
        self._declarations = Declarations(name, own, group_by, docs, named=named, http=http, socket_settings=sockets)

    @overload
    def query(self, view: V, /) -> V: ...
    @overload
    def query(self, /, **options: Unpack[EventOptions]) -> Callable[[V], V]: ...
    def query(self, view: V | None = None, /, **options: Any) -> V | Callable[[V], V]:
        """Stores the view, and rebuilds it whenever a document that it read changes.

        @app.query
        @app.query(memory="1Gi", timeout_sec=540)
        """

        def decorate(view: V) -> V:
            _check_view("@app.query", view)
            self._check_stored(view)
            self._add("query", view, options, EventOptions, queries=(*self._declarations.queries, view))
            return view

        return decorate if view is None else decorate(view)

    @staticmethod
    def _check_stored(view: type[ViewModel[Any]]) -> None:
        view.pattern()
        plain = [name for name, each in view.exported().items() if each.fget is None]
        if plain:
            raise InvalidAttribute(
                f"{view.__name__}.{plain[0]} has no getter, so a build would have nothing to put there; "
                f"decorate a method with `@attrs.computed`."
            )
        if not view.store_class.sources:
            raise InvalidReference(
                f"{view.__name__} reads nothing; declare its Store: `class {view.__name__}(ViewModel[MyStore])`."
            )
        if view.store_class.root() is None and (names := view.store_class.key_names()):
            raise InvalidReference(
                f"{view.__name__}: {view.store_class.__name__} names {{{min(names)}}}, "
                f"and without a root there is no key."
            )
        view.view_schema()
        check_getters(view)

    def task(
        self,
        path: str,
        *,
        writes: Sequence[type[DomainModel]],
        max_retries: int | None = None,
        isolation: Isolation = "serializable",
        on_completion: Completion = "stamp",
        **options: Unpack[EventOptions],
    ) -> Callable[[V], V]:
        """Lets each document of the path take effect exactly once, through the view's `propagate_change`.

        `writes` are the models that it may write. Of the input document, `on_completion="stamp"` adds its outcome
        (`done`, `rejected` with the reason, or `failed`), "keep" leaves it, "delete" removes it.
        `isolation="snapshot"` leaves out the verification of what was only read.
        """
        pattern = Pattern(path)
        if not pattern.is_document or not pattern.names:
            raise InvalidPattern(
                f"@app.task({path!r}): the path of documents has an even number of segments and a placeholder, as "
                f"'users/{{user_id}}/cityForms/{{city_id}}'."
            )
        if pattern.open_collections:
            raise InvalidPattern(
                f"@app.task({path!r}) has the placeholder {{{pattern.open_collections[0]}}} for a collection, so that "
                f"any document could be a form; write the collection's name there."
            )

        def decorate(view: V) -> V:
            _check_view(f"@app.task({path!r})", view)
            where = f"@app.task({path!r}) of {view.__name__}: "
            self._check_form(view, pattern)
            how = self._how(where, max_retries, isolation, on_completion)
            task = Task(view, pattern, _models(f"{where}writes", writes), *how)
            self._add("task", view, options, EventOptions, tasks=(*self._declarations.tasks, task))
            return view

        return decorate

    def document(
        self,
        *,
        strict: bool = False,
        writes: Sequence[type[DomainModel]] = (),
        max_retries: int | None = None,
        isolation: Isolation = "serializable",
        on_completion: Completion = "stamp",
        **options: Unpack[EventOptions],
    ) -> Callable[[V], V]:
        """Lets a client change the view by a document beside its copy, exactly once, through the view's setters.

            @app.query
            @app.document()
            class MeetingSession(ViewModel[MeetingStore]):
                class Meta:
                    path = "users/{users.doc_id}/meetingSessions/{meeting.doc_id}"
                    write = access.owner("users.doc_id")

        The client creates `{copy}/_PATCH_MeetingSession/{id}` with new values of the attributes that have a setter;
        those whom `Meta.write` admits may, by the rules. The latest wins; with `Meta.versioned` a mutation may say
        `if_version`, the `doc_version` of the copy that was seen, and is rejected when the view has changed since;
        with `strict` it must. `writes` are models that the setters write beside those of the Store.
        """

        def decorate(view: V) -> V:
            _check_view("@app.document", view)
            where = f"@app.document of {view.__name__}: "
            _check_mutable(view, strict=strict)
            declared = _models(f"{where}writes", writes)
            written = dict.fromkeys([*(source.model for source in view.store_class.sources), *declared])
            pattern = trigger_path(view)
            how = self._how(where, max_retries, isolation, on_completion)
            task = Document(view, pattern, tuple(written), *how, strict=strict)
            self._add("document", view, options, EventOptions, documents=(*self._declarations.documents, task))
            return view

        return decorate

    def rest(
        self,
        rule: str,
        *,
        create: bool = False,
        delete: bool = False,
        filtered_orders: Sequence[str] = (),
        **options: Unpack[HttpOptions],
    ) -> Callable[[V], V]:
        """Serves the view over HTTP: GET the list and one instance, PATCH and PUT through the setters, its operations.

        With `create`, a POST to the list (and a PUT to a free id) makes a root, over which the setters run; with
        `delete`, a DELETE deletes it (`on_create` and `on_delete` say more). A list takes any filters, or any order;
        both together only in `filtered_orders`, as `["-startsAt"]`: each costs an index per attribute, which `boiler
        compile` writes into firestore.indexes.json. Who may is in `Meta.read` and
        `Meta.write`. One function, `api`, serves all rules: options of several must agree.
        """
        if not _is_list(rule):
            raise InvalidRule(
                f"@app.rest({rule!r}): the rule is the path of the list, as '/meeting_sessions'; the id is added to it."
            )

        said = {"create": create, "delete": delete, "filtered_orders": filtered_orders}
        check_each(f"@app.rest({rule!r}): ", said, _RULE_CHECKS)

        def decorate(view: V) -> V:
            _check_view(f"@app.rest({rule!r})", view)
            if view.store_class.root() is None:
                raise InvalidRule(f"{view.__name__} has no root, whose id the path of an instance would hold.")
            for other in self._declarations.rules:
                if f"{rule}/".startswith(f"{other.rule}/") or f"{other.rule}/".startswith(f"{rule}/"):
                    raise InvalidRule(
                        f"@app.rest({rule!r}) of {view.__name__} and {other.rule!r} of {other.view.__name__} overlap; "
                        f"an id of one would be a path of the other."
                    )
            _check_resource(view, filtered_orders)
            view.view_schema()
            view.example()
            operations_of(view)
            rules = (*self._declarations.rules, Rule(view, rule, create, delete, tuple(filtered_orders)))
            self._add("rest", view, options, HttpOptions, rules=rules)
            return view

        return decorate

    def on_change(
        self, target: type[M], *, max_attempts: int | None = None, **options: Unpack[FunctionOptions]
    ) -> Callable[[Callable[[Changed[M]], None]], Callable[[Changed[M]], None]]:
        """Tells the function of every change of a model, whoever wrote it, or of a stored view.

            @app.on_change(City, secrets=["CITIES_SECRET"])
            def tell(change: Changed[City]) -> None:
                Webhook("https://example.com/cities", secret_env="CITIES_SECRET").notify(change)

        At least once, with the same `change.key` at each attempt. When it raises, the platform calls it again, with
        growing pauses, until `max_event_age` or `max_attempts`; then, and at once for an Undeliverable, a dead letter
        is written. It may read models, and write none.
        """
        told = _with_changes(target)
        own = Options.of(f"@app.on_change({target.__name__})", options, FunctionOptions)
        optional(whole(1))(f"@app.on_change({target.__name__}): max_attempts", max_attempts)

        def decorate(function: Callable[[Changed[M]], None]) -> Callable[[Changed[M]], None]:
            name = getattr(function, "__name__", repr(function))
            if not inspect.isfunction(function) or inspect.iscoroutinefunction(function) or not name.isidentifier():
                raise InvalidSink(
                    f"@app.on_change({target.__name__}) decorates a plain function, which gives the compiled one its "
                    f"name: `def tell(change: Changed[{target.__name__}]) -> None`; found {name}."
                )
            sink = Sink(function, told, max_attempts, self.max_event_age, own)
            self._declare(sinks=(*self._declarations.sinks, sink))
            return function

        return decorate

    def websocket(self, namespace: str) -> Callable[[V], V]:
        """Lets clients follow the view, and change it through the setters, in a namespace of Socket.IO.

        Who may is in `Meta.read` and `Meta.write`, as over HTTP. Functions hold no sockets: `app.asgi()` serves them.
        """
        text(f"@app.websocket({namespace!r}): the namespace", namespace)
        if not re.fullmatch(r"(/[a-zA-Z0-9_-]+)+", namespace):
            raise InvalidRule(f"@app.websocket({namespace!r}): a namespace is a path of names, as '/meeting'.")

        def decorate(view: V) -> V:
            _check_view(f"@app.websocket({namespace!r})", view)
            if view.store_class.root() is None:
                raise InvalidReference(f"{view.__name__} has no root, whose id clients would subscribe to.")
            for other in self._declarations.sockets:
                if other.namespace == namespace:
                    raise InvalidRule(
                        f"@app.websocket({namespace!r}) is of {other.view.__name__} and {view.__name__}; a namespace "
                        f"is one view."
                    )
            view.view_schema()
            self._declare(sockets=(*self._declarations.sockets, Socket(view, namespace)))
            return view

        return decorate

    @cached_property
    def compiled(self) -> Compiled:
        """The app, compiled; raises DeclarationError when it cannot work. Declares nothing from here on."""
        return compile_app(self._declarations)

    @property
    def declarations(self) -> Declarations:
        """What was declared so far."""
        return self._declarations

    @property
    def manifest(self) -> Manifest:
        """What the app deploys."""
        return self.compiled.manifest

    def export(self, namespace: dict[str, Any]) -> None:
        """Puts a function for every trigger into the module: `app.export(globals())`."""
        # Imported late: `boiler check` and tests need no server.
        with _no_collection():
            from boiler_functions.runtime.export import export

        export(self.compiled, namespace)

    def asgi(self) -> Sockets:
        """The ASGI application of the `@app.websocket` views; an app of its own for each process.

        `python -m boiler_functions.websocket meeting_room:app` serves it with the limits that it needs.
        """
        # Imported late: no function holds sockets, and the extra 'websocket' is for those that do.
        from boiler_functions.database.firestore import DATABASE, connect
        from boiler_functions.modes.websocket import Sockets

        database = os.environ.get(DATABASE) or self._declarations.database
        return Sockets(self.compiled, lambda: connect(database=database))

    def _add(
        self, mode: Mode, view: type[ViewModel[Any]], options: Mapping[str, Any], allowed: type[Any], **declared: Any
    ) -> None:
        own = Options.of(f"@app.{mode} of {view.__name__}", options, allowed)
        added = self._declarations._replace(own={**self._declarations.own, (mode, view): own})
        added.options_of(mode, view.__name__, [view])
        self._declare(own=added.own, **declared)

    def _declare(self, **declared: Any) -> None:
        if "compiled" in vars(self):
            raise DeclarationError(f"The app {self.name!r} is compiled already; declare every view before `export`.")
        self._declarations = self._declarations._replace(**declared)

    def _how(
        self, where: str, max_retries: int | None, isolation: Isolation, on_completion: Completion
    ) -> tuple[int, Isolation, Completion, timedelta]:
        """How a task takes effect, in the order in which a Task has it."""
        said = {"max_retries": max_retries, "isolation": isolation, "on_completion": on_completion}
        check_each(where, said, _TASK_CHECKS)
        return self.max_retries if max_retries is None else max_retries, isolation, on_completion, self.max_event_age

    @staticmethod
    def _check_form(view: type[ViewModel[Any]], pattern: Pattern) -> None:
        if view.propagate_change is ViewModel.propagate_change and not view.store_class.sources:
            raise DeclarationError(
                f"{view.__name__} is a task without effect; define `propagate_change`, or setters over a Store."
            )
        for name, attribute in view.attributes.items():
            if attribute.data_key == OUTCOME:
                raise InvalidAttribute(f"{view.__name__}.{name}: {OUTCOME!r} is where a form's outcome is stamped.")
        if unknown := view.store_class.key_names() - {*pattern.names, "doc_id"}:
            raise InvalidPattern(
                f"{view.__name__}: {view.store_class.__name__} needs {sorted(unknown)}, "
                f"which {pattern.text!r} does not name."
            )
        view.view_schema()


_APP_CHECKS = {
    "group_by": one_of(GroupBy),
    "max_retries": whole(0),
    "max_event_age": duration,
    "docs": flag,
    "functions": optional(mapping),
    "http": of_kind(HttpSettings),
    "sockets": of_kind(SocketSettings),
}
_TASK_CHECKS = {
    "max_retries": optional(whole(0)),
    "isolation": one_of(Isolation),
    "on_completion": one_of(Completion),
}
_RULE_CHECKS = {"create": flag, "delete": flag, "filtered_orders": texts}


@contextmanager
def _no_collection() -> Iterator[None]:
    """Collects no garbage meanwhile: what an import makes stays, and to search it takes a tenth of a cold start."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _is_list(rule: Any) -> bool:
    """Whether the rule is a path of a list."""
    return isinstance(rule, str) and rule.startswith("/") and not rule.endswith("/") and not {"{", "<"} & {*rule}


def _check_resource(view: type[ViewModel[Any]], filtered_orders: Sequence[str]) -> None:
    """Raises DeclarationError for names that the JSON of a view, or its list, could not have."""
    for name, attribute in view.exported().items():
        if ID in (name, attribute.data_key):
            raise InvalidAttribute(f"{view.__name__}.{name}: {ID!r} is the id of the root in the API; rename it.")
    root = view.store_class.root()
    # Which of the two the list is of depends on what else decorates the view; the list itself knows.
    stored = [each for each in root.model.exported().values() if each.fget is None] if root else []
    known = [each.data_key for each in (*view.exported().values(), *stored) if filtered_orders and each.is_comparable]
    for order in filtered_orders:
        if order.removeprefix("-") not in known:
            raise InvalidRule(
                f"@app.rest of {view.__name__} has filtered_orders {order!r}, by which its list cannot be ordered; "
                f"there are {', '.join(dict.fromkeys(known)) or 'none'}, each with or without a '-' before it."
            )


def _check_view(decorator: str, view: Any) -> None:
    if not isinstance(view, type) or not issubclass(view, ViewModel):
        raise DeclarationError(
            f"{decorator} decorates a view model, as `class CityView(ViewModel[CityStore])`; found {view!r}."
        )


def _models(where: str, models: Any) -> tuple[type[DomainModel], ...]:
    """The models as they are kept; raises InvalidReference for what is no list of them."""
    if not isinstance(models, Collection) or not all(map(_is_model, models)):
        raise InvalidReference(f"{where} is a list of DomainModels, as [City]; found {models!r}.")
    return tuple(models)


def _is_model(each: Any) -> bool:
    return isinstance(each, type) and issubclass(each, DomainModel)


def _with_changes(target: Any) -> type[DomainModel] | type[ViewModel[Any]]:
    """The target; raises DeclarationError when it is nothing that is stored, and so changes."""
    if not isinstance(target, type) or not issubclass(target, DomainModel | ViewModel):
        raise InvalidSink(f"@app.on_change({target!r}): the changes are those of a DomainModel or a ViewModel.")
    target.pattern()
    return target


def _check_mutable(view: type[ViewModel[Any]], *, strict: bool) -> None:
    """Raises DeclarationError when no client could change the view by a document beside its copy."""
    name = view.__name__
    view.pattern()
    if view.store_class.root() is None:
        raise InvalidPattern(
            f"{name} has no root, so the path of its copy does not say what a mutation would change; give "
            f"{view.store_class.__name__} a `reference(Model)`, whose key {name}.Meta.path then names."
        )
    if not view.settable():
        raise InvalidAttribute(f"{name} has no setter, so nothing of it can be changed; add one by `@name.setter`.")
    for each in view.settable():
        if each == IF_VERSION or view.attributes[each].data_key in (OUTCOME, IF_VERSION):
            raise InvalidAttribute(
                f"{name}.{each}, stored as {view.attributes[each].data_key!r}: a mutation has {OUTCOME!r} and "
                f"{IF_VERSION!r} for itself; call the attribute otherwise, or give it another `data_key`."
            )
    if strict and not view.is_versioned():
        raise InvalidAttribute(
            f"@app.document(strict=True) of {name}: its copies do not hold their version; add `versioned = True` to "
            f"{name}.Meta."
        )
    if all(isinstance(part, Nobody | Where) for part in view.writers().parts()):
        raise InvalidAccess(
            f"{name}.Meta.write admits nobody whom security rules can admit, so no client could create a mutation; "
            f"add `write = access.owner({view.pattern().names[0]!r})`."
        )
    view.view_schema()
