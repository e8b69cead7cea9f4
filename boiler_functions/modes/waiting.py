"""Who may hold a thread of the process for long: some threads only, so that others are left for all other requests."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from threading import Semaphore

THREADS = "THREADS"
"""The variable by which functions-framework is told its threads."""


def places(environment: Mapping[str, str]) -> Semaphore:
    """A place for half of the threads that serve this process; all who wait share them, whatever they wait for."""
    # As functions_framework/_http/gunicorn.py counts them.
    return _places(int(environment.get(THREADS) or (os.cpu_count() or 1) * 4) // 2)


@cache
def _places(number: int) -> Semaphore:
    return Semaphore(number)
