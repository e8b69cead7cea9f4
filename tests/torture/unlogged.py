"""Silences the log: faults on purpose would fill it with thousands of useless entries."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def unlogged() -> Iterator[None]:
    """Silences the package's log during the `with` block, or the decorated function."""
    logger = logging.getLogger("boiler_functions")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)
