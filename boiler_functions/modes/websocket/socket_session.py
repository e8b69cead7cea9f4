"""A socket session: one client in one namespace, its subscriptions, and the states that it has yet to receive."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from boiler_functions.access import Caller
from boiler_functions.modes.rest.representation import represent
from boiler_functions.modes.websocket.followers import ViewState
from boiler_functions.modes.websocket.hub import Hub
from boiler_functions.types import Fields
from boiler_functions.views.build import Instance


class Line(Protocol):
    """The connection to the client."""

    @property
    def is_free(self) -> bool:
        """Whether the transport has taken all earlier messages."""
        ...

    async def freed(self) -> None:
        """Returns once the line is free."""

    def send_view(self, instance: Instance, state: ViewState) -> None:
        """Sends the state of the instance, encoded once for all clients."""

    def send_end(self, instance: Instance, reason: str) -> None:
        """Sends that the instance is no longer followed, and the reason."""


EARLY = "early"
"""The mark of a view that was built and sent before Query mode stored it."""

VIEW = "view"
ENDED = "ended"


class SocketSession:
    """Sends a client the states of its views; a slow one skips to the newest, so that no queue grows."""

    def __init__(self, caller: Caller | None, hub: Hub, line: Line) -> None:
        self.caller = caller
        self.subscriptions: dict[Instance, str | None] = {}
        """The instances, with the mark of the last state that was sent; None before the first."""
        self._hub = hub
        self._line = line
        self._untold: dict[Instance, ViewState | str | None] = {}
        """What to send: None for the hub's newest state, a state that the hub does not have, or why it ended."""
        self._telling: asyncio.Task[None] | None = None
        self._idle_since = asyncio.get_running_loop().time()

    @property
    def idle_since(self) -> float | None:
        """The time since when it follows no view; None while it follows one, which asking for a missing one is not."""
        return None if any(mark is not None for mark in self.subscriptions.values()) else self._idle_since

    async def subscribe(self, instance: Instance) -> bool:
        """Sends the instance from now on; returns False if it does not exist or is not the caller's."""
        self.subscriptions.setdefault(instance, None)
        try:
            state = await self._hub.subscribe(instance, self)
            is_early = state.content is None and self._hub.is_stored(instance.view)
            if is_early:
                # Query mode may be about to store it.
                state = await self._hub.built(instance)
        except BaseException:
            self.unsubscribe(instance)
            raise
        if state.content is None or not self._is_admitted(instance, state):
            self.unsubscribe(instance)
        elif instance in self.subscriptions:
            self._tell(instance, state if is_early else None)
        return instance in self.subscriptions

    def unsubscribe(self, instance: Instance) -> None:
        """Stops sending the instance."""
        if self.subscriptions.pop(instance, None) is not None:
            self._idle_since = asyncio.get_running_loop().time()
        self._untold.pop(instance, None)
        self._hub.leave(instance, self)

    def changed(self, instance: Instance) -> None:
        """Sends the new state, unless the client already has it and may still see it."""
        state, told = self._hub.state(instance), self.subscriptions.get(instance)
        if state is None or told is None:
            return  # `subscribe` is about to send the first state.
        if told == EARLY and state.content is None:
            return
        if state.mark != told or not self._may_see(instance, state):
            self._tell(instance, None)

    def failed(self, instance: Instance) -> None:
        """Sends that the instance is no longer followed."""
        self._end(instance, "The view cannot be followed now. Subscribe again later.")

    def close(self) -> None:
        """Ends all subscriptions."""
        for instance in list(self.subscriptions):
            self.unsubscribe(instance)
        if self._telling is not None:
            self._telling.cancel()

    def _may_see(self, instance: Instance, state: ViewState) -> bool:
        """Returns whether the client may see the state; every subscriber may see that the view is gone."""
        return state.content is None or self._is_admitted(instance, state)

    def _is_admitted(self, instance: Instance, state: ViewState) -> bool:
        return state.admits(instance.view.__readers__(), self.caller)

    def _end(self, instance: Instance, reason: str) -> None:
        self.unsubscribe(instance)
        self._tell(instance, reason)

    def _tell(self, instance: Instance, what: ViewState | str | None) -> None:
        self._untold[instance] = what
        if self._telling is None:
            # At once if possible: a task for each client would cost more than what it sends.
            if self._line.is_free:
                self._tell_next()
            if self._untold:
                self._telling = asyncio.create_task(self._tell_all())

    async def _tell_all(self) -> None:
        try:
            while self._untold:
                await self._line.freed()
                # Looked up only once the client has taken earlier messages, so that it is the newest.
                if self._untold:
                    self._tell_next()
        finally:
            self._telling = None

    def _tell_next(self) -> None:
        instance, what = next(iter(self._untold.items()))
        del self._untold[instance]
        if isinstance(what, str):
            self._line.send_end(instance, what)
            return
        known = self._hub.state(instance)
        state = what if what is not None and (known is None or known.content is None) else known
        if state is None or instance not in self.subscriptions:
            return
        if not self._may_see(instance, state):
            self.unsubscribe(instance)
            self._line.send_end(instance, "You may no longer see this view.")
            return
        self.subscriptions[instance] = EARLY if state is what else state.mark
        self._line.send_view(instance, state)


def key_of(instance: Instance) -> dict[str, str]:
    """Returns the key as clients write it: `{"id": "standup"}`, with the parents of the root by placeholder."""
    key = dict(instance.key)
    return {"id": key.pop("doc_id"), **key}


def view_of(instance: Instance, content: Fields | None) -> dict[str, Any] | None:
    """Returns the view in JSON; None for one that no longer exists."""
    return None if content is None else represent(instance.key["doc_id"], content)
