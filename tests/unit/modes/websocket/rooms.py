"""Rooms and their guests as clients follow them: built, stored once, for each guest, or for whom a function names."""

import asyncio
import functools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, ParamSpec

import socketio
from websockets.asyncio.client import ClientConnection, connect

from boiler_functions import (
    Boiler,
    Caller,
    DomainModel,
    Rejected,
    Store,
    ViewModel,
    access,
    attrs,
    one_of,
    reference,
    references,
)
from boiler_functions.database import Database, Put
from boiler_functions.local.loopback import LOOPBACK, free_port
from boiler_functions.modes.edition import scope_of
from boiler_functions.modes.ledger import ledger_path
from boiler_functions.modes.tokens import InvalidToken
from boiler_functions.modes.websocket.sockets import Sockets
from boiler_functions.settings.http import DEFAULT_HTTP, HttpSettings
from boiler_functions.settings.sockets import SocketSettings
from boiler_functions.testing import MemoryApp, memory_app
from boiler_functions.views.build import Instance
from boiler_functions.views.copy import Copy as ForWhom
from boiler_functions.websocket import Server, config_of

P = ParamSpec("P")

app = Boiler("rooms")


class Guest(DomainModel):
    class Meta:
        collection_name = "guests"

    name = attrs.string(required=True)


class Room(DomainModel):
    class Meta:
        collection_name = "rooms"

    title = attrs.string(required=True)
    host = attrs.string()
    closes_at = attrs.timestamp()
    guests = attrs.relation(Guest, many=True)


class RoomStore(Store):
    room = reference(Room)
    guests = references(Room.guests)


class Shown(ViewModel[RoomStore]):
    @attrs.computed
    def title(self) -> str:
        return self.store.room.title

    @title.setter
    def set_title(self, value: str) -> None:
        if not value.strip():
            raise Rejected("a room has a title")
        self.store.room.title = value

    @attrs.computed
    def guests(self) -> list[str]:
        return sorted(guest.name for guest in self.store.guests)


@app.websocket("/boards")
class Board(Shown):
    """Not stored; built when a client follows it."""

    class Meta:
        read = access.public
        write = access.signed_in


@app.query
@app.websocket("/cards")
class Card(Shown):
    """Stored once."""

    class Meta:
        path = "cards/{room.doc_id}"
        read = access.signed_in


@app.query
@app.websocket("/copies")
class Copy(Shown):
    """Stored for each guest."""

    class Meta:
        path = "guests/{guests.doc_id}/copies/{room.doc_id}"
        read = access.owner("guests.doc_id")
        write = access.owner("guests.doc_id")


class GuestCopy(ForWhom):
    guests = one_of(RoomStore.guests)


class OfGuest(ViewModel[RoomStore, GuestCopy]):
    @attrs.computed
    def title(self) -> str:
        return self.store.room.title

    @attrs.computed
    def me(self) -> str:
        return self.copy.guests.name

    @me.setter
    def set_me(self, value: str) -> None:
        self.copy.guests.name = value


@app.query
@app.websocket("/own")
class Own(OfGuest):
    """Stored for each guest, who sees their own."""

    class Meta:
        path = "guests/{guests.doc_id}/own/{room.doc_id}"
        read = access.owner("guests.doc_id")
        write = access.owner("guests.doc_id")


@app.websocket("/mine")
class Mine(OfGuest):
    """Not stored, and of each guest their own."""

    class Meta:
        path = "guests/{guests.doc_id}/mine/{room.doc_id}"
        read = access.owner("guests.doc_id") | access.public


def is_host(caller: Caller | None, view: Any) -> bool:
    return caller is not None and caller.uid == view.store.room.host


@app.query
@app.websocket("/hosted")
class Hosted(ViewModel[RoomStore]):
    """Stored, for the host, whom no path names."""

    class Meta:
        path = "hosted/{room.doc_id}"
        read = is_host

    @attrs.computed
    def title(self) -> str:
        return self.store.room.title


@app.websocket("/doors")
class Door(ViewModel[RoomStore]):
    """Not stored, and changed by time alone."""

    class Meta:
        read = access.public

    @attrs.computed
    def closed(self) -> bool:
        closes_at = self.store.room.closes_at
        return closes_at is not None and self.store.now.has_passed(closes_at)


class Tokens:
    """Tokens that are names: `uid` is valid for an hour, `uid:seconds` for so long."""

    def claims(self, token: str) -> Mapping[str, Any]:
        uid, _, seconds = token.partition(":")
        if uid == "forged":
            raise InvalidToken
        return {"uid": uid, "exp": time.time() + float(seconds or 3600)}

    def check_app(self, token: str) -> None:
        if token != "our app":
            raise InvalidToken


class Client:
    """A Socket.IO client in one namespace, and the events that it received."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.events: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()
        self.socket = socketio.AsyncClient(reconnection=False)
        for event in ("view", "ended", "disconnect"):
            self.socket.on(event, functools.partial(self._take, event), namespace=namespace)

    async def _take(self, event: str, data: Any = None) -> None:
        await self.events.put((event, data))

    async def connect(self, url: str, token: str | None) -> None:
        auth = None if token is None else {"token": token}
        await self.socket.connect(url, auth=auth, transports=["websocket"], namespaces=[self.namespace])

    async def call(self, event: str, *data: Any) -> dict[str, Any]:
        """Sends an event, and returns the acknowledgement."""
        answer: dict[str, Any] = await self.socket.call(event, data, namespace=self.namespace, timeout=10)
        return answer

    async def subscribe(self, room: str) -> dict[str, Any]:
        return await self.call("subscribe", {"id": room})

    async def told(self) -> tuple[str, dict[str, Any]]:
        """Returns the next event."""
        async with asyncio.timeout(10):
            return await self.events.get()

    async def view(self) -> Any:
        """Returns the view in the next event."""
        event, data = await self.told()
        assert event == "view", (event, data)
        return data["view"]

    async def is_told_nothing(self) -> bool:
        await asyncio.sleep(0.1)
        return self.events.empty()


class Stage:
    """The rooms in memory, served on a port, with their clients."""

    def __init__(self, testing: MemoryApp, sockets: Sockets, server: Server, port: int) -> None:
        self.testing = testing
        self.sockets = sockets
        self.server = server
        self.url = f"http://{LOOPBACK}:{port}"
        self.clients: list[Client] = []

    async def client(self, namespace: str, token: str | None = "ada") -> Client:
        client = Client(namespace)
        self.clients.append(client)
        await client.connect(self.url, token)
        return client

    @asynccontextmanager
    async def raw(self) -> AsyncIterator[ClientConnection]:
        """Opens a bare WebSocket, and reads the greeting of Engine.IO."""
        url = f"{self.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket"
        # What a test has not read stands before the end of the socket, for which nobody need wait.
        async with connect(url, ping_interval=None, max_queue=1, proxy=None, close_timeout=0.1) as socket:
            assert str(await socket.recv()).startswith("0{")
            yield socket

    def room(self, doc_id: str = "blue", **values: Any) -> None:
        """Saves a room with its guests, and stores its views."""
        Room.new(doc_id=doc_id, **{"title": doc_id, "guests": [], **values}).save()
        self.testing.deliver()

    def change(self, doc_id: str = "blue", **values: Any) -> None:
        room = Room.get(doc_id)
        assert room is not None
        for name, value in values.items():
            setattr(room, name, value)
        room.save()
        self.testing.deliver()

    @property
    def listeners(self) -> int:
        return self.testing.database.listeners

    async def until(self, fulfilled: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not fulfilled():
                await asyncio.sleep(0.02)


def stored_by_other_code(testing: MemoryApp, view: type[ViewModel[Any]], room: str, copy: str, **ledger: Any) -> None:
    """Leaves the view of a room as other code stores it: another title, and this in its ledger."""
    path = ledger_path(scope_of("rooms", view), Instance(view, f"rooms/{room}"))
    changed = {copy: {"title": "OTHER"}, path: ledger}
    testing.database.commit([Put(each, {**(testing.fields(each) or {}), **new}) for each, new in changed.items()])


def other_code(view: type[ViewModel[Any]]) -> str:
    """What a ledger records of other code."""
    return f"rooms/{view.__name__}/class-other"


def staged(
    http: HttpSettings = DEFAULT_HTTP, **limits: Any
) -> Callable[[Callable[[Stage], Awaitable[None]]], Callable[[], None]]:
    """Runs a test on a stage with these limits."""

    def decorate(test: Callable[[Stage], Awaitable[None]]) -> Callable[[], None]:
        # Not `functools.wraps`: pytest would take the parameter for a fixture.
        def run() -> None:
            asyncio.run(_run(test, SocketSettings(**limits), http))

        run.__name__, run.__doc__, run.__module__ = test.__name__, test.__doc__, test.__module__
        return run

    return decorate


async def _run(test: Callable[[Stage], Awaitable[None]], settings: SocketSettings, http: HttpSettings) -> None:
    with memory_app(app) as testing:
        Guest.new(doc_id="ada", name="Ada").save()
        Guest.new(doc_id="grace", name="Grace").save()
        compiled = app.compiled
        limited = compiled.declarations._replace(socket_settings=settings, http=http)
        sockets = Sockets(limited, lambda: testing.database, tokens=Tokens())
        port = free_port()
        server = Server(sockets, config_of(sockets, settings, LOOPBACK, port))
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        stage = Stage(testing, sockets, server, port)
        try:
            await test(stage)
        finally:
            for client in stage.clients:
                await client.socket.disconnect()
            server.should_exit = True
            await serving


__all__ = ["Board", "Card", "Client", "Copy", "Database", "Guest", "Hosted", "Room", "Stage", "app", "staged"]
