"""Runs the desk until Ctrl-C."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from typing import Any

import click
from flask import Request
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

from boiler_functions.cli.context import Context
from boiler_functions.cli.desk.api import api_of
from boiler_functions.cli.desk.application import Api, desk
from boiler_functions.cli.desk.commands import Commands
from boiler_functions.cli.output import place_of
from boiler_functions.exceptions import ConfigurationError
from boiler_functions.local.loopback import LOOPBACK, is_free
from boiler_functions.local.serving import SilentRequests


def serve(context: Context, port: int, *, contents: bool, changes: bool) -> None:
    """Serves the page; raises ConfigurationError if the port is taken."""
    if not is_free(port):
        raise ConfigurationError(f"Port {port} of this machine is taken, perhaps by another desk. Give another --port.")
    application = desk(own(Commands(context, contents)), port, changes=changes)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    server = make_server(LOOPBACK, port, application, threaded=True, request_handler=SilentRequests)
    click.echo(f"{context.app.name}: {place_of(context)}")
    click.echo(f"Desk       http://{LOOPBACK}:{port}")
    click.echo("Stop       Ctrl-C")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        click.echo("Stopped.")
    finally:
        server.server_close()


def own(commands: Commands) -> Api:
    """Returns what asks the commands in this process."""
    app = api_of(commands)

    def ask(path: str, asked: Request) -> Response:
        environ: Mapping[str, Any] = {**asked.environ, "PATH_INFO": path, "SCRIPT_NAME": ""}
        return Response.from_app(app, dict(environ), buffered=True)

    return ask
