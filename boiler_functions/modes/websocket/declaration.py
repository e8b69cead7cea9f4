"""Declares a namespace of Socket.IO: `@app.websocket`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from boiler_functions.exceptions import InvalidReference, InvalidRule
from boiler_functions.modes.decorated import check_view
from boiler_functions.modes.mode import Declarations, Mode
from boiler_functions.settings.checks import text
from boiler_functions.settings.options import Options
from boiler_functions.views.view_model import View

SOCKETS = "websocket"
"""The entry point of the service that serves the sockets."""


@dataclass(frozen=True, eq=False)
class Socket:
    """A Socket.IO namespace in which clients follow and change the instances of a view model."""

    view: View
    namespace: str
    options: Options = field(default_factory=Options)


def socket(mode: Mode[Socket], namespace: str) -> Callable[[Declarations, Any], Socket]:
    """Returns what declares the decorated view under the namespace."""
    text(f"@app.websocket({namespace!r}): the namespace", namespace)
    if not re.fullmatch(r"(/[a-zA-Z0-9_-]+)+", namespace):
        raise InvalidRule(f"@app.websocket({namespace!r}): a namespace is a path of names, for example '/meeting'.")

    def declare(declarations: Declarations, decorated: Any) -> Socket:
        view = check_view(f"@app.websocket({namespace!r})", decorated)
        if view.store_class.root() is None:
            raise InvalidReference(
                f"@app.websocket({namespace!r}): {view.__name__} has no root, whose id clients would subscribe to. "
                f"Give its Store a root: a `reference(Model)` from which all other references follow."
            )
        for other in declarations.of(mode):
            if other.namespace == namespace:
                raise InvalidRule(
                    f"@app.websocket({namespace!r}) is given for {other.view.__name__} and {view.__name__}; use a "
                    f"namespace for one view only."
                )
        view.view_schema()
        return Socket(view, namespace)

    return declare
