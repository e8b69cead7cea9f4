"""Serves the page of the live meeting room: its files, settings, the app's `api`, and the cost of the functions."""

import http.client
import json
import queue
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from flask import Flask, Response, request, send_from_directory
from werkzeug.serving import WSGIRequestHandler, make_server

from boiler_functions.local import loopback
from boiler_functions.local.loopback import LOOPBACK

# Headers that are not forwarded: https://www.rfc-editor.org/rfc/rfc9110#name-connection
_HOP = frozenset({"connection", "host", "keep-alive", "transfer-encoding", "content-length", "server", "date"})
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


class Costs:
    """Sends the cost of each invocation to every open page."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pages: set[queue.SimpleQueue[str | None]] = set()

    def tell(self, cost: Mapping[str, Any]) -> None:
        text = json.dumps(cost)
        with self._lock:
            for page in self._pages:
                page.put(text)

    def events(self) -> Iterator[str]:
        """Yields server-sent events until `close`, or until the page is closed."""
        page: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        with self._lock:
            self._pages.add(page)
        try:
            yield ": open\n\n"
            while (text := page.get()) is not None:
                yield f"data: {text}\n\n"
        finally:
            with self._lock:
                self._pages.discard(page)

    def close(self) -> None:
        with self._lock:
            for page in self._pages:
                page.put(None)


class PageServer:
    """A server of the page on a free port, or the given one; `api` is the URL that `/api` stands for."""

    def __init__(self, folder: Path, settings: Mapping[str, Any], api: str, costs: Costs, port: int = 0) -> None:
        self._costs = costs
        self._server = make_server(
            LOOPBACK, port, _page(folder, settings, api, costs), threaded=True, request_handler=_Quiet
        )
        self.url = f"http://{LOOPBACK}:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stops the server."""
        self._costs.close()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:
        """Does nothing, because the page shows what happened."""


def _page(folder: Path, settings: Mapping[str, Any], api: str, costs: Costs) -> Flask:
    page = Flask(__name__, static_folder=None)
    host, path = api.removeprefix("http://").partition("/")[::2]

    @page.get("/", defaults={"name": "index.html"})
    @page.get("/<path:name>")
    def file(name: str) -> Response:
        return send_from_directory(folder, name, max_age=0)

    @page.get("/settings.json")
    def its_settings() -> Any:
        return dict(settings)

    @page.get("/costs")
    def its_costs() -> Response:
        return Response(costs.events(), mimetype="text/event-stream", headers={"Cache-Control": "no-store"})

    @page.route("/api/<path:rest>", methods=_METHODS)
    def forwarded(rest: str) -> Response:
        target = f"/{path}/{rest}" if path else f"/{rest}"
        headers = {name: value for name, value in request.headers if name.lower() not in _HOP}
        query = request.query_string.decode()
        try:
            answer = loopback.request(
                host, request.method, f"{target}?{query}" if query else target, request.get_data(), headers
            )
        except (OSError, http.client.HTTPException):
            return Response('{"message": "The functions do not answer."}', 502, mimetype="application/json")
        return Response(answer.body, answer.status, mimetype="application/json")

    return page
