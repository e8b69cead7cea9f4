"""A namespace, which serves one view, and its events: `subscribe`, `unsubscribe`, `list` and `mutate`."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, cast
from weakref import WeakKeyDictionary

import socketio
from engineio.packet import MESSAGE, Packet
from socketio.exceptions import ConnectionRefusedError
from socketio.packet import EVENT
from werkzeug.exceptions import BadRequest, HTTPException, NotFound, TooManyRequests

from boiler_functions.access import Caller
from boiler_functions.exceptions import InvalidPath
from boiler_functions.modes.tokens import InvalidToken, Tokens
from boiler_functions.modes.websocket.answers import Acknowledgement, answer, answer_to
from boiler_functions.modes.websocket.followers import ViewState
from boiler_functions.modes.websocket.guard import CONNECTION, REFUSED, Ended, SocketConnection
from boiler_functions.modes.websocket.hub import Hub
from boiler_functions.modes.websocket.socket_session import ENDED, VIEW, SocketSession, key_of, view_of
from boiler_functions.modes.websocket.strict import Malformed
from boiler_functions.settings.sockets import SocketSettings
from boiler_functions.views.build import Instance

MOST_WAITING = 16
"""The most events of one client that wait; they are handled one after the other, in order."""

REFUSED_SECONDS = 1.0
"""How long a refused socket stays. The refusal is sent first; well-behaved clients have disconnected by then."""

APP_CHECK = "appCheck"
"""The key of the App Check token in what a client connects with: `auth: {token, appCheck}`."""

log = logging.getLogger(__name__)


class InvalidApp(InvalidToken):
    """The App Check token is forged, expired, or of another app."""


class Views(Protocol):
    """The view of a namespace: finds its instances, lists them, and changes them."""

    def instance(self, key: Mapping[str, Any], caller: Caller | None) -> Instance:
        """Returns the instance of a client's key; raises InvalidPath or ValidationError for an invalid key."""
        ...

    def page(self, asked: Mapping[str, Any], caller: Caller | None) -> Mapping[str, Any]:
        """Returns a page of the caller's views; blocks, so it runs in a thread."""
        ...

    def mutate(self, instance: Instance, values: Any, caller: Caller | None) -> Mapping[str, Any] | None:
        """Sets the values, and returns the view after it; blocks, so it runs in a thread."""
        ...


@dataclass(eq=False)
class Client:
    """A client that is connected to the namespace, and everything that it holds until `close`."""

    session: SocketSession
    connection: SocketConnection
    forget: Callable[[], None]
    """Removes the client from the namespace."""
    order: asyncio.Lock = field(default_factory=asyncio.Lock)
    calls: set[asyncio.Task[Any]] = field(default_factory=set)
    """The events that are not answered yet."""
    expiry: asyncio.TimerHandle | None = None

    @property
    def idle_since(self) -> float | None:
        """The time since when it follows no view; None while it follows one, and for a client with a token."""
        return None if self.session.caller is not None else self.session.idle_since

    def close(self) -> None:
        """Releases everything, and cancels waiting events, which must not subscribe for a client that is gone."""
        self.forget()
        for call in self.calls:
            call.cancel()
        self.session.close()
        if self.expiry is not None:
            self.expiry.cancel()
        self.connection.let_go(self)


class ViewNamespace(socketio.AsyncNamespace):  # type: ignore[misc]  # socketio has no types
    """Lets clients follow the instances of a view, and change them through the setters."""

    def __init__(self, name: str, views: Views, hub: Hub, tokens: Tokens, settings: SocketSettings) -> None:
        super().__init__(name)
        self._views = views
        self._hub = hub
        self._tokens = tokens
        self._settings = settings
        self.clients: dict[str, Client] = {}
        self._packets: WeakKeyDictionary[ViewState, Packet] = WeakKeyDictionary()
        self._events: Mapping[str, Callable[[Client, Any], Awaitable[Acknowledgement]]] = {
            "subscribe": self._subscribe,
            "unsubscribe": self._unsubscribe,
            "list": self._list,
            "mutate": self._mutate,
        }

    async def trigger_event(self, event: str, *args: Any) -> Any:
        """Handles every event, as Socket.IO calls only this method; returns the acknowledgement for the client."""
        sid, *rest = args
        match event:
            case "connect":
                return await self._connect(sid, *rest)
            case "disconnect":
                return self._disconnect(sid)
            case _ if (client := self.clients.get(sid)) is None:
                return answer(401, "The session has ended.")
            case _:
                return await self._answer(client, rest)

    async def end(self, reason: str) -> None:
        """Ends every session, and sends the reason."""
        await asyncio.gather(*(self._end(sid, reason) for sid in list(self.clients)))

    async def idle(self) -> None:
        """Returns once the events that clients have sent are answered."""
        for client in list(self.clients.values()):
            async with client.order:
                pass

    def packet_of(self, instance: Instance, state: ViewState) -> Packet:
        """Returns the packet with the view, encoded once for all clients."""
        packet = self._packets.get(state)
        if packet is None:
            view = {**key_of(instance), "view": view_of(instance, state.content)}
            packet = self._packets[state] = self.packet(VIEW, view)
        return packet

    def packet(self, event: str, data: Mapping[str, Any]) -> Packet:
        """Returns an event as a packet of Engine.IO."""
        message = cast(Any, self.server).packet_class(EVENT, [event, data], self.namespace, binary=False)
        return Packet(MESSAGE, message.encode())

    async def _connect(self, sid: str, environ: Mapping[str, Any], auth: Any = None) -> bool:
        connection: SocketConnection = environ["asgi.scope"][CONNECTION]
        connection.at_end(self.namespace, partial(self._leave, sid))
        try:
            caller, expires = await connection.before_end(self._caller(auth))
        except Exception as error:
            if not connection.has_clients:
                asyncio.get_running_loop().call_later(REFUSED_SECONDS, connection.end, REFUSED, "not admitted")
            raise ConnectionRefusedError(_refusal(error)) from error
        client = Client(SocketSession(caller, self._hub, _Line(self, sid)), connection, partial(self._forget, sid))
        if expires is not None:
            loop = asyncio.get_running_loop()
            client.expiry = loop.call_later(max(0.0, expires - time.time()), self._expire, sid)
        self.clients[sid] = client
        connection.hold(client)
        return True

    async def _caller(self, auth: Any) -> tuple[Caller | None, float | None]:
        """Returns who connects, and when the token expires; both None for a client without a token."""
        sent = {} if auth is None else auth
        if not isinstance(sent, dict):
            raise InvalidToken
        loop = asyncio.get_running_loop()
        if self._settings.app_check:
            await loop.run_in_executor(self._hub.threads, self._check_app, sent.get(APP_CHECK))
        if not sent.keys() - {APP_CHECK}:
            return None, None
        token = sent.get("token")
        if not isinstance(token, str):
            raise InvalidToken
        claims = await loop.run_in_executor(self._hub.threads, self._tokens.claims, token)
        expires = float(claims["exp"])
        # Verified again, as the check accepts expired tokens from the Auth emulator.
        if expires <= time.time():
            raise InvalidToken
        return Caller(claims["uid"], claims), expires

    def _check_app(self, token: Any) -> None:
        try:
            self._tokens.check_app(token if isinstance(token, str) else "")
        except InvalidToken as error:
            raise InvalidApp from error

    def _expire(self, sid: str) -> None:
        asyncio.ensure_future(self._end(sid, "The token has expired. Connect again with a new one."))  # noqa: RUF006

    async def _end(self, sid: str, reason: str) -> None:
        if (client := self.clients.get(sid)) is not None:
            client.close()
            await self.emit(ENDED, {"reason": reason}, to=sid)
            await self.disconnect(sid)

    def _disconnect(self, sid: str) -> None:
        if (client := self.clients.get(sid)) is not None:
            client.close()

    def _leave(self, sid: str) -> None:
        # Socket.IO never releases a client whose socket ends while it connects, or while the server disconnects it.
        manager = cast(Any, self.server).manager
        if manager.eio_sid_from_sid(sid, self.namespace) is not None:
            manager.basic_disconnect(sid, self.namespace)

    def _forget(self, sid: str) -> None:
        self.clients.pop(sid, None)

    async def _answer(self, client: Client, sent: list[Any]) -> Acknowledgement:
        if len(client.calls) >= MOST_WAITING:
            return answer(429, "Too many events wait. Wait for the answers to earlier ones.")
        call = asyncio.current_task()
        assert call is not None
        client.calls.add(call)
        try:
            async with client.order:
                return await self._done(client, *sent)
        except Exception as error:
            return answer_to(error)
        finally:
            client.calls.discard(call)

    async def _done(self, client: Client, event: Any, *args: Any) -> Acknowledgement:
        if isinstance(event, Malformed):
            raise BadRequest(f"The event cannot be read as JSON. {event}")
        do = self._events.get(event) if isinstance(event, str) else None
        if do is None:
            raise NotFound(f"Unknown event. Send one of: {', '.join(self._events)}.")
        if len(args) != 1 or not isinstance(args[0], dict):
            raise BadRequest(f"Send {event} with one object.")
        return await do(client, args[0])

    async def _subscribe(self, client: Client, data: dict[str, Any]) -> Acknowledgement:
        session = client.session
        instance = self._instance(data, session.caller)
        if not instance.view.__readers__().may_admit(session.caller):
            raise self._not_found()
        if instance not in session.subscriptions and len(session.subscriptions) >= self._settings.max_subscriptions:
            raise TooManyRequests(
                f"A client follows at most {self._settings.max_subscriptions} views. Leave one first."
            )
        async with asyncio.timeout(self._settings.answer_seconds):
            if not await session.subscribe(instance):
                raise self._not_found()
        return answer(200)

    async def _unsubscribe(self, client: Client, data: dict[str, Any]) -> Acknowledgement:
        client.session.unsubscribe(self._instance(data, client.session.caller))
        return answer(200)

    async def _list(self, client: Client, data: dict[str, Any]) -> Acknowledgement:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(self._settings.answer_seconds):
            try:
                page = await loop.run_in_executor(self._hub.threads, self._views.page, data, client.session.caller)
            except InvalidPath as error:
                raise self._not_found() from error
        return answer(200, **page)

    async def _mutate(self, client: Client, data: dict[str, Any]) -> Acknowledgement:
        values = data.pop("values", None)
        caller = client.session.caller
        instance = self._instance(data, caller)
        loop = asyncio.get_running_loop()
        view = await loop.run_in_executor(self._hub.threads, self._views.mutate, instance, values, caller)
        return answer(200, view=view)

    def _instance(self, key: dict[str, Any], caller: Caller | None) -> Instance:
        try:
            return self._views.instance(key, caller)
        except InvalidPath as error:
            raise self._not_found() from error

    def _not_found(self) -> HTTPException:
        return NotFound("There is no view with this id.")


def _refusal(error: Exception) -> str:
    match error:
        case InvalidApp():
            return f"Send a valid App Check token as {APP_CHECK}, next to the token."
        case InvalidToken():
            return "The token is invalid or expired."
        case Ended():
            return "The connection has ended."
        case _:
            log.warning("A client could not be admitted: %s", error, exc_info=error)
            return "Authentication is temporarily unavailable. Try again."


class _Line:
    """The queue of messages to one client."""

    def __init__(self, namespace: ViewNamespace, sid: str) -> None:
        self._namespace = namespace
        server: Any = namespace.server
        self._queue = server.eio.sockets[server.manager.eio_sid_from_sid(sid, namespace.namespace)].queue

    @property
    def is_free(self) -> bool:
        # True while the transport still sends the last message, so at most one message waits in the queue.
        return bool(self._queue.empty())

    async def freed(self) -> None:
        await self._queue.join()

    def send_view(self, instance: Instance, state: ViewState) -> None:
        self._queue.put_nowait(self._namespace.packet_of(instance, state))

    def send_end(self, instance: Instance, reason: str) -> None:
        self._queue.put_nowait(self._namespace.packet(ENDED, {**key_of(instance), "reason": reason}))
