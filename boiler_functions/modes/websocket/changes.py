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
from boiler_functions.modes.websocket.views import Mutate
from boiler_functions.views.view_model import View, assign


def changes_of(
    declarations: Declarations, view: View, database: Callable[[], Database], surroundings: Surroundings
) -> Mutate:
    """Returns a function that changes instances of the view."""
    resource = Resource(
        app=declarations.app,
        view=view,
        is_stored=view in declarations.stored,
        database=database,
        surroundings=surroundings,
        settings=declarations.http,
    )

    def change(key: Mapping[str, str], values: Mapping[str, Any], caller: Caller | None) -> Mapping[str, Any] | None:
        return resource.change(key, Call(caller, sent=values), lambda each: assign(each, values)).body

    return change
