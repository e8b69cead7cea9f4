"""Contestants, measured in turns: ours, peer, ours, peer."""

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

ROUNDS = 61
WARM_UP = 10


@dataclass(frozen=True)
class Contestant(Generic[T]):
    """Work on something that is prepared for each run, outside the measured time."""

    prepare: Callable[[], T]
    run: Callable[[T], object]

    def milliseconds(self) -> float:
        made = self.prepare()
        started = time.perf_counter()
        self.run(made)
        return (time.perf_counter() - started) * 1000


def medians(contestants: Mapping[str, Contestant[T]], rounds: int = ROUNDS, warm_up: int = WARM_UP) -> dict[str, float]:
    """Returns the median milliseconds of each; every round runs all contestants, starting with another one."""
    samples: dict[str, list[float]] = {name: [] for name in contestants}
    names = list(contestants)
    with _frozen_garbage():
        for turn in range(warm_up + rounds):
            first = turn % len(names)
            for name in names[first:] + names[:first]:
                taken = contestants[name].milliseconds()
                if turn >= warm_up:
                    samples[name].append(taken)
    return {name: statistics.median(each) for name, each in samples.items()}


@contextmanager
def _frozen_garbage() -> Iterator[None]:
    """Excludes objects that exist already from garbage collection, so that no contestant pays for them."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
