"""A function that a change of a document invokes: what triggers it, and one invocation of it from start to report."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from boiler_functions.database import Database, Document
from boiler_functions.database.change import Change
from boiler_functions.database.metered import Usage
from boiler_functions.exceptions import InvalidEvent, Permanent
from boiler_functions.manifest import CREATED, WRITTEN
from boiler_functions.modes.dead_letter import refuse_event
from boiler_functions.modes.drawing import Node
from boiler_functions.modes.invocation import REAL, Invocation, Surroundings
from boiler_functions.modes.report import Report
from boiler_functions.modes.run import nothing, run
from boiler_functions.paths import Pattern, could_exist
from boiler_functions.settings.options import Options
from boiler_functions.views.fetching import Assumed
from boiler_functions.views.view_model import View


class Rest(Protocol):
    """What is left of an invocation's work, to be taken up by another."""

    @property
    def function(self) -> str:
        """The entry point of the function whose work it is."""
        ...

    @property
    def id(self) -> str:
        """The event that caused the work."""
        ...

    @property
    def name(self) -> str:
        """Equal for equal work, so that a queue takes it once."""
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
"""Hands a Rest on; raises when it could not, so that the event is not acknowledged."""


@dataclass(frozen=True, eq=False)
class EventFunction(ABC):
    """A compiled function that a change of a document invokes; its mode says what it does about the change."""

    app: str
    mode: str
    entry_point: str
    source: Pattern
    options: Options

    @property
    def event_type(self) -> str:
        """Which changes of its source are events of it."""
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
        """Does what the change asks for; raises a Transient error when it must be delivered again."""

    def take_up(self, invocation: Invocation, rest: Any, enqueue: Enqueue | None) -> None:
        """Does work that another invocation left."""
        raise NotImplementedError(f"{self.entry_point} hands no work on.")

    @abstractmethod
    def drawn(self) -> Iterator[tuple[Node, ...]]:
        """Every way from what triggers it, through it, to what it writes."""

    def cost(self, view: View, assumed: Assumed) -> Usage:
        """What a change of the source costs it for one of its views."""
        return Usage()

    @property
    def hands_on(self) -> bool:
        """Whether it puts work that does not fit into one invocation into the app's queue."""
        return False

    @property
    def serves(self) -> tuple[str, ...]:
        """The names of what it serves, as its declarations call them."""
        return tuple(view.__name__ for view in self.views)

    @property
    def timeout_sec(self) -> int:
        return self.options.time_limit

    def is_triggered_by(self, before: Document, after: Document) -> bool:
        """Whether a document that changes so is an event of this function."""
        is_of_type = self.event_type != CREATED or (after.exists and not before.exists)
        return is_of_type and self.source.match(after.path) is not None

    def handle(
        self, change: Change, database: Database, surroundings: Surroundings = REAL, enqueue: Enqueue | None = None
    ) -> Report:
        """Reports what was done about the change; raises a Transient error when it must be delivered again."""
        return self.attempt(change, database, surroundings, enqueue).or_raise()

    def attempt(
        self, change: Change, database: Database, surroundings: Surroundings = REAL, enqueue: Enqueue | None = None
    ) -> Report:
        """As `handle`, but the report holds the error."""
        if foreign := self._foreign(change):
            return self.refuse(change.id, foreign, database, surroundings)
        return run(self, change, database, surroundings, lambda invocation: self.work(invocation, change, enqueue))

    def go_on(self, rest: Rest, database: Database, surroundings: Surroundings, enqueue: Enqueue | None) -> Report:
        """As `handle`, for work that another invocation of the function left."""
        return self.attempt_rest(rest, database, surroundings, enqueue).or_raise()

    def attempt_rest(
        self, rest: Rest, database: Database, surroundings: Surroundings, enqueue: Enqueue | None
    ) -> Report:
        """As `go_on`, but the report holds the error."""
        change = rest.change()
        if foreign := self._foreign(change):
            return self.refuse(change.id, foreign, database, surroundings)
        return run(self, change, database, surroundings, lambda invocation: self.take_up(invocation, rest, enqueue))

    def refuse(self, event: str, error: Permanent, database: Database, surroundings: Surroundings = REAL) -> Report:
        """Does nothing about an event that is not this function's, but for a dead letter."""

        def work(invocation: Invocation) -> None:
            refuse_event(invocation, view=", ".join(self.serves), subject=event, event=event, error=error)

        return run(self, nothing(event), database, surroundings, work)

    def _foreign(self, change: Change) -> InvalidEvent | None:
        """Why the change is none of this function's documents; None when it is."""
        paths = {change.path, change.before.path, change.after.path}
        if len(paths) == 1 and self.source.match(change.path) is not None and could_exist(change.path):
            return None
        return InvalidEvent(
            f"The event {change.id!r} is of {', '.join(map(repr, sorted(paths)))}, and {self.entry_point} receives "
            f"changes of {self.source.text!r}; nothing is done about it. Find who posts events to this function, and "
            f"take the right to invoke it from them."
        )
