"""Compiles declarations into functions: what is deployed (the manifest) and what each does with an event."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

from boiler_functions.access import Owner
from boiler_functions.compile.manifest import (
    CREATED,
    WRITTEN,
    EventTrigger,
    Function,
    HttpTrigger,
    Manifest,
    Mode,
    QueueTrigger,
    Service,
    Trigger,
    function_name,
    snake_case,
)
from boiler_functions.database import Database, Document
from boiler_functions.database.change import Change
from boiler_functions.database.metered import Metered, Usage
from boiler_functions.exceptions import (
    DeclarationError,
    InvalidAccess,
    InvalidEvent,
    InvalidOption,
    InvalidPattern,
    InvalidSink,
    NameCollision,
    OverlappingPaths,
    Permanent,
    TriggersItself,
)
from boiler_functions.modes import dead_letter, ledger, marker, secret
from boiler_functions.modes.dead_letter import refuse_event, write_dead_letter
from boiler_functions.modes.document import document
from boiler_functions.modes.invocation import REAL, Invocation, Surroundings
from boiler_functions.modes.on_change import outbox
from boiler_functions.modes.on_change.outbox import Sink, deliver
from boiler_functions.modes.query.continuation import Continuation, Enqueue
from boiler_functions.modes.query.rebuild import Rebuild
from boiler_functions.modes.task.checks import check_forms, check_writes
from boiler_functions.modes.task.task import Task, run_task
from boiler_functions.paths import Pattern, could_exist
from boiler_functions.settings.http import DEFAULT_HTTP, HttpSettings
from boiler_functions.settings.options import (
    ANY,
    DEFAULTS,
    MAX_CONCURRENCY,
    MAX_EVENT_SECONDS,
    MAX_HTTP_SECONDS,
    Options,
)
from boiler_functions.settings.sockets import DEFAULT_SOCKETS, SocketSettings
from boiler_functions.types import Instant
from boiler_functions.views.view_model import ViewModel, owner_names

View = type[ViewModel[Any]]
GroupBy: TypeAlias = Literal["view", "source"]

API = "api"
CONTINUATIONS = "continuations"
SOCKETS = "websocket"

# Half for the work at hand; the other half covers a page under way, cold starts and slow commits.
_BUDGET = 0.5

BOOKKEEPING = (ledger.COLLECTION, marker.COLLECTION, dead_letter.COLLECTION, outbox.COLLECTION, secret.COLLECTION)


class Rule(NamedTuple):
    """A REST resource: a view model under a path; whether its root can be created and deleted there.

    `filtered_orders` are those that the list takes beside filters, as `orderBy` spells them.
    """

    view: View
    rule: str
    create: bool = False
    delete: bool = False
    filtered_orders: tuple[str, ...] = ()


class Socket(NamedTuple):
    """A Socket.IO namespace in which clients follow and change the instances of a view model."""

    view: View
    namespace: str


class Declarations(NamedTuple):
    """What an app declares, before anything is compiled.

    `options` are the app's own, defaults included; `own` are those of the views, by the mode that they were given in,
    and `named` those of functions, by entry point.
    """

    app: str
    options: Options = DEFAULTS
    group_by: GroupBy = "view"
    docs: bool = True
    queries: tuple[View, ...] = ()
    tasks: tuple[Task, ...] = ()
    documents: tuple[document.Document, ...] = ()
    rules: tuple[Rule, ...] = ()
    sinks: tuple[Sink, ...] = ()
    sockets: tuple[Socket, ...] = ()
    socket_settings: SocketSettings = DEFAULT_SOCKETS
    own: Mapping[tuple[Mode, View], Options] = {}
    named: Mapping[str, Options] = {}
    http: HttpSettings = DEFAULT_HTTP

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

    @property
    def views(self) -> tuple[View, ...]:
        """The view models, in the order in which they were declared within each mode."""
        forms = (task.view for task in (*self.tasks, *self.documents))
        rules = (rule.view for rule in self.rules)
        return tuple(dict.fromkeys((*self.queries, *forms, *rules)))

    def without(self, view: View) -> Declarations:
        """The declarations as if the view was none of them; what is said of functions by name is left out, too."""
        return self._replace(
            queries=tuple(each for each in self.queries if each is not view),
            tasks=tuple(each for each in self.tasks if each.view is not view),
            documents=tuple(each for each in self.documents if each.view is not view),
            sinks=tuple(each for each in self.sinks if each.view is not view),
            rules=tuple(each for each in self.rules if each.view is not view),
            named={},
        )

    def options_of(self, mode: Mode, entry_point: str, views: Sequence[View]) -> Options:
        """The options of a function; raises DeclarationError when its views say different things."""
        said = Options()
        for view in views:
            own = self.own.get((mode, view), Options())
            if differing := _differing(said, own):
                raise InvalidOption(
                    f"{entry_point} serves {', '.join(each.__name__ for each in views)}, which say different things of "
                    f"{differing}. Say it once: Boiler({self.app!r}, functions={{{entry_point!r}: …}})."
                )
            said = said.merged(own)
        return self.settled(mode, entry_point, said)

    def settled(self, mode: Mode, entry_point: str, said: Options) -> Options:
        """The options of a function that itself says `said`."""
        longest = MAX_HTTP_SECONDS if mode in ("rest", "websocket") else MAX_EVENT_SECONDS
        named = self.named.get(entry_point, Options())
        return self.options.merged(said).merged(named).settled(f"{self.app}: {entry_point}", longest)


class Report(NamedTuple):
    """What one invocation did."""

    function: str
    event: str
    document: str
    outcomes: Mapping[str, int]
    usage: Usage
    attempts: int
    milliseconds: float
    lag_milliseconds: float | None = None
    """From the source's `update_time` to the last commit, both by the database's clock; None when nothing was built."""
    views: tuple[str, ...] = ()
    error: Exception | None = None
    """What ended the invocation, so that the event must be delivered again."""

    @property
    def outcome(self) -> str:
        """What became of the event in a word: the one outcome, `several`, `nothing to do`, or `failed`."""
        if self.error:
            return "failed"
        return "several" if len(self.outcomes) > 1 else next(iter(self.outcomes), "nothing to do")

    def or_raise(self) -> Report:
        """This report; raises the error that ended the invocation."""
        if self.error:
            raise self.error
        return self

    def told(self, failure: str) -> str:
        """The report as a line, in which the error is told in these words."""
        outcomes = [f"{count} {outcome}" for outcome, count in self.outcomes.items()]
        became = ", ".join([*outcomes, f"failed, {failure}"] if failure else outcomes) or "nothing to do"
        usage = f"{self.usage.reads} reads, {self.usage.writes} writes, {self.usage.rpcs} RPCs"
        return f"{self.function} ← {self.document}: {became}; {usage}; {self.milliseconds:.0f} ms"

    def __str__(self) -> str:
        return self.told(f"{type(self.error).__name__}: {self.error}" if self.error else "")


class EventFunction(NamedTuple):
    """A compiled function that a change of a document invokes."""

    app: str
    entry_point: str
    source: Pattern
    views: tuple[View, ...]
    timeout_sec: int
    task: Task | None = None
    sink: Sink | None = None
    """Who is told by this function of changes."""
    sinks: tuple[Sink, ...] = ()
    """Who is told, by functions of their own, of the changes that this one makes to views."""

    @property
    def mode(self) -> Mode:
        if self.sink:
            return "on_change"
        return self.task.mode if self.task else "query"

    @property
    def serves(self) -> tuple[str, ...]:
        """The names of what it serves, as its declarations call them."""
        return (self.sink.name,) if self.sink else tuple(view.__name__ for view in self.views)

    @property
    def event_type(self) -> str:
        """What it is triggered by; a record of the outbox is told of once, as it is created, not as it is stamped."""
        return CREATED if self.sink and self.sink.view else WRITTEN

    def is_triggered_by(self, before: Document, after: Document) -> bool:
        """Whether a document that changes so is an event of this function."""
        is_of_type = self.event_type == WRITTEN or (after.exists and not before.exists)
        return is_of_type and self.source.match(after.path) is not None

    def handle(
        self,
        change: Change,
        database: Database,
        surroundings: Surroundings = REAL,
        enqueue: Enqueue | None = None,
    ) -> Report:
        """What was done about the change; raises a Transient error when it must be delivered again."""
        return self.attempt(change, database, surroundings, enqueue).or_raise()

    def attempt(
        self,
        change: Change,
        database: Database,
        surroundings: Surroundings = REAL,
        enqueue: Enqueue | None = None,
    ) -> Report:
        """As `handle`, but an error is told in the report."""
        if foreign := self._foreign(change):
            return self.refuse(change.id, foreign, database, surroundings)

        def work(invocation: Invocation) -> None:
            if self.sink:
                deliver(invocation, self.sink, change)
            elif self.task:
                run_task(invocation, self.task, change)
            else:
                Rebuild(invocation, self.views, change, enqueue=enqueue, sinks=self.sinks).run()

        return self._reported(change, database, surroundings, work)

    def go_on(
        self, continuation: Continuation, database: Database, surroundings: Surroundings, enqueue: Enqueue | None
    ) -> Report:
        """As `handle`, for the part of a fan-out that another invocation left."""
        return self.attempt_rest(continuation, database, surroundings, enqueue).or_raise()

    def attempt_rest(
        self, continuation: Continuation, database: Database, surroundings: Surroundings, enqueue: Enqueue | None
    ) -> Report:
        """As `go_on`, but an error is told in the report."""
        change = continuation.change()
        if foreign := self._foreign(change):
            return self.refuse(change.id, foreign, database, surroundings)

        def work(invocation: Invocation) -> None:
            rebuild = Rebuild(invocation, self.views, change, enqueue=enqueue, sinks=self.sinks)
            rebuild.follow(continuation.tokens, continuation.after, continuation.until)

        return self._reported(change, database, surroundings, work)

    def refuse(self, event: str, error: Permanent, database: Database, surroundings: Surroundings = REAL) -> Report:
        """Does nothing about an event that is not this function's, but for a dead letter."""

        def work(invocation: Invocation) -> None:
            refuse_event(invocation, view=", ".join(self.serves), subject=event, event=event, error=error)

        nothing = Document("")
        return self._reported(Change(event, "", "", nothing, nothing, 0), database, surroundings, work)

    def _foreign(self, change: Change) -> InvalidEvent | None:
        """Why the change is none of this function's documents; None when it is."""
        paths = {change.path, change.before.path, change.after.path}
        if len(paths) == 1 and self.source.match(change.path) is not None and could_exist(change.path):
            return None
        return InvalidEvent(
            f"The event {change.id!r} is of {', '.join(map(repr, sorted(paths)))}, and {self.entry_point} receives "
            f"changes of {self.source.text!r}; nothing is done about it. Find who posts events to this function, and "
            f"take the right to invoke it from them."
        )

    def _reported(
        self, change: Change, database: Database, surroundings: Surroundings, work: Callable[[Invocation], None]
    ) -> Report:
        started = time.perf_counter()
        budget = int(self.timeout_sec * _BUDGET * 1_000_000_000)
        deadline: Instant = surroundings.clock() + budget
        invocation = Invocation(self.app, self.entry_point, Metered(database), surroundings, deadline)
        error: Exception | None = None
        try:
            try:
                work(invocation)
            except Permanent as permanent:
                self._write_dead_letter(invocation, change, permanent)
        except Exception as raised:
            error = raised
        committed, updated = invocation.database.commit_time, change.after.version
        return Report(
            self.entry_point,
            change.id,
            change.path,
            {str(outcome): count for outcome, count in invocation.outcomes.items()},
            invocation.database.usage,
            invocation.attempts,
            milliseconds=(time.perf_counter() - started) * 1000,
            lag_milliseconds=(committed - updated) / 1e6 if committed and change.after.exists else None,
            views=self.serves,
            error=error,
        )

    def _write_dead_letter(self, invocation: Invocation, change: Change, error: Permanent) -> None:
        served = ", ".join(self.serves)
        write_dead_letter(
            invocation, view=served, subject=change.path, source=change.path, event=change.id, error=error
        )


class Compiled(NamedTuple):
    """An app, compiled: what to deploy, and the event functions by entry point."""

    manifest: Manifest
    functions: Mapping[str, EventFunction]
    declarations: Declarations


def compile_app(declarations: Declarations) -> Compiled:
    """Compiles and checks the declarations; raises DeclarationError for an app that cannot work.

    A stage compiles them anew, with other options: `compile_app(declarations.with_options(stage))`.
    """
    if not any(getattr(declarations, each) for each in ("queries", "tasks", "documents", "rules", "sockets", "sinks")):
        raise DeclarationError(
            f"The app {declarations.app!r} declares nothing; decorate a view model with `@app.query`, "
            f"`@app.task(…)`, `@app.rest(…)` or `@app.websocket(…)`, or a function with `@app.on_change(…)`, and "
            f"import its module before "
            f"`app.export(globals())`."
        )
    functions = [*_query_functions(declarations), *_task_functions(declarations), *_sink_functions(declarations)]
    check_sinks(declarations)
    check_documents(declarations)
    check_paths(declarations)
    check_owners(declarations)
    check_cycles(functions)
    tasks = (*declarations.tasks, *declarations.documents)
    check_forms(tasks)
    check_writes(tasks, declarations.queries)
    records = [_event_record(declarations, each) for each in functions]
    if declarations.rules:
        records.append(_api_record(declarations))
    if declarations.queries:
        records.append(_record(declarations, CONTINUATIONS, "continuation", QueueTrigger(), declarations.queries))
    services = tuple(_services(declarations))
    _check_names([*records, *services])
    _check_named(declarations, [*records, *services])
    by_entry_point = {each.entry_point: each for each in functions}
    return Compiled(Manifest(declarations.app, tuple(records), services), by_entry_point, declarations)


def _query_functions(declarations: Declarations) -> Iterator[EventFunction]:
    reached: dict[tuple[str, str], list[View]] = {}
    for view in declarations.queries:
        for pattern in dict.fromkeys(source.model.pattern().text for source in view.store_class.sources):
            group = "" if declarations.group_by == "source" else snake_case(view.__name__) + "_"
            reached.setdefault((group, pattern), []).append(view)
    for (group, pattern), views in reached.items():
        name = f"{group}on_{_collection_name(pattern)}"
        options = declarations.options_of("query", name, views)
        sinks = tuple(sink for sink in declarations.sinks if sink.view in views)
        yield EventFunction(declarations.app, name, Pattern(pattern), tuple(views), options.time_limit, sinks=sinks)


def _task_functions(declarations: Declarations) -> Iterator[EventFunction]:
    for task in (*declarations.tasks, *declarations.documents):
        name = f"{snake_case(task.view.__name__)}_{task.mode}"
        options = declarations.options_of(task.mode, name, [task.view])
        yield EventFunction(declarations.app, name, task.pattern, (task.view,), options.time_limit, task)


def _sink_functions(declarations: Declarations) -> Iterator[EventFunction]:
    for sink in declarations.sinks:
        on = snake_case(sink.view.__name__) if sink.view else _collection_name(sink.target.pattern().text)
        name = f"{snake_case(sink.name)}_on_{on}"
        options = declarations.settled("on_change", name, sink.options)
        if options.retry is False:
            raise InvalidSink(
                f"{sink.name} is told of changes at least once, and with retry=False an event that failed is dropped; "
                f"leave `retry` on."
            )
        yield EventFunction(declarations.app, name, sink.source(declarations.app), (), options.time_limit, sink=sink)


def _collection_name(pattern: str) -> str:
    return "_".join(re.sub(r"\W", "_", snake_case(segment)) for segment in pattern.split("/") if "{" not in segment)


def _event_record(declarations: Declarations, function: EventFunction) -> Function:
    if function.sink:
        options = declarations.settled("on_change", function.entry_point, function.sink.options)
    else:
        options = declarations.options_of(function.mode, function.entry_point, function.views)
    at = declarations.options
    trigger = EventTrigger(
        function.source.text,
        function.event_type,
        database=declarations.database,
        namespace=at.namespace or ANY,
        retry=options.retry is not False,
        location=at.trigger_location,
    )
    name = function_name(declarations.app, function.entry_point)
    return Function(name, function.entry_point, function.mode, trigger, function.serves, options)


def _api_record(declarations: Declarations) -> Function:
    views = [rule.view for rule in declarations.rules]
    options = declarations.options_of("rest", API, views)
    return _record(declarations, API, "rest", HttpTrigger(options.invoker or ("public",)), views)


def _record(
    declarations: Declarations, entry_point: str, mode: Mode, trigger: Trigger, views: Sequence[View]
) -> Function:
    name = function_name(declarations.app, entry_point)
    options = declarations.options_of(mode, entry_point, views)
    return Function(name, entry_point, mode, trigger, tuple(view.__name__ for view in views), options)


def _services(declarations: Declarations) -> Iterator[Service]:
    if not declarations.sockets:
        return
    options = declarations.options
    own = Options(
        # A socket is one request to Cloud Run, and this its longest.
        timeout_sec=MAX_HTTP_SECONDS,
        concurrency=min(declarations.socket_settings.max_connections, MAX_CONCURRENCY),
        cpu=1 if options.cpu is not None and options.cpu < 1 else None,
    )
    yield Service(
        function_name(declarations.app, SOCKETS),
        SOCKETS,
        tuple(socket.namespace for socket in declarations.sockets),
        tuple(socket.view.__name__ for socket in declarations.sockets),
        declarations.settled("websocket", SOCKETS, own),
    )


def _differing(some: Options, others: Options) -> str | None:
    """The first option of which both say something, and not the same."""
    said = others.given()
    return next((name for name, value in some.given().items() if name in said and said[name] != value), None)


def _check_named(declarations: Declarations, functions: Sequence[Function | Service]) -> None:
    known = {function.entry_point for function in functions}
    if unknown := sorted(declarations.named.keys() - known):
        raise InvalidOption(
            f"Boiler({declarations.app!r}, functions=…) names {unknown[0]!r}, which the app does not have; "
            f"it has {', '.join(sorted(known))}."
        )


def _check_names(functions: Sequence[Function | Service]) -> None:
    seen: dict[str, Function | Service] = {}
    for function in functions:
        if other := seen.get(function.cloud_run_name):
            raise NameCollision(
                f"The functions {other.entry_point} and {function.entry_point} would both be the Cloud Run service "
                f"{function.cloud_run_name!r}; rename one of {', '.join((*other.views, *function.views))}."
            )
        seen[function.cloud_run_name] = function


def check_paths(declarations: Declarations) -> None:
    """Raises DeclarationError when two views could write one document, or share a name."""
    stored = list(declarations.queries)
    for position, view in enumerate(stored):
        for other in stored[:position]:
            if snake_case(view.__name__) == snake_case(other.__name__):
                raise NameCollision(
                    f"Two views are called {view.__name__}, spelled {snake_case(view.__name__)!r} "
                    f"(in {other.__module__} and {view.__module__}); their functions and ledgers would mix."
                )
            if view.pattern().overlaps(other.pattern()):
                raise OverlappingPaths(
                    f"{view.__name__} is stored at {view.pattern().text!r} and {other.__name__} at "
                    f"{other.pattern().text!r}; one document could be both. Give one of them another collection."
                )


def check_owners(declarations: Declarations) -> None:
    """Raises DeclarationError for an `access.owner` of a form that the path of its task has no placeholder for."""
    paths: dict[View, list[Pattern]] = {view: [] for view in declarations.queries}
    paths.update((rule.view, []) for rule in declarations.rules)
    for task in declarations.tasks:
        paths.setdefault(task.view, []).append(task.pattern)
    for view, patterns in paths.items():
        for part in (*view.readers().parts(), *view.writers().parts()):
            if not isinstance(part, Owner) or "." in part.placeholder:
                continue
            for pattern in patterns or [Pattern(view.meta("path") or view.__name__)]:
                if part.placeholder not in pattern.names:
                    raise InvalidAccess(
                        f"{view.__name__}.Meta has owner({part.placeholder!r}), which is no placeholder of its path "
                        f"{pattern.text!r}; there are {', '.join((*pattern.names, *owner_names(view))) or 'none'}."
                    )


def check_sinks(declarations: Declarations) -> None:
    """Raises DeclarationError when somebody is to be told of a view that nothing stores."""
    for sink in declarations.sinks:
        if sink.view and sink.view not in declarations.queries:
            raise InvalidSink(
                f"{sink.name} is to be told when {sink.view.__name__} changes, which {declarations.app!r} does not "
                f"store, so that nothing follows its changes; decorate {sink.view.__name__} with `@app.query`."
            )


def check_documents(declarations: Declarations) -> None:
    """Raises DeclarationError when mutations are to lie beside copies that nothing stores."""
    for each in declarations.documents:
        if each.view not in declarations.queries:
            raise InvalidPattern(
                f"{each.view.__name__} takes mutations beside its copies, and {declarations.app!r} stores none; "
                f"decorate it with `@app.query` too."
            )


def check_cycles(functions: Sequence[EventFunction]) -> None:
    """Raises DeclarationError when a function's writes would trigger it again, by itself or through others."""
    for function in functions:
        # The one trigger on bookkeeping is that of an outbox. It ends there: a sink may not write models, and a record
        # is an event as it is created alone, not as it is stamped.
        is_of_outbox = function.event_type == CREATED
        for pattern in (*_written(function), *(() if is_of_outbox else (function.source,))):
            if collection := _bookkeeping(pattern):
                raise TriggersItself(
                    f"{function.serves[0]} reads or writes {pattern.text!r}, which matches {collection!r}, "
                    f"the bookkeeping of this package; choose another collection."
                )
    for function in functions:
        if cycle := _cycle(function, functions, ()):
            steps = " → ".join(f"{each.entry_point} (on {each.source.text})" for each in cycle)
            raise TriggersItself(
                f"{cycle[0].serves[0]} would trigger itself, for ever: {steps}. Store the view, or write "
                f"the model, outside of the collections that trigger it."
            )


def _cycle(
    function: EventFunction, functions: Sequence[EventFunction], path: tuple[EventFunction, ...]
) -> tuple[EventFunction, ...] | None:
    """The functions that lead from this one back to one on the path, or None."""
    if function in path:
        return (*path[path.index(function) :], function)
    triggered = (each for each in functions if any(written.overlaps(each.source) for written in _written(function)))
    return next((cycle for each in triggered if (cycle := _cycle(each, functions, (*path, function)))), None)


def _bookkeeping(pattern: Pattern) -> str | None:
    """The bookkeeping collection that documents of the pattern are, or could be, in."""
    paths = {name: Pattern(f"{name}/{{id}}") for name in BOOKKEEPING}
    return next((name for name in paths if pattern.overlaps(paths[name]) or name in pattern.segments[::2]), None)


def _written(function: EventFunction) -> list[Pattern]:
    if function.task:
        return [model.pattern() for model in function.task.writes]
    return [view.pattern() for view in function.views]
