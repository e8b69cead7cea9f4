"""`python -m benchmarks.scale`: what a change of a shared source and a rebuild take with 10⁴, 10⁶ and 10⁸ views.

Counted costs, published limits and a virtual clock; nothing is measured here but the counts. The rate of one process is
that of a run of `python -m benchmarks`, unless it is given. The example is `functions/world.py`: cities that all show
one country. With `--emulator`, 10⁴ of them are followed on the emulator, and the counts are compared.
"""

import argparse
import json
import math
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.results import FILE
from benchmarks.stage import Stage
from boiler_functions.database import Database, Put
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.database.metered import Metered, Usage
from boiler_functions.database.variables import EMULATOR_HOST
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from boiler_functions.modes.query.continuation import PARTS, VIEWS
from boiler_functions.modes.query.rebuild_all import RebuildAll
from boiler_functions.plan.prices import ANYWHERE, Prices
from boiler_functions.settings.options import Options
from boiler_functions.types import Reference
from boiler_functions.views.fetching import Assumed
from functions.world import CityView, app

SIZES = (10**4, 10**6, 10**8)
COUNTED = 500
"""The views of which a rebuild is counted; its cost grows in proportion."""

FUNCTION = "city_view_on_countries"
COUNTRY = Reference("countries/US")

# https://cloud.google.com/firestore/docs/best-practices#ramping_up_traffic
RAMP_START, RAMP_FACTOR, RAMP_SECONDS = 500.0, 1.5, 300
# https://cloud.google.com/tasks/docs/quotas
DISPATCHED = 500
"""Tasks that a queue dispatches a second."""
# https://cloud.google.com/run/docs/configuring/max-instances
INSTANCES = 100
"""Instances of a function, unless it sets `max_instances`."""

SHARE = 0.5
"""The part of an invocation's time in which it begins pages; the rest is for those in work, and to hand on."""

ONE, RAMP, MANY, NAMED = "one process", "writes may grow by half in 5 min", "instances", "parts are queued one by one"

ADVICE: Mapping[str, str] = {
    ONE: "nothing",
    RAMP: "nothing, or warm up",
    MANY: "max_instances of continuations",
    NAMED: "timeout_sec no longer than 60",
}


@dataclass(frozen=True)
class Speed:
    """What is assumed of one process: views a second, seconds of an RPC, and the time limit of an invocation."""

    rate: float
    rpc: float
    limit: float
    instances: int = INSTANCES


@dataclass(frozen=True)
class Followed:
    """How long all views take to follow, and the limit that held longest."""

    seconds: float
    limit: str


def ramp(second: float) -> float:
    """Returns how many writes a second a collection takes that had no traffic before."""
    return RAMP_START * math.pow(RAMP_FACTOR, second // RAMP_SECONDS)


def follow(views: int, speed: Speed) -> Followed:
    """Simulates a fan-out second by second.

    One invocation builds for half of its time, then queues parts; the last of them is the rest, which does the same.
    All other parts are built as fast as instances, the queue and the ramp allow. Each view writes one ledger and one
    copy, in two collections, so that a collection gets one write a view.
    """
    begun, named_a_second = speed.limit * SHARE, 1 / (2 * speed.rpc)
    cycle = begun + PARTS / named_a_second
    done, named, clock = 0.0, 0.0, 0
    held: Counter[str] = Counter()
    while done < views:
        builds = clock % cycle < begun
        named = min(views, named + (speed.rate if builds else named_a_second * VIEWS))
        parts = math.ceil((named - done) / VIEWS) if named > done else 0
        processes = builds + min(parts, speed.instances, DISPATCHED * VIEWS / speed.rate)
        able, allowed = processes * speed.rate, ramp(clock)
        held[_limit(able > allowed, parts > speed.instances, clock > cycle)] += 1
        done += min(able, allowed)
        clock += 1
    return Followed(clock, held.most_common(1)[0][0])


def _limit(is_ramped: bool, is_full: bool, is_handed_on: bool) -> str:
    if is_ramped:
        return RAMP
    if is_full:
        return MANY
    return NAMED if is_handed_on else ONE


def rebuild_seconds(views: int, rate: float) -> float:
    """Returns how long one `boiler build` takes: at its own rate, or that of the ramp."""
    done, clock = 0.0, 0
    while done < views:
        # Once the ramp allows more than the process does, the rest needs no simulation.
        if ramp(clock) >= rate:
            return clock + (views - done) / rate
        done += ramp(clock)
        clock += 1
    return clock


def counted_rebuilds() -> tuple[Usage, Usage]:
    """Counts a rebuild of some views in memory: the first time, and again."""
    database = MemoryDatabase()
    database.commit([*_world(COUNTED)])
    return _rebuild(database), _rebuild(database)


def _rebuild(database: Database) -> Usage:
    metered = Metered(database)
    for _ in RebuildAll(app.name, CityView, metered).run():
        pass
    return metered.usage


def _world(number: int) -> Iterator[Put]:
    yield Put(COUNTRY.path, {"name": "United States", "currency": "USD", "continent": "NA", "obj_type": "Country"})
    for n in range(number):
        fields: dict[str, Any] = {"name": f"City {n}", "country": COUNTRY, "population": n, "obj_type": "City"}
        yield Put(f"cities/c{n:09}", fields)


def price(usage: Usage, times: float, prices: Prices) -> float:
    """Returns the list price of so many times the reads and writes, of documents alone."""
    each = prices.firestore_per_100000[ANYWHERE]
    return times * (usage.reads * each["reads"] + usage.writes * each["writes"]) / 100_000


def rows(speed: Speed, prices: Prices) -> Iterator[tuple[str, ...]]:
    """Yields a row for each size."""
    once, again = counted_rebuilds()
    function = app.compiled.functions[FUNCTION]
    for views in SIZES:
        usage = function.cost(CityView, Assumed(dependents=views))
        followed = follow(views, speed)
        times = views / COUNTED
        yield (
            f"{views:,}",
            duration(followed.seconds),
            f"{prices.currency} {price(usage, 1, prices):,.2f}",
            duration(rebuild_seconds(views, speed.rate)),
            f"{prices.currency} {price(once, times, prices):,.2f}; again {price(again, times, prices):,.2f}",
            followed.limit,
            ADVICE[followed.limit],
        )


def duration(seconds: float) -> str:
    """Returns a time as people say it: `40 s`, `17 min`, `2.3 h`, `3.4 days`."""
    for unit, size in (("s", 1), ("min", 60), ("h", 3600)):
        if seconds < 120 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 3600:.0f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.3g} days"


def measured_rate(results: Iterable[Mapping[str, Any]]) -> float:
    """Returns the views a second of the last stored run of the fan-out."""
    found = next(each for each in results if "country renamed" in each["name"] and each["unit"] == "s")
    return int("".join(filter(str.isdigit, found["name"]))) / float(found["ours"])


def on_emulator(views: int) -> Iterator[tuple[str, str, str]]:
    """Yields what a change of the shared source of so many views takes on the emulator, beside what is computed."""
    with FirestoreEmulator() as emulator:
        os.environ[EMULATOR_HOST] = emulator.host
        stage = Stage(emulator)
        writes = list(_world(views))
        for start in range(0, len(writes), 500):
            stage.database.commit(writes[start : start + 500])
        stage.build_all(app, CityView)
        change = stage.change(COUNTRY.path, {"name": "America"})
        started = time.perf_counter()
        report = stage.handle(app, FUNCTION, change)
        seconds = time.perf_counter() - started
    computed = app.compiled.functions[FUNCTION].cost(CityView, Assumed(dependents=views))
    for name in Usage._fields:
        yield name, f"{getattr(report.usage, name):,}", f"{getattr(computed, name):,}"
    yield "seconds", f"{seconds:.1f}", ""


def main(arguments: list[str] | None = None) -> int:
    """Prints the table, and returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale")
    parser.add_argument("--rate", type=float, help="views that one process builds in a second")
    parser.add_argument("--instances", type=int, default=INSTANCES, help="max_instances of `continuations`")
    parser.add_argument("--emulator", action="store_true", help="compare with the emulator at the smallest size")
    given = parser.parse_args(arguments)
    prices = Prices.read()
    rate = given.rate or measured_rate(json.loads(FILE.read_text("utf-8")))
    limit = Options().time_limit
    speed = Speed(rate, prices.assumed_seconds["rpc"], limit, given.instances)
    said = f"{rate:,.0f} views/s a process, {speed.rpc * 1000:.0f} ms an RPC, {limit:.0f} s an invocation"
    table = Table("views", "follow a change", "price", "rebuild", "price", "limit", "set", title=said)
    for row in rows(speed, prices):
        table.add_row(*row)
    console = Console(width=150)
    console.print(table)
    if given.emulator:
        compared = Table("", "emulator", "computed", title=f"{SIZES[0]:,} views on the emulator")
        for each in on_emulator(SIZES[0]):
            compared.add_row(*each)
        console.print(compared)
    return 0


if __name__ == "__main__":
    sys.exit(main())
