"""Boiler: the app object, whose decorators declare what view models do, and which compiles to Cloud Functions."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, Unpack, overload

from boiler_functions.compile.compiler import Compiled, compile_app
from boiler_functions.exceptions import DeclarationError, InvalidOption
from boiler_functions.manifest import Manifest
from boiler_functions.models.domain_model import DomainModel
from boiler_functions.models.model import Model
from boiler_functions.modes.all import DOCUMENT, MODES, ON_CHANGE, QUERY, REST, TASK, WEBSOCKET
from boiler_functions.modes.document.declaration import document
from boiler_functions.modes.forms.task import Completion, Isolation
from boiler_functions.modes.invocation import REAL
from boiler_functions.modes.migration import Migration
from boiler_functions.modes.mode import D, Declarations, GroupBy, Mode
from boiler_functions.modes.on_change.declaration import Changed, sink
from boiler_functions.modes.query.declaration import stored
from boiler_functions.modes.release import Release
from boiler_functions.modes.rest.declaration import rule as rule_of
from boiler_functions.modes.task.declaration import task
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
F = TypeVar("F", bound=Callable[..., object])
T = TypeVar("T")


class Boiler:
    """An app: declared view models, which compile to Cloud Functions.

        app = Boiler("meeting-room")

        @app.query
        class MeetingSession(ViewModel[MeetingStore]): ...

        app.export(globals())   # in functions/main.py

    Options of functions are spelled as in firebase-functions (`region`, `memory`, `timeout_sec`, `min_instances`, …).
    They apply to every function, unless a decorator or `functions`, by entry point, overrides them:

        app = Boiler("orders", region="europe-west1", functions={"api": {"min_instances": 1}})

    timeout_sec      seconds that an invocation may take; one that fans out stops at half of it, and hands the rest on.
    retry            whether a failed event is delivered again; True, unlike Google's default, which drops the event.
    group_by         "view" makes functions for each view; "source" makes one per collection that serves all views,
                     which takes fewer functions and look-ups.
    max_retries      how often one invocation tries a task or mutation again after a conflict.
    max_event_age    the age at which an event of a task or of `@app.on_change` becomes a dead letter.
    docs             whether the HTTP function serves its description at /openapi.json, and a page at /apidocs.
    upkeep           whether an app with stored views has a function `upkeep`, which Cloud Scheduler invokes once a
                     minute; it builds the views that are owed a build, and those whose getters asked for the time
                     once the moment has come at which an answer changes.
    spot_checks      how many instances, chosen by chance, each run of `upkeep` compares with a fresh build; it logs
                     those that are wrong. With 0, none.
    database         the id of the Firestore database.
    http             the HttpSettings of the function `api`.
    sockets          the SocketSettings of the WebSocket service.
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
        spot_checks: int = 1,
        functions: Mapping[str, AnyOptions] | None = None,
        http: HttpSettings = DEFAULT_HTTP,
        sockets: SocketSettings = DEFAULT_SOCKETS,
        **options: Unpack[AppOptions],
    ) -> None:
        _check_name(name)
        given: dict[str, object] = {"group_by": group_by, "max_retries": max_retries, "max_event_age": max_event_age}
        given |= {"docs": docs, "upkeep": upkeep, "spot_checks": spot_checks, "functions": functions}
        given |= {"http": http, "sockets": sockets}
        check_each(f"{name}: ", given, _APP_CHECKS)
        own = DEFAULTS.merged(Options.of(name, options, AppOptions))
        own.settled(name)
        _check_surfaces(name, http, sockets)
        self.name = name
        self.migrations: tuple[Migration, ...] = ()
        self._declarations = Declarations(
            app=name,
            modes=MODES,
            options=own,
            group_by=group_by,
            docs=docs,
            upkeep=upkeep,
            spot_checks=spot_checks,
            max_retries=max_retries,
            max_event_age=max_event_age,
            named={each: Options.of(f"{name}, functions[{each!r}]", said) for each, said in (functions or {}).items()},
            http=http,
            socket_settings=sockets,
        )

    @overload
    def query(self, view: V, /) -> V: ...
    @overload
    def query(
        self, /, *, at_most_every: timedelta | None = None, **options: Unpack[EventOptions]
    ) -> Callable[[V], V]: ...
    def query(
        self, view: V | None = None, /, *, at_most_every: timedelta | None = None, **options: Any
    ) -> V | Callable[[V], V]:
        """Stores the view, and rebuilds it whenever a document that it read changes.

            @app.query
            @app.query(memory="1Gi", timeout_sec=540)
            @app.query(at_most_every=timedelta(seconds=5))

        `at_most_every` limits how often the view is written, however often its documents change. The last state is
        always written, by upkeep if no change comes. A copy that somebody may no longer read is deleted at once.
        """
        decorate = self._decorator(QUERY, stored(at_most_every, options))
        return decorate if view is None else decorate(view)

    def migration(self, model: type[DomainModel], /) -> Callable[[F], F]:
        """Declares a step that brings the documents of a model up to date; `boiler migrate` runs the steps in order.

            @app.migration(Article)
            def prices_in_euros(article: Article) -> None:
                article.currency = article.currency or "EUR"

        The function changes the model that it is given; with a second parameter, it is also given what the document
        holds. A document is written if it then differs, also where it holds a field under a former name, a value of
        another type, or no value for a default.
        """

        def declare(function: F) -> F:
            if not hasattr(model, "model_of"):
                raise DeclarationError(f"@app.migration({model!r}): give the DomainModel whose documents it changes.")
            name = getattr(function, "__name__", "")
            if not name.isidentifier() or any(each.name == name for each in self.migrations):
                raise DeclarationError(
                    f"@app.migration({model.__name__}) of {name or repr(function)}: a step is known by the name of its "
                    f"function, in every run; give each function a name of its own."
                )
            self.migrations = (*self.migrations, Migration(name, model, function))
            return function

        return declare

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
        """Lets each document at the path take effect exactly once, through the view's `propagate_change`.

        `writes` lists the models that it may write. `on_completion` says what becomes of the document: "stamp" adds
        its outcome (`done`, `rejected` with the reason, or `failed`), "keep" leaves it as it is, "delete" deletes it
        unless it failed; of these two, only the log shows a rejection.
        `isolation="serializable"` fails the commit if a document that was only read has changed; "snapshot" does not.
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
        """Lets a client change the view by writing a document beside its copy: exactly once, through the setters.

            @app.query
            @app.document()
            class MeetingSession(ViewModel[MeetingStore]):
                class Meta:
                    path = "users/{users.doc_id}/meetingSessions/{meeting.doc_id}"
                    write = access.owner("users.doc_id")

        The client creates `{copy}/_PATCH_MeetingSession/{id}` with new values for attributes that have a setter; the
        security rules let those create it whom `Meta.write` admits. The latest wins. With `Meta.versioned`, a mutation
        may give `if_version`, the `doc_version` of the copy that the client saw, and is rejected if the view has
        changed since; with `strict`, it must. `writes` lists models that the setters write besides those of the Store.
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
        """Serves the view over HTTP: GET for the list and an instance, PATCH and PUT through the setters, operations.

        With `create`, a POST to the list (or a PUT to an unused id) makes a root, on which `on_create` and the setters
        run; with `delete`, a DELETE deletes it, by `on_delete`. A list can be filtered, or ordered, by any attribute;
        both together only by the orders in `filtered_orders`, as `["-startsAt"]`. One of several attributes, as
        `["startsAt,-seats"]`, also takes ranges of both. Each of these costs an index per attribute, which
        `boiler compile` writes into firestore.indexes.json. `Meta.read` and `Meta.write` say who may read and change.
        One function, `api`, serves all rules, so options given with several rules must agree.
        """
        return self._decorator(REST, rule_of(REST, rule, create, delete, filtered_orders, options))

    def on_change(
        self,
        target: type[M],
        *,
        name: str | None = None,
        max_attempts: int | None = None,
        **options: Unpack[FunctionOptions],
    ) -> Callable[[Callable[[Changed[M]], None]], Callable[[Changed[M]], None]]:
        """Calls the function with every change of a stored view, or of a model, whoever writes it.

            @app.on_change(City, secrets=["CITIES_SECRET"])
            def tell(change: Changed[City]) -> None:
                Webhook("https://example.com/cities", secret_env="CITIES_SECRET").notify(change)

        Calls it at least once per change, with the same `change.key` at each attempt. If it raises, the platform calls
        it again, with growing pauses, until `max_event_age` or `max_attempts`; then a dead letter is written, at once
        if it raises Undeliverable. The function may read models, but not write them. `name` is the name under which it
        is deployed: when you rename the function, give its former name, or the cloud has two receivers for a while.
        """
        return self._decorator(ON_CHANGE, sink(target, name, max_attempts, options))

    def websocket(self, namespace: str) -> Callable[[V], V]:
        """Lets clients follow the view, and change it through its setters, in a namespace of Socket.IO.

        `Meta.read` and `Meta.write` say who may, as over HTTP. Functions cannot hold sockets, so a process of its own
        serves them: `app.asgi()`.
        """
        return self._decorator(WEBSOCKET, socket(WEBSOCKET, namespace))

    @cached_property
    def compiled(self) -> Compiled:
        """The compiled app; raises DeclarationError if it cannot work. Nothing can be declared afterwards."""
        return compile_app(self._declarations)

    @property
    def declarations(self) -> Declarations:
        """The declarations so far."""
        return self._declarations

    @property
    def manifest(self) -> Manifest:
        """The functions and services that the app deploys."""
        return self.compiled.manifest

    def export(self, namespace: dict[str, Any]) -> None:
        """Puts a function for every trigger into the module: `app.export(globals())`."""
        # Imported here because `boiler check` and tests need no server.
        with _no_collection():
            from boiler_functions.runtime.export import export

        export(self.compiled, namespace)

    def asgi(self) -> Sockets:
        """Returns a new ASGI application that serves the `@app.websocket` views; call it once in each process.

        `python -m boiler_functions.websocket meeting_room:app` serves it, with the right limits for its server.
        """
        # Imported here because functions run without the extra 'websocket'.
        from boiler_functions.database.firestore import connect
        from boiler_functions.database.variables import DATABASE
        from boiler_functions.modes.websocket.sockets import Sockets

        database = os.environ.get(DATABASE) or self._declarations.database
        # A service has no `main.py`: its release is in the folder in which it runs, from which it imports the app.
        surroundings = REAL._replace(release=Release.of(Path(), os.environ))
        return Sockets(self.compiled.declarations, lambda: connect(database=database), surroundings)

    def _decorator(self, mode: Mode[D], declare: Callable[[Declarations, T], D]) -> Callable[[T], T]:
        """Returns a decorator that declares what it decorates, and returns it unchanged."""

        def decorate(decorated: T) -> T:
            if "compiled" in vars(self):
                raise DeclarationError(
                    f"The app {self.name!r} is already compiled; declare every view before `app.export(globals())`."
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
    "spot_checks": whole(0),
    "functions": optional(mapping),
    "http": of_kind(HttpSettings),
    "sockets": of_kind(SocketSettings),
}


def _check_name(name: str) -> None:
    text("The app's name", name)
    if not name or not name.replace("-", "").isalnum() or not name.isascii() or not name[0].isalpha():
        raise InvalidOption(
            f"The app's name {name!r} cannot be part of function names; use ASCII letters, digits and '-', and begin "
            f"with a letter."
        )


def _check_surfaces(name: str, http: HttpSettings, sockets: SocketSettings) -> None:
    """Raises InvalidOption for impossible settings, or for two that admit different users over HTTP and sockets."""
    http.check()
    sockets.check()
    if http.tenant and sockets.tenant and http.tenant != sockets.tenant:
        raise InvalidOption(
            f"{name}: HttpSettings.tenant is {http.tenant!r} and SocketSettings.tenant is {sockets.tenant!r}; an app "
            f"admits the users of one tenant, over HTTP and sockets alike. Set it in one of the two."
        )


@contextmanager
def _no_collection() -> Iterator[None]:
    """Pauses garbage collection: what an import makes stays, and searching it takes a tenth of a cold start."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
