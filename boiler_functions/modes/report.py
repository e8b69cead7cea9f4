"""The report of one invocation: its outcomes, its cost, and the error that ended it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from boiler_functions.database.metered import Usage


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
