"""Concurrent copies of one event: one takes effect, all are acknowledged, none waits long."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from benchmarks.apps import app
from benchmarks.one_task import FUNCTION, send, set_up
from benchmarks.results import Row, at_most
from benchmarks.stage import Stage
from boiler_functions.database.change import Change
from boiler_functions.modes.invocation import Outcome

COPIES = (2, 8, 32)
ROUNDS = 15
WARM_UP = 3


def copies(stage: Stage) -> Iterator[Row]:
    """Delivers the event of a form two, eight and thirty-two times at once; an exception ends the benchmark."""
    set_up(stage)
    for number in COPIES:
        seconds: list[float] = []
        most = 0
        with ThreadPoolExecutor(number) as pool:
            for turn in range(WARM_UP + ROUNDS):
                taken, effects = _deliver(pool, stage, send(stage), number)
                most = max(most, effects)
                seconds += taken if turn >= WARM_UP else []
        name = f"{number} copies of an event at once"
        yield Row(name, sorted(seconds)[int(0.99 * (len(seconds) - 1))] * 1000, None, None, "ms, p99", at_most(1000))
        yield Row(name, most, None, None, "effects, the most", at_most(1))


def _deliver(pool: ThreadPoolExecutor, stage: Stage, change: Change, number: int) -> tuple[list[float], int]:
    """Returns the seconds of each delivery, and how many deliveries had an effect."""
    together = threading.Barrier(number)

    def handle(_: int) -> tuple[float, int]:
        together.wait()
        started = time.perf_counter()
        outcomes = stage.handle(app, FUNCTION, change).outcomes
        return time.perf_counter() - started, outcomes.get(Outcome.DONE, 0)

    done = list(pool.map(handle, range(number)))
    return [seconds for seconds, _ in done], sum(effects for _, effects in done)
