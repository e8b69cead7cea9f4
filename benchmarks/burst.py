"""Eight concurrent events that all change one view."""

import secrets
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from benchmarks import peers
from benchmarks.apps import Route, app
from benchmarks.results import Row, at_least, at_most, ratio_at_least
from benchmarks.single_view import OURS, ROOT, STOPS, A, C, set_up
from benchmarks.stage import Stage
from boiler_functions.database.change import Change
from boiler_functions.modes.invocation import Outcome

EVENTS = 8
ROUNDS = 31
WARM_UP = 5
NAME = "8 events at once on one view"

# The result of one event: how many commits of the view it made.
Handle = Callable[[Change], int]


def burst(stage: Stage) -> Iterator[Row]:
    """Changes eight sources of one view, and delivers all events at once."""
    set_up(stage, "route_on_itineraries", stops=STOPS, itineraries=1)
    handles: dict[str, Handle] = {
        OURS: partial(_ours, stage),
        C: partial(_by_hand, stage, peers.preconditioned),
        A: partial(_by_hand, stage, peers.single_gets),
    }
    rates: dict[str, list[float]] = {name: [] for name in handles}
    commits: list[int] = []
    equal = 0
    with ThreadPoolExecutor(EVENTS) as pool:
        for turn in range(WARM_UP + ROUNDS):
            for name, handle in handles.items():
                rate, committed = _deliver(pool, stage, handle)
                if turn >= WARM_UP:
                    rates[name].append(rate)
                if name == OURS:
                    commits.append(committed)
                    equal += stage.is_equal_to_rebuild(app, Route, ROOT)
    taken = {name: statistics.median(each) for name, each in rates.items()}
    yield Row(NAME, max(commits), EVENTS, C, "view commits, the most", at_most(3))
    yield Row(NAME, equal / len(commits), None, None, "of all views equal to a rebuild", at_least(1))
    yield Row(NAME, taken[OURS], taken[C], C, "events/s", ratio_at_least(0.8))
    yield Row(NAME, taken[OURS], taken[A], A, "events/s")


def _deliver(pool: ThreadPoolExecutor, stage: Stage, handle: Handle) -> tuple[float, int]:
    """Returns events per second, and commits of the view; raises unless all events were acknowledged."""
    stops = (stage.read(ROOT).fields or {})["stops"][:EVENTS]
    changes = [stage.change(stop.path, {"name": f"City {secrets.token_hex(4)}"}) for stop in stops]
    started = time.perf_counter()
    commits = sum(pool.map(handle, changes))
    return EVENTS / (time.perf_counter() - started), commits


def _ours(stage: Stage, change: Change) -> int:
    outcomes = stage.handle(app, "route_on_cities", change).outcomes
    # A commit of the ledger alone counts, too: the view was built, with the same content.
    return outcomes.get(Outcome.BUILT, 0) + outcomes.get(Outcome.UNCHANGED, 0)


def _by_hand(stage: Stage, strategy: Callable[..., object], change: Change) -> int:
    for work in peers.routes_through(stage.client, change.id, stage.client.document(change.path)):
        strategy(stage.client, work)
    return 1
