"""The task protocol as `boiler_functions.modes.task` implements it: each step is a call, or part of a torn read.

A client writes forms. A task reads the form and one document more, some by name and by a query too, and writes a
third: on duty or not, from what the form and the other say. What took effect is kept beside the database, where no
step looks: only `fault` does.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, NamedTuple, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")
Completion = Literal["keep", "stamp", "delete"]

DEVICES = (
    "marker_create",
    "task_read_verification",
    "superseded_check",
    "reread_after_unknown",
    "version_marker",
    "stamp_recognition",
    "stamp_version",
    "seen_version",
)

SETTINGS = "settings"
"""A document that the client writes and the tasks read."""

ANSWERED = 0
"""The attempt in a marker whose commit was answered, where nobody asks for it."""


class Stored(NamedTuple):
    """A document. A stamped form holds the value that took effect, and its version."""

    value: int | None = None
    version: int = 0
    stamp: int | None = None
    of: int = 0

    @property
    def seen_version(self) -> int:
        """The version that a reader sees; a deleted document keeps its own, so that no version comes twice."""
        return 0 if self.value is None else self.version

    def __str__(self) -> str:
        if self.value is None:
            return "missing"
        return f"{self.value}@{self.version}" + (
            f", stamped {self.stamp} of @{self.of}" if self.stamp is not None else ""
        )


class Task(NamedTuple):
    """A function: the forms that trigger it, what else it reads, and what it writes."""

    form: str
    reads: str
    writes: str
    completion: Completion
    queries: bool = False
    """Whether a query also finds what it reads."""


class Event(NamedTuple):
    """The event of a written form. Without images (`tells` is False), it names only the form."""

    form: str
    id: int
    before: Stored
    after: Stored
    tells: bool

    def __str__(self) -> str:
        return f"{self.form}@{self.id}"


class Effect(NamedTuple):
    """The marker of a version that took effect; `tells` is the version in the event, None without images."""

    task: Task
    version: int
    tells: int | None
    is_stale: bool
    is_echo: bool


class Commit(NamedTuple):
    """All writes of an attempt, and their preconditions."""

    task: Task
    event: Event
    attempt: int
    markers: tuple[str, ...]
    form: Stored
    read: Stored
    """The values that user code saw."""
    verified: Stored
    """The versions that the commit compares with the current documents."""


class Handler(NamedTuple):
    task: Task
    event: Event
    phase: str = "read"
    awaited: frozenset[str] = frozenset()
    seen: tuple[tuple[str, Stored], ...] = ()
    known: tuple[str, ...] = ()
    """The markers that exist already."""
    found: Stored | None = None
    """What the query found, after it ran."""
    attempt: int = ANSWERED


class World(NamedTuple):
    docs: tuple[tuple[str, Stored], ...]
    markers: tuple[tuple[str, int], ...] = ()
    written: int = 0
    handlers: tuple[Handler, ...] = ()
    flying: tuple[Commit, ...] = ()
    """Commits whose answer was lost; each is applied at any later time, or never."""
    faults: int = 0
    """The number of crashes and lost answers that may still happen."""
    effects: tuple[Effect, ...] = ()


Write = tuple[str, str, int | None]
"""What a client does (`set` the whole document, `merge` a value beside the stamp, `delete`), to what, and the value."""


class Scenario(NamedTuple):
    script: tuple[Write, ...]
    tasks: tuple[Task, ...]
    initial: tuple[tuple[str, int], ...] = ()
    deliveries: int = 1
    faults: int = 0
    imageless: bool = False


class TaskProtocol:
    """The protocol under one scenario, with some of its devices switched off."""

    def __init__(self, scenario: Scenario, off: Iterable[str] = ()) -> None:
        self.scenario = scenario
        self.off = frozenset(off)

    def start(self) -> World:
        paths = {path for task in self.scenario.tasks for path in (task.form, task.reads, task.writes)}
        docs = dict.fromkeys(paths, Stored())
        docs.update({path: Stored(value, 1) for path, value in self.scenario.initial})
        return World(_pairs(docs), faults=self.scenario.faults)

    def fault(self, world: World, *, is_final: bool) -> str | None:
        seen = set()
        for effect in world.effects:
            what = f"{effect.task.form}@{effect.version}"
            if (effect.task, effect.version) in seen:
                return f"DUPLICATE EFFECT: {what} took effect twice"
            if effect.is_stale:
                return f"STALE: the effect of {what} rests on an old {effect.task.reads}"
            if effect.tells not in (None, effect.version):
                return f"MISTAKEN: the event of @{effect.tells} let {what} take effect"
            if effect.is_echo:
                return f"ECHO: the stamp {what} took effect"
            seen.add((effect.task, effect.version))
        return self._final_fault(world) if is_final else None

    def _final_fault(self, world: World) -> str | None:
        docs = dict(world.docs)
        for task in self.scenario.tasks:
            last = max((e.version for e in world.effects if e.task == task), default=0)
            form = docs[task.form]
            if form.value is not None and _last_of_client(form) > last:
                return f"LOST: {task.form} is {form}, and took effect last @{last}"
            if form.value is not None and task.completion == "delete":
                return f"LEFT: {task.form} took effect and is not deleted"
        return None

    def steps(self, world: World) -> Iterator[tuple[str, World]]:
        for label, following in self._steps(world):
            yield label, self._settled(following)

    def _steps(self, world: World) -> Iterator[tuple[str, World]]:
        yield from self._write(world)
        for place, handler in enumerate(world.handlers):
            if handler not in world.handlers[:place]:
                rest = world.handlers[:place] + world.handlers[place + 1 :]
                yield from self._handle(handler, world._replace(handlers=rest))
        for place, commit in enumerate(world.flying):
            rest_flying = world._replace(flying=world.flying[:place] + world.flying[place + 1 :])
            yield f"the commit of {commit.event} without answer is never applied", rest_flying
            for applied in self._applied(commit, rest_flying):
                yield f"the commit of {commit.event} without answer is applied late", applied

    def _write(self, world: World) -> Iterator[tuple[str, World]]:
        if world.written == len(self.scenario.script):
            return
        how, path, value = self.scenario.script[world.written]
        old = dict(world.docs)[path]
        new = Stored(value, old.version + 1)
        if how == "merge":
            new = new._replace(stamp=old.stamp, of=old.of)
        for told, following in self._changed(world._replace(written=world.written + 1), path, new):
            yield f"a client writes {path} = {new}{told}", following

    def _changed(self, world: World, path: str, new: Stored) -> Iterator[tuple[str, World]]:
        """Writes the document, and adds the deliveries of its event to every task that it triggers."""
        old = dict(world.docs)[path]
        world = world._replace(docs=_pairs({**dict(world.docs), path: new}))
        tasks = [task for task in self.scenario.tasks if task.form == path]
        events = [Event(path, new.version, old, new, True)]
        if self.scenario.imageless and tasks:
            events.append(Event(path, new.version, Stored(), Stored(), False))
        for event in events:
            handlers = tuple(Handler(task, event) for task in tasks if not self._is_needless(event))
            told = "" if event.tells else ", its event without images"
            yield told, world._replace(handlers=world.handlers + handlers * self.scenario.deliveries)

    def _is_needless(self, event: Event) -> bool:
        if not event.tells:
            return False
        return event.after.value is None or self._is_stamp(event.before, event.after)

    def _is_stamp(self, before: Stored, after: Stored) -> bool:
        """Returns whether the write was our own stamp, not a client's write that kept an old one."""
        if "stamp_version" in self.off:
            return self._is_stamped(after)
        return self._is_stamped(after) and after.of == before.version

    def _is_stamped(self, form: Stored) -> bool:
        return "stamp_recognition" not in self.off and form.stamp is not None and form.stamp == form.value

    def _handle(self, handler: Handler, world: World) -> Iterator[tuple[str, World]]:
        """Yields the next steps of the handler, taken out of the world; puts it back unless it is done."""
        who = f"handler of {handler.event}"
        if world.faults and handler.seen + handler.known:
            crashed = _with(world._replace(faults=world.faults - 1), _again(handler))
            yield f"{who}: crashes, is delivered again", crashed
        match handler.phase:
            case "commit":
                yield from self._commit(handler, world, who)
            case "resolve":
                yield self._resolve(handler, world, who)
            case "query":
                yield self._query(handler, world, who)
            case _:
                for item in sorted(handler.awaited):
                    yield self._read(handler, item, world, who)

    def _read(self, handler: Handler, item: str, world: World, who: str) -> tuple[str, World]:
        """Reads one document of a BatchGet, each at its own time: the read may be torn in any order."""
        handler = handler._replace(awaited=handler.awaited - {item})
        if item.startswith("marker"):
            exists = item in dict(world.markers)
            known = tuple(sorted((*handler.known, item))) if exists else handler.known
            return f"{who}: reads the {item}: {'there' if exists else 'none'}", _with(
                world, handler._replace(known=known)
            )
        stored = dict(world.docs)[item]
        seen = _pairs({**dict(handler.seen), item: stored})
        return f"{who}: reads {item}: {stored}", _with(world, handler._replace(seen=seen))

    def _query(self, handler: Handler, world: World, who: str) -> tuple[str, World]:
        """Runs the query, which sees one time, but not that of the BatchGet before."""
        path = handler.task.reads
        found, read = dict(world.docs)[path], dict(handler.seen)[path]
        label = f"{who}: finds {path}: {found}"
        if "seen_version" not in self.off and found.seen_version != read.seen_version:
            return f"{label}, which is not what it read, and starts again", _with(world, _again(handler))
        return label, _with(world, handler._replace(phase="commit", found=found))

    def _settled(self, world: World) -> World:
        """Returns the world with every handler moved to its next call, as nobody sees what it does in between."""
        handlers = (self._advance(handler) for handler in world.handlers)
        going_on = sorted((handler for handler in handlers if handler), key=hash)
        return world._replace(handlers=tuple(going_on), flying=tuple(sorted(world.flying, key=hash)))

    def _advance(self, handler: Handler) -> Handler | None:
        if handler.awaited or handler.phase in ("query", "commit", "resolve"):
            return handler
        if handler.phase == "read" and not handler.seen:
            return handler._replace(awaited=self._first_reads(handler))
        if handler.phase == "read":
            if self._is_over(handler):
                return None
            markers = set(self._markers(handler)) - self._first_reads(handler)
            handler = handler._replace(phase="read markers", awaited=frozenset(markers))
            if markers:
                return handler
        return None if handler.known else handler._replace(phase="query" if handler.task.queries else "commit")

    def _first_reads(self, handler: Handler) -> frozenset[str]:
        """Reads the markers that the event names, the form, and what the Store needs, in one BatchGet."""
        event = handler.event
        markers = {_marker(handler)}
        if event.tells and self._marks_versions(handler):
            markers.add(_version_marker(handler, event.after.version))
        return frozenset({*markers, handler.task.form, handler.task.reads})

    def _is_over(self, handler: Handler) -> bool:
        """Returns whether nothing is to be done: the form is a duplicate, superseded, deleted or stamped."""
        form = dict(handler.seen)[handler.task.form]
        event = handler.event
        if _marker(handler) in handler.known:
            return True
        if event.tells and "superseded_check" not in self.off and form.seen_version != event.after.seen_version:
            return True
        if form.value is None:
            return True
        if event.tells and form.version == event.after.version and "stamp_version" not in self.off:
            return False  # The event has shown already that this is no stamp.
        return self._is_stamped(form)

    def _marks_versions(self, handler: Handler) -> bool:
        return handler.task.completion == "keep" and "version_marker" not in self.off

    def _markers(self, handler: Handler) -> list[str]:
        form = dict(handler.seen)[handler.task.form]
        versions = [_version_marker(handler, form.version)] if self._marks_versions(handler) else []
        return [_marker(handler), *versions]

    def _commit(self, handler: Handler, world: World, who: str) -> Iterator[tuple[str, World]]:
        seen = dict(handler.seen)
        task = handler.task
        read = seen[task.reads]
        verified = handler.found or read
        commit = Commit(task, handler.event, ANSWERED, tuple(self._markers(handler)), seen[task.form], read, verified)
        applied = list(self._applied(commit, world))
        for following in applied:
            yield f"{who}: commits the effect of {seen[task.form]} with {task.reads} = {commit.read}", following
        if not applied:
            yield f"{who}: meets a conflict", _with(world, _again(handler))
        elif world.faults:
            lost = commit._replace(attempt=world.faults)
            flying = world._replace(flying=(*world.flying, lost), faults=world.faults - 1)
            unknown = handler._replace(phase="resolve", seen=(), known=(), found=None, attempt=lost.attempt)
            yield f"{who}: has no answer to its commit", _with(flying, unknown)
            yield f"{who}: crashes in its commit, is delivered again", _with(flying, _again(handler))

    def _resolve(self, handler: Handler, world: World, who: str) -> tuple[str, World]:
        """Resolves a lost answer: the marker shows whether the commit was applied; if not, the handler retries."""
        if "reread_after_unknown" in self.off:
            return f"{who}: takes the commit for applied", world
        if dict(world.markers).get(_marker(handler)) == handler.attempt:
            return f"{who}: finds its own marker, is done", world
        return f"{who}: does not find its own marker, tries again", _with(world, _again(handler))

    def _applied(self, commit: Commit, world: World) -> Iterator[World]:
        """Yields the world after the commit, for each form of its event; nothing after a conflict."""
        task = commit.task
        docs = dict(world.docs)
        if "marker_create" not in self.off and any(marker in dict(world.markers) for marker in commit.markers):
            return
        now = docs[task.reads].seen_version
        if now != commit.verified.seen_version and "task_read_verification" not in self.off:
            return
        is_stale = now != commit.read.seen_version
        if docs[task.form].seen_version != commit.form.seen_version:
            return
        told = commit.event.after.version if commit.event.tells else None
        is_echo = commit.form.version != _last_of_client(commit.form)
        effect = Effect(task, commit.form.version, told, is_stale, is_echo)
        on_duty = Stored(0 if commit.read.value else 1, docs[task.writes].version + 1)
        world = world._replace(
            docs=_pairs({**docs, task.writes: on_duty}),
            markers=_pairs({**dict(world.markers), **dict.fromkeys(commit.markers, commit.attempt)}),
            effects=tuple(sorted((*world.effects, effect), key=hash)),
        )
        form = commit.form
        match task.completion:
            case "keep":
                yield world
            case "stamp":
                stamped = Stored(form.value, form.version + 1, form.value, form.version)
                yield from (following for _, following in self._changed(world, task.form, stamped))
            case "delete":
                gone = Stored(None, form.version + 1)
                yield from (following for _, following in self._changed(world, task.form, gone))


def _last_of_client(form: Stored) -> int:
    """Returns the version that the client wrote last, as a stamp has a version of its own."""
    return form.of if form.stamp is not None and form.version == form.of + 1 else form.version


def _marker(handler: Handler) -> str:
    return f"marker of {handler.event} for {handler.task.writes}"


def _version_marker(handler: Handler, version: int) -> str:
    return f"marker of version {handler.task.form}@{version} for {handler.task.writes}"


def _again(handler: Handler) -> Handler:
    """Returns the handler of the event before its first step, without anything of the last attempt."""
    return Handler(handler.task, handler.event)


def _with(world: World, handler: Handler) -> World:
    return world._replace(handlers=(*world.handlers, handler))


def _pairs(mapping: Mapping[Key, Value]) -> tuple[tuple[Key, Value], ...]:
    return tuple(sorted(mapping.items(), key=_first))


def _first(pair: tuple[Any, object]) -> Any:
    return pair[0]
