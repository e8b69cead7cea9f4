"""The Flask application of the REST mode. Functions for events never import this module, nor Flask."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from flask import Flask
from flask.json.provider import DefaultJSONProvider

from boiler_functions.database import Database
from boiler_functions.modes.invocation import REAL, Surroundings
from boiler_functions.modes.mode import Declarations
from boiler_functions.modes.rest.apidocs import apidocs, as_text
from boiler_functions.modes.rest.description import security_schemes, tag
from boiler_functions.modes.rest.errors import answer_errors
from boiler_functions.modes.rest.gate import Gate
from boiler_functions.modes.rest.mode import REST
from boiler_functions.modes.rest.openapi import VERSION, Documented
from boiler_functions.modes.rest.rate import Rate
from boiler_functions.modes.rest.resource import Resource
from boiler_functions.modes.rest.routes import blueprint_of
from boiler_functions.modes.secret import page_secret
from boiler_functions.modes.tokens import Tokens
from boiler_functions.modes.waiting import places
from boiler_functions.settings.place import refuse_emulators

EXTENSION = "boiler-functions"
"""The key of `Documented` in `Flask.extensions`."""

__all__ = ["as_text", "create_app", "document"]


class Json(DefaultJSONProvider):
    """Writes JSON in the order of declaration."""

    sort_keys = False


class ApiServer(Flask):
    """A Flask application without static files, and with JSON in the order of declaration."""

    json_provider_class = Json


def create_app(
    declarations: Declarations,
    database: Callable[[], Database],
    surroundings: Surroundings = REAL,
    tokens: Tokens | None = None,
    secret: bytes | None = None,
    project: str | None = None,
) -> Flask:
    """Returns the Flask application of the app's REST rules; it calls `database` once per request.

    `tokens` verifies callers; by default firebase-admin does, as users of the `project`. `secret` encrypts page tokens.
    """
    refuse_emulators(os.environ)
    settings = declarations.http
    app = ApiServer(__name__, static_folder=None)
    app.config.update(
        API_TITLE=declarations.app,
        API_VERSION="1",
        OPENAPI_VERSION=VERSION,
        MAX_CONTENT_LENGTH=settings.max_body_bytes,
    )
    # Merging would redirect, with an answer in HTML that repeats the path.
    app.url_map.merge_slashes = False
    resources = _resources(declarations, database, surroundings, secret)
    rate = None if settings.rate is None else Rate(settings.rate, settings.burst, surroundings.clock)
    Gate(settings, tokens or _of_firebase(declarations, project), rate).put_before(app)
    tags = [tag(rule.view) for rule in declarations.of(REST)]
    api = app.extensions[EXTENSION] = Documented(app, tags, security_schemes(settings))
    api.register_blueprint(blueprint_of(resources, settings))
    if declarations.docs:
        app.register_blueprint(apidocs(declarations.app, api.document))
    answer_errors(app)
    return app


def _of_firebase(declarations: Declarations, project: str | None) -> Tokens:
    from boiler_functions.modes.authentication import FirebaseTokens

    return FirebaseTokens(project, tenant=declarations.tenant, check_revoked=declarations.http.check_revoked)


def _resources(
    declarations: Declarations, database: Callable[[], Database], surroundings: Surroundings, secret: bytes | None
) -> dict[str, Resource]:
    """Returns the resource of each rule, by the path of the rule."""
    secret_now = page_secret(declarations.app, database, secret)
    waiting = places(os.environ)
    return {
        rule.rule: Resource(
            app=declarations.app,
            view=rule.view,
            is_stored=rule.view in declarations.stored,
            database=database,
            surroundings=surroundings,
            settings=declarations.http,
            secret=secret_now,
            creates=rule.create,
            deletes=rule.delete,
            filtered_orders=rule.filtered_orders,
            places=waiting,
        )
        for rule in declarations.of(REST)
    }


def document(declarations: Declarations) -> dict[str, Any]:
    """Returns the OpenAPI document of the app's REST rules; needs no server and no database."""
    app = create_app(declarations, _no_database)
    found: Documented = app.extensions[EXTENSION]
    return found.document()


def _no_database() -> Database:
    raise AssertionError("describing the API must not use the database")
