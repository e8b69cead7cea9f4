"""The WebSocket mode: a service of Cloud Run, which alone imports Socket.IO."""

from __future__ import annotations

from collections.abc import Iterator

from boiler_functions.manifest import Service, function_name
from boiler_functions.modes.drawing import Look, Node, source_node, view_node
from boiler_functions.modes.mode import Declarations, Mode
from boiler_functions.modes.rest.copies import check_own
from boiler_functions.modes.websocket.declaration import SOCKETS, Socket
from boiler_functions.modes.written import changed_by, check_written
from boiler_functions.settings.options import MAX_CONCURRENCY, MAX_HTTP_SECONDS, Options


class WebsocketMode(Mode[Socket]):
    """Serves views over Socket.IO."""

    name = "websocket"
    counted = "namespaces"
    look = Look("socket", "#e0f7f7", "#0e7490")
    longest = MAX_HTTP_SECONDS
    takes_own_copies = True

    def check(self, declarations: Declarations) -> None:
        for socket in declarations.of(self):
            check_own(f"@app.websocket({socket.namespace!r})", socket.view)
            if socket.view.settable():
                check_written(f"@app.websocket({socket.namespace!r})", changed_by(socket.view), declarations.stored)

    def reads_copies(self, declaration: Socket) -> bool:
        return not declaration.view.settable()

    def services(self, declarations: Declarations) -> Iterator[Service]:
        sockets = declarations.of(self)
        if not sockets:
            return
        options = declarations.options
        own = Options(
            # For Cloud Run a socket is one request, and this is the longest that it allows.
            timeout_sec=MAX_HTTP_SECONDS,
            concurrency=min(declarations.socket_settings.max_connections, MAX_CONCURRENCY),
            cpu=1 if options.cpu is not None and options.cpu < 1 else None,
        )
        yield Service(
            function_name(declarations.app, SOCKETS),
            SOCKETS,
            tuple(socket.namespace for socket in sockets),
            tuple(socket.view.__name__ for socket in sockets),
            declarations.settled(self, SOCKETS, own),
        )

    def drawn(self, declarations: Declarations) -> Iterator[tuple[Node, ...]]:
        for socket in declarations.of(self):
            shown = view_node(socket.view, stored=socket.view in declarations.stored)
            service = Node(f"service {SOCKETS}", self.look, SOCKETS, "on Cloud Run")
            yield source_node(socket.namespace, "Socket.IO"), service, shown


WEBSOCKET = WebsocketMode()
