"""Serves the API's description: the OpenAPI document at /openapi.json, and Swagger UI at /apidocs."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, abort, render_template_string, send_from_directory

DOCUMENT = "/openapi.json"
PAGE = "/apidocs"

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy of the page: it loads from this server only, and runs only packaged scripts."""

_FILES = ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png")
_PACKAGE = "flask_swagger_ui"

# URLs are relative: a function may be served under a prefix that the request does not show.
_HTML = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<title>{{ title }}</title>
<link rel="stylesheet" href="apidocs/swagger-ui.css">
<link rel="icon" type="image/png" href="apidocs/favicon-32x32.png">
<div id="swagger-ui"></div>
<script src="apidocs/swagger-ui-bundle.js"></script>
<script src="apidocs/start.js"></script>
</html>
"""

_START = """SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  displayRequestDuration: true,
  validatorUrl: null,
})
"""


def apidocs(title: str, document: Callable[[], dict[str, Any]]) -> Blueprint:
    """Returns the routes of the OpenAPI document and of the page that shows it."""
    blueprint = Blueprint("apidocs", __name__)
    assets = _assets()

    @blueprint.get(DOCUMENT)
    def openapi_json() -> Response:
        return Response(as_text(document()), mimetype="application/json")

    @blueprint.get(PAGE)
    def page() -> Response:
        if assets is None:
            abort(404, "The page needs Swagger UI. Add 'boiler-functions[docs]' to requirements.txt.")
        answer = Response(render_template_string(_HTML, title=title), mimetype="text/html")
        answer.headers["Content-Security-Policy"] = POLICY
        return answer

    @blueprint.get(f"{PAGE}/start.js")
    def start() -> Response:
        return Response(_START, mimetype="text/javascript")

    @blueprint.get(f"{PAGE}/<any({', '.join(map(repr, _FILES))}):name>")
    def asset(name: str) -> Response:
        if assets is None:
            abort(404)
        return send_from_directory(assets, name, max_age=86_400)

    return blueprint


def as_text(document: dict[str, Any]) -> str:
    """Returns the document as the text of a file."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _assets() -> Path | None:
    found = find_spec(_PACKAGE)
    return Path(found.origin).parent / "dist" if found and found.origin else None
