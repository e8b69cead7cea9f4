"""`boiler openapi`: the document that the HTTP function serves, made without it."""

from __future__ import annotations

from boiler_functions.app import Boiler
from boiler_functions.exceptions import ConfigurationError
from boiler_functions.modes.rest import as_text, document


def openapi_json(app: Boiler) -> str:
    """The document as text; raises ConfigurationError for an app without REST rules."""
    if not app.compiled.declarations.rules:
        raise ConfigurationError(f"{app.name} has no REST rule; decorate a view model with `@app.rest('/path')`.")
    return as_text(document(app.compiled))
