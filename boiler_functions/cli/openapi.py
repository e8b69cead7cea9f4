"""`boiler openapi`: prints the OpenAPI document that the HTTP function serves, without starting it."""

from __future__ import annotations

from boiler_functions.app import Boiler
from boiler_functions.exceptions import ConfigurationError
from boiler_functions.modes.rest.apidocs import as_text
from boiler_functions.modes.rest.application import document
from boiler_functions.modes.rest.mode import REST


def openapi_json(app: Boiler) -> str:
    """Returns the document as JSON text; raises ConfigurationError for an app without REST rules."""
    if not app.declarations.of(REST):
        raise ConfigurationError(f"{app.name} has no REST rule; decorate a view model with `@app.rest('/path')`.")
    return as_text(document(app.compiled.declarations))
