"""A document that changes a hundred times a second, with and without a limit on how often its view is written."""

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from benchmarks.results import Row, at_least, at_most
from benchmarks.stage import Stage
from boiler_functions import Boiler, DomainModel, Store, ViewModel, attrs, reference
from boiler_functions.database.change import Change
from boiler_functions.modes.invocation import Outcome
from boiler_functions.modes.run import Report

SECONDS = 20
RATE = 100
PERIOD = timedelta(seconds=1)
ROOT = "counters/hot"
THREADS = 8
NAME = f"{RATE} changes a second for {SECONDS} s, at most every {PERIOD.seconds} s"


class Counted(DomainModel):
    """A document that changes all the time."""

    class Meta:
        collection_name = "counters"

    value = attrs.integer(default=0)


class CountedStore(Store):
    """The counter alone."""

    counter = reference(Counted)


class CountedView(ViewModel[CountedStore]):
    """The counter as clients see it."""

    class Meta:
        path = "countedViews/{counter.doc_id}"

    @attrs.computed
    def value(self) -> int:
        return self.store.counter.value


quiet, plain = Boiler("quiet"), Boiler("plain")
quiet.query(at_most_every=PERIOD)(CountedView)
plain.query(CountedView)


def hot(stage: Stage) -> Iterator[Row]:
    """Counts how often the view is written while its document changes, and looks at it in the end."""
    outcomes, rate = _changes(stage, quiet)
    time.sleep(2 * PERIOD.total_seconds())
    ran = quiet.compiled.scheduled["upkeep"].attempt(stage.database)
    written = outcomes[Outcome.BUILT] + ran.outcomes.get(Outcome.BUILT, 0)
    is_right = stage.is_equal_to_rebuild(quiet, CountedView, ROOT)
    other = stage.another()
    each, _ = _changes(other, plain)
    yield Row(NAME, written, each[Outcome.BUILT], "each change", "writes of the view", at_most(22))
    yield Row(NAME, int(is_right), None, None, "of 1 view equal to a rebuild in the end", at_least(1))
    yield Row(NAME, rate, None, None, "changes/s")


def _changes(stage: Stage, app: Boiler) -> tuple[Counter[str], float]:
    """Changes the document at the rate, and handles each event as it comes; returns the outcomes and the true rate."""
    handled: list[Report] = []

    def handle(change: Change) -> None:
        handled.append(stage.handle(app, "counted_view_on_counters", change))

    started, number = time.perf_counter(), 0
    with ThreadPoolExecutor(THREADS) as pool:
        while (passed := time.perf_counter() - started) < SECONDS:
            if number > passed * RATE:
                time.sleep(number / RATE - passed)
            pool.submit(handle, stage.change(ROOT, {"value": number}))
            number += 1
    assert len(handled) == number, "an event was not acknowledged"
    found: Counter[str] = Counter()
    for report in handled:
        found.update(report.outcomes)
    return found, number / SECONDS
