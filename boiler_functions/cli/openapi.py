"""`boiler openapi`: prints the OpenAPI document that the HTTP function serves, without starting it."""

from __future__ import annotations

from boiler_functions.app import Boiler
from boiler_functions.exceptions import ConfigurationError


def served_json(app: Boiler) -> str | None:
    """Returns the document as JSON text; None for an app that serves no API."""
    declared = app.compiled.declarations
    found = (mode.openapi(declared) for mode in declared.modes)
    return next((each for each in found if each is not None), None)


def openapi_json(app: Boiler) -> str:
    """Returns the document as JSON text; raises ConfigurationError for an app that serves no API."""
    if (text := served_json(app)) is None:
        raise ConfigurationError(f"{app.name} has no REST rule; decorate a view model with `@app.rest('/path')`.")
    return text
