"""Works on several pages at once, and gives their results in the order of the pages."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from itertools import chain, islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_order(work: Callable[[T], R], items: Iterable[T], threads: int) -> Iterator[R]:
    """Yields the result of the work on each item, in the order of the items, with up to `threads` in work at once.

    While some are in work, the next item is fetched in the caller's thread. The first error, in the order of the items,
    is raised once what is in work has ended; nothing is begun after it is seen. With one thread, or one item, all is
    done in the caller's thread, one after the other.
    """
    iterator = iter(items)
    first = list(islice(iterator, 1))
    # Most changes concern a single page: they need no thread.
    second = list(islice(iterator, 1)) if threads > 1 else []
    if not second:
        yield from map(work, chain(first, iterator))
        return
    pool = ThreadPoolExecutor(threads, "page")
    is_left_early = False
    try:
        begun: deque[Future[R]] = deque()
        for item in chain(first, second, iterator):
            # In the caller's context, where a test may have chosen the database.
            begun.append(pool.submit(copy_context().run, work, item))
            if len(begun) > threads:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
    except GeneratorExit:
        # After Ctrl-C it may be the garbage collector that closes this, in a thread of the pool, which cannot wait for
        # itself.
        is_left_early = True
        raise
    finally:
        pool.shutdown(wait=not is_left_early, cancel_futures=True)
