"""How often one caller may send: a token bucket for each, in this process alone."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from boiler_functions.types import Instant

MOST_CALLERS = 10_000
"""Callers that are remembered; whoever was seen longest ago is forgotten, and starts with a full bucket."""


class Rate:
    """Lets each caller send `burst` requests at once, and `rate` a second for long."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], Instant]) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._lock = Lock()
        self._buckets: OrderedDict[str, tuple[float, Instant]] = OrderedDict()

    def wait(self, caller: str) -> float:
        """Takes a request of the caller's and returns 0, or the seconds until the next one will be taken."""
        now = self._clock()
        with self._lock:
            left, since = self._buckets.pop(caller, (float(self._burst), now))
            left = min(self._burst, left + max(0, now - since) / 1e9 * self._rate)
            taken = left >= 1
            self._buckets[caller] = (left - taken, now)
            if len(self._buckets) > MOST_CALLERS:
                self._buckets.popitem(last=False)
        return 0.0 if taken else (1 - left) / self._rate
