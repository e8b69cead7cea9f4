"""The events of one namespace, which is one view: `subscribe`, `unsubscribe` and `mutate`."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import socketio
from engineio.packet import MESSAGE, Packet
from socketio.packet import EVENT
from werkzeug.exceptions import BadRequest, HTTPException, NotFound, TooManyRequests

from boiler_functions.access import Caller
from boiler_functions.exceptions import BoilerError, InvalidPath
from boiler_functions.modes.rest.authentication import InvalidToken, Tokens
from boiler_functions.modes.websocket.answers import Answer, answer, answer_to
from boiler_functions.modes.websocket.followers import State
from boiler_functions.modes.websocket.guard import CONNECTION, REFUSED, Connection
from boiler_functions.modes.websocket.hub import Hub
from boiler_functions.modes.websocket.session import ENDED, VIEW, Session, key_of, view_of
from boiler_functions.modes.websocket.strict import MALFORMED
from boiler_functions.settings.sockets import SocketSettings
from boiler_functions.views.build import Instance

MOST_WAITING = 16
"""Events of one client that wait for one another; they are done in their order."""

log = logging.getLogger(__name__)


class Views(Protocol):
    """The view of a namespace: which instances there are, and how they are changed."""

    def instance(self, key: Mapping[str, Any]) -> Instance:
        """The instance of a client's key; raises InvalidPath or ValidationError for what is none."""
        ...

    def mutate(self, instance: Instance, values: Any, caller: Caller | None) -> Mapping[str, Any] | None:
        """The view after its setters took the values; takes as long as it takes."""
        ...


@dataclass
class Client:
    """A client that is connected to the namespace."""

    session: Session
    connection: Connection
    order: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0
    expiry: asyncio.TimerHandle | None = None


class ViewNamespace(socketio.AsyncNamespace):  # type: ignore[misc]  # socketio has no types
    """Follows the instances of a view for clients, and changes them through the setters."""

    def __init__(self, name: str, views: Views, hub: Hub, tokens: Tokens, settings: SocketSettings) -> None:
        super().__init__(name)
        self._views = views
        self._hub = hub
        self._tokens = tokens
        self._settings = settings
        self.clients: dict[str, Client] = {}
        self._packets: WeakKeyDictionary[State, Packet] = WeakKeyDictionary()
        self._events: Mapping[str, Callable[[Client, Any], Awaitable[Answer]]] = {
            "subscribe": self._subscribe,
            "unsubscribe": self._unsubscribe,
            "mutate": self._mutate,
        }

    async def trigger_event(self, event: str, *args: Any) -> Any:
        """Socket.IO's only call into this class; what it returns is acknowledged to the client."""
        if event == "connect":
            return await self._connect(*args)
        if event == "disconnect":
            return self._disconnect(args[0])
        client = self.clients.get(args[0])
        if client is None:
            return answer(401, "The session has ended.")
        return await self._answer(client, event, args[1:])

    async def end(self, reason: str) -> None:
        """Ends every session, and says why."""
        await asyncio.gather(*(self._end(sid, reason) for sid in list(self.clients)))

    async def idle(self) -> None:
        """Returns once the events that clients have sent are answered."""
        for client in list(self.clients.values()):
            async with client.order:
                pass

    def packet_of(self, instance: Instance, state: State) -> Packet:
        """What clients are sent of the instance, one packet for all."""
        packet = self._packets.get(state)
        if packet is None:
            view = {**key_of(instance), "view": view_of(instance, state.content)}
            packet = self._packets[state] = self.packet(VIEW, view)
        return packet

    def packet(self, event: str, data: Mapping[str, Any]) -> Packet:
        """An event as Engine.IO sends it."""
        message = self.server.packet_class(EVENT, [event, data], self.namespace, binary=False)
        return Packet(MESSAGE, message.encode())

    async def _connect(self, sid: str, environ: Mapping[str, Any], auth: Any = None) -> bool:
        connection: Connection = environ["asgi.scope"][CONNECTION]
        try:
            caller, expires = await self._caller(auth)
        except InvalidToken as error:
            self._close_soon(connection, "not admitted")
            raise socketio.exceptions.ConnectionRefusedError("The token is not valid, or not any more.") from error
        except BoilerError as error:
            log.warning("A client could not be admitted: %s", error, exc_info=error)
            self._close_soon(connection, "not admitted")
            raise socketio.exceptions.ConnectionRefusedError("It cannot be said who you are now. Try again.") from error
        connection.admit()
        client = Client(Session(caller, self._hub, _Line(self, sid)), connection)
        if expires is not None:
            loop = asyncio.get_running_loop()
            client.expiry = loop.call_later(max(0.0, expires - time.time()), self._expire, sid)
        self.clients[sid] = client
        return True

    def _close_soon(self, connection: Connection, reason: str) -> None:
        # The refusal goes first; a client that means well is gone by then.
        if not self._is_used(connection):
            asyncio.get_running_loop().call_later(1.0, connection.end, REFUSED, reason)

    def _is_used(self, connection: Connection) -> bool:
        return any(client.connection is connection for client in self.clients.values())

    async def _caller(self, auth: Any) -> tuple[Caller | None, float | None]:
        """Who connects, and when that ends; without a token it is nobody, for ever."""
        if auth is None or auth == {}:
            return None, None
        token = auth.get("token") if isinstance(auth, dict) else None
        if not isinstance(token, str):
            raise InvalidToken
        loop = asyncio.get_running_loop()
        claims = await loop.run_in_executor(self._hub.threads, self._tokens.claims, token)
        expires = float(claims["exp"])
        # The Auth emulator's tokens are never refused for their age.
        if expires <= time.time():
            raise InvalidToken
        return Caller(claims["uid"], claims), expires

    def _expire(self, sid: str) -> None:
        asyncio.ensure_future(self._end(sid, "The token has expired. Connect again with a new one."))  # noqa: RUF006

    async def _end(self, sid: str, reason: str) -> None:
        if (client := self.clients.get(sid)) is not None:
            client.session.close()
            await self.emit(ENDED, {"reason": reason}, to=sid)
            await self.disconnect(sid)

    def _disconnect(self, sid: str) -> None:
        client = self.clients.pop(sid, None)
        if client is None:
            return
        client.session.close()
        if client.expiry is not None:
            client.expiry.cancel()

    async def _answer(self, client: Client, event: str, args: tuple[Any, ...]) -> Answer:
        if client.waiting >= MOST_WAITING:
            return answer(429, "Wait for the answers to what was sent before.")
        client.waiting += 1
        try:
            async with client.order:
                return await self._done(client, event, args)
        except Exception as error:
            return answer_to(error)
        finally:
            client.waiting -= 1

    async def _done(self, client: Client, event: str, args: tuple[Any, ...]) -> Answer:
        if event == MALFORMED:
            raise BadRequest(f"It cannot be read as JSON. {''.join(map(str, args))}")
        do = self._events.get(event)
        if do is None:
            raise NotFound(f"There is no such event; there are {', '.join(self._events)}.")
        if len(args) != 1 or not isinstance(args[0], dict):
            raise BadRequest(f"{event} takes one object.")
        return await do(client, args[0])

    async def _subscribe(self, client: Client, data: dict[str, Any]) -> Answer:
        instance = self._instance(data)
        session = client.session
        if not instance.view.readers().may_admit(session.caller):
            raise self._not_found()
        if instance not in session.subscriptions and len(session.subscriptions) >= self._settings.max_subscriptions:
            raise TooManyRequests(f"One connection follows at most {self._settings.max_subscriptions} views.")
        async with asyncio.timeout(self._settings.answer_seconds):
            if not await session.subscribe(instance):
                raise self._not_found()
        return answer(200)

    async def _unsubscribe(self, client: Client, data: dict[str, Any]) -> Answer:
        client.session.unsubscribe(self._instance(data))
        return answer(200)

    async def _mutate(self, client: Client, data: dict[str, Any]) -> Answer:
        values = data.pop("values", None)
        instance = self._instance(data)
        loop = asyncio.get_running_loop()
        caller = client.session.caller
        view = await loop.run_in_executor(self._hub.threads, self._views.mutate, instance, values, caller)
        return answer(200, view=view)

    def _instance(self, key: dict[str, Any]) -> Instance:
        try:
            return self._views.instance(key)
        except InvalidPath as error:
            raise self._not_found() from error

    def _not_found(self) -> HTTPException:
        return NotFound("There is no such view.")


class _Line:
    """The way to one client."""

    def __init__(self, namespace: ViewNamespace, sid: str) -> None:
        self._namespace = namespace
        server = namespace.server
        self._queue = server.eio.sockets[server.manager.eio_sid_from_sid(sid, namespace.namespace)].queue

    @property
    def is_free(self) -> bool:
        # The queue is empty while the transport sends its last message, so that at most one more waits there.
        return bool(self._queue.empty())

    async def freed(self) -> None:
        await self._queue.join()

    def send_view(self, instance: Instance, state: State) -> None:
        self._queue.put_nowait(self._namespace.packet_of(instance, state))

    def send_end(self, instance: Instance, reason: str) -> None:
        self._queue.put_nowait(self._namespace.packet(ENDED, {**key_of(instance), "reason": reason}))
