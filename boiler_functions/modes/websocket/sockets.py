"""The ASGI application of the WebSocket mode. Functions for events never import this module, nor Socket.IO.

    @app.websocket("/meeting")
    class MeetingSession(ViewModel[MeetingStore]): ...

Served by `python -m boiler_functions.websocket meeting_room:app`, or any ASGI server: `app.asgi()`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import socketio

from boiler_functions.database import LiveDatabase
from boiler_functions.modes.authentication import FirebaseTokens
from boiler_functions.modes.edition import Edition
from boiler_functions.modes.invocation import REAL, Surroundings
from boiler_functions.modes.mode import Declarations
from boiler_functions.modes.tokens import Tokens
from boiler_functions.modes.websocket.guard import PATH, Guard, Receive, Send
from boiler_functions.modes.websocket.hub import Hub
from boiler_functions.modes.websocket.manager import Manager
from boiler_functions.modes.websocket.mode import WEBSOCKET
from boiler_functions.modes.websocket.namespace import ViewNamespace
from boiler_functions.modes.websocket.strict import StrictPacket
from boiler_functions.modes.websocket.views import SocketViews
from boiler_functions.settings.place import refuse_emulators
from boiler_functions.settings.sockets import SocketSettings


class Sockets:
    """The ASGI application of an app's `@app.websocket` views; calls `database` for each instance that it follows.

    `tokens` verifies who connects; by default firebase-admin does.
    """

    def __init__(
        self,
        declarations: Declarations,
        database: Callable[[], LiveDatabase],
        surroundings: Surroundings = REAL,
        tokens: Tokens | None = None,
    ) -> None:
        refuse_emulators(os.environ)
        settings = declarations.socket_settings
        check_revoked = settings.check_revoked or declarations.http.check_revoked
        tokens = tokens or FirebaseTokens(tenant=declarations.tenant, check_revoked=check_revoked)
        settings = settings._replace(app_check=settings.app_check or declarations.http.app_check)
        stored = {each: Edition.of(declarations.app, each, surroundings.release) for each in declarations.stored}
        self.hub = Hub(declarations.app, stored, database, settings.max_views)
        self.server = _server_of(settings)
        self.namespaces = [
            ViewNamespace(
                socket.namespace,
                SocketViews.of(declarations, socket.view, database, surroundings),
                self.hub,
                tokens,
                settings,
            )
            for socket in declarations.of(WEBSOCKET)
        ]
        for namespace in self.namespaces:
            self.server.register_namespace(namespace)
        application = socketio.ASGIApp(self.server, socketio_path=PATH, on_shutdown=self.close)
        self.guard = Guard(application, settings)

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        await self.guard(scope, receive, send)

    async def drain(self, seconds: float = 5.0) -> None:
        """Refuses new sockets, answers the events received, and ends every session with the reason."""
        self.guard.is_closing = True
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.gather(*(namespace.idle() for namespace in self.namespaces))
        await asyncio.gather(*(namespace.end("The server stops. Connect again.") for namespace in self.namespaces))

    async def close(self) -> None:
        """Drains the sessions, and releases every listener."""
        await self.drain()
        await self.server.shutdown()
        self.hub.close()


def _server_of(settings: SocketSettings) -> socketio.AsyncServer:
    return socketio.AsyncServer(
        async_mode="asgi",
        # Long polling would need all requests of a client to reach the same process.
        transports=["websocket"],
        # A page of any origin may open a socket: clients send a token, so there is no cookie to be abused. Empty,
        # as `*` would let every page read HTTP answers with credentials.
        cors_allowed_origins=[],
        ping_interval=settings.ping_interval,
        ping_timeout=settings.ping_timeout,
        max_http_buffer_size=settings.max_message_bytes,
        serializer=StrictPacket,
        client_manager=Manager(),
    )
