"""The hub: which view instances are followed, once for all sessions of the process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from boiler_functions.access import Where
from boiler_functions.database import LiveDatabase
from boiler_functions.modes.edition import scope_of
from boiler_functions.modes.websocket.followers import BuiltFollower, Follower, State, StoredFollower, read_now
from boiler_functions.views.build import Instance

THREADS = 8
"""Builds and mutations that one process does at a time."""

log = logging.getLogger(__name__)


class Full(Exception):
    """The process follows as many views as it may."""


class Subscriber(Protocol):
    """Who is told of an instance."""

    def changed(self, instance: Instance) -> None:
        """It has a new state."""
        ...

    def failed(self, instance: Instance) -> None:
        """It can be followed no longer."""
        ...


@dataclass
class Followed:
    """An instance that somebody subscribed to."""

    follower: Follower
    subscribers: set[Subscriber] = field(default_factory=set)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    error: Exception | None = None


class Hub:
    """Follows each instance from its first subscriber to its last."""

    def __init__(self, app: str, stored: frozenset[Any], database: Callable[[], LiveDatabase], max_views: int) -> None:
        self._app = app
        self._stored = stored
        self._database = database
        self._max_views = max_views
        self._followed: dict[Instance, Followed] = {}
        self.threads = ThreadPoolExecutor(THREADS, thread_name_prefix="boiler-socket")

    def __len__(self) -> int:
        return len(self._followed)

    def state(self, instance: Instance) -> State | None:
        """What the instance is, None before it is known."""
        followed = self._followed.get(instance)
        return None if followed is None else followed.follower.state

    async def subscribe(self, instance: Instance, subscriber: Subscriber) -> State:
        """The state of the instance, once it is known; the subscriber is told of every later one until it leaves."""
        followed = self._followed.get(instance) or self._follow(instance)
        followed.subscribers.add(subscriber)
        await followed.ready.wait()
        if followed.error is not None:
            raise followed.error
        state = followed.follower.state
        assert state is not None
        return state

    def leave(self, instance: Instance, subscriber: Subscriber) -> None:
        """The subscriber is told no more; with the last one the listener goes."""
        followed = self._followed.get(instance)
        if followed is None:
            return
        followed.subscribers.discard(subscriber)
        if not followed.subscribers:
            self._followed.pop(instance).follower.close()

    async def built(self, instance: Instance) -> State:
        """The instance as it would be stored, for one that is not stored yet."""
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
        """Whether the stored copy says all: what it holds, and who may see it."""
        return view in self._stored and not any(isinstance(part, Where) for part in view.__readers__().parts())

    def _follow(self, instance: Instance) -> Followed:
        if len(self._followed) >= self._max_views:
            raise Full
        kind = StoredFollower if self.is_stored(instance.view) else BuiltFollower
        follower = kind(
            instance,
            scope_of(self._app, instance.view),
            self._database(),
            self.threads,
            partial(self._tell, instance),
            partial(self._fail, instance),
        )
        followed = self._followed[instance] = Followed(follower)
        try:
            follower.start()
        except BaseException:
            del self._followed[instance]
            follower.close()
            raise
        return followed

    def _tell(self, instance: Instance) -> None:
        followed = self._followed[instance]
        followed.ready.set()
        for subscriber in list(followed.subscribers):
            subscriber.changed(instance)

    def _fail(self, instance: Instance, error: Exception) -> None:
        log.error("%r can be followed no longer: %s", instance, error, exc_info=error)
        followed = self._followed.pop(instance)
        followed.error = error
        followed.ready.set()
        followed.follower.close()
        for subscriber in list(followed.subscribers):
            subscriber.failed(instance)
