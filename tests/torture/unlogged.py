"""What is broken on purpose is not logged: thousands of entries that tell nothing."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def unlogged() -> Iterator[None]:
    """The package logs nothing meanwhile; a function can be decorated with it."""
    logger = logging.getLogger("boiler_functions")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)
