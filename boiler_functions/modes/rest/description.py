"""Describes a route for the OpenAPI document, from the route itself."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from marshmallow import Schema

from boiler_functions.access import Audience, Public
from boiler_functions.modes.rest.gate import APP_CHECK
from boiler_functions.modes.rest.openapi import answer, page
from boiler_functions.modes.rest.route import Route
from boiler_functions.settings.http import HttpSettings
from boiler_functions.views.view_model import ViewModel

BEARER = "bearer"
APP = "appCheck"

SECURITY_SCHEMES: Mapping[str, Mapping[str, str]] = {
    BEARER: {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A Firebase ID token: `await user.getIdToken()`.",
    },
    APP: {
        "type": "apiKey",
        "in": "header",
        "name": APP_CHECK,
        "description": "An App Check token: `(await getToken(appCheck)).token`.",
    },
}


def _header(name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {"in": "header", "name": name, "description": description, "schema": {"type": "string", **schema}}


_ETAGS = {"pattern": r'^(\*|(W/)?"[^"]*"(, *(W/)?"[^"]*")*)$'}

_IF_NONE_MATCH = _header("If-None-Match", "The `ETag` that the client has; answers 304 while it is current.", **_ETAGS)

_CONDITIONS = (
    _header("If-Match", "The `ETag` that the change is based on; answers 412 if the view has changed since.", **_ETAGS),
    _header("If-None-Match", "`*` changes nothing if the view exists, and answers 412.", **_ETAGS),
    _header(
        "Idempotency-Key",
        "Names the change. A repeated request with the same key takes effect once, and gets the first answer again.",
        pattern=r"^[!-~]{1,255}$",
    ),
    _header("Prefer", "`wait=5` waits until the stored view shows the change; answers 202 after that many seconds."),
)

_READS = (401, 403, 404, 422, 429, 503)
_CHANGES = (400, 401, 403, 404, 408, 412, 413, 415, 422, 429, 503)

_SUMMARIES = {
    "list": "List {view}",
    "get": "Get a {view}",
    "create": "Create a {view}",
    "replace": "Replace a {view}",
    "patch": "Change a {view}",
    "delete": "Delete a {view}",
}

# The statuses of success, by what a route does.
_SUCCESSES: Mapping[str, tuple[int, ...]] = {
    "list": (200,),
    "get": (200, 304),
    "create": (201, 202, 204),
    "replace": (200, 202, 204),
    "patch": (200, 202, 204),
    "delete": (200, 202, 204),
    "operation": (200, 202, 204),
}
_WITHOUT_BODY = (204, 304)

_MEANINGS = {
    201: "Created",
    202: "Done, but the stored view does not show it yet.",
    204: "Done; there is no view left that the caller may read.",
    304: "Not changed since the client read it.",
}

_ETAG_HEADER = {"ETag": {"description": "Names this state of the view.", "schema": {"type": "string"}}}
_LOCATION_HEADER = {"Location": {"description": "Where the view is.", "schema": {"type": "string"}}}


def description(route: Route, settings: HttpSettings, *, creates: bool) -> dict[str, Any]:
    """Returns the OpenAPI operation of the route; `creates` says whether a PUT may create the view."""
    view, name = route.view, route.view.__name__
    statuses = _SUCCESSES[route.does] if not (creates and route.does == "replace") else (200, 201, 202, 204)
    errors = _READS if route.method == "GET" else (*_CHANGES, *((409,) if route.does == "create" else ()))
    summary, text = _summary_and_text(route)
    return {
        "operationId": f"{route.operation.name if route.operation else route.does}{name}",
        "summary": summary,
        **({"description": text} if text else {}),
        "security": list(_security(route.audience, settings)),
        "parameters": [{"in": "query", "schema": route.query}, *_headers(route)],
        "responses": {
            **{str(code): HTTPStatus(code).name for code in sorted(errors)},
            **{str(code): _success(code, page(view) if route.does == "list" else answer(view)) for code in statuses},
        },
    }


def tag(view: type[ViewModel[Any]]) -> dict[str, str]:
    """Returns the tag that groups the operations of a view."""
    text = _docstring(view)
    return {"name": view.__name__, **({"description": text} if text else {})}


def security_schemes(settings: HttpSettings) -> dict[str, Mapping[str, str]]:
    """Returns the security schemes of the tokens that the function may require."""
    return {name: scheme for name, scheme in SECURITY_SCHEMES.items() if name == BEARER or settings.app_check}


def _docstring(view: type[ViewModel[Any]]) -> str | None:
    # Only its own: an inherited docstring describes view models in general.
    return inspect.cleandoc(view.__doc__) if view.__doc__ else None


def _summary_and_text(route: Route) -> tuple[str, str | None]:
    """Returns summary and description; for an operation the first line of its docstring, and the rest."""
    name = route.view.__name__
    if route.operation is None:
        return _SUMMARIES[route.does].format(view=name), _docstring(route.view)
    summary, _, rest = route.operation.summary.partition("\n")
    return summary or f"{route.operation.name} a {name}", rest.strip() or _docstring(route.view)


def _security(audience: Audience, settings: HttpSettings) -> Iterator[dict[str, list[str]]]:
    """Yields the alternatives: no ID token if everybody is admitted, and in any case one."""
    app: dict[str, list[str]] = {APP: []} if settings.app_check else {}
    if any(isinstance(part, Public) for part in audience.parts()):
        yield app
    yield {BEARER: [], **app}


def _headers(route: Route) -> tuple[dict[str, Any], ...]:
    if route.method != "GET":
        return _CONDITIONS
    return (_IF_NONE_MATCH,) if route.does == "get" else ()


def _success(status: int, body: Schema) -> dict[str, Any]:
    described: dict[str, Any] = {"description": _MEANINGS.get(status, HTTPStatus(status).phrase)}
    if status not in _WITHOUT_BODY:
        described["content"] = {"application/json": {"schema": body}}
    headers = {**(_ETAG_HEADER if status != 204 else {}), **(_LOCATION_HEADER if status == 201 else {})}
    return {**described, **({"headers": headers} if headers else {})}
