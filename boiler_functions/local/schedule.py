"""A schedule of work, shared by threads."""

import heapq
import threading
import time
from collections.abc import Sequence
from itertools import count
from typing import Generic, TypeVar

T = TypeVar("T")


class Schedule(Generic[T]):
    """Hands attempts to threads when they become due; knows whether any attempt waits or is in progress."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: list[tuple[float, int, T]] = []
        self._order = count()
        self._closed = False
        self._open = 0
        self._events = 0

    def add(self, attempts: Sequence[T], waits: Sequence[float]) -> None:
        now = time.monotonic()
        with self._changed:
            self._open += len(attempts)
            self._events += 1
            for attempt, wait in zip(attempts, waits, strict=True):
                heapq.heappush(self._waiting, (now + wait, next(self._order), attempt))
            self._changed.notify_all()

    def take(self) -> T | None:
        """Returns the next attempt once it is due; None if the schedule is closed."""
        with self._changed:
            while not self._closed:
                wait = self._waiting[0][0] - time.monotonic() if self._waiting else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._waiting)[2]
                self._changed.wait(wait)
            return None

    def finish(self, again: T | None = None, wait: float = 0.0) -> None:
        """Ends an attempt that was taken, and schedules `again` after `wait` seconds."""
        with self._changed:
            if again is None:
                self._open -= 1
            else:
                heapq.heappush(self._waiting, (time.monotonic() + wait, next(self._order), again))
            self._changed.notify_all()

    def wait_idle(self, deadline: float) -> int | None:
        """Waits until no attempt is left, and returns how often `add` was called; None if the deadline passes first."""
        with self._changed:
            idle = self._changed.wait_for(lambda: self._open == 0, deadline - time.monotonic())
            return self._events if idle else None

    def is_idle_since(self, events: int) -> bool:
        """Returns whether no attempt is left, and none was added since `wait_idle` returned `events`."""
        with self._changed:
            return self._open == 0 and self._events == events

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
