"""`boiler build` of 10,000 city views, the first time and again, beside scripts that write the same views.

`boiler audit` of the same views is beside the build that it would save.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta

from benchmarks import peers
from benchmarks.measure import Contestant, medians
from benchmarks.results import Row, ratio_at_most
from benchmarks.stage import Stage
from boiler_functions.cli.audit import comparison_of
from boiler_functions.cli.throughput import for_throughput
from boiler_functions.modes.stored_copies import Verdict
from emulator import geonames
from functions.world import CityView, app

VIEWS = 10_000
ROUNDS = 3
WARM_UP = 1
"""Rounds in which the emulator compiles what it runs; nobody's time counts."""

BUILD = "the build again"
AUDIT = "audit"
ONCE = "(d) batches of 500"
TWICE = "(d) writing two documents a view"
GUARDED = "(e) reading and writing as much, on conditions"

_BUILDS: dict[str, Callable[[Stage], object]] = {
    BUILD: for_throughput()(lambda stage: stage.build_all(app, CityView)),
    ONCE: lambda stage: peers.build_in_batches(stage.client, ["peerCityViews"]),
    TWICE: lambda stage: peers.build_in_batches(stage.client, ["peerCityViews", "peerLedgers"]),
    GUARDED: lambda stage: peers.build_on_conditions(stage.client),
}


def whole_build(stage: Stage) -> Iterator[Row]:
    """Builds all views where nothing is stored, and again where all is, in turns with the scripts."""
    first = _seconds(lambda: _with_cities(stage.another()), _BUILDS)
    filled = _with_cities(stage)
    again = _seconds(lambda: filled, {**_BUILDS, AUDIT: _audit})
    for when, taken in (("the first time", first), ("again", again)):
        name = f"build of {VIEWS:,} city views, {when}"
        yield Row(name, taken[BUILD], taken[ONCE], ONCE, "s", ratio_at_most(2))
        yield Row(name, taken[BUILD], taken[TWICE], TWICE, "s")
        yield Row(name, taken[BUILD], taken[GUARDED], GUARDED, "s")
    yield Row(f"audit of {VIEWS:,} city views", again[AUDIT], again[BUILD], BUILD, "s", ratio_at_most(1))


def _seconds(prepare: Callable[[], Stage], works: dict[str, Callable[[Stage], object]]) -> dict[str, float]:
    contestants = {name: Contestant(prepare, work) for name, work in works.items()}
    return {name: taken / 1000 for name, taken in medians(contestants, ROUNDS, WARM_UP).items()}


def _with_cities(stage: Stage) -> Stage:
    stage.save([*geonames.countries(), *geonames.cities(VIEWS)])
    return stage


@for_throughput()
def _audit(stage: Stage) -> None:
    found = list(comparison_of(app, CityView, stage.database, timedelta(minutes=2)).whole())
    assert [each.verdict for each in found] == [Verdict.RIGHT] * VIEWS
