"""The list of modes, in the order in which each is asked. A new mode is a folder, a line here, and a decorator."""

from __future__ import annotations

from typing import Any

from boiler_functions.modes.document.mode import DOCUMENT
from boiler_functions.modes.mode import Mode
from boiler_functions.modes.on_change.mode import ON_CHANGE
from boiler_functions.modes.query.mode import QUERY
from boiler_functions.modes.rest.mode import REST
from boiler_functions.modes.task.mode import TASK
from boiler_functions.modes.upkeep.mode import UPKEEP
from boiler_functions.modes.websocket.mode import WEBSOCKET

MODES: tuple[Mode[Any], ...] = (QUERY, TASK, DOCUMENT, ON_CHANGE, REST, WEBSOCKET, UPKEEP)

__all__ = ["DOCUMENT", "MODES", "ON_CHANGE", "QUERY", "REST", "TASK", "UPKEEP", "WEBSOCKET"]
