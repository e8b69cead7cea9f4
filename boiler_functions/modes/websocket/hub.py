"""The hub: follows each view instance once for all sessions of the process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from boiler_functions.access import Where
from boiler_functions.database import LiveDatabase
from boiler_functions.modes.edition import Edition, scope_of
from boiler_functions.modes.websocket.followers import BuiltFollower, Follower, StoredFollower, ViewState, read_now
from boiler_functions.views.build import Instance

THREADS = 8
"""The most builds and mutations that one process runs at a time."""

log = logging.getLogger(__name__)


class Full(Exception):
    """Raised if the process already follows `max_views` views."""


class Subscriber(Protocol):
    """A session that follows instances; the hub calls it."""

    def changed(self, instance: Instance) -> None:
        """Receives that the instance has a new state."""
        ...

    def failed(self, instance: Instance) -> None:
        """Receives that the instance can no longer be followed."""
        ...


@dataclass
class Followed:
    """An instance with subscribers."""

    follower: Follower
    subscribers: set[Subscriber] = field(default_factory=set)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    error: Exception | None = None


class Hub:
    """Follows each instance from its first subscriber to its last."""

    def __init__(
        self, app: str, stored: Mapping[Any, Edition], database: Callable[[], LiveDatabase], max_views: int
    ) -> None:
        self._app = app
        self._stored = stored
        """The views that Query mode stores, with the running code of each."""
        self._database = database
        self._max_views = max_views
        self._followed: dict[Instance, Followed] = {}
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="boiler-socket")

    def __len__(self) -> int:
        return len(self._followed)

    def state(self, instance: Instance) -> ViewState | None:
        """Returns the current state of the instance, None before it is known."""
        followed = self._followed.get(instance)
        return None if followed is None else followed.follower.state

    async def subscribe(self, instance: Instance, subscriber: Subscriber) -> ViewState:
        """Returns the state of the instance once it is known; calls the subscriber for later ones until it leaves."""
        followed = self._followed.get(instance) or self._follow(instance)
        followed.subscribers.add(subscriber)
        await followed.ready.wait()
        if followed.error is not None:
            raise followed.error
        state = followed.follower.state
        assert state is not None
        return state

    def leave(self, instance: Instance, subscriber: Subscriber) -> None:
        """Removes the subscriber; after the last one, closes the listeners of the instance."""
        followed = self._followed.get(instance)
        if followed is None:
            return
        followed.subscribers.discard(subscriber)
        if not followed.subscribers:
            self._followed.pop(instance).follower.close()

    async def built(self, instance: Instance) -> ViewState:
        """Returns the instance built now, for one that is not stored yet."""
        loop = asyncio.get_running_loop()
        read = await loop.run_in_executor(
            self.threads, read_now, instance, scope_of(self._app, instance.view), self._database()
        )
        return read.state

    def close(self) -> None:
        """Releases all listeners and threads."""
        for followed in self._followed.values():
            followed.follower.close()
        self._followed.clear()
        self.threads.shutdown(wait=False)

    def is_stored(self, view: Any) -> bool:
        """Returns whether the stored copy suffices: for the content, and for who may see it."""
        return view in self._stored and not any(isinstance(part, Where) for part in view.__readers__().parts())

    def _follow(self, instance: Instance) -> Followed:
        if len(self._followed) >= self._max_views:
            raise Full
        follower = self._follower(instance)
        followed = self._followed[instance] = Followed(follower)
        try:
            follower.start()
        except BaseException:
            del self._followed[instance]
            follower.close()
            raise
        return followed

    def _follower(self, instance: Instance) -> Follower:
        scope, database = scope_of(self._app, instance.view), self._database()
        changed, failed = partial(self._tell, instance), partial(self._fail, instance)
        if not self.is_stored(instance.view):
            return BuiltFollower(instance, scope, database, self.threads, changed, failed)
        edition = self._stored[instance.view]
        return StoredFollower(instance, scope, database, self.threads, changed, failed, edition)

    def _tell(self, instance: Instance) -> None:
        followed = self._followed[instance]
        followed.ready.set()
        for subscriber in list(followed.subscribers):
            subscriber.changed(instance)

    def _fail(self, instance: Instance, error: Exception) -> None:
        log.error("%r can no longer be followed: %s", instance, error, exc_info=error)
        followed = self._followed.pop(instance)
        followed.error = error
        followed.ready.set()
        followed.follower.close()
        for subscriber in list(followed.subscribers):
            subscriber.failed(instance)
