"""Limits how many threads of the process wait for slow clients, so that threads are left for other requests."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from threading import Semaphore

THREADS = "THREADS"
"""The environment variable with the number of threads of functions-framework."""


def places(environment: Mapping[str, str]) -> Semaphore:
    """Returns a semaphore with places for half of the process's threads, shared by all that wait for something."""
    # As functions_framework/_http/gunicorn.py counts them.
    return _places(int(environment.get(THREADS) or (os.cpu_count() or 1) * 4) // 2)


@cache
def _places(number: int) -> Semaphore:
    return Semaphore(number)
