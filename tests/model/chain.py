"""The protocol of views of views: each copy is the root of the next view, and its events wake that.

A client writes one document; view 1 is built of it, view 2 of the copy of view 1, and so on. A view shows less than its
root does, so that a chain may stop. Building is as `boiler_functions.modes.query` does it for a root; what else a view
reads is in `tests/model/query.py`.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeVar

Item = TypeVar("Item")

DEVICES = (
    "copy_with_ledger",
    "copy_on_ledger",
    "stopped_ledger",
    "copy_reread",
    "copy_registered",
    "withdrawal_followed",
)


class Document(NamedTuple):
    """The source, or a copy; its version is the time of its last write, also of one that deleted it."""

    value: int | None = None
    version: int = 0

    @property
    def known_as(self) -> int:
        """The version in which a reading finds it, 0 for a missing document."""
        return 0 if self.value is None else self.version


class Ledger(NamedTuple):
    """`version` is that of the root that the view was built of, None for a registration; `written` is its own."""

    version: int | None
    content: int | None
    written: int


class Event(NamedTuple):
    """A change of the root of a view; `over` is the version that a deletion ended."""

    view: int
    version: int
    over: int = 0

    def covered_by(self, ledger: Ledger) -> bool:
        known = ledger.version
        return known is not None and (known > self.over if self.over else known >= self.version)


class Handler(NamedTuple):
    event: Event
    phase: str = "read"
    awaited: frozenset[str] = frozenset({"ledger", "root"})
    ledger: Ledger | None = None
    root: Document = Document()
    again: bool = False
    """Whether the root was read after the ledger for certain."""

    def __str__(self) -> str:
        return f"view {self.event.view}, handler of @{self.event.version}"


class Commit(NamedTuple):
    """What a builder writes, on the condition that the ledger is as it was `known`; `copies` without a ledger."""

    view: int
    known: Ledger | None
    ledger: tuple[int | None, int | None] | None
    copies: bool = True
    is_copy_alone: bool = False


class World(NamedTuple):
    documents: tuple[Document, ...]
    """The source, and the copy of each view."""
    ledgers: tuple[Ledger | None, ...]
    now: int
    written: int = 0
    handlers: tuple[Handler, ...] = ()
    flying: tuple[Commit, ...] = ()
    """Commits whose answer was lost; each is applied at any later time, or never."""
    faults: int = 0


class Scenario(NamedTuple):
    script: tuple[int | None, ...]
    views: int = 3
    initial: int | None = None
    deliveries: int = 1
    faults: int = 0


class ChainProtocol:
    """The protocol under one scenario, with some of its devices switched off."""

    def __init__(self, scenario: Scenario, off: Iterable[str] = ()) -> None:
        self.scenario = scenario
        self.off = frozenset(off)

    def start(self) -> World:
        values = list(shown(self.scenario.initial, self.scenario.views))
        ledgers = [None if value is None else Ledger(1, value, 1) for value in values[1:]]
        documents = tuple(Document(value, 0 if value is None else 1) for value in values)
        return World(documents, (None, *ledgers), now=1, faults=self.scenario.faults)

    def fault(self, world: World, *, is_final: bool) -> str | None:
        if not is_final:
            return None
        right = list(shown(world.documents[0].value, self.scenario.views))
        for view in range(1, len(right)):
            if (found := world.documents[view].value) != right[view]:
                return f"DIVERGED: the copy of view {view} is {found}, and a fresh build of the chain has {right[view]}"
            ledger = world.ledgers[view]
            # A registration that is left behind is owed a build, and upkeep ends it: see `tests/model/query.py`.
            if (ledger is None) != (right[view] is None) and not (ledger and ledger.version is None):
                return f"GHOST: the ledger of view {view} is {ledger}, and its copy {found}"
        return None

    def steps(self, world: World) -> Iterator[tuple[str, World]]:
        for label, following in self._steps(world):
            handlers = tuple(sorted(following.handlers, key=repr))
            yield label, following._replace(handlers=handlers, flying=tuple(sorted(following.flying, key=repr)))

    def _steps(self, world: World) -> Iterator[tuple[str, World]]:
        if world.written < len(self.scenario.script):
            value = self.scenario.script[world.written]
            written = world._replace(written=world.written + 1, now=world.now + 1)
            yield f"a client writes {value}", self._put(written, 0, value)
        for place, handler in enumerate(world.handlers):
            if handler not in world.handlers[:place]:
                rest = world.handlers[:place] + world.handlers[place + 1 :]
                yield from self._handle(handler, world._replace(handlers=rest))
        for place, commit in enumerate(world.flying):
            rest_flying = world._replace(flying=world.flying[:place] + world.flying[place + 1 :])
            yield "a commit without answer is never applied", rest_flying
            if applied := self._applied(commit, rest_flying):
                yield "a commit without answer is applied late", applied

    def _put(self, world: World, place: int, value: int | None) -> World:
        """Writes a document at the present time; without a difference, nothing happens, as in Firestore."""
        before = world.documents[place]
        if before.value == value:
            return world
        documents = _with(world.documents, place, Document(value, world.now))
        event = Event(place + 1, world.now, before.version if value is None else 0)
        is_told = place < self.scenario.views and not (place and value is None and "withdrawal_followed" in self.off)
        handlers = (Handler(event),) * self.scenario.deliveries if is_told else ()
        return world._replace(documents=documents, handlers=world.handlers + handlers)

    def _handle(self, handler: Handler, world: World) -> Iterator[tuple[str, World]]:
        """Yields the next steps of the handler, taken out of the world; puts it back unless it is done."""
        if world.faults and handler != Handler(handler.event):
            crashed = world._replace(faults=world.faults - 1)
            yield f"{handler}: crashes, is delivered again", _put_back(crashed, Handler(handler.event))
        if handler.phase == "read":
            for item in sorted(handler.awaited):
                yield self._read(handler, item, world)
        else:
            yield from self._commit(handler, world)

    def _read(self, handler: Handler, item: str, world: World) -> tuple[str, World]:
        """Reads one document of a BatchGet, each at its own time: the read may be torn in any order."""
        view = handler.event.view
        handler = handler._replace(awaited=handler.awaited - {item})
        if item == "ledger":
            handler = handler._replace(ledger=world.ledgers[view])
            label = f"{handler}: reads its ledger: {handler.ledger}"
            if handler.ledger and handler.event.covered_by(handler.ledger):
                return f"{label}, which has the change", world
        else:
            handler = handler._replace(root=world.documents[view - 1])
            label = f"{handler}: reads its root: {handler.root.value}@{handler.root.version}"
        return label, self._decided(handler, world)

    def _decided(self, handler: Handler, world: World) -> World:
        if handler.awaited:
            return _put_back(world, handler)
        ledger, is_there = handler.ledger, handler.root.value is not None
        if ledger is None and not is_there:
            return world
        if ledger is None and "copy_registered" not in self.off:
            return _put_back(world, handler._replace(phase="register"))
        if ledger is not None and self._is_behind(handler, ledger):
            return _put_back(world, handler._replace(awaited=frozenset({"root"}), again=True))
        return _put_back(world, handler._replace(phase="commit"))

    def _is_behind(self, handler: Handler, ledger: Ledger) -> bool:
        """Whether the root may have been read before the ledger's last commit."""
        if "copy_reread" in self.off or handler.again:
            return False
        known = ledger.version
        if handler.root.value is None and known is not None and handler.event.over >= known:
            return False
        return known is None or handler.root.known_as < known

    def _commit(self, handler: Handler, world: World) -> Iterator[tuple[str, World]]:
        commit = self._commit_of(handler)
        applied = self._applied(commit, world)
        if applied is None:
            yield f"{handler}: meets a conflict", _put_back(world, Handler(handler.event))
            return
        what = "registers" if handler.phase == "register" else "commits the copy" if commit.is_copy_alone else "commits"
        yield f"{handler}: {what} {commit.ledger}", self._after(handler, commit, applied)
        if world.faults:
            flying = world._replace(flying=(*world.flying, commit), faults=world.faults - 1)
            yield f"{handler}: has no answer to its commit", _put_back(flying, Handler(handler.event))

    def _commit_of(self, handler: Handler) -> Commit:
        view, known = handler.event.view, handler.ledger
        if handler.phase == "register":
            return Commit(view, known, (None, None), copies=False)
        content = narrowed(handler.root.value)
        ledger = None if content is None else (handler.root.known_as, content)
        if handler.phase == "commit the copy":
            return Commit(view, known, ledger, is_copy_alone=True)
        return Commit(view, known, ledger, copies="copy_with_ledger" not in self.off)

    def _after(self, handler: Handler, commit: Commit, world: World) -> World:
        if handler.phase == "register":
            # What was read before the registration is read again: a change of it found no view.
            ledger = world.ledgers[handler.event.view]
            return _put_back(world, Handler(handler.event, "read", frozenset({"root"}), ledger, again=True))
        if not commit.copies:
            return _put_back(world, handler._replace(phase="commit the copy"))
        return world

    def _applied(self, commit: Commit, world: World) -> World | None:
        """Returns the world after the commit; None if the ledger is not as it was read."""
        view, before = commit.view, world.ledgers[commit.view]
        now = world._replace(now=world.now + 1)
        content = commit.ledger[1] if commit.ledger else None
        if commit.is_copy_alone:
            return self._put(now, view, content)
        if before != commit.known and "copy_on_ledger" not in self.off:
            return None
        is_stopped = before is not None and commit.ledger is not None and before.content == content and commit.copies
        if is_stopped and "stopped_ledger" in self.off:
            return world
        ledger = None if commit.ledger is None else Ledger(*commit.ledger, written=now.now)
        now = now._replace(ledgers=_with(now.ledgers, view, ledger))
        return self._put(now, view, content) if commit.copies else now


def narrowed(value: int | None) -> int | None:
    """Returns what a view shows of its root: the value without its last binary digit."""
    return None if value is None else value // 2


def shown(value: int | None, views: int) -> Iterator[int | None]:
    """Yields the source and what each view of the chain shows of it, by a fresh build."""
    yield value
    for _ in range(views):
        value = narrowed(value)
        yield value


def scripts(
    length: int, initial: int | None, values: tuple[int | None, ...] = (0, 1, 2, 8, None)
) -> Iterator[tuple[int | None, ...]]:
    """Yields the scripts whose every write changes something: for all views, for the first alone, or for none."""
    if not length:
        yield ()
        return
    for value in values:
        if value != initial:
            yield from ((value, *rest) for rest in scripts(length - 1, value, values))


def _with(items: tuple[Item, ...], place: int, item: Item) -> tuple[Item, ...]:
    return (*items[:place], item, *items[place + 1 :])


def _put_back(world: World, handler: Handler) -> World:
    return world._replace(handlers=(*world.handlers, handler))
