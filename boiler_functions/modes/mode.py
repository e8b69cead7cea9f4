"""A mode: one way to put a view to use. Its doors are what the rest of the house asks of any mode.

Who compiles, plans, draws or checks an app loops over `declarations.modes` and asks each; nobody outside of a mode's
folder knows which modes there are, but for their list (`modes.all`) and the decorators of Boiler.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, NamedTuple, Protocol, TypeAlias, TypeVar

from boiler_functions.database import Database, Query
from boiler_functions.exceptions import InvalidOption
from boiler_functions.manifest import Function, HttpTrigger, Service
from boiler_functions.modes.advice import Advice
from boiler_functions.modes.clients import Documents
from boiler_functions.modes.drawing import Look, Node
from boiler_functions.modes.event_function import EventFunction, Rest
from boiler_functions.modes.invocation import REAL, Invocation, Surroundings
from boiler_functions.modes.outbox import Recipient
from boiler_functions.modes.scheduled_function import ScheduledFunction
from boiler_functions.paths import Pattern
from boiler_functions.settings.http import DEFAULT_HTTP, HttpSettings
from boiler_functions.settings.options import ANY, DEFAULTS, MAX_EVENT_SECONDS, Options
from boiler_functions.settings.sockets import DEFAULT_SOCKETS, SocketSettings
from boiler_functions.types import Instant
from boiler_functions.views.queries import queries_of
from boiler_functions.views.view_model import View

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication

GroupBy: TypeAlias = Literal["view", "source"]


class Declaration(Protocol):
    """What one decorator said, as a frozen record of its mode."""

    @property
    def view(self) -> View | None:
        """The view model that it is about, if it is about one."""
        ...

    @property
    def options(self) -> Options:
        """What it said of how its functions run."""
        ...


D = TypeVar("D", bound=Declaration)


class Mode(ABC, Generic[D]):
    """A way to put a view to use. Every door has a default: a mode answers only what it has something to say about."""

    name: ClassVar[str]
    """As the manifest has it, and the decorator: `@app.task`."""

    counted: ClassVar[str]
    """What its declarations are called in the line of `boiler check`: `REST rules`."""

    look: ClassVar[Look]
    """How its functions are drawn."""

    longest: ClassVar[int] = MAX_EVENT_SECONDS
    """Seconds that one invocation may take."""

    has_decorator: ClassVar[bool] = True
    """Whether a decorator of Boiler declares it; else it follows from what other modes declare."""

    stores: ClassVar[bool] = False
    """Whether it keeps a copy of each instance of its views."""

    # What it refuses; of one declaration by itself, its decorator does.

    def check(self, declarations: Declarations) -> None:
        """Raises DeclarationError for declarations of the mode that cannot be together, or with those of others."""

    def form(self, declaration: D) -> Pattern | None:
        """The documents that clients send; an owner in Meta then is a placeholder of this path."""
        return None

    def recipients(self, declarations: Declarations) -> Iterable[Recipient]:
        """Who receives a record in the commit of each change of a stored view."""
        return ()

    # What it deploys.

    def event_functions(self, declarations: Declarations) -> Iterable[EventFunction]:
        """The functions that changes of documents invoke."""
        return ()

    def functions(self, declarations: Declarations) -> Iterable[Function]:
        """The functions that anything else invokes: a request, a queue."""
        return ()

    def scheduled_functions(self, declarations: Declarations) -> Iterable[ScheduledFunction]:
        """The functions that a schedule invokes."""
        return ()

    def services(self, declarations: Declarations) -> Iterable[Service]:
        """What runs on Cloud Run without being a function."""
        return ()

    # What it does with a request; what it does with an event, its event functions say.

    def serves(self, declarations: Declarations) -> bool:
        """Whether a function of it answers requests."""
        return any(isinstance(each.trigger, HttpTrigger) for each in self.functions(declarations))

    def application(
        self,
        declarations: Declarations,
        database: Callable[[], Database],
        surroundings: Surroundings = REAL,
        project: str | None = None,
    ) -> WSGIApplication:
        """Serves the requests of its function to the users of the project; `database` is asked for once a request."""
        raise NotImplementedError(f"{self!r} serves no requests.")

    def rest_of(self, payload: Any) -> Rest:
        """The work that a task in its queue holds; raises InvalidEvent for a payload that holds none."""
        raise NotImplementedError(f"{self!r} has no queue.")

    def look_after(self, declarations: Declarations, invocation: Invocation, due_by: Instant) -> None:
        """Does what is due by then and no event will ask for, as far as the time of the invocation allows."""

    # What follows from it, for those who plan, draw and watch an app.

    def queries(self, declarations: Declarations) -> Iterable[Query]:
        """One query of each kind that it asks, so that each has its index."""
        return (query for view in declarations.views_of(self) for query in queries_of(view.store_class))

    def clients(self, declarations: Declarations) -> Iterable[Documents]:
        """What clients may see, and send."""
        return ()

    def drawn(self, declarations: Declarations) -> Iterable[tuple[Node, ...]]:
        """Every way from a source, through what is no event function, to what it shows."""
        return ()

    def advice(self, declarations: Declarations) -> Iterable[Advice]:
        """What works, and will hurt."""
        return ()

    def __repr__(self) -> str:
        return f"the mode {self.name}"


class Declarations(NamedTuple):
    """What an app declares, before anything is compiled.

    `options` are the app's own, defaults included; `named` are those of functions, by entry point; `declared` is what
    the decorators said, by mode.
    """

    app: str
    modes: tuple[Mode[Any], ...] = ()
    options: Options = DEFAULTS
    group_by: GroupBy = "view"
    docs: bool = True
    upkeep: bool = True
    max_retries: int = 5
    max_event_age: timedelta = timedelta(hours=23)
    named: Mapping[str, Options] = {}
    http: HttpSettings = DEFAULT_HTTP
    socket_settings: SocketSettings = DEFAULT_SOCKETS
    declared: Mapping[Mode[Any], tuple[Any, ...]] = {}

    def of(self, mode: Mode[D]) -> tuple[D, ...]:
        """What was declared of a mode, in that order."""
        return self.declared.get(mode, ())

    def views_of(self, mode: Mode[Any]) -> tuple[View, ...]:
        """The view models that were declared of a mode."""
        return tuple(dict.fromkeys(each.view for each in self.of(mode) if each.view is not None))

    @property
    def all(self) -> Iterator[tuple[Mode[Any], Declaration]]:
        """Every declaration with its mode, mode by mode."""
        return ((mode, each) for mode in self.modes for each in self.of(mode))

    @property
    def views(self) -> tuple[View, ...]:
        """The view models, in the order in which they were declared within each mode."""
        return tuple(dict.fromkeys(each.view for _, each in self.all if each.view is not None))

    @property
    def stored(self) -> tuple[View, ...]:
        """The views of which copies are kept."""
        return tuple(view for mode in self.modes if mode.stores for view in self.views_of(mode))

    @property
    def recipients(self) -> tuple[Recipient, ...]:
        """Who receives the changes of stored views."""
        return tuple(each for mode in self.modes for each in mode.recipients(self))

    def plus(self, mode: Mode[D], declaration: D) -> Declarations:
        """The declarations and one more; raises InvalidOption when its options cannot be together with the app's."""
        name = f"@app.{mode.name}" if declaration.view is None else declaration.view.__name__
        self.options_of(mode, name, [declaration])
        return self._replace(declared={**self.declared, mode: (*self.of(mode), declaration)})

    def without(self, view: View) -> Declarations:
        """The declarations but those of the view; what is said of functions by name is left out, too."""
        left = {mode: tuple(each for each in found if each.view is not view) for mode, found in self.declared.items()}
        return self._replace(declared=left, named={})

    @property
    def tenant(self) -> str | None:
        """The tenant whose users the app admits, on every surface: HTTP, sockets and security rules."""
        return self.http.tenant or self.socket_settings.tenant

    def with_options(self, options: Options) -> Declarations:
        """The declarations with these options before the app's own."""
        return self._replace(options=self.options.merged(options))

    @property
    def database(self) -> str:
        """The id of the database that views and models are in."""
        return self.options.database or ANY

    def options_of(self, mode: Mode[Any], entry_point: str, served: Sequence[Declaration]) -> Options:
        """The options of a function; raises InvalidOption when what it serves says different things."""
        said = Options()
        for each in served:
            if differing := said.differing(each.options):
                views = ", ".join(each.view.__name__ for each in served if each.view)
                raise InvalidOption(
                    f"{entry_point} serves {views}, which say different things of {differing}. Say it once: "
                    f"Boiler({self.app!r}, functions={{{entry_point!r}: …}})."
                )
            said = said.merged(each.options)
        return self.settled(mode, entry_point, said)

    def settled(self, mode: Mode[Any], entry_point: str, said: Options) -> Options:
        """The options of a function that itself says `said`."""
        named = self.named.get(entry_point, Options())
        return self.options.merged(said).merged(named).settled(f"{self.app}: {entry_point}", mode.longest)
