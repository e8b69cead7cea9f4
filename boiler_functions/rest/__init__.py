"""Rest mode: the views of an app over HTTP. No event function imports this package."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flask import Flask
from flask.json.provider import DefaultJSONProvider

from boiler_functions.database import Database
from boiler_functions.modes.invocation import REAL, Surroundings
from boiler_functions.rest.apidocs import apidocs, as_text
from boiler_functions.rest.errors import answer_errors
from boiler_functions.rest.openapi import VERSION, Documented
from boiler_functions.rest.resource import Resource
from boiler_functions.rest.routes import blueprint_of

if TYPE_CHECKING:
    from boiler_functions.compile import Compiled

MAX_BODY_BYTES = 1024 * 1024
"""As much as a document can hold."""

EXTENSION = "boiler-functions"
"""Where the Flask application has its Documented."""

__all__ = ["as_text", "create_app", "document"]


class Json(DefaultJSONProvider):
    """JSON in the order of declaration."""

    sort_keys = False


class Server(Flask):
    """A Flask application that serves nothing but its routes."""

    json_provider_class = Json


def create_app(compiled: Compiled, database: Callable[[], Database], surroundings: Surroundings = REAL) -> Flask:
    """The Flask application of the app's REST rules; `database` is asked for once a request."""
    declarations = compiled.declarations
    app = Server(__name__, static_folder=None)
    app.config.update(
        API_TITLE=declarations.app, API_VERSION="1", OPENAPI_VERSION=VERSION, MAX_CONTENT_LENGTH=MAX_BODY_BYTES
    )
    # A redirect would answer in HTML, and repeat the path.
    app.url_map.merge_slashes = False
    resources = {
        rule.rule: Resource(declarations.app, rule.view, rule.view in declarations.queries, database, surroundings)
        for rule in declarations.rules
    }
    api = app.extensions[EXTENSION] = Documented(app, [rule.view for rule in declarations.rules])
    api.register_blueprint(blueprint_of(resources))
    if declarations.docs:
        app.register_blueprint(apidocs(declarations.app, api.document))
    answer_errors(app)
    return app


def document(compiled: Compiled) -> dict[str, Any]:
    """The OpenAPI document of the app's REST rules, without a server or a database."""
    app = create_app(compiled, _no_database)
    found: Documented = app.extensions[EXTENSION]
    return found.document()


def _no_database() -> Database:
    raise AssertionError("a document is made without a database")
