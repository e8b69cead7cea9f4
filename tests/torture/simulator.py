"""The simulation: runs the tortured app in memory with all faults at once, and compares it with the oracle."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from multiprocessing import get_context
from random import Random
from threading import get_ident
from typing import Any

from boiler_functions.database import (
    Aggregated,
    Aggregation,
    Committed,
    Database,
    Document,
    Query,
    Reading,
    Select,
    Verified,
    Write,
)
from boiler_functions.database.faults import Faults
from boiler_functions.database.metered import Metered
from boiler_functions.exceptions import Transient, Unavailable, UnknownOutcome
from boiler_functions.models.session import use
from boiler_functions.modes import dead_letter, ledger, marker
from boiler_functions.modes.invocation import Invocation, Surroundings
from boiler_functions.modes.run import Report
from boiler_functions.testing import Delivery, MemoryApp, VirtualClock
from boiler_functions.types import MISSING, Instant, to_datetime
from tests.torture import oracle
from tests.torture.figures import LEAST_OF_A_KIND, Figure, fault_figures
from tests.torture.unlogged import unlogged
from tests.torture.world import Clients, tortured_app

EVENTS = 100_000
SEEDS = 1_000
SHORT_EVENTS = 1_000
SHORT_SEEDS = 30

ACTS = 24
PASSINGS = 6
"""How often time passes; fewer than 23 hours in all, after which the events of tasks are too old."""

FIGURES = (
    "lost_events",
    "duplicate_effects",
    "view_divergence",
    "stale_overwrites",
    "ghost_views",
    "unacked_success",
    "acked_failure",
    "unclassified_errors",
)

KINDS = (
    "aggregation answer lost", "aggregation failed", "call delayed", "clock moved", "commit aborted",
    "commit answer lost", "commit lost", "commit refused",
    "database down", "delivery dropped", "event delivered twice", "event without images", "handler crashed",
    "poisoned document", "query answer lost", "query failed", "read answer lost", "read failed", "read torn",
    "upkeep asleep", "upkeep with a wrong clock",
)  # fmt: skip

_HOUR = 3600 * 1_000_000_000
_NOWHERE = "nothing/now"

# The errors that bad data, or a bug in a getter, may cause; any other is unforeseen.
_FORESEEN = {"InvalidDocument", "GetterFailed"}


class Watched:
    """A database that records each thread's last commit, and can be down for some calls."""

    def __init__(self, database: Database, injected: Counter[str]) -> None:
        self.down = 0
        self.committed: dict[int, Sequence[Write]] = {}
        self._database = database
        self._injected = injected

    def read(self, paths: Any, *, at: Instant | None = None, select: Select = None) -> Reading:
        self._check_up(at)
        return self._database.read(paths, at=at, select=select)

    def query(self, query: Query, *, at: Instant | None = None) -> Reading:
        self._check_up(at)
        return self._database.query(query, at=at)

    def aggregate(self, aggregation: Aggregation, *, at: Instant | None = None) -> Aggregated:
        self._check_up(at)
        return self._database.aggregate(aggregation, at=at)

    def commit(self, writes: Sequence[Write], *, verify: Sequence[Verified] = ()) -> Committed:
        self._check_up()
        self.committed.pop(get_ident(), None)
        committed = self._database.commit(writes, verify=verify)
        self.committed[get_ident()] = writes
        return committed

    def _check_up(self, at: Instant | None = None) -> None:
        # No function runs for an hour, and Firestore reads no further back.
        if at is not None and self._database.read([_NOWHERE]).read_time - at > _HOUR:
            self._injected["handler stood still for an hour"] += 1
            raise Unavailable("The handler was ended, as it ran for too long.")
        if self.down:
            self.down -= 1
            self._injected["database down"] += 1
            raise Unavailable("The database is down.")


class Tortured(MemoryApp):
    """The app in memory, watched: counts wrong acknowledgements, views that went back, and unforeseen errors."""

    def __init__(self, surroundings: Surroundings, chance: Random) -> None:
        super().__init__(tortured_app(), surroundings)
        self.wrong: Counter[str] = Counter()
        self.details: list[str] = []
        self.events = 0
        self.watched = Watched(self.database, self.injected)
        self.through = self.watched
        self._chance = chance
        self.database.subscribe(self._look_for_stale)

    def take(self) -> list[Delivery]:
        """Delivers the pending events, some of them without images, as events of large documents are."""
        taken = super().take()
        self.events += len(taken)
        return [self._perhaps_bare(each) for each in taken]

    def _perhaps_bare(self, delivery: Delivery) -> Delivery:
        if self._chance.random() >= 0.05:
            return delivery
        self.injected["event without images"] += 1
        return delivery.without_images()

    def handle(self, delivery: Delivery, through: Database | None = None) -> Report:
        """Handles an event, and counts effects without an acknowledgement, and acknowledgements without an effect."""
        self.watched.committed.pop(get_ident(), None)
        try:
            report = super().handle(delivery, through)
        except Unavailable:
            raise  # Nothing can be read, so nothing can be decided: the event must come again.
        except Transient as error:
            if self._took_effect(delivery, error):
                self.note("unacked_success", f"{delivery.change} raised {error!r} although its commit was applied")
            raise
        except Exception as error:
            self.note("unclassified_errors", repr(error))
            raise
        if report.outcomes.get("done") and not self._is_noted(delivery):
            self.note("acked_failure", f"{delivery.change} is done and had no effect")
        return report

    def let_time_pass(self) -> None:
        """Moves the clock, and lets upkeep run: at the right time, by a clock that is wrong, or not at all."""
        self.surroundings.sleep(60 * self._chance.randint(1, 90))
        self.injected["clock moved"] += 1
        skew = self._chance.choice([None, 0, -3600, 3600])
        if skew is None:
            self.injected["upkeep asleep"] += 1
            return
        self.injected["upkeep with a wrong clock"] += bool(skew)
        surroundings = self.surroundings._replace(clock=lambda: self.surroundings.clock() + skew * 1_000_000_000)
        declarations = self.compiled.declarations
        invocation = Invocation(declarations.app, "upkeep", Metered(self.through), surroundings)
        with suppress(Transient):  # The next run does what this one could not.
            for mode in declarations.modes:
                mode.look_after(declarations, invocation, invocation.now())

    def note(self, figure: str, detail: str) -> None:
        self.wrong[figure] += 1
        self.details.append(f"{figure}: {detail}")

    def _took_effect(self, delivery: Delivery, error: Transient) -> bool:
        writes = self.watched.committed.get(get_ident(), ())
        if delivery.function.mode in ("task", "document"):
            return any(each.path.startswith(marker.COLLECTION) for each in writes)
        return isinstance(error, UnknownOutcome) and bool(writes)

    def _is_noted(self, delivery: Delivery) -> bool:
        """Returns whether the effect is in the account; an event without images does not say which version it means."""
        if not delivery.change.after.exists:
            return True
        user, doc_id = delivery.change.path.split("/")[1], delivery.change.path.split("/")[3]
        noted = (self.fields(f"accounts/{user}") or {}).get("applied", ())
        amount = (delivery.change.after.fields or {})["amount"]
        return f"{delivery.function.views[0].__name__} {doc_id} {amount}" in noted

    def _look_for_stale(self, before: Document, after: Document) -> None:
        if after.collection != ledger.COLLECTION or not (before.fields and after.fields):
            return
        for path, version in after.fields["versions"].items():
            if MISSING != version < before.fields["versions"].get(path, MISSING):
                self.note("stale_overwrites", f"{after.path} knew a newer {path}")


@dataclass
class Result:
    """The result of one or more seeds."""

    seeds: int = 0
    events: int = 0
    deliveries: int = 0
    wrong: Counter[str] = field(default_factory=Counter)
    injected: Counter[str] = field(default_factory=Counter)
    details: list[str] = field(default_factory=list)

    def add(self, other: "Result") -> None:
        self.seeds += other.seeds
        self.events += other.events
        self.deliveries += other.deliveries
        self.wrong += other.wrong
        self.injected += other.injected
        self.details += other.details


@unlogged()
def torture(seed: int) -> Result:
    """Runs one seed: clients write while everything goes wrong; then repairs data, drains events, compares all."""
    chance = Random(seed)
    clock = VirtualClock()
    app = Tortured(Surroundings(clock.now, clock.sleep, Random(seed)), chance)
    clients = Clients(app.database.commit, chance, clock.now)
    weather: dict[str, Any] = {
        "duplicates": chance.choice([0, 1, 1, 2, 4]),
        "at_once": chance.randint(2, 6),
        "crashes": chance.choice([0.0, 0.02, 0.05]),
        "drops": chance.choice([0.0, 0.05, 0.2]),
        "faults": Faults(chance.choice([0.0, 0.02, 0.05]), chance.choice([0.0, 0.02, 0.05]), 0.03, 0.2),
    }
    acts: list[Callable[[], object]] = clients.acts(ACTS)
    acts.insert(chance.randrange(len(acts)), lambda: setattr(app.watched, "down", chance.randint(3, 12)))
    for _ in range(PASSINGS):
        acts.insert(chance.randrange(len(acts)), app.let_time_pass)
    reports: list[Report] = []
    try:
        with use(app.database):
            reports += app.deliver(shuffle=seed, meanwhile=acts, **weather)
            app.injected["poisoned document"] += clients.poisonings
            clients.heal()
            reports += app.deliver(shuffle=seed + 1, **weather)
            app.advance()
    except Exception as error:
        app.note("unclassified_errors", f"the run ended with {error!r}")
    compare(app, clients)
    details = [f"seed {seed}: {each}" for each in app.details]
    return Result(1, app.events, len(reports), app.wrong, app.injected, details)


def compare(app: Tortured, clients: Clients) -> None:
    """Counts how the documents differ from those that the oracle computes."""
    documents = {path: dict(each.fields or {}) for path, each in app.documents().items()}
    expected = oracle.views(documents, to_datetime(app.surroundings.clock()))
    stored = {path: fields for path, fields in documents.items() if oracle.is_view(path)}
    for path, fields in expected.items():
        if path not in stored:
            if fields.get("names") != []:
                app.note("lost_events", f"{path} is missing")
        elif stored[path] != fields:
            app.note("view_divergence", f"{path} is {stored[path]}, and should be {fields}")
    for path in stored.keys() - expected.keys():
        app.note("ghost_views", f"{path} is {stored[path]}")
    _compare_effects(app, clients, documents)
    for path, fields in documents.items():
        if path.startswith(dead_letter.COLLECTION) and fields["reason"] not in _FORESEEN:
            app.note("unclassified_errors", f"a dead letter {fields['reason']}: {fields['message']}")


def _compare_effects(app: Tortured, clients: Clients, documents: dict[str, dict[str, Any]]) -> None:
    for user, wanted in clients.expected().items():
        account = documents.get(f"accounts/{user}", {"balance": 0, "applied": []})
        noted = Counter(account["applied"])
        for each in wanted - noted.keys():
            app.note("lost_events", f"{each} of {user} had no effect")
        for each, times in noted.items():
            if times > 1:
                app.note("duplicate_effects", f"{each} of {user} took effect {times} times")
        if account["balance"] != sum(int(each.split()[-1]) for each in account["applied"]):
            app.note("duplicate_effects", f"the balance of {user} is not the sum of its deposits")


def _tortures(seeds: Sequence[int]) -> Result:
    total = Result()
    for seed in seeds:
        total.add(torture(seed))
    return total


def by_two_processes(first: int, events: int, seeds: int) -> Result:
    """Runs seeds from the first on, until there were enough events and seeds."""
    total = Result()
    chunks = ([*range(start, start + 10)] for start in count(first, 10))
    with ProcessPoolExecutor(2, get_context("spawn")) as processes:
        pending = [processes.submit(_tortures, next(chunks)) for _ in range(4)]
        while total.events < events or total.seeds < seeds:
            total.add(pending.pop(0).result())
            pending.append(processes.submit(_tortures, next(chunks)))
        for each in pending:
            each.cancel()
    return total


def run(short: bool, seed: int) -> Iterator[Figure]:
    """Yields the figures of the simulator."""
    events, seeds = (SHORT_EVENTS, SHORT_SEEDS) if short else (EVENTS, SEEDS)
    total = _tortures(range(seed, seed + seeds)) if short else by_two_processes(seed, events, seeds)
    for detail in total.details[:20]:
        print(f"    {detail}")
    yield Figure("seeds", total.seeds, "≥", seeds, f" {seed} … {seed + total.seeds - 1}")
    yield Figure("events", total.events, "≥", events)
    yield Figure("deliveries_acknowledged", total.deliveries, "≥", total.events)
    for name in FIGURES:
        yield Figure(name, total.wrong[name], "=", 0)
    yield from fault_figures(total.injected, KINDS, 1 if short else LEAST_OF_A_KIND)
