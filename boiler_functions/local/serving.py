"""Serves a WSGI application on this machine, without a line for each request."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from werkzeug.serving import WSGIRequestHandler, make_server

from boiler_functions.local.loopback import LOOPBACK

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication


class SilentRequests(WSGIRequestHandler):
    """Logs nothing, because what answers says what happened."""

    def log(self, type: str, message: str, *args: object) -> None:
        """Does nothing."""


@contextmanager
def served(application: WSGIApplication, port: int = 0) -> Iterator[str]:
    """Serves the application in threads inside the block, and yields HOST:PORT; without a port, at a free one."""
    server = make_server(LOOPBACK, port, application, threaded=True, request_handler=SilentRequests)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"{LOOPBACK}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
