"""A function that a change of a document invokes: what triggers it, and one invocation of it from start to report."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol, TypeAlias

from boiler_functions.database import Database, Document
from boiler_functions.database.change import Change
from boiler_functions.database.metered import Usage
from boiler_functions.exceptions import InvalidEvent, Permanent
from boiler_functions.manifest import CREATED, WRITTEN
from boiler_functions.modes.dead_letter import refuse_event
from boiler_functions.modes.drawing import Node
from boiler_functions.modes.invocation import REAL, Invocation, Surroundings
from boiler_functions.modes.run import Report, nothing, run
from boiler_functions.paths import Pattern, could_exist
from boiler_functions.settings.options import Options
from boiler_functions.views.fetching import Assumed
from boiler_functions.views.view_model import View


class Rest(Protocol):
    """The rest of an invocation's work, which another invocation does."""

    @property
    def function(self) -> str:
        """The entry point of the function that does the work."""
        ...

    @property
    def id(self) -> str:
        """The event that caused the work."""
        ...

    @property
    def name(self) -> str:
        """A name that is equal for equal work, so that a queue accepts it once."""
        ...

    @property
    def path(self) -> str:
        """The document whose change caused the work."""
        ...

    def change(self) -> Change:
        """That change, without contents."""
        ...

    def to_json(self) -> dict[str, Any]: ...


Enqueue: TypeAlias = Callable[[Any], None]
"""Puts a Rest into the queue; raises if it cannot, so that the event is not acknowledged."""


@dataclass(frozen=True, eq=False)
class EventFunction(ABC):
    """A compiled function that a change of a document invokes; each mode has a subclass that handles the change."""

    app: str
    mode: str
    entry_point: str
    source: Pattern
    options: Options

    @property
    def event_type(self) -> str:
        """The kind of change that triggers it: created, written and so on."""
        return WRITTEN

    @property
    @abstractmethod
    def views(self) -> tuple[View, ...]:
        """The view models that it serves."""

    @property
    @abstractmethod
    def written(self) -> tuple[Pattern, ...]:
        """The documents that it may write, for the search for cycles."""

    @abstractmethod
    def work(self, invocation: Invocation, change: Change, enqueue: Enqueue | None) -> None:
        """Handles the change; raises a Transient error if it must be delivered again."""

    def take_up(self, invocation: Invocation, rest: Any, enqueue: Enqueue | None) -> None:
        """Does the rest of another invocation's work."""
        raise NotImplementedError(f"{self.entry_point} hands no work on.")

    @abstractmethod
    def drawn(self) -> Iterator[tuple[Node, ...]]:
        """Yields the paths of the app's picture that lead from its trigger, through it, to the documents it writes."""

    def cost(self, view: View, assumed: Assumed) -> Usage:
        """Returns the cost of a change of the source, for one of its views."""
        return Usage()

    def copies(self, view: View, assumed: Assumed) -> int:
        """Returns how many copies of one of its views a change of the source writes at most."""
        return 0

    def at_most_every(self, view: View) -> timedelta | None:
        """Returns how often it writes the view at most; None for each change."""
        return None

    @property
    def hands_on(self) -> bool:
        """Whether it puts work that exceeds one invocation into the app's queue."""
        return False

    @property
    def serves(self) -> tuple[str, ...]:
        """The names of the views or functions that it serves."""
        return tuple(view.__name__ for view in self.views)

    @property
    def receives(self) -> str | None:
        """The source of its changes, if a renamed function that is still deployed would receive them a second time."""
        return None

    @property
    def timeout_sec(self) -> int:
        return self.options.time_limit

    def is_triggered_by(self, before: Document, after: Document) -> bool:
        """Whether such a change of a document triggers this function."""
        is_of_type = self.event_type != CREATED or (after.exists and not before.exists)
        return is_of_type and self.source.match(after.path) is not None

    def handle(
        self, change: Change, database: Database, surroundings: Surroundings = REAL, enqueue: Enqueue | None = None
    ) -> Report:
        """Handles the change and returns a report; raises a Transient error if the change must be delivered again."""
        return self.attempt(change, database, surroundings, enqueue).or_raise()

    def attempt(
        self, change: Change, database: Database, surroundings: Surroundings = REAL, enqueue: Enqueue | None = None
    ) -> Report:
        """Does the same as `handle`, but returns the error in the report."""
        if foreign := self._foreign(change):
            return self.refuse(change.id, foreign, database, surroundings)
        return run(self, change, database, surroundings, lambda invocation: self.work(invocation, change, enqueue))

    def go_on(self, rest: Rest, database: Database, surroundings: Surroundings, enqueue: Enqueue | None) -> Report:
        """Does the rest of another invocation's work, and returns a report; raises as `handle` does."""
        return self.attempt_rest(rest, database, surroundings, enqueue).or_raise()

    def attempt_rest(
        self, rest: Rest, database: Database, surroundings: Surroundings, enqueue: Enqueue | None
    ) -> Report:
        """Does the same as `go_on`, but returns the error in the report."""
        change = rest.change()
        if foreign := self._foreign(change):
            return self.refuse(change.id, foreign, database, surroundings)
        return run(self, change, database, surroundings, lambda invocation: self.take_up(invocation, rest, enqueue))

    def refuse(self, event: str, error: Permanent, database: Database, surroundings: Surroundings = REAL) -> Report:
        """Writes a dead letter for an event that does not belong to this function, and does nothing else."""

        def work(invocation: Invocation) -> None:
            refuse_event(invocation, view=", ".join(self.serves), subject=event, event=event, error=error)

        return run(self, nothing(event), database, surroundings, work)

    def _foreign(self, change: Change) -> InvalidEvent | None:
        """Returns the error for a change of a document that is not this function's, or None."""
        paths = {change.path, change.before.path, change.after.path}
        if len(paths) == 1 and self.source.match(change.path) is not None and could_exist(change.path):
            return None
        return InvalidEvent(
            f"The event {change.id!r} is of {', '.join(map(repr, sorted(paths)))}, and {self.entry_point} receives "
            f"changes of {self.source.text!r}; it is ignored. Find out who posts events to this function, and "
            f"remove their right to invoke it."
        )
