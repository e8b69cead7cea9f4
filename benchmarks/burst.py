"""Eight events at once that all concern one view."""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from benchmarks import peers
from benchmarks.apps import Route, app
from benchmarks.results import Row, at_most, ratio_at_least
from benchmarks.single_view import ROOT, STOPS, A, C, set_up
from benchmarks.stage import Stage
from boiler_functions.events import Change
from boiler_functions.modes.invocation import Outcome

EVENTS = 8
ROUNDS = 31
WARM_UP = 5


def burst(stage: Stage) -> Iterator[Row]:
    """Eight sources of one view change, and all events are delivered at once."""
    name = "8 events at once on one view"
    set_up(stage, "route_on_itineraries", stops=STOPS, itineraries=1)
    commits: list[int] = []
    rates: dict[str, list[float]] = {"ours": [], C: []}
    for turn in range(WARM_UP + ROUNDS):
        ours, built = _ours(stage)
        _check_equal_to_rebuild(stage)
        theirs = at_once(changes(stage, turn), lambda change: _by_hand(stage, change, peers.preconditioned))
        if turn >= WARM_UP:
            commits.append(built)
            rates["ours"].append(ours)
            rates[C].append(theirs)
    yield Row(name, max(commits), EVENTS, "events", "view commits, the most", at_most(3))
    yield Row(name, *map(statistics.median, (rates["ours"], rates[C])), C, "events/s", ratio_at_least(0.8))
    yield Row(name, statistics.median(rates["ours"]), _locked(stage), A, "events/s that took effect")
