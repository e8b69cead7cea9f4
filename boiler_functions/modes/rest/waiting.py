"""Who may wait for a stored view: some threads of the process, so that others are left for all other requests."""

from __future__ import annotations

import os
from collections.abc import Mapping
from threading import Semaphore

THREADS = "THREADS"
"""The variable by which functions-framework is told its threads."""


def places(environment: Mapping[str, str]) -> Semaphore:
    """A place for half of the threads that serve this process."""
    # As functions_framework/_http/gunicorn.py counts them.
    threads = int(environment.get(THREADS) or (os.cpu_count() or 1) * 4)
    return Semaphore(threads // 2)
