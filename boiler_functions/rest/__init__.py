"""Rest mode: the views of an app over HTTP. No event function imports this package."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from flask import Flask
from flask.json.provider import DefaultJSONProvider
from flask_smorest import Api

from boiler_functions.database import Database
from boiler_functions.modes.invocation import REAL, Surroundings
from boiler_functions.rest.errors import answer_errors
from boiler_functions.rest.resource import Resource
from boiler_functions.rest.routes import blueprint_of

if TYPE_CHECKING:
    from boiler_functions.compile import Compiled

MAX_BODY_BYTES = 1024 * 1024
"""As much as a document can hold."""


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
        API_TITLE=declarations.app, API_VERSION="1", OPENAPI_VERSION="3.1.0", MAX_CONTENT_LENGTH=MAX_BODY_BYTES
    )
    # A redirect would answer in HTML, and repeat the path.
    app.url_map.merge_slashes = False
    resources = {
        rule.rule: Resource(declarations.app, rule.view, rule.view in declarations.queries, database, surroundings)
        for rule in declarations.rules
    }
    Api(app).register_blueprint(blueprint_of(resources))
    answer_errors(app)
    return app
