"""Limits how often a caller may send requests, with a token bucket for each, in this process only."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from boiler_functions.types import Instant

MOST_CALLERS = 10_000
"""The most callers that are remembered; one that is forgotten, the longest unseen, starts with a full bucket."""


class Rate:
    """Lets each caller send `burst` requests at once, and `rate` requests a second in the long run."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], Instant]) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._lock = Lock()
        self._buckets: OrderedDict[str, tuple[float, Instant]] = OrderedDict()

    def wait(self, caller: str) -> float:
        """Counts a request and returns 0; if it is over the limit, returns the seconds to wait instead."""
        now = self._clock()
        with self._lock:
            left, since = self._buckets.pop(caller, (float(self._burst), now))
            left = min(self._burst, left + max(0, now - since) / 1e9 * self._rate)
            taken = left >= 1
            self._buckets[caller] = (left - taken, now)
            if len(self._buckets) > MOST_CALLERS:
                self._buckets.popitem(last=False)
        return 0.0 if taken else (1 - left) / self._rate
