"""Serves the desk on this machine: the page, and the JSON of the commands that it shows."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.resources import files
from typing import Any, Final

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from boiler_functions.cli.desk.commands import Commands
from boiler_functions.cli.output import Output
from boiler_functions.exceptions import BoilerError

_PAGE: Final = {
    "index.html": "text/html; charset=utf-8",
    "desk.css": "text/css; charset=utf-8",
    **dict.fromkeys(
        ("desk.js", "dom.js", "document.js", "letters.js", "map.js", "overview.js"), "text/javascript; charset=utf-8"
    ),
}

_HEADERS: Final = {
    # Nothing inline, nothing from elsewhere, and no other page may frame this one.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def desk(commands: Commands, port: int, *, changes: bool) -> Flask:
    """Returns the application; with `changes`, a browser may build and retry, else it only reads."""
    app = Flask("boiler desk", static_folder=None)
    # Another site may have its name lead to this machine; the browser then sends that name as the host.
    hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}

    @app.before_request
    def refuse_others() -> Response | None:
        if request.host not in hosts:
            return _error(403, f"This server is for {' and '.join(sorted(hosts))}; found the host {request.host!r}.")
        origin = request.headers.get("Origin")
        is_foreign = origin is not None and origin not in {f"http://{host}" for host in hosts}
        if is_foreign or request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
            return _error(403, "Another site's page may not use the desk.")
        if request.method == "POST" and not changes:
            return _error(403, "The desk only reads. Start it with --allow-changes to build and retry.")
        if request.method == "POST" and (origin is None or not request.is_json):
            return _error(403, "Only the desk's own page may change something.")
        return None

    @app.after_request
    def protect(response: Response) -> Response:
        response.headers.update(_HEADERS)
        return response

    @app.get("/", defaults={"name": "index.html"})
    @app.get("/<name>")
    def page(name: str) -> Response:
        if (kind := _PAGE.get(name)) is None:
            return _error(404, f"The desk has no {name!r}.")
        return Response((files(__package__) / "page" / name).read_text("utf-8"), content_type=kind)

    @app.errorhandler(BoilerError)
    def failed(error: BoilerError) -> Response:
        return _error(422, f"{error.code} {error}")

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> Response:
        return _error(error.code or 500, error.description or error.name)

    _answer(app, commands, changes=changes)
    return app


def _answer(app: Flask, commands: Commands, *, changes: bool) -> None:
    """Adds the routes of the commands."""

    def get(rule: str, command: Callable[..., Output]) -> None:
        app.add_url_rule(rule, rule, lambda **given: _json(commands, command(**given)), methods=["GET"])

    @app.get("/api/desk")
    def about() -> Any:
        return {**commands.about(), "changes": changes}

    @app.get("/api/explain")
    def explain() -> Response:
        return _json(commands, commands.explain(request.args.get("path", "")))

    @app.post("/api/build")
    def build() -> Response:
        body = request.get_json()
        return _json(commands, commands.build(str(body.get("view")), str(body.get("root") or "")))

    @app.post("/api/letters/<letter>/retry")
    def retry(letter: str) -> Response:
        return _json(commands, commands.retry(letter))

    get("/api/map", commands.map)
    get("/api/status", commands.status)
    get("/api/letters", commands.letters)
    get("/api/letters/<letter>", commands.letter)


def _json(commands: Commands, output: Output) -> Response:
    return Response(output.to_json(commands.context), content_type="application/json")


def _error(status: int, message: str) -> Response:
    return Response(json.dumps({"message": message}), status, content_type="application/json")
