"""`boiler build` of 10,000 city views, the first time and again, beside a script that writes the same views.

`boiler audit` of the same views is beside the build that it would save.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

from benchmarks import peers
from benchmarks.results import Row, ratio_at_most
from benchmarks.stage import Stage
from boiler_functions.cli.audit import comparison_of
from boiler_functions.modes.stored_copies import Verdict
from emulator import geonames
from functions.world import CityView, app

VIEWS = 10_000
ROUNDS = 3
ONCE = "(d) batches of 500"
TWICE = "(d) writing two documents a view"
GUARDED = "(e) reading and writing as much, on conditions"
BUILD = "the build again"


def whole_build(stage: Stage) -> Iterator[Row]:
    """Builds all views once where nothing is stored, then again in turns with the scripts."""
    stage.save([*geonames.countries(), *geonames.cities(VIEWS)])
    first = _timed(lambda: _build(stage))
    guarded = _timed(lambda: peers.build_on_conditions(stage.client))
    contestants: dict[str, Callable[[], object]] = {
        BUILD: lambda: _build(stage),
        "audit": lambda: _audit(stage),
        ONCE: lambda: peers.build_in_batches(stage.client, ["peerCityViews"]),
        GUARDED: lambda: peers.build_on_conditions(stage.client),
        TWICE: lambda: peers.build_in_batches(stage.client, ["peerCityViews", "peerLedgers"]),
    }
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(ROUNDS):
        for name, build in contestants.items():
            seconds[name].append(_timed(build))
    taken = {name: statistics.median(each) for name, each in seconds.items()}
    for when, ours, by_hand in (("the first time", first, guarded), ("again", taken[BUILD], taken[GUARDED])):
        name = f"build of {VIEWS:,} city views, {when}"
        yield Row(name, ours, taken[ONCE], ONCE, "s", ratio_at_most(2))
        yield Row(name, ours, taken[TWICE], TWICE, "s")
        yield Row(name, ours, by_hand, GUARDED, "s")
    yield Row(f"audit of {VIEWS:,} city views", taken["audit"], taken[BUILD], BUILD, "s", ratio_at_most(1))


def _build(stage: Stage) -> None:
    stage.build_all(app, CityView)


def _audit(stage: Stage) -> None:
    found = list(comparison_of(app, CityView, stage.database, timedelta(minutes=2)).whole())
    assert [each.verdict for each in found] == [Verdict.RIGHT] * VIEWS


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
