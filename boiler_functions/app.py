"""Boiler: the app object that view models are declared with, and that compiles to Cloud Functions."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, overload

from boiler_functions.compile.compiler import Compiled, compile_app
from boiler_functions.exceptions import DeclarationError, InvalidOption
from boiler_functions.manifest import Manifest
from boiler_functions.models.domain_model import DomainModel
from boiler_functions.models.model import Model
from boiler_functions.modes.all import DOCUMENT, MODES, ON_CHANGE, QUERY, REST, TASK, WEBSOCKET
from boiler_functions.modes.document.declaration import document
from boiler_functions.modes.mode import D, Declarations, GroupBy, Mode
from boiler_functions.modes.on_change.declaration import Changed, sink
from boiler_functions.modes.query.declaration import stored
from boiler_functions.modes.rest.declaration import rule as rule_of
from boiler_functions.modes.task.declaration import task
from boiler_functions.modes.task.task import Completion, Isolation
from boiler_functions.modes.websocket.declaration import socket
from boiler_functions.settings.checks import check_each, duration, flag, mapping, of_kind, one_of, optional, text, whole
from boiler_functions.settings.http import DEFAULT_HTTP, HttpSettings
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
from boiler_functions.views.view_model import ViewModel

if TYPE_CHECKING:
    from boiler_functions.modes.websocket.sockets import Sockets

V = TypeVar("V", bound=type[ViewModel[Any]])
M = TypeVar("M", bound=Model)
T = TypeVar("T")


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
    With `upkeep` an app that stores views has a function of that name, which Cloud Scheduler invokes once a minute: it
    builds the views that are owed a build, after a failure or a deployment, and that no event will ask for.
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
        upkeep: bool = True,
        functions: Mapping[str, AnyOptions] | None = None,
        http: HttpSettings = DEFAULT_HTTP,
        sockets: SocketSettings = DEFAULT_SOCKETS,
        **options: Unpack[AppOptions],
    ) -> None:
        _check_name(name)
        told: dict[str, object] = {"group_by": group_by, "max_retries": max_retries, "max_event_age": max_event_age}
        told |= {"docs": docs, "upkeep": upkeep, "functions": functions, "http": http, "sockets": sockets}
        check_each(f"{name}: ", told, _APP_CHECKS)
        own = DEFAULTS.merged(Options.of(name, options, AppOptions))
        own.settled(name)
        _check_surfaces(name, http, sockets)
        self.name = name
        self._declarations = Declarations(
            app=name,
            modes=MODES,
            options=own,
            group_by=group_by,
            docs=docs,
            upkeep=upkeep,
            max_retries=max_retries,
            max_event_age=max_event_age,
            named={each: Options.of(f"{name}, functions[{each!r}]", said) for each, said in (functions or {}).items()},
            http=http,
            socket_settings=sockets,
        )

    @overload
    def query(self, view: V, /) -> V: ...
    @overload
    def query(self, /, **options: Unpack[EventOptions]) -> Callable[[V], V]: ...
    def query(self, view: V | None = None, /, **options: Any) -> V | Callable[[V], V]:
        """Stores the view, and rebuilds it whenever a document that it read changes.

        @app.query
        @app.query(memory="1Gi", timeout_sec=540)
        """
        decorate = self._decorator(QUERY, stored(options))
        return decorate if view is None else decorate(view)

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
        return self._decorator(TASK, task(path, writes, max_retries, isolation, on_completion, options))

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
        return self._decorator(DOCUMENT, document(strict, writes, max_retries, isolation, on_completion, options))

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
        return self._decorator(REST, rule_of(REST, rule, create, delete, filtered_orders, options))

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
        return self._decorator(ON_CHANGE, sink(target, max_attempts, options))

    def websocket(self, namespace: str) -> Callable[[V], V]:
        """Lets clients follow the view, and change it through the setters, in a namespace of Socket.IO.

        Who may is in `Meta.read` and `Meta.write`, as over HTTP. Functions hold no sockets: `app.asgi()` serves them.
        """
        return self._decorator(WEBSOCKET, socket(WEBSOCKET, namespace))

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
        from boiler_functions.modes.websocket.sockets import Sockets

        database = os.environ.get(DATABASE) or self._declarations.database
        return Sockets(self.compiled.declarations, lambda: connect(database=database))

    def _decorator(self, mode: Mode[D], declare: Callable[[Declarations, T], D]) -> Callable[[T], T]:
        """What adds the declaration of whatever it decorates, and leaves that as it is."""

        def decorate(decorated: T) -> T:
            if "compiled" in vars(self):
                raise DeclarationError(
                    f"The app {self.name!r} is compiled already; declare every view before `export`."
                )
            self._declarations = self._declarations.plus(mode, declare(self._declarations, decorated))
            return decorated

        return decorate


_APP_CHECKS = {
    "group_by": one_of(GroupBy),
    "max_retries": whole(0),
    "max_event_age": duration,
    "docs": flag,
    "upkeep": flag,
    "functions": optional(mapping),
    "http": of_kind(HttpSettings),
    "sockets": of_kind(SocketSettings),
}


def _check_name(name: str) -> None:
    text("The app's name", name)
    if not name or not name.replace("-", "").isalnum() or not name.isascii() or not name[0].isalpha():
        raise InvalidOption(f"The app's name {name!r} becomes part of function names: letters, digits and '-' only.")


def _check_surfaces(name: str, http: HttpSettings, sockets: SocketSettings) -> None:
    """Raises InvalidOption for settings that cannot be, or that admit different users on different surfaces."""
    http.check()
    sockets.check()
    if http.tenant and sockets.tenant and http.tenant != sockets.tenant:
        raise InvalidOption(
            f"{name}: HttpSettings.tenant is {http.tenant!r} and SocketSettings.tenant is {sockets.tenant!r}; an "
            f"app admits the users of one tenant, on every surface. Say it once."
        )


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
