"""The on-change mode: functions receive the changes of a model or a view."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from boiler_functions.database import Database
from boiler_functions.database.change import Change
from boiler_functions.exceptions import InvalidSink
from boiler_functions.manifest import CREATED, WRITTEN, collection_name, snake_case
from boiler_functions.modes.dead_letter import Letter
from boiler_functions.modes.drawing import Look, Node, source_node
from boiler_functions.modes.event_function import Enqueue, EventFunction
from boiler_functions.modes.invocation import Invocation
from boiler_functions.modes.mode import Declarations, Mode
from boiler_functions.modes.on_change.declaration import Sink
from boiler_functions.modes.on_change.delivery import deliver, deliver_again, is_delivered
from boiler_functions.modes.outbox import Recipient, undelivered
from boiler_functions.modes.standing import STOPPED, Asked, Standing, State, told_letters
from boiler_functions.paths import Pattern
from boiler_functions.types import to_instant
from boiler_functions.views.view_model import View

LOOK = Look("sink", "#fde8ef", "#be185d")


@dataclass(frozen=True, eq=False)
class SinkFunction(EventFunction):
    """Delivers changes to a sink: each new record of its outbox, or each change of a model's document."""

    sink: Sink

    @property
    def event_type(self) -> str:
        # Only new records: a delivered record is stamped, and that write is not a change of the view.
        return CREATED if self.sink.view else WRITTEN

    @property
    def views(self) -> tuple[View, ...]:
        return ()

    @property
    def written(self) -> tuple[Pattern, ...]:
        return ()

    @property
    def serves(self) -> tuple[str, ...]:
        return (self.sink.name,)

    @property
    def receives(self) -> str:
        return self.sink.target.__name__

    def drawn(self) -> Iterator[tuple[Node, ...]]:
        # The trigger is a record of the outbox, but the picture shows the view whose change it holds.
        name, target = self.entry_point, self.sink.target.__name__
        yield source_node(target, "each change"), Node(f"function {name}", LOOK, name, "at least once")

    def work(self, invocation: Invocation, change: Change, enqueue: Enqueue | None) -> None:
        deliver(invocation, self.sink, change)


class OnChangeMode(Mode[Sink]):
    """Functions that receive changes."""

    name = "on_change"
    counted = "receivers of changes"
    look = LOOK
    takes_kept_totals = True
    takes_own_copies = True

    def check(self, declarations: Declarations) -> None:
        for sink in declarations.of(self):
            if sink.view and sink.view not in declarations.stored:
                raise InvalidSink(
                    f"{sink.name} receives the changes of {sink.view.__name__}, but {declarations.app!r} does not "
                    f"store that view, so nothing notices its changes; decorate {sink.view.__name__} with `@app.query`."
                )

    def reads_copies(self, declaration: Sink) -> bool:
        return True  # It reads no Store.

    def recipients(self, declarations: Declarations) -> Iterator[Recipient]:
        return (sink for sink in declarations.of(self) if sink.view)

    def retry(self, declarations: Declarations, letter: Letter) -> Callable[[Invocation], None] | None:
        sink = self._sink_of(declarations, letter)
        return None if sink is None else lambda invocation: deliver_again(invocation, sink, letter)

    def settled_letters(
        self, declarations: Declarations, letters: Collection[Letter], database: Database
    ) -> Iterator[Letter]:
        if own := [letter for letter in letters if self._sink_of(declarations, letter)]:
            records = {each.path: each for each in database.read({letter.subject for letter in own}).documents}
            yield from (letter for letter in own if is_delivered(records[letter.subject]))

    def _sink_of(self, declarations: Declarations, letter: Letter) -> Sink | None:
        own = (each for each in declarations.of(self) if each.name == letter.view)
        return next((each for each in own if letter.subject.startswith(f"{each.outbox(declarations.app)}/")), None)

    def standings(self, declarations: Declarations, asked: Asked) -> Iterator[tuple[str, Callable[[], Standing]]]:
        for sink in declarations.of(self):
            yield sink.name, partial(_standing_of, declarations.app, self.name, sink, asked)

    def event_functions(self, declarations: Declarations) -> Iterator[EventFunction]:
        """Returns one function for each sink."""
        for sink in declarations.of(self):
            on = snake_case(sink.view.__name__) if sink.view else collection_name(sink.target.pattern().text)
            name = f"{snake_case(sink.name)}_on_{on}"
            options = declarations.settled(self, name, sink.options)
            if options.retry is False:
                raise InvalidSink(
                    f"{sink.name} receives changes at least once, but with retry=False a failed event would be "
                    f"dropped; leave `retry` on."
                )
            yield SinkFunction(declarations.app, self.name, name, sink.source(declarations.app), options, sink)


ON_CHANGE = OnChangeMode()


def _standing_of(app: str, mode: str, sink: Sink, asked: Asked) -> Standing:
    """Returns the standing of a receiver by its letters and its records that were not delivered."""
    pending = undelivered(asked.database, sink.outbox(app))
    letters = asked.letters_of(sink.name)
    oldest = min((each["time"] for each in pending), default=None)
    waited = None if oldest is None else asked.age_of(to_instant(oldest))
    figures: dict[str, Any] = {"undelivered": len(pending), "oldest_undelivered": oldest, "letters": letters}
    # The record of a model's change is made by the function itself, so that no record does not mean no change.
    is_known = asked.registration.deployment > 0 or bool(letters) or (sink.view is not None and bool(pending))
    waiting = f"{len(pending)} changes wait to be delivered"
    whys = {
        State.UNKNOWN: "" if is_known else "no deployment is registered here",
        State.STOPPED: f"{waiting}: does its function run?" if waited and waited >= STOPPED else "",
        State.FAILING: told_letters(letters),
        State.LATE: waiting if waited and waited >= asked.late else "",
    }
    return Standing.worst(mode, sink.name, figures, whys)
