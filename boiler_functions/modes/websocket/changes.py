"""Changes a view through its setters, as a PATCH does: the same audience, one commit, the same answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from boiler_functions.access import Caller
from boiler_functions.database import Database
from boiler_functions.modes.invocation import Surroundings
from boiler_functions.modes.mode import Declarations
from boiler_functions.modes.rest.call import Call
from boiler_functions.modes.rest.resource import Resource
from boiler_functions.modes.websocket.views import Change
from boiler_functions.views.view_model import View, ViewModel


def changes_of(
    declarations: Declarations, view: View, database: Callable[[], Database], surroundings: Surroundings
) -> Change:
    """What mutates the instances of the view."""
    is_stored = view in declarations.stored
    resource = Resource(declarations.app, view, is_stored, database, surroundings, declarations.http, _no_secret)

    def change(key: Mapping[str, str], values: Mapping[str, Any], caller: Caller | None) -> Mapping[str, Any] | None:
        def work(model: ViewModel[Any]) -> None:
            for name, value in values.items():
                setattr(model, name, value)

        return resource.change(key, Call(caller, sent=values), work).body

    return change


def _no_secret() -> bytes:
    raise AssertionError("No list is read here, so that there is no page token to seal.")
