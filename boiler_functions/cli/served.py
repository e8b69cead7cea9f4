"""Serves all functions of an app in one process, which `boiler dev` restarts when a source changes.

python -m boiler_functions.cli.served PORT SOCKETS_PORT FOLDER SOURCE MODULE:NAME DEPLOYMENT [--staged VIEW]
"""

from __future__ import annotations

import hmac
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import click
from cloudevents.http import from_http
from flask import Flask, Response, abort, request
from werkzeug.exceptions import HTTPException
from werkzeug.serving import make_server

from boiler_functions.app import Boiler
from boiler_functions.cli.context import Context
from boiler_functions.cli.desk.api import api_of
from boiler_functions.cli.desk.commands import Commands
from boiler_functions.cli.errors import reported
from boiler_functions.cli.folder import LOG, own_folder
from boiler_functions.cli.plan import plan_as_json
from boiler_functions.cli.project import Project
from boiler_functions.cli.registering import Registering
from boiler_functions.database.firestore import connect
from boiler_functions.database.metered import Metered
from boiler_functions.exceptions import OverlappingPaths
from boiler_functions.local.serving import SilentRequests
from boiler_functions.manifest import Manifest
from boiler_functions.modes.invocation import REAL, Invocation
from boiler_functions.modes.release import VARIABLE, Release
from boiler_functions.modes.source_code import code_fingerprints
from boiler_functions.runtime.logs import JsonLines, Origin, are_contents_asked_for

HOST = "127.0.0.1"
PLAN = "/.boiler/plan"
FUNCTIONS = "/.boiler/functions"
COMMANDS = "/.boiler/commands"

TOKEN = "BOILER_DEV_TOKEN"
"""The variable whose value a request to the commands must bear, so that only `boiler dev` asks them."""

_MINUTE = 60
_LONGEST_LOG = 5_000_000

_REPORTED = ("outcome", "outcomes", "reads", "writes", "rpcs", "lag_milliseconds", "views")

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@click.command()
@click.argument("port", type=int)
@click.argument("sockets", type=int)
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("app")
@click.argument("deployment", type=int)
@click.option("--staged", default="", help="Serve only what builds a staged version of this view.")
def serve(port: int, sockets: int, folder: Path, source: Path, app: str, deployment: int, staged: str) -> None:
    """Serve the app until the standard input is closed."""
    threading.Thread(target=_end_with_input, daemon=True).start()
    _log_as_text(f"{staged}, staged: " if staged else "")
    with reported():
        project = Project(folder, source, app)
        loaded = project.load()
        _log_into(own_folder(folder) / LOG, loaded.name)
        release = Release(deployment, code_fingerprints(loaded.compiled.declarations.stored), staged=staged)
        if not staged:
            _register(loaded, deployment)
        os.environ[VARIABLE] = release.to_json()
        functions: dict[str, Any] = {"__name__": "main"}
        loaded.export(functions)
        threading.Thread(target=_follow_code, args=(loaded, release), daemon=True).start()
        for entry_point in loaded.compiled.scheduled:
            threading.Thread(target=_run_every_minute, args=(functions[entry_point],), daemon=True).start()
        context = Context(app=app, start=folder)
        context.project = project
        manifest = loaded.manifest.staged(staged) if staged else loaded.manifest
        commands = api_of(Commands(context, contents=True))
        served = serving(manifest, functions, commands, os.environ.get(TOKEN, ""))
        if manifest.services:
            _serve_sockets(loaded, sockets)
        make_server(HOST, port, served, threaded=True, request_handler=SilentRequests).serve_forever()


def serving(manifest: Manifest, functions: Mapping[str, Any], commands: Flask, token: str) -> Flask:
    """Returns a Flask app of the exported functions: event functions by entry point, and `api` at all other paths.

    Those who bear the token may ask the operator's commands.
    """
    server = Flask("boiler dev", static_folder=None)

    @server.get(PLAN)
    def plan() -> Any:
        namespaces = [each for service in manifest.services for each in service.namespaces]
        return {**plan_as_json(manifest), "namespaces": namespaces, "api": bool(manifest.api)}

    @server.route(f"{COMMANDS}/<path:path>", methods=["GET", "POST"])
    def command(path: str) -> Any:
        if not token or not hmac.compare_digest(request.headers.get("Authorization", ""), f"Bearer {token}"):
            abort(403)
        environ = {**request.environ, "PATH_INFO": f"/{path}", "SCRIPT_NAME": ""}
        return Response.from_app(commands, environ, buffered=True)

    reports = Reports()

    @server.post(f"{FUNCTIONS}/<entry_point>")
    def deliver(entry_point: str) -> Any:
        reports.take()
        try:
            functions[entry_point](from_http(dict(request.headers), request.get_data()))
        except HTTPException as refusal:
            if refusal.code == 500:
                traceback.print_exception(refusal.__cause__)
            return refusal.get_response()
        return {"report": reports.take()}

    @server.route("/", defaults={"path": ""}, methods=_METHODS)
    @server.route("/<path:path>", methods=_METHODS)
    def api(path: str) -> Any:
        if manifest.api is None:
            abort(404, f"{manifest.app} has no REST rule; decorate a view with `@app.rest(…)`.")
        return functions[manifest.api.entry_point](request)

    return server


class Reports(logging.Handler):
    """Keeps what the latest function of a thread logged of its work."""

    def __init__(self) -> None:
        super().__init__()
        self._found = threading.local()
        logging.getLogger("boiler_functions.runtime").addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        if "outcomes" in vars(record):
            self._found.report = {name: getattr(record, name) for name in _REPORTED}

    def take(self) -> dict[str, Any] | None:
        """Returns the report of this thread, once."""
        found: dict[str, Any] | None = vars(self._found).pop("report", None)
        return found


def _register(app: Boiler, deployment: int) -> None:
    """Registers what is served, as a deployment does; the commands compare the code with what is registered."""
    database = connect(database=app.declarations.database)
    try:
        Registering.of(app.compiled.declarations, database, deployment).write(database)
    except OverlappingPaths as error:
        # The other app's documents may only be deleted while an emulator runs.
        click.echo(f"warning {error.code} {error}")


def _follow_code(app: Boiler, release: Release) -> None:
    """Builds again what the code before the reload built, so that a browser shows what was saved."""
    database = Metered(connect(database=app.declarations.database))
    invocation = Invocation(app.name, "reload", database, REAL._replace(release=release))
    for mode in app.declarations.modes:
        mode.follow_code(app.declarations, invocation)
    if invocation.outcomes:
        outcomes = ", ".join(f"{count} {outcome}" for outcome, count in invocation.outcomes.items())
        click.echo(f"reload: {outcomes}")


def _run_every_minute(function: Callable[[Any], object]) -> None:
    """Runs a scheduled function once a minute, as Cloud Scheduler does, starting now so that new code takes effect."""
    while True:
        try:
            function(None)
        except HTTPException as refusal:
            traceback.print_exception(refusal.__cause__)
        time.sleep(_MINUTE)


def _serve_sockets(app: Boiler, port: int) -> None:
    # Imported late: an app without sockets needs no extra 'websocket'.
    from boiler_functions.websocket import server_of

    server = server_of(app, HOST, port)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    # Waits, because `boiler dev` takes the app for ready once the functions answer.
    while thread.is_alive() and not server.started:
        time.sleep(0.01)


def _end_with_input() -> None:
    # The pipe closes however the parent ends, even by SIGKILL. `os.read` rather than `sys.stdin`, because the
    # interpreter needs the lock of `sys.stdin` when it ends by itself.
    while os.read(0, 1024):
        pass
    os._exit(0)


def _log_as_text(prefix: str) -> None:
    # Called before the export, which otherwise logs JSON for Cloud Logging.
    logging.basicConfig(level=logging.INFO, format=f"{prefix}%(message)s", stream=sys.stdout)


def _log_into(path: Path, app: str) -> None:
    """Keeps the latest entries in a file as Cloud Logging would have them, for `boiler insights`."""
    handler = RotatingFileHandler(path, maxBytes=_LONGEST_LOG, backupCount=1, encoding="utf-8", delay=True)
    handler.setFormatter(JsonLines(are_contents_asked_for(), Origin(app), timed=True))
    logging.getLogger().addHandler(handler)


if __name__ == "__main__":
    serve()
