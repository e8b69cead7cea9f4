"""Runs a function's work as one invocation, and reports what it did."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from boiler_functions.database import Database, Document
from boiler_functions.database.change import Change
from boiler_functions.database.metered import Metered
from boiler_functions.exceptions import Permanent
from boiler_functions.modes.dead_letter import write_dead_letter
from boiler_functions.modes.invocation import Invocation, Surroundings
from boiler_functions.modes.report import Report

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
    )


def nothing(cause: str) -> Change:
    """Returns the change of an invocation that no change of a document caused."""
    document = Document("")
    return Change(cause, "", "", document, document, 0)
