"""The time of a build, which getters ask questions about: `self.store.now.has_passed(task.due_at)`.

A stored view cannot follow a clock, but it can follow a question: each names the moment at which its answer changes,
and the ledger keeps the earliest, so that upkeep builds the view again then.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from boiler_functions.types import Instant, shown, to_instant

_DAY = 24 * 3600 * 1_000_000_000

_LAST = to_instant(datetime.max)
"""No timestamp is later, so no view is woken later."""


class Now:
    """The time at which the documents of a Store were read.

    It is that of the database and not of the process, whose clock may differ, and the same for all questions of a
    build. `changes_at` is the earliest moment at which an answer that was given becomes another.
    """

    def __init__(self, read_time: Callable[[], Instant]) -> None:
        self._read_time = read_time
        self.changes_at: Instant | None = None

    def has_passed(self, moment: datetime) -> bool:
        """Returns whether the moment is over; at the moment itself, it is."""
        at = _instant("has_passed", moment)
        self._change_at(at)
        return at <= self._read_time()

    def days_until(self, moment: datetime) -> int:
        """Returns how many whole days of 24 hours are left until the moment: 0 on the last day, and ever after."""
        at = _instant("days_until", moment)
        days = max(0, (at - self._read_time()) // _DAY)
        if days:
            # With exactly so many days left, the number is still the same.
            self._change_at(at - days * _DAY + 1)
        return days

    def is_within(self, moment: datetime, distance: timedelta) -> bool:
        """Returns whether the moment is less than `distance` away, before or after; `has_passed` tells on which side.

        now.is_within(meeting.starts_at, timedelta(minutes=15))
        """
        at, width = _instant("is_within", moment), distance // timedelta(microseconds=1) * 1000
        self._change_at(at - width)
        self._change_at(at + width)
        return at - width <= self._read_time() < at + width

    def _change_at(self, moment: Instant) -> None:
        if not self._read_time() < moment <= _LAST:
            return
        if self.changes_at is None or moment < self.changes_at:
            self.changes_at = moment


def _instant(question: str, moment: object) -> Instant:
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise TypeError(
            f"self.store.now.{question}({shown(moment)}): give a datetime with a time zone, as attributes declared "
            f"with `attrs.timestamp` have; if the attribute may be None, check that first."
        )
    return to_instant(moment)
