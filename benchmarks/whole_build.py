"""`boiler build` of 10,000 city views, the first time and again, beside a script that writes the same views."""

import statistics
import time
from collections.abc import Callable, Iterator

from benchmarks import peers
from benchmarks.results import Row, ratio_at_most
from benchmarks.stage import Stage
from emulator import geonames
from functions.world import CityView, app

VIEWS = 10_000
ROUNDS = 3
ONCE = "(d) batches of 500"
TWICE = "(d) writing two documents a view"


def whole_build(stage: Stage) -> Iterator[Row]:
    """Builds all views once where nothing is stored, then again in turns with the scripts."""
    stage.save([*geonames.countries(), *geonames.cities(VIEWS)])
    first = _timed(lambda: _build(stage))
    contestants: dict[str, Callable[[], object]] = {
        "again": lambda: _build(stage),
        ONCE: lambda: peers.build_in_batches(stage.client, ["peerCityViews"]),
        TWICE: lambda: peers.build_in_batches(stage.client, ["peerCityViews", "peerLedgers"]),
    }
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(ROUNDS):
        for name, build in contestants.items():
            seconds[name].append(_timed(build))
    taken = {name: statistics.median(each) for name, each in seconds.items()}
    for when, ours in (("the first time", first), ("again", taken["again"])):
        name = f"build of {VIEWS:,} city views, {when}"
        yield Row(name, ours, taken[ONCE], ONCE, "s", ratio_at_most(2))
        yield Row(name, ours, taken[TWICE], TWICE, "s")


def _build(stage: Stage) -> None:
    stage.build_all(app, CityView)


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
