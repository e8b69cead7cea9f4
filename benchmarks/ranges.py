"""A build in the cloud with one worker and with two: its ranges have nothing that both must wait for.

An RPC takes 50 ms here, as the machine of the benchmark has too few processors for two workers and the emulator; the
workers are processes with one page in work each.
"""

import os
import statistics
import time
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from benchmarks.results import Row, ratio_at_most
from benchmarks.stage import Stage
from boiler_functions.database import Aggregated, Aggregation, Committed, Query, Reading, Select, Verified, Write
from boiler_functions.database.firestore import FirestoreDatabase
from boiler_functions.database.metered import Metered
from boiler_functions.database.variables import EMULATOR_HOST
from boiler_functions.modes.cloud_build import CloudBuild, begin, read
from boiler_functions.modes.invocation import REAL, Invocation
from boiler_functions.modes.query.build_ranges import BUILD, Builder, BuildTask
from boiler_functions.types import Instant
from emulator import geonames
from functions.world import CityView, app

VIEWS = 6_000
WORKERS = 2
LATENCY = 0.05
ROUNDS = 3

ONE_PAGE = REAL._replace(threads=1)


class Slow:
    """A database each of whose calls takes longer."""

    def __init__(self, database: FirestoreDatabase) -> None:
        self._database = database

    def read(self, paths: Collection[str], *, at: Instant | None = None, select: Select = None) -> Reading:
        time.sleep(LATENCY)
        return self._database.read(paths, at=at, select=select)

    def query(self, query: Query, *, at: Instant | None = None) -> Reading:
        time.sleep(LATENCY)
        return self._database.query(query, at=at)

    def aggregate(self, aggregation: Aggregation, *, at: Instant | None = None) -> Aggregated:
        time.sleep(LATENCY)
        return self._database.aggregate(aggregation, at=at)

    def commit(self, writes: Sequence[Write], *, verify: Sequence[Verified] = ()) -> Committed:
        time.sleep(LATENCY)
        return self._database.commit(writes, verify=verify)


def ranges(stage: Stage) -> Iterator[Row]:
    """Builds all views with one worker and with two, in turns."""
    stage.save([*geonames.countries(), *geonames.cities(VIEWS)])
    seconds: dict[int, list[float]] = {1: [], WORKERS: []}
    with ProcessPoolExecutor(WORKERS, get_context("spawn")) as pool:
        # Both processes are there, and have imported all, before the first is timed.
        list(pool.map(_warm, range(4 * WORKERS)))
        for turn in range(ROUNDS):
            for workers in seconds if turn % 2 else reversed(seconds):
                seconds[workers].append(_built(stage, pool, workers))
    one, two = (statistics.median(each) for each in seconds.values())
    name = f"build of {VIEWS} views in ranges, {LATENCY * 1000:.0f} ms an RPC"
    yield Row(name, two, one, "one worker", "s", ratio_at_most(1 / 1.7))


def _built(stage: Stage, pool: ProcessPoolExecutor, workers: int) -> float:
    options = {"only_stale": False, "withdraw": False, "max_rate": None}
    build = CloudBuild.new(app.name, (CityView.__name__,), VIEWS, time.time_ns(), **options)
    # From the second step on: the first, which looks for ledgers without a root, is one range.
    build = begin(stage.database, build._replace(step=1))
    tasks: list[BuildTask] = []
    Builder(_invocation(stage.database), (CityView,), enqueue=tasks.append).run(build.id)
    started = time.perf_counter()
    shares = [tasks[start::workers] for start in range(workers)]
    list(pool.map(_work, [stage.project] * workers, shares))
    taken = time.perf_counter() - started
    ended = read(stage.database, build.id)
    assert sum(ended.outcomes.values()) == VIEWS, ended
    return taken


def _work(project: str, tasks: Sequence[BuildTask]) -> None:
    """Works on tasks, and on those that they hand on, as one instance with one request at a time."""
    (worker,) = (each for mode in app.declarations.modes if (each := mode.worker(app.declarations, BUILD)))
    database, left = Slow(FirestoreDatabase(project, emulator=os.environ[EMULATOR_HOST])), list(tasks)
    while left:
        worker.attempt_rest(left.pop(0), database, ONE_PAGE, left.append).or_raise()


def _warm(_: int) -> None:
    time.sleep(0.2)


def _invocation(database: FirestoreDatabase) -> Invocation:
    return Invocation(app.name, "upkeep", Metered(database), ONE_PAGE)
