"""Follows a view instance for all its subscribers: its stored copy, or the documents that it is built from."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from boiler_functions.access import Audience, Caller, Owned
from boiler_functions.database import Aggregated, Aggregation, Document, Listener, LiveDatabase, Reading, Target
from boiler_functions.exceptions import BoilerError
from boiler_functions.models.session import Readable, Snapshot, active
from boiler_functions.modes.edition import Edition
from boiler_functions.modes.ledger import Ledger, is_current, ledger_path
from boiler_functions.paths import Pattern
from boiler_functions.types import Fields, Version, digest
from boiler_functions.views.build import Instance, Reader, build
from boiler_functions.views.store import Resolution

log = logging.getLogger(__name__)

_FIRST_PAUSE: Final = 0.02
_LONGEST_PAUSE: Final = 1.0

VersionsRead: TypeAlias = Mapping[str, tuple[tuple[str, Version], ...]]
"""The documents, with their versions, that were read for each target."""


@dataclass(frozen=True, eq=False)
class ViewState:
    """The state of a view at one time: its content, None if it does not exist, and its owners."""

    content: Fields | None
    owned: Owned
    documents: Mapping[str, Any]
    mark: str
    readable: Readable | None = None
    looked_up: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def admits(self, readers: Audience, caller: Caller | None) -> bool:
        """Returns whether the caller may see it; a predicate reads the documents that the view was built from."""
        try:
            with active(Snapshot(self.documents, "Meta.read", None, self.readable, self.looked_up)):
                return readers.admits(caller, self.owned)
        except Exception:
            log.exception("The predicate of an audience raised, so the audience admits nobody.")
            return False


@dataclass(frozen=True)
class StoredCopies:
    """The stored copies of a view, as an audience sees them."""

    pattern: Pattern
    paths: Collection[str]

    def __owners__(self, placeholder: str) -> Collection[str]:
        """Returns the values of the placeholder in their paths."""
        matches = (self.pattern.match(path) or {} for path in self.paths)
        return {found[placeholder] for found in matches if placeholder in found}


class Nowhere:
    """A view that does not exist."""

    def __owners__(self, placeholder: str) -> Collection[str]:
        """Returns no owner."""
        return ()


class Follower(ABC):
    """Follows an instance from `start` to `close`, only in the thread of the event loop.

    Calls `changed` for every new state, and `failed` once if it cannot continue.
    """

    def __init__(
        self,
        instance: Instance,
        scope: str,
        database: LiveDatabase,
        threads: Executor,
        changed: Callable[[], None],
        failed: Callable[[Exception], None],
    ) -> None:
        self.instance = instance
        self.state: ViewState | None = None
        self._scope = scope
        self._database = database
        self._threads = threads
        self._changed = changed
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._listeners: dict[str, Listener] = {}
        self._is_open = True

    @abstractmethod
    def start(self) -> None:
        """Begins to listen."""

    def close(self) -> None:
        """Releases every listener."""
        self._is_open = False
        self._follow({})

    def _become(self, state: ViewState) -> None:
        # Even if the content is the same: the owners may have changed.
        self.state = state
        self._changed()

    def _follow(self, targets: Mapping[str, Target]) -> None:
        """Listens to exactly these targets, given by name; closes all other listeners."""
        for name, target in targets.items():
            if name not in self._listeners:
                self._listeners[name] = self._database.listen(target, self._in_loop(name), self._fail_in_loop)
        for name in self._listeners.keys() - targets.keys():
            self._listeners.pop(name).close()

    def _in_loop(self, name: str) -> Callable[[Reading], None]:
        def changed(reading: Reading) -> None:
            self._loop.call_soon_threadsafe(self._hear_if_open, name, reading)

        return changed

    def _hear_if_open(self, name: str, reading: Reading) -> None:
        if not self._is_open or name not in self._listeners:
            return
        try:
            self._hear(name, reading)
        except Exception as error:
            self._fail(error)

    @abstractmethod
    def _hear(self, name: str, reading: Reading) -> None:
        """Receives the current documents of a target."""

    def _fail_in_loop(self, error: BoilerError) -> None:
        self._loop.call_soon_threadsafe(self._fail, error)

    def _fail(self, error: Exception) -> None:
        if self._is_open:
            self._failed(error)


class BuiltFollower(Follower):
    """Follows the documents and queries of the fetch plan, and builds the view again when one changes.

    Builds it again, too, at the moment at which an answer about the time changes.
    """

    def start(self) -> None:
        """Begins to listen."""
        self._built: VersionsRead = {}
        self._heard: dict[str, tuple[tuple[str, Version], ...]] = {}
        self._building: asyncio.Task[None] | None = None
        self._wake: asyncio.TimerHandle | None = None
        self._catch_up()

    def close(self) -> None:
        """Releases every listener."""
        super().close()
        if self._building is not None:
            self._building.cancel()
        if self._wake is not None:
            self._wake.cancel()

    def _hear(self, name: str, reading: Reading) -> None:
        self._heard[name] = versions_of(reading.documents)
        if self._is_behind:
            self._catch_up()

    @property
    def _is_behind(self) -> bool:
        """Whether a listener reported other versions than were read; either of the two may be the older."""
        return any(heard != self._built.get(name) for name, heard in self._heard.items())

    def _catch_up(self) -> None:
        if self._building is None:
            self._building = asyncio.create_task(self._build())

    def _wake_after(self, seconds: float | None) -> None:
        if self._wake is not None:
            self._wake.cancel()
        # By the time of the database, as the answer was: a timer that is too early is set again by the build it causes.
        self._wake = None if seconds is None else self._loop.call_later(seconds, self._catch_up)

    async def _build(self) -> None:
        pause = _FIRST_PAUSE
        try:
            while self._is_open:
                read = await self._loop.run_in_executor(
                    self._threads, read_now, self.instance, self._scope, self._database
                )
                self._built = read.versions
                self._heard = {name: heard for name, heard in self._heard.items() if name in read.targets}
                self._follow(read.targets)
                self._wake_after(read.wake_after)
                self._become(read.state)
                if not self._is_behind:
                    return
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
        except Exception as error:
            # Any error ends it: otherwise subscribers would take an old state for the current one.
            self._fail(error)
        finally:
            self._building = None


class StoredFollower(Follower):
    """Follows a copy that Query mode stores, and its ledger, which says where it is and which code built it.

    While other code built the copy, follows what the view is built from instead.
    """

    def __init__(
        self,
        instance: Instance,
        scope: str,
        database: LiveDatabase,
        threads: Executor,
        changed: Callable[[], None],
        failed: Callable[[Exception], None],
        edition: Edition,
    ) -> None:
        super().__init__(instance, scope, database, threads, changed, failed)
        self._edition = edition
        self._ledger = ledger_path(scope, instance)
        self._builder: BuiltFollower | None = None

    def start(self) -> None:
        """Begins to listen."""
        self._only = only_copy(self.instance)
        self._listen_to(self._only)

    def close(self) -> None:
        """Releases every listener."""
        super().close()
        self._stop_building()

    def _listen_to(self, copies: tuple[str, ...]) -> None:
        # One target for both, so that ledger and copy arrive together, as they were committed.
        target = (self._ledger, *copies[:1])
        self._copies = copies
        self._follow({"/".join(target): target})

    def _hear(self, name: str, reading: Reading) -> None:
        documents = {document.path: document for document in reading.documents}
        ledger = documents[self._ledger]
        if not is_current(ledger, self._edition):
            self._build_instead()
            return
        copies = self._only or Ledger.of(self.instance, ledger).destinations
        if copies[:1] != self._copies[:1]:
            self._listen_to(copies)
            return
        self._copies = copies
        self._stop_building()
        copy = documents[copies[0]] if copies else None
        content = None if copy is None else copy.fields
        owned = StoredCopies(self.instance.view.pattern(), copies)
        self._become(ViewState(content, owned, {}, str(None if copy is None else copy.version)))

    def _build_instead(self) -> None:
        # Its documents are followed, too: other code may read other ones, so that not every change reaches the ledger.
        if self._builder is None:
            self._builder = BuiltFollower(
                self.instance, self._scope, self._database, self._threads, self._take_built, self._failed
            )
            self._builder.start()

    def _take_built(self) -> None:
        assert self._builder is not None, "a follower that is closed has no new state"
        assert self._builder.state is not None, "it has a new state"
        self._become(self._builder.state)

    def _stop_building(self) -> None:
        if self._builder is not None:
            self._builder.close()
            self._builder = None


class Counting(Reader):
    """Works out numbers from the documents, as a listener must receive these to tell that a number changes."""

    def aggregate(self, aggregation: Aggregation) -> Aggregated:
        return self.from_documents(aggregation)


@dataclass(frozen=True)
class Read:
    """The state of a view, the targets whose changes can change it, and the versions that it was built from."""

    state: ViewState
    targets: Mapping[str, Target]
    versions: VersionsRead
    wake_after: float | None
    """In how many seconds an answer about the time changes."""


def versions_of(documents: Iterable[Document]) -> tuple[tuple[str, Version], ...]:
    """Returns the path and version of each document, in their order."""
    return tuple((document.path, document.version) for document in documents)


def read_now(instance: Instance, scope: str, database: LiveDatabase) -> Read:
    """Reads and builds the view."""
    reader = Counting(database)
    resolution = reader.resolve([instance])[instance]
    # The root does not exist, or is of another model: listen to it, as it may become one of this model.
    named = tuple(resolution.named) or (instance.root,)
    targets: dict[str, Target] = {"/".join(named): named}
    versions = {"/".join(named): versions_of(reader.documents[path] for path in named)}
    for _, query in resolution.asked:
        targets[query.key] = query
        versions[query.key] = versions_of(reader.results[query.key])
    built = build(instance, reader, resolution, scope)
    wake_after = None if built.wake_at is None else (built.wake_at - reader.time()) / 1e9
    return Read(_state(instance, built.at(instance.copy), reader, resolution), targets, versions, wake_after)


def _state(instance: Instance, content: Fields | None, reader: Reader, resolution: Resolution) -> ViewState:
    if content is None:
        return ViewState(None, Nowhere(), {}, "None")
    documents = {path: reader.documents[path] for path in reader.versions(resolution)}
    readable = instance.view.store_class.readable()
    with active(Snapshot(documents, instance.view.__name__, None, readable, resolution.looked_up)):
        totals = reader.totals_of(resolution)
        store = instance.view.store_class(resolution.paths, documents, reader.time, totals)
        view = instance.view.of(store, instance.key)
    return ViewState(content, view, documents, digest(content), readable, resolution.looked_up)


def only_copy(instance: Instance) -> tuple[str, ...]:
    """Returns the path of the only copy, or of the one that is asked for; nothing unless it is determined."""
    if instance.copy is not None:
        return (instance.copy,)
    root = instance.view.store_class.root()
    key = {f"{root.name}.{name}": value for name, value in instance.key.items()} if root else {}
    pattern = instance.view.pattern()
    return (pattern.fill(key),) if set(pattern.names) <= key.keys() else ()
