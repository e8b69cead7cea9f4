"""Runs the desk until Ctrl-C."""

from __future__ import annotations

import signal

import click
from werkzeug.serving import WSGIRequestHandler, make_server

from boiler_functions.cli.context import Context
from boiler_functions.cli.desk.application import desk
from boiler_functions.cli.desk.commands import Commands
from boiler_functions.cli.output import place_of
from boiler_functions.exceptions import ConfigurationError
from boiler_functions.local.loopback import LOOPBACK, is_free


def serve(context: Context, port: int, *, contents: bool, changes: bool) -> None:
    """Serves the page; raises ConfigurationError if the port is taken."""
    if not is_free(port):
        raise ConfigurationError(f"Port {port} of this machine is taken, perhaps by another desk. Give another --port.")
    application = desk(Commands(context, contents), port, changes=changes)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    server = make_server(LOOPBACK, port, application, threaded=True, request_handler=_Quiet)
    click.echo(f"{context.app.name}: {place_of(context)}")
    click.echo(f"Desk       http://{LOOPBACK}:{port}")
    click.echo("Stop       Ctrl-C")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        click.echo("Stopped.")
    finally:
        server.server_close()


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:
        """Does nothing, because the page shows what it asks for."""
