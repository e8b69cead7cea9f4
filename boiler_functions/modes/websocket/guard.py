"""Guards Socket.IO: limits the number of sockets and the rate, size and form of their messages.

Engine.IO keeps a socket that sends malformed messages until its ping timeout, waits for as many binary parts as a
client announces, and keeps a socket forever if it never connects to a namespace. So a malformed message closes the
socket here; and everything that a socket holds is released here, however it ends.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from boiler_functions.settings.sockets import SocketSettings

AsgiMessage: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[AsgiMessage]]
Send: TypeAlias = Callable[[AsgiMessage], Awaitable[None]]
ASGI: TypeAlias = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

T = TypeVar("T")

PATH: Final = "socket.io"

CONNECTION: Final = "boiler_functions.connection"
"""The key of the connection in the ASGI scope."""

STRANGERS_BYTES: Final = 16 * 1024
"""The most bytes of a message before the socket is admitted; a token has about 2,000."""

# Pong, close; connect to a namespace, leave it; an event whose first item is a name.
# https://socket.io/docs/v4/socket-io-protocol/
_MESSAGE: Final = re.compile(r'3|1|4[01](/[^,]{0,200},?)?(\{.*)?|42(/[^,]{0,200},)?\d{0,15}\[".*', re.DOTALL)

_CLOSE: Final = "1"

# https://www.iana.org/assignments/websocket/websocket.xhtml
NORMAL: Final = 1000
MALFORMED: Final = 1007
REFUSED: Final = 1008
TOO_BIG: Final = 1009
TRY_AGAIN_LATER: Final = 1013


class Ended(Exception):
    """Raised when the connection ended before the work was done."""


class Held(Protocol):
    """A client, as the connection that it came by holds it, and closes it at its end."""

    @property
    def idle_since(self) -> float | None:
        """The time since when the client gives no reason to keep the connection; None while it gives one."""
        ...

    def close(self) -> None:
        """Releases everything that the client holds."""


class Guard:
    """ASGI middleware that admits sockets, and closes those that break the limits."""

    def __init__(self, app: ASGI, settings: SocketSettings) -> None:
        self._app = app
        self._settings = settings
        self.connections: set[SocketConnection] = set()
        self.is_closing = False

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await _refuse(send)
            return
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        if scope["path"].strip("/") != PATH:
            await send({"type": "websocket.close", "code": REFUSED})
            return
        if self.is_closing or len(self.connections) >= self._settings.max_connections:
            await send({"type": "websocket.close", "code": TRY_AGAIN_LATER})
            return
        connection = SocketConnection(self._settings, receive, send)
        self.connections.add(connection)
        try:
            scope[CONNECTION] = connection
            await self._app(scope, connection.receive, connection.send)
        finally:
            self.connections.discard(connection)
            connection.close()


async def _refuse(send: Send) -> None:
    """Answers a plain HTTP request with 426; without CORS headers, so that no other origin can read it."""
    headers = [(b"content-type", b"text/plain"), (b"upgrade", b"websocket"), (b"x-content-type-options", b"nosniff")]
    await send({"type": "http.response.start", "status": 426, "headers": headers})
    await send({"type": "http.response.body", "body": b"Connect by WebSocket."})


class SocketConnection:
    """One socket, with its limits and its clients."""

    def __init__(self, settings: SocketSettings, receive: Receive, send: Send) -> None:
        self._settings = settings
        self._receive = receive
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._left = float(settings.burst)
        self._since = self._loop.time()
        self._ended: asyncio.Future[tuple[int, str]] = self._loop.create_future()
        self._clients: set[Held] = set()
        self._at_end: dict[str, Callable[[], None]] = {}
        self._idle_since = self._since
        self._admission = self._loop.call_later(settings.admission_seconds, self._look_for_clients)
        self._sending: tuple[float, asyncio.Task[Any]] | None = None
        self._cut: asyncio.Task[Any] | None = None
        self._watch: asyncio.TimerHandle | None = None

    @property
    def is_admitted(self) -> bool:
        """Whether a client gives a reason to keep the connection."""
        return any(client.idle_since is None for client in self._clients)

    @property
    def has_clients(self) -> bool:
        """Whether a client is connected to a namespace."""
        return bool(self._clients)

    def at_end(self, name: str, release: Callable[[], None]) -> None:
        """Calls `release` when the connection ends, instead of an earlier one of the same name."""
        self._at_end[name] = release

    def hold(self, client: Held) -> None:
        """Holds the client, and closes it when the connection ends, unless it is let go before."""
        self._clients.add(client)

    def let_go(self, client: Held) -> None:
        """Holds the client no longer."""
        self._clients.discard(client)
        self._idle_since = self._loop.time()

    async def before_end(self, work: Awaitable[T]) -> T:
        """Returns the result of the work; if the connection ends before, cancels the work and raises Ended."""
        working = asyncio.ensure_future(work)
        either: set[asyncio.Future[Any]] = {working, self._ended}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                raise Ended
            return working.result()
        finally:
            working.cancel()

    def close(self) -> None:
        """Ends the connection, and closes all its clients."""
        self.end(REFUSED, "closed")
        self._admission.cancel()
        if self._watch is not None:
            self._watch.cancel()
        for client in list(self._clients):
            client.close()
        for release in self._at_end.values():
            release()

    def _look_for_clients(self) -> None:
        """Ends a connection that no client needed for too long; otherwise looks again when that time is over."""
        left = self._settings.admission_seconds
        if not self.is_admitted:
            idle = (each.idle_since for each in self._clients)
            left += max([self._idle_since, *(since for since in idle if since is not None)]) - self._loop.time()
        if left > 0:
            self._admission = self._loop.call_later(left, self._look_for_clients)
        else:
            self.end(REFUSED, "not connected in time")

    def end(self, code: int, reason: str) -> None:
        """Makes the connection close with this code and reason; the first call counts."""
        if not self._ended.done():
            self._ended.set_result((code, reason))

    async def receive(self) -> AsgiMessage:
        """Returns the next message; for a forbidden one, closes the socket and returns a disconnect."""
        receiving = asyncio.ensure_future(self._receive())
        either: set[asyncio.Future[Any]] = {receiving, self._ended}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not self._ended.done():
                message = receiving.result()
                if message["type"] != "websocket.receive" or (fault := self._fault(message)) is None:
                    return message
                self.end(*fault)
        finally:
            receiving.cancel()
        code, reason = self._ended.result()
        await self._close(code, reason)
        return {"type": "websocket.disconnect", "code": code}

    async def send(self, message: AsgiMessage) -> None:
        """Sends the message; raises OSError if the socket is closed, or if the client does not receive it in time."""
        if self._ended.done() and message["type"] == "websocket.send":
            raise OSError("The socket is closed.")
        task = asyncio.current_task()
        assert task is not None
        self._sending = (self._loop.time(), task)
        # One timer for many messages: `asyncio.timeout` would set and cancel one for each, which costs as much as
        # encoding the message.
        if self._watch is None:
            self._watch = self._loop.call_later(self._settings.send_seconds, self._look)
        try:
            await self._send(message)
        except asyncio.CancelledError as error:
            if self._cut is not task:
                raise
            task.uncancel()
            raise OSError("The client does not receive its messages.") from error
        except OSError:
            if message["type"] != "websocket.accept":
                raise
            # The socket closed before it was accepted. Engine.IO would keep it; so `receive` returns a disconnect next.
            self.end(NORMAL, "gone")
        finally:
            self._sending = None

    def _look(self) -> None:
        """Cancels a send that takes too long; otherwise looks again when the current one would."""
        self._watch = None
        if self._sending is None:
            return
        since, task = self._sending
        left = since + self._settings.send_seconds - self._loop.time()
        if left > 0:
            self._watch = self._loop.call_later(left, self._look)
            return
        self._cut = task
        self.end(REFUSED, "messages are not received")
        task.cancel()

    async def _close(self, code: int, reason: str) -> None:
        try:
            async with asyncio.timeout(self._settings.send_seconds):
                await self._send({"type": "websocket.close", "code": code, "reason": reason})
        except Exception:
            pass

    def _fault(self, message: AsgiMessage) -> tuple[int, str] | None:
        text = message.get("text")
        if text is None or not _MESSAGE.fullmatch(text):
            return MALFORMED, "malformed message"
        if text == _CLOSE:
            return NORMAL, "closed by the client"
        longest = self._settings.max_message_bytes
        if not self.is_admitted:
            longest = min(longest, STRANGERS_BYTES)
        if len(text.encode(errors="replace")) > longest:
            return TOO_BIG, f"a message has at most {longest} bytes"
        if not self._take():
            return REFUSED, "too many messages"
        return None

    def _take(self) -> bool:
        now = self._loop.time()
        self._left = min(self._settings.burst, self._left + (now - self._since) * self._settings.rate)
        self._since = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
