"""The latest deliveries of `boiler dev`, which the desk shows as they come."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import takewhile
from typing import Any, Final, NamedTuple

from boiler_functions.exceptions import ConfigurationError
from boiler_functions.local.delivery import Delivered
from boiler_functions.local.events import Event

LONGEST: Final = 10_000
"""How many deliveries are kept, and shown at most."""

_HEARTBEAT_SECONDS: Final = 15.0

_PAUSE_SECONDS: Final = 0.1
"""Between two messages, so that a browser gets hundreds of deliveries a second in ten messages."""


class _Entry(NamedTuple):
    number: int
    function: str
    event: Event | None
    json: Mapping[str, Any]


class Timeline:
    """Keeps deliveries, and passes them on to those who follow it. Threads may share it."""

    def __init__(self, deliver: Callable[[str, Event], None]) -> None:
        self._deliver = deliver
        self._entries: deque[_Entry] = deque(maxlen=LONGEST)
        self._last = 0
        self._changed = threading.Condition()

    def add(self, delivery: Delivered, event: Event | None, report: Mapping[str, Any] | None) -> None:
        """Adds a delivery; `report` says what the function did, unless it failed."""
        with self._changed:
            self._last += 1
            told = {
                "number": self._last,
                "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "function": delivery.function,
                "document": delivery.subject,
                "event": delivery.event_id,
                "attempt": delivery.attempt,
                "status": delivery.status,
                "error": delivery.error,
                "milliseconds": round(delivery.milliseconds, 1),
                "report": report,
            }
            self._entries.append(_Entry(self._last, delivery.function, event, told))
            self._changed.notify_all()

    def stream(self, after: int) -> Iterator[str]:
        """Yields all deliveries after a number as server-sent events, many in one, and then new ones as they come."""
        while True:
            if found := self._after(after):
                after = found[-1].number
                yield f"id: {after}\ndata: {json.dumps([each.json for each in found])}\n\n"
                time.sleep(_PAUSE_SECONDS)
            else:
                # The stream ends here if the browser has gone.
                yield ": nothing new\n\n"

    def _after(self, number: int) -> list[_Entry]:
        """Waits for a delivery after the number, though not for ever, and returns all of them."""
        with self._changed:
            self._changed.wait_for(lambda: self._last > number, _HEARTBEAT_SECONDS)
            newest_first = takewhile(lambda each: each.number > number, reversed(self._entries))
            return list(newest_first)[::-1]

    def deliver_again(self, number: int) -> None:
        """Delivers the event of a delivery once more, as production may.

        Raises ConfigurationError if it is no longer kept.
        """
        with self._changed:
            entry = next((each for each in self._entries if each.number == number), None)
        if entry is None or entry.event is None:
            raise ConfigurationError(f"The event of delivery {number} is no longer kept.")
        self._deliver(entry.function, entry.event)
