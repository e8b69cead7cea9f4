"""A country is renamed, and the views of all its cities follow: real data, through the app of `functions/world.py`."""

import secrets
import statistics
import time
from collections.abc import Callable, Iterator
from math import ceil

from benchmarks import peers
from benchmarks.counted import cost_of
from benchmarks.results import Row, at_most, ratio_at_most
from benchmarks.single_view import OURS
from benchmarks.stage import UNITED_STATES, Stage
from boiler_functions.database.change import Change
from boiler_functions.modes.query.rebuild import PAGE
from boiler_functions.modes.run import Report
from functions.world import CityView, app

A = "(a) on four threads"
D = "(d) batches of 500"
NAME = "country renamed, {} views"
ROUNDS = 3


def fan_out(stage: Stage) -> Iterator[Row]:
    """Runs ours, (a) and (d) in turns, for three rounds."""
    views = len(stage.save_world())
    stage.build_all(app, CityView)
    country = stage.client.document(UNITED_STATES.path)
    reports: list[Report] = []
    contestants: dict[str, Callable[[Change], object]] = {
        OURS: lambda change: reports.append(stage.handle(app, "city_view_on_countries", change)),
        A: lambda change: peers.rename_on_four_threads(stage.client, change.id, country),
        D: lambda change: peers.rename_in_batches(stage.client, country),
    }
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(ROUNDS):
        for name, follow in contestants.items():
            seconds[name].append(_timed(follow, rename(stage)))
    usage = reports[-1].usage
    batches = cost_of(stage.counted, lambda client: peers.rename_in_batches(client, client.document(country.path)))
    name = NAME.format(views)
    taken = {name: statistics.median(each) for name, each in seconds.items()}
    yield Row(name, taken[OURS], taken[A], A, "s", ratio_at_most(0.5))
    yield Row(name, taken[OURS], taken[D], D, "s")
    yield Row(name, usage.rpcs / ceil(views / PAGE), None, None, "RPCs per page", at_most(2.5))
    yield Row(name, usage.writes / views, None, None, "writes per view", at_most(2))
    yield Row(name, usage.rpcs, batches.rpcs, D, "RPCs")
    yield Row(name, usage.reads, batches.reads, D, "reads")
    yield Row(name, usage.writes, batches.writes, D, "writes")


def rename(stage: Stage) -> Change:
    """Renames the United States, and returns the event."""
    return stage.change(UNITED_STATES.path, {"name": f"United States {secrets.token_hex(4)}"})


def _timed(follow: Callable[[Change], object], change: Change) -> float:
    started = time.perf_counter()
    follow(change)
    return time.perf_counter() - started
