"""A mode: one way to use a view, such as a stored view or a REST resource. The rest of the package calls its methods.

The code that compiles, plans, draws or checks an app loops over `declarations.modes`; only a mode's own
folder, the list in `modes.all` and the decorators of Boiler name a mode.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, NamedTuple, Protocol, TypeAlias, TypeVar

from boiler_functions.database import Database, Document, Query
from boiler_functions.database.metered import Usage
from boiler_functions.exceptions import InvalidOption
from boiler_functions.manifest import Function, HttpTrigger, Service
from boiler_functions.modes.advice import Advice
from boiler_functions.modes.clients import Exposed
from boiler_functions.modes.dead_letter import Letter
from boiler_functions.modes.drawing import Look, Node
from boiler_functions.modes.event_function import Enqueue, EventFunction, Rest
from boiler_functions.modes.invocation import REAL, Invocation, Surroundings
from boiler_functions.modes.outbox import Recipient
from boiler_functions.modes.release import Release
from boiler_functions.modes.run import Report
from boiler_functions.modes.scheduled_function import ScheduledFunction
from boiler_functions.modes.standing import Asked, Standing
from boiler_functions.paths import Pattern
from boiler_functions.settings.http import DEFAULT_HTTP, HttpSettings
from boiler_functions.settings.options import ANY, DEFAULTS, MAX_EVENT_SECONDS, Options
from boiler_functions.settings.sockets import DEFAULT_SOCKETS, SocketSettings
from boiler_functions.types import Instant
from boiler_functions.views.fetching import Assumed
from boiler_functions.views.queries import queries_of
from boiler_functions.views.stored_copy import depth_of, reads_copies_of
from boiler_functions.views.view_model import View

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

    from boiler_functions.modes.stored_copies import BuildOfAll, Comparison, Removal, Staging
    from boiler_functions.modes.tokens import Tokens

GroupBy: TypeAlias = Literal["view", "source"]


class Declaration(Protocol):
    """The arguments of one decorator, as a frozen record."""

    @property
    def view(self) -> View | None:
        """The decorated view model, or None if the decorator is not for views."""
        ...

    @property
    def options(self) -> Options:
        """The options of its functions, such as memory and region."""
        ...


D = TypeVar("D", bound=Declaration)


class RestWorker(Protocol):
    """Does the rest of work that tasks hand on."""

    def attempt_rest(
        self, rest: Any, database: Database, surroundings: Surroundings, enqueue: Enqueue | None
    ) -> Report:
        """Does the rest, and returns a report with the error that ended it, if there was one."""
        ...


class Mode(ABC, Generic[D]):
    """A way to use a view. Every method has a default, so that a mode defines only those that concern it."""

    name: ClassVar[str]
    """Its name in the manifest, and of its decorator: `task` for `@app.task`."""

    counted: ClassVar[str]
    """The plural for its declarations in the output of `boiler check`: `REST rules`."""

    look: ClassVar[Look]
    """The look of its functions in the app's picture."""

    longest: ClassVar[int] = MAX_EVENT_SECONDS
    """The longest time of one invocation, in seconds."""

    has_decorator: ClassVar[bool] = True
    """Whether Boiler has a decorator for it; a mode without one follows from the declarations of others."""

    stores: ClassVar[bool] = False
    """Whether it keeps a copy of each instance of its views."""

    takes_kept_totals: ClassVar[bool] = False
    """Whether the Store of its views may have kept totals: it follows them, or reads no Store."""

    takes_own_copies: ClassVar[bool] = False
    """Whether getters of its views may ask for whom a copy is: it knows which copy it works on."""

    # Checks over several declarations; a decorator checks its own.

    def check(self, declarations: Declarations) -> None:
        """Raises DeclarationError for declarations that contradict each other, or those of other modes."""

    def form(self, declaration: D) -> Pattern | None:
        """Returns the path of the documents that clients send; `Meta` may name one of its placeholders as the owner."""
        return None

    def reads_copies(self, declaration: D) -> bool:
        """Whether its Store may read copies of other views, as it follows their events or writes nothing."""
        return False

    def recipients(self, declarations: Declarations) -> Iterable[Recipient]:
        """Returns the functions for which each commit of a stored view writes a record of the change."""
        return ()

    # Functions and services to deploy.

    def event_functions(self, declarations: Declarations) -> Iterable[EventFunction]:
        """Returns the functions that changes of documents invoke."""
        return ()

    def functions(self, declarations: Declarations) -> Iterable[Function]:
        """Returns the functions that requests or a queue invoke."""
        return ()

    def scheduled_functions(self, declarations: Declarations) -> Iterable[ScheduledFunction]:
        """Returns the functions that a schedule invokes."""
        return ()

    def services(self, declarations: Declarations) -> Iterable[Service]:
        """Returns the services on Cloud Run that are not functions."""
        return ()

    # Work that is not the handling of an event, which is in the event functions.

    def serves(self, declarations: Declarations) -> bool:
        """Whether it has a function that answers HTTP requests."""
        return any(isinstance(each.trigger, HttpTrigger) for each in self.functions(declarations))

    def application(
        self,
        declarations: Declarations,
        database: Callable[[], Database],
        surroundings: Surroundings = REAL,
        project: str | None = None,
        tokens: Tokens | None = None,
        secret: bytes | None = None,
    ) -> WSGIApplication:
        """Returns the WSGI application that serves the project's users; it calls `database` once per request.

        `tokens` verifies callers; by default firebase-admin does. `secret` encrypts what clients are to send back.
        """
        raise NotImplementedError(f"{self!r} serves no requests.")

    def openapi(self, declarations: Declarations) -> str | None:
        """Returns the OpenAPI document of what it serves, as JSON; None if it serves nothing that has one."""
        return None

    def rest_of(self, payload: Any) -> Rest:
        """Returns the work in the payload of a task from its queue; raises InvalidEvent for any other payload."""
        raise NotImplementedError(f"{self!r} has no queue.")

    def worker(self, declarations: Declarations, function: str) -> RestWorker | None:
        """Returns what does the work of a task that no event function has handed on, by the name in the task."""
        return None

    def go_on(self, declarations: Declarations, invocation: Invocation, enqueue: Enqueue | None) -> None:
        """Goes on with long work that a person has begun, in this invocation or by tasks."""

    def look_after(self, declarations: Declarations, invocation: Invocation, due_by: Instant) -> None:
        """Does the work that is due and that no event will cause, as far as the time of the invocation allows."""

    def follow_code(self, declarations: Declarations, invocation: Invocation) -> None:
        """Builds again what other code built, as `boiler dev` does at each reload."""

    # Dead letters.

    def retry(self, declarations: Declarations, letter: Letter) -> Callable[[Invocation], None] | None:
        """Returns the work that a letter's function gave up on; None if the letter is not about work of this mode."""
        return None

    def settled_letters(
        self, declarations: Declarations, letters: Collection[Letter], database: Database
    ) -> Iterable[Letter]:
        """Returns the letters whose work was done since, or has nothing left that it could be done for."""
        return ()

    # What can be asked of a deployed app; everything here only reads.

    def standings(self, declarations: Declarations, asked: Asked) -> Iterable[tuple[str, Callable[[], Standing]]]:
        """Returns each declaration that keeps something in the database, by name, and how to find its standing."""
        return ()

    def explained(
        self, declarations: Declarations, path: str, database: Database, release: Release
    ) -> Iterable[Mapping[str, Any]]:
        """Returns what is known of the document at a path, for each declaration that has documents there."""
        return ()

    def dependents(self, declarations: Declarations, document: Document, database: Database) -> Mapping[str, list[str]]:
        """Returns the roots of the stored instances that a change of the document would build, by view."""
        return {}

    # What an operator can do with the copies of a view that the mode stores.

    def build_of_all(
        self,
        declarations: Declarations,
        view: View,
        database: Database,
        surroundings: Surroundings,
        *,
        withdraw: bool = False,
    ) -> BuildOfAll:
        """Returns the build of all copies of a view; with `withdraw`, it may delete the last copy of an instance."""
        raise NotImplementedError(f"{self!r} stores no views.")

    def cost_of_build(self, declarations: Declarations, view: View, assumed: Assumed) -> Usage:
        """Returns the cost of the build of one instance of a view, apart from finding its root."""
        raise NotImplementedError(f"{self!r} stores no views.")

    def comparison(
        self, declarations: Declarations, view: View, database: Database, surroundings: Surroundings, late: timedelta
    ) -> Comparison:
        """Returns the comparison of a view's copies with a fresh build; `late` is how long an event may take."""
        raise NotImplementedError(f"{self!r} stores no views.")

    def staging(
        self, declarations: Declarations, view: View, database: Database, surroundings: Surroundings
    ) -> Staging:
        """Returns the work on the shelf of a view; the surroundings' release is that of the staged version."""
        raise NotImplementedError(f"{self!r} stores no views.")

    def removal(
        self, declarations: Declarations, app: str, view: str, database: Database, surroundings: Surroundings
    ) -> Removal:
        """Returns the removal of all copies of a view of an app, which is known by its name alone."""
        raise NotImplementedError(f"{self!r} stores no views.")

    # Facts about it, for the plan, the picture and the checks of an app.

    def queries(self, declarations: Declarations) -> Iterable[Query]:
        """Returns one query of each kind that it makes, so that indexes can be planned for them."""
        return (query for view in declarations.views_of(self) for query in queries_of(view.store_class))

    def clients(self, declarations: Declarations) -> Iterable[Exposed]:
        """Returns the documents that clients may read or create, for the security rules."""
        return ()

    def drawn(self, declarations: Declarations) -> Iterable[tuple[Node, ...]]:
        """Returns the paths of the picture from a source to a result that lead through no event function."""
        return ()

    def advice(self, declarations: Declarations) -> Iterable[Advice]:
        """Returns warnings about declarations that work, but will be slow or costly."""
        return ()

    def __repr__(self) -> str:
        return f"the mode {self.name}"


class Declarations(NamedTuple):
    """All that an app declares, before anything is compiled.

    `options` are the app's own, defaults included; `named` are those of functions, by entry point; `declared` is what
    the decorators said, by mode.
    """

    app: str
    modes: tuple[Mode[Any], ...] = ()
    options: Options = DEFAULTS
    group_by: GroupBy = "view"
    docs: bool = True
    upkeep: bool = True
    spot_checks: int = 1
    max_retries: int = 5
    max_event_age: timedelta = timedelta(hours=23)
    named: Mapping[str, Options] = {}
    http: HttpSettings = DEFAULT_HTTP
    socket_settings: SocketSettings = DEFAULT_SOCKETS
    declared: Mapping[Mode[Any], tuple[Any, ...]] = {}

    def of(self, mode: Mode[D]) -> tuple[D, ...]:
        """Returns the declarations of a mode, in their order."""
        return self.declared.get(mode, ())

    def views_of(self, mode: Mode[Any]) -> tuple[View, ...]:
        """Returns the view models of a mode's declarations."""
        return tuple(dict.fromkeys(each.view for each in self.of(mode) if each.view is not None))

    @property
    def all(self) -> Iterator[tuple[Mode[Any], Declaration]]:
        """Yields every declaration with its mode, mode by mode."""
        return ((mode, each) for mode in self.modes for each in self.of(mode))

    @property
    def views(self) -> tuple[View, ...]:
        """The view models, in the order in which they were declared within each mode."""
        return tuple(dict.fromkeys(each.view for _, each in self.all if each.view is not None))

    @property
    def stored(self) -> tuple[View, ...]:
        """The views that are stored, each after those whose copies it reads."""
        stored = (view for mode in self.modes if mode.stores for view in self.views_of(mode))
        return tuple(sorted(stored, key=depth_of))

    def storing(self) -> Mode[Any]:
        """Returns the mode that stores views."""
        return next(mode for mode in self.modes if mode.stores)

    @property
    def recipients(self) -> tuple[Recipient, ...]:
        """The functions that receive the changes of stored views."""
        return tuple(each for mode in self.modes for each in mode.recipients(self))

    def plus(self, mode: Mode[D], declaration: D) -> Declarations:
        """Returns the declarations and one more; raises InvalidOption if its options contradict those of the app."""
        name = f"@app.{mode.name}" if declaration.view is None else declaration.view.__name__
        self.options_of(mode, name, [declaration])
        return self._replace(declared={**self.declared, mode: (*self.of(mode), declaration)})

    def without(self, view: View) -> Declarations:
        """Returns the declarations of all views that can do without this one, without options of functions by name."""
        gone = {view, *(each for each in self.views if reads_copies_of(each, view))}
        left = {mode: tuple(each for each in found if each.view not in gone) for mode, found in self.declared.items()}
        return self._replace(declared=left, named={})

    @property
    def tenant(self) -> str | None:
        """The tenant whose users the app admits, on every surface: HTTP, sockets and security rules."""
        return self.http.tenant or self.socket_settings.tenant

    def with_options(self, options: Options) -> Declarations:
        """Returns the declarations with these options, which override the app's own."""
        return self._replace(options=self.options.merged(options))

    @property
    def database(self) -> str:
        """The id of the database that views and models are in."""
        return self.options.database or ANY

    def options_of(self, mode: Mode[Any], entry_point: str, served: Sequence[Declaration]) -> Options:
        """Returns the options of a function; raises InvalidOption if the declarations that it serves contradict."""
        said = Options()
        for each in served:
            if differing := said.differing(each.options):
                views = ", ".join(each.view.__name__ for each in served if each.view)
                raise InvalidOption(
                    f"{entry_point} serves {views}, which set {differing} to different values. Set it once: "
                    f"Boiler({self.app!r}, functions={{{entry_point!r}: …}})."
                )
            said = said.merged(each.options)
        return self.settled(mode, entry_point, said)

    def settled(self, mode: Mode[Any], entry_point: str, said: Options) -> Options:
        """Returns the options of a function whose declarations set `said`, completed by those of the app."""
        named = self.named.get(entry_point, Options())
        return self.options.merged(said).merged(named).settled(f"{self.app}: {entry_point}", mode.longest)
