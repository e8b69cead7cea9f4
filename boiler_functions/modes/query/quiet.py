"""Quiet views: `@app.query(at_most_every=…)` limits how often a view is written; its last state always is.

A change that comes too early is postponed: the ledger says until when, and that is a promise of a build from a reading
at that time or later. Changes that come before it find the promise, and cost one read. Upkeep keeps it, or whichever
change comes first after it. Only what may take a copy away from somebody is looked into at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from boiler_functions.database.change import Change
from boiler_functions.modes.ledger import SETTLING, Ledger, Wake
from boiler_functions.types import Instant
from boiler_functions.views.build import Instance
from boiler_functions.views.placing import may_withdraw
from boiler_functions.views.view_model import View


class QuietViews(NamedTuple):
    """The least time between two writes of a view, in nanoseconds, for each view that has one."""

    app: str
    every: Mapping[View, Instant] = {}

    def is_postponed(self, instance: Instance, ledger: Ledger, change: Change) -> bool:
        """Whether a build that is to come reads later than the ledger was read, and so after the change.

        The event does not say when the change was: one of a deletion has no time, and the clocks of processes differ.
        """
        if instance.view not in self.every or ledger.postponed is None or may_withdraw(instance.view, change):
            return False
        return ledger.read_at + SETTLING <= ledger.postponed.at

    def is_too_early(self, instance: Instance, ledger: Ledger, read_at: Instant) -> bool:
        """Whether the view was written too short a time ago to be written from this reading."""
        every = self.every.get(instance.view)
        return every is not None and ledger.content_hash is not None and read_at < ledger.written_at + every

    def postponing(self, instance: Instance, ledger: Ledger, read_at: Instant) -> Ledger:
        """Returns the ledger with the promise of a build after this reading, unchanged if it has one."""
        if ledger.postponed is not None and read_at + SETTLING <= ledger.postponed.at:
            return ledger
        until = ledger.written_at + self.every[instance.view] + SETTLING
        return ledger._replace(postponed=Wake.of(self.app, until))

    def built(self, instance: Instance, ledger: Ledger, read_at: Instant, *, is_written: bool) -> Ledger:
        """Returns the ledger of a view that was built from this reading, and written if a copy changed."""
        every = self.every.get(instance.view)
        if is_written and every is not None:
            ledger = ledger._replace(written_at=read_at)
        if ledger.postponed is None or read_at >= ledger.postponed.at:
            return ledger._replace(postponed=None)
        # Changes after the reading were postponed, too. The promise may be kept later than it says, so one build does.
        until = max(ledger.postponed.at, ledger.written_at + (every or 0) + SETTLING)
        return ledger._replace(postponed=Wake.of(self.app, until))
