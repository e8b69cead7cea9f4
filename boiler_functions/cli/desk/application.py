"""Serves the desk on this machine: the page, and what it asks for, to a browser of this machine alone."""

from __future__ import annotations

from importlib.resources import files
from typing import Any, Final, NamedTuple, Protocol

from flask import Flask, Request, Response, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from boiler_functions.cli.desk.api import refusal
from boiler_functions.cli.desk.faults import FaultSwitch
from boiler_functions.cli.desk.timeline import Timeline
from boiler_functions.cli.desk.trial import Trial
from boiler_functions.exceptions import BoilerError

_PAGE: Final = {
    "index.html": "text/html; charset=utf-8",
    "desk.css": "text/css; charset=utf-8",
    **dict.fromkeys(
        (
            *("costs.js", "deliveries.js", "desk.js", "dom.js", "document.js", "faults.js", "letters.js", "map.js"),
            *("overview.js", "try.js", "versions.js"),
        ),
        "text/javascript; charset=utf-8",
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


class Api(Protocol):
    """Asks the commands: `path` is what follows `/api`, as `/letters/x`."""

    def __call__(self, path: str, asked: Request) -> AnyResponse: ...


class Live(NamedTuple):
    """What only `boiler dev` has: the deliveries as they come, a switch for faults, and trials as a client."""

    timeline: Timeline
    faults: FaultSwitch
    trial: Trial


def desk(api: Api, port: int, *, changes: bool, live: Live | None = None) -> Flask:
    """Returns the application; with `changes`, a browser may build, retry and deliver again, else it only reads."""
    app = Flask("boiler desk", static_folder=None)
    _guard(app, port, changes=changes)

    @app.get("/", defaults={"name": "index.html"})
    @app.get("/<name>")
    def page(name: str) -> Response:
        if (kind := _PAGE.get(name)) is None:
            return refusal(404, f"The desk has no {name!r}.")
        return Response((files("boiler_functions.cli.desk") / "page" / name).read_text("utf-8"), content_type=kind)

    @app.get("/api/desk")
    def about() -> Any:
        return {"changes": changes, "live": live is not None}

    @app.route("/api/<path:path>", methods=["GET", "POST"])
    def ask(path: str) -> AnyResponse:
        return api(f"/{path}", request)

    @app.errorhandler(BoilerError)
    def failed(error: BoilerError) -> Response:
        return refusal(422, f"{error.code} {error}")

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> Response:
        return refusal(error.code or 500, error.description or error.name)

    if live is not None:
        _stream(app, live.timeline)
        _switch(app, live.faults)

        @app.post("/api/try")
        def make_trial() -> Any:
            return live.trial.make(request.get_json())

    return app


def _guard(app: Flask, port: int, *, changes: bool) -> None:
    """Refuses other hosts and sites, and changes unless they are allowed; protects every answer."""
    # Another site may have its name lead to this machine; the browser then sends that name as the host.
    hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}

    @app.before_request
    def refuse_others() -> Response | None:
        if request.host not in hosts:
            return refusal(403, f"This server is for {' and '.join(sorted(hosts))}; found the host {request.host!r}.")
        origin = request.headers.get("Origin")
        is_foreign = origin is not None and origin not in {f"http://{host}" for host in hosts}
        if is_foreign or request.headers.get("Sec-Fetch-Site", "none") not in ("same-origin", "none"):
            return refusal(403, "Another site's page may not use the desk.")
        if request.method == "POST" and not changes:
            return refusal(403, "The desk only reads. Start it with --allow-changes to build and retry.")
        if request.method == "POST" and (origin is None or not request.is_json):
            return refusal(403, "Only the desk's own page may change something.")
        return None

    @app.after_request
    def protect(response: Response) -> Response:
        response.headers.update(_HEADERS)
        return response


def _stream(app: Flask, timeline: Timeline) -> None:
    @app.get("/api/deliveries")
    def deliveries() -> Response:
        after = request.headers.get("Last-Event-ID", "")
        return Response(timeline.stream(int(after) if after.isdecimal() else 0), content_type="text/event-stream")

    @app.post("/api/deliveries/<int:number>/again")
    def again(number: int) -> Any:
        timeline.deliver_again(number)
        return {"outcome": "delivered once more"}


def _switch(app: Flask, faults: FaultSwitch) -> None:
    @app.get("/api/faults")
    def simulated() -> Any:
        return faults.to_json()

    @app.post("/api/faults")
    def simulate() -> Any:
        faults.turn(request.get_json())
        return faults.to_json()

    @app.post("/api/faults/crash")
    def crash() -> Any:
        faults.crash()
        return {"outcome": "the app was killed and started again"}
