"""Serves the WebSocket views of an app: `python -m boiler_functions.websocket meeting_room:app`, on $PORT.

On SIGTERM it refuses new sockets, answers the events received, sends every client the reason, and stops.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from socket import socket
from typing import Any, Protocol

import uvicorn

from boiler_functions.app import Boiler
from boiler_functions.exceptions import ConfigurationError
from boiler_functions.modes.release import Release
from boiler_functions.runtime.logs import Origin, log_as_json
from boiler_functions.settings.sockets import SocketSettings

_STOP_SECONDS = 8  # Cloud Run kills the process ten seconds after SIGTERM.


class Drained(Protocol):
    """An ASGI application that ends its sessions before its server stops, such as `app.asgi()` returns."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None: ...

    async def drain(self) -> None:
        """Refuses new sockets, answers the events received, and ends every session with the reason."""


class Server(uvicorn.Server):
    """A server that ends its sessions with a reason before it stops."""

    def __init__(self, sockets: Drained, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._sockets = sockets

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Ends the sessions, then closes the connections."""
        await self._sockets.drain()
        await super().shutdown(sockets)


def server_of(app: Boiler, host: str, port: int) -> Server:
    """Returns a server of the app's sockets, with the limits of its settings."""
    sockets = app.asgi()
    return Server(sockets, config_of(sockets, app.compiled.declarations.socket_settings, host, port))


def config_of(sockets: Drained, settings: SocketSettings, host: str, port: int) -> uvicorn.Config:
    """Returns the configuration of uvicorn."""
    return uvicorn.Config(
        sockets,
        host,
        port,
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="on",
        ws="websockets-sansio",
        ws_max_size=settings.max_message_bytes,
        ws_ping_interval=settings.ping_interval,
        ws_ping_timeout=settings.ping_timeout,
        timeout_graceful_shutdown=_STOP_SECONDS,
    )


def load(name: str) -> Boiler:
    """Returns the app at `module:name`; raises ConfigurationError if there is none."""
    module, _, attribute = name.partition(":")
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - as `python -m` does
    app = getattr(importlib.import_module(module), attribute or "app", None)
    if not isinstance(app, Boiler):
        raise ConfigurationError(f"{name!r} is not a Boiler; give it as MODULE:APP, for example 'meeting_room:app'.")
    return app


def main(arguments: list[str]) -> None:
    """Serves until SIGTERM or SIGINT."""
    if len(arguments) != 1:
        raise SystemExit("usage: python -m boiler_functions.websocket MODULE:APP")
    app = load(arguments[0])
    log_as_json(Origin.of(app.name, Release.of(Path(), os.environ).deployment, os.environ))
    server_of(app, os.environ.get("HOST", "0.0.0.0"), int(os.environ.get("PORT", "8080"))).run()


if __name__ == "__main__":
    main(sys.argv[1:])
