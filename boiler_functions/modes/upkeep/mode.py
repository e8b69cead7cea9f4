"""Upkeep: one scheduled function of each app, which lets every mode do the work that is left.

No decorator declares it. An app that stores views has it, because a view can be owed a build for which no event
will come.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from boiler_functions.modes.drawing import Look, Node, view_node
from boiler_functions.modes.event_function import Enqueue
from boiler_functions.modes.invocation import Invocation
from boiler_functions.modes.letters import end_settled
from boiler_functions.modes.mode import Declarations, Mode
from boiler_functions.modes.scheduled_function import ScheduledFunction
from boiler_functions.types import Instant

ENTRY_POINT = "upkeep"

LOOK = Look("upkeep", "#f3e8ff", "#7e22ce")


@dataclass(frozen=True, eq=False)
class UpkeepFunction(ScheduledFunction):
    """Lets each mode do the work that is left, one mode after the other."""

    declarations: Declarations

    def work(self, invocation: Invocation, enqueue: Enqueue | None) -> None:
        # All but the view of a staged version is production's to look after.
        is_staged = bool(invocation.surroundings.release.staged)
        for mode in self.declarations.modes:
            if mode.stores or not is_staged:
                mode.look_after(self.declarations, invocation, invocation.now())
        # Last, as a build without a queue takes all of the time that is left.
        for mode in self.declarations.modes if not is_staged else ():
            mode.go_on(self.declarations, invocation, enqueue)


class UpkeepMode(Mode[Any]):
    """The work that an app does by a schedule, without an event or a request."""

    name = "upkeep"
    counted = "upkeeps"
    look = LOOK
    has_decorator = False

    def scheduled_functions(self, declarations: Declarations) -> Iterator[ScheduledFunction]:
        if declarations.upkeep and declarations.stored:
            served = tuple(view.__name__ for view in declarations.stored)
            options = declarations.settled(self, ENTRY_POINT, declarations.options)
            yield UpkeepFunction(declarations.app, self.name, ENTRY_POINT, options, served, declarations)

    def look_after(self, declarations: Declarations, invocation: Invocation, due_by: Instant) -> None:
        """Deletes dead letters whose work was done since; runs after all other modes, so that their builds count."""
        if not invocation.is_out_of_time:
            end_settled(declarations, invocation)

    def drawn(self, declarations: Declarations) -> Iterator[tuple[Node, ...]]:
        for function in self.scheduled_functions(declarations):
            middle = Node(f"function {function.entry_point}", LOOK, function.entry_point, "once a minute")
            for view in declarations.stored:
                yield middle, view_node(view)


UPKEEP = UpkeepMode()
