"""One run of a function: the invocation, and the report of its outcomes, its cost and the error that ended it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from boiler_functions.database import Database, Document
from boiler_functions.database.change import Change
from boiler_functions.database.metered import Metered, Usage
from boiler_functions.exceptions import Permanent
from boiler_functions.modes.dead_letter import write_dead_letter
from boiler_functions.modes.invocation import Invocation, Surroundings

# Half of the time is for new pages; the other half is for the page in progress, cold starts and slow commits.
_BUDGET = 0.5


class Runnable(Protocol):
    """The parts of a compiled function that a run needs."""

    @property
    def app(self) -> str: ...
    @property
    def entry_point(self) -> str: ...
    @property
    def serves(self) -> tuple[str, ...]: ...
    @property
    def timeout_sec(self) -> int: ...


class Report(NamedTuple):
    """The outcomes and the cost of one invocation."""

    function: str
    event: str
    document: str
    outcomes: Mapping[str, int]
    usage: Usage
    attempts: int
    milliseconds: float
    lag_milliseconds: float | None = None
    """From the source's `update_time` to the last commit, by the database's clock; None if nothing was built."""
    views: tuple[str, ...] = ()
    error: Exception | None = None
    """The error that ended the invocation, after which the event must be delivered again."""
    contested: Mapping[tuple[str, str], int] = {}
    """The instances, by view and root, whose ledgers another builder changed first, and how often."""

    @property
    def outcome(self) -> str:
        """The result of the event in one word: its only outcome, `several`, `nothing to do`, or `failed`."""
        if self.error:
            return "failed"
        return "several" if len(self.outcomes) > 1 else next(iter(self.outcomes), "nothing to do")

    def or_raise(self) -> Report:
        """Returns this report, or raises the error that ended the invocation."""
        if self.error:
            raise self.error
        return self

    def told(self, failure: str) -> str:
        """Returns the report as a line, with `failure` as the description of its error."""
        outcomes = [f"{count} {outcome}" for outcome, count in self.outcomes.items()]
        became = ", ".join([*outcomes, f"failed, {failure}"] if failure else outcomes) or "nothing to do"
        usage = f"{self.usage.reads} reads, {self.usage.writes} writes, {self.usage.rpcs} RPCs"
        cause = f"{self.function} ← {self.document}" if self.document else self.function
        return f"{cause}: {became}; {usage}; {self.milliseconds:.0f} ms"

    def __str__(self) -> str:
        return self.told(f"{type(self.error).__name__}: {self.error}" if self.error else "")


def run(
    function: Runnable,
    change: Change,
    database: Database,
    surroundings: Surroundings,
    work: Callable[[Invocation], None],
) -> Report:
    """Returns the report of the work; a Permanent error becomes a dead letter, any other stays in the report."""
    started = time.perf_counter()
    deadline = surroundings.clock() + int(function.timeout_sec * _BUDGET * 1_000_000_000)
    invocation = Invocation(function.app, function.entry_point, Metered(database), surroundings, deadline)
    error: Exception | None = None
    try:
        try:
            work(invocation)
        except Permanent as permanent:
            write_dead_letter(
                invocation,
                view=", ".join(function.serves),
                subject=change.path,
                source=change.path,
                event=change.id,
                error=permanent,
            )
    except Exception as raised:
        error = raised
    committed, updated = invocation.database.commit_time, change.after.version
    return Report(
        function.entry_point,
        change.id,
        change.path,
        {str(outcome): count for outcome, count in invocation.outcomes.items()},
        invocation.database.usage,
        invocation.attempts,
        milliseconds=(time.perf_counter() - started) * 1000,
        lag_milliseconds=(committed - updated) / 1e6 if committed and change.after.exists else None,
        views=function.serves,
        error=error,
        contested=dict(invocation.contested),
    )


def nothing(cause: str) -> Change:
    """Returns the change of an invocation that no change of a document caused."""
    document = Document("")
    return Change(cause, "", "", document, document, 0)
