"""Works on many views together, and finds the one that cannot be built without giving up the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from boiler_functions.exceptions import InvalidRequest, Permanent

T = TypeVar("T")
R = TypeVar("R")


def by_halves(work: Callable[[list[T]], R], items: list[T], failed: Callable[[T], R]) -> Iterator[R]:
    """Yields the result of the work on all items; if one of them is at fault, on halves of them, each by itself.

    Yields what `failed` returns for an item with which the work fails alone. A refused request, as without an index, is
    the fault of none of them, and is raised.
    """
    try:
        result = work(items)
    except InvalidRequest:
        raise
    except Permanent:
        if len(items) == 1:
            yield failed(items[0])
            return
        middle = len(items) // 2
        yield from by_halves(work, items[:middle], failed)
        yield from by_halves(work, items[middle:], failed)
    else:
        yield result
