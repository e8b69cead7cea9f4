"""Compares, with the same seeds and deliveries: get-then-set, a transaction with a marker, and ours.

Users rename cities, change itineraries and send deposits, in rounds, while eight threads handle the events: each comes
one to three times, in any order, and some handlers crash once their work is done, so that their event comes again. User
code takes up to 40 ms. A handler that raises has given up; its event is delivered again, as production does. After each
round all views are compared with a rebuild, unless the contestant has used up its time.
"""

import heapq
import itertools
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from google.cloud import firestore

from benchmarks import peers
from benchmarks.apps import Itinerary
from benchmarks.results import Row, Target, at_most
from benchmarks.stage import Stage
from boiler_functions import Boiler, DomainModel, Rejected, Store, ViewModel, attrs, reference, references
from boiler_functions.database.change import Change
from boiler_functions.exceptions import Transient
from boiler_functions.modes.invocation import Outcome
from boiler_functions.types import Fields, Reference
from functions.world import City

SEED = 20
ROUNDS, STEPS = 20, 12
THREADS = 8
CITIES, ITINERARIES, STOPS, BALANCES = 12, 6, 4, 6
SECONDS = 60.0
MAX_COPIES = 3
SPREAD_SECONDS = 0.03
CRASHED = 0.05

GET_THEN_SET = "get, then set"
TRANSACTION = "@transactional with a marker"
OURS = "ours"

_built, _turns = itertools.count(), itertools.count()


def take_time() -> None:
    """Pauses as user code may, for 0 to 39 ms."""
    time.sleep(next(_turns) * 7 % 40 / 1000)


def content(title: str, names: Iterable[str]) -> Fields:
    """Returns the content of an itinerary's view; every call is a build."""
    next(_built)
    take_time()
    return {"title": title, "cities": sorted(names)}


class Balance(DomainModel):
    """An account, with the sum of all deposits."""

    class Meta:
        collection_name = "balances"

    total = attrs.integer(default=0)


class TripStore(Store):
    """An itinerary and its cities."""

    itinerary = reference(Itinerary)
    stops = references(Itinerary.stops)


app = Boiler("comparison")


@app.query
class Trip(ViewModel[TripStore]):
    """An itinerary with the names of its cities."""

    class Meta:
        path = "trips/{itinerary.doc_id}"

    @attrs.computed
    def shown(self) -> dict[str, object]:
        return dict(content(self.store.itinerary.title, [city.name for city in self.store.stops]))


@app.task("travellers/{traveller}/deposits/{form}", writes=[Balance])
class Deposit(ViewModel):
    """A form that adds to a balance."""

    amount = attrs.integer(required=True)

    def propagate_change(self) -> None:
        balance = Balance.get(self.params["traveller"])
        if balance is None:
            raise Rejected("there is no such balance")
        take_time()
        balance.total += self.amount
        balance.save()


class Contestant(Protocol):
    """Handles events; an exception means that the event must be delivered again."""

    def handle(self, change: Change) -> bool:
        """Returns whether a deposit was added to its balance."""
        ...

    def shown(self, itinerary: str) -> Fields | None:
        """Returns the stored view of an itinerary."""
        ...


@dataclass(frozen=True)
class Ours:
    """The compiled functions."""

    stage: Stage

    def handle(self, change: Change) -> bool:
        matching = [each for each in app.compiled.functions.values() if each.source.match(change.path)]
        reports = [self.stage.handle(app, each.entry_point, change) for each in matching]
        return any(report.outcomes.get(Outcome.DONE) for report in reports)

    def shown(self, itinerary: str) -> Fields | None:
        fields = self.stage.read(f"trips/{itinerary}").fields
        return None if fields is None else fields["shown"]


@dataclass(frozen=True)
class ByHand:
    """Code written by hand with Google's client: `build` stores a view, `deposit` adds to a balance."""

    stage: Stage
    build: Callable[[firestore.Client, peers.Work], object]
    deposit: Callable[[firestore.Client, Change], bool]

    def handle(self, change: Change) -> bool:
        client = self.stage.client
        if change.path.startswith("travellers/"):
            return self.deposit(client, change)
        for work in self._works(client, change):
            self.build(client, work)
        return False

    def _works(self, client: firestore.Client, change: Change) -> Iterator[peers.Work]:
        if change.path.startswith("itineraries/"):
            itinerary = client.document(change.path).get()
            yield _trip(client, change.id, itinerary)
            return
        named = peers.array_contains("stops", client.document(change.path))
        for itinerary in client.collection("itineraries").where(filter=named).stream():
            # An event is handled once for each view, so its marker names both.
            yield _trip(client, f"{change.id}-{itinerary.id}", itinerary)

    def shown(self, itinerary: str) -> Fields | None:
        return self.stage.read(f"peerTrips/{itinerary}").fields


def _trip(client: firestore.Client, event: str, itinerary: peers.DocumentSnapshot) -> peers.Work:
    return peers.Work(
        event,
        client.collection("peerTrips").document(itinerary.id),
        itinerary.reference,
        tuple(itinerary.get("stops")),
        lambda found: list(found.get("stops")),
        lambda found, cities: dict(content(found.get("title"), [city.get("name") for city in cities])),
    )


def set_view(client: firestore.Client, work: peers.Work) -> None:
    """Reads, then writes, without any guard."""
    root, *sources = peers.in_order(client, [work.root, *work.expected])
    if (named := work.sources_of(root)) != list(work.expected):
        sources = peers.in_order(client, named)
    work.view.set(work.content_of(root, sources))


def set_balance(client: firestore.Client, change: Change) -> bool:
    """Adds to the balance by reading it and writing the sum."""
    form, balance = (client.document(path) for path in (change.path, f"balances/{change.path.split('/')[1]}"))
    amount = form.get().get("amount")
    total = balance.get().get("total")
    take_time()
    balance.set({"total": total + amount})
    return True


def add_in_transaction(client: firestore.Client, change: Change) -> bool:
    """Adds to the balance in a transaction that reads, and then makes, a marker of the event."""
    marker = client.collection("peerMarkers").document(change.id)
    form, balance = (client.document(path) for path in (change.path, f"balances/{change.path.split('/')[1]}"))

    @firestore.transactional
    def add(transaction: firestore.Transaction) -> bool:
        if marker.get(transaction=transaction).exists:
            return False
        amount = form.get(transaction=transaction).get("amount")
        total = balance.get(transaction=transaction).get("total")
        take_time()
        transaction.update(balance, {"total": total + amount})
        transaction.create(marker, {"time": firestore.SERVER_TIMESTAMP})
        return True

    return bool(add(client.transaction()))


@dataclass
class Result:
    """The result of a contestant."""

    lost: int = 0
    duplicated: int = 0
    diverged: int = 0
    compared: int = 0
    added: int = 0
    """Increments that a handler reported as done."""
    forms: set[str] = field(default_factory=set)
    """The deposits among them."""
    given_up: int = 0
    refused: int = 0
    events: int = 0
    builds: int = 0
    left: int = 0
    seconds: list[float] = field(default_factory=list)

    @property
    def p99(self) -> float:
        return sorted(self.seconds)[int(0.99 * (len(self.seconds) - 1))] * 1000


def comparison(stage: Stage) -> Iterator[Row]:
    """Runs the same story for three contestants, each in a project of its own."""
    outcomes = {
        OURS: run(stage.another(), Ours),
        GET_THEN_SET: run(stage.another(), lambda each: ByHand(each, set_view, set_balance)),
        TRANSACTION: run(stage.another(), lambda each: ByHand(each, peers.single_gets, add_in_transaction)),
    }
    nothing = at_most(0)
    for peer in (GET_THEN_SET, TRANSACTION):
        for figure, unit, value, target in FIGURES:
            ours, theirs = (value(outcomes[name]) for name in (OURS, peer))
            yield Row(f"side by side: {figure}", ours, theirs, peer, unit, target(nothing))


def _always(target: Target) -> Target | None:
    return target


def _never(target: Target) -> Target | None:
    return None


FIGURES: tuple[tuple[str, str, Callable[[Result], float], Callable[[Target], Target | None]], ...] = (
    ("lost", "increments", lambda outcome: outcome.lost, _always),
    ("duplicated", "increments", lambda outcome: outcome.duplicated, _always),
    ("diverged", "of 100 views", lambda outcome: 100 * outcome.diverged / max(1, outcome.compared), _always),
    ("given up", "deliveries", lambda outcome: outcome.given_up, _never),
    ("refused to users", "writes", lambda outcome: outcome.refused, _always),
    ("not done in time", f"deliveries, {SECONDS:g} s", lambda outcome: outcome.left, _always),
    ("p99", "ms of a delivery", lambda outcome: outcome.p99, _never),
    ("builds", "an event of a view", lambda outcome: outcome.builds / max(1, outcome.events), _never),
)


def run(stage: Stage, contestant_of: Callable[[Stage], Contestant], seed: int = SEED) -> Result:
    """Returns the result of a contestant for the story of a seed."""
    users = random.Random(f"{seed} users")
    _begin(stage)
    contestant = contestant_of(stage)
    deliveries = Deliveries(contestant, random.Random(f"{seed} deliveries"))
    outcome, end, first = deliveries.outcome, time.monotonic() + SECONDS, next(_built)
    for number in range(ITINERARIES):
        deliveries.add(stage.created(f"itineraries/i{number}"))
    for story in range(ROUNDS):
        for number in range(story * STEPS, (story + 1) * STEPS):
            change = _written(stage, *_step(users, number), outcome)
            outcome.events += not change.path.startswith("travellers/")
            deliveries.add(change)
        if deliveries.are_done(end):
            outcome.compared += ITINERARIES
            outcome.diverged += sum(contestant.shown(f"i{each}") != _fresh(stage, each) for each in range(ITINERARIES))
    outcome.left = deliveries.stop()
    outcome.builds = next(_built) - first - 1
    totals = sum((stage.read(f"balances/b{number}").fields or {})["total"] for number in range(BALANCES))
    outcome.lost = outcome.added - totals
    outcome.duplicated = outcome.added - len(outcome.forms)
    return outcome


def _begin(stage: Stage) -> None:
    stage.save(City.new(doc_id=f"c{number}", name=f"City {number}") for number in range(CITIES))
    for number in range(ITINERARIES):
        stops = [f"c{(number + stop) % CITIES}" for stop in range(STOPS)]
        stage.save([Itinerary.new(doc_id=f"i{number}", title=f"Trip {number}", stops=stops)])
    stage.save(Balance.new(doc_id=f"b{number}", total=0) for number in range(BALANCES))


def _step(users: random.Random, number: int) -> tuple[str, Fields]:
    """Returns what a user writes, and where."""
    match users.choices(("rename", "stops", "title", "deposit"), (35, 10, 15, 40))[0]:
        case "rename":
            return f"cities/c{users.randrange(CITIES)}", {"name": f"City {number}"}
        case "stops":
            stops = [Reference(f"cities/c{each}") for each in users.sample(range(CITIES), STOPS)]
            return f"itineraries/i{users.randrange(ITINERARIES)}", {"stops": stops}
        case "title":
            return f"itineraries/i{users.randrange(ITINERARIES)}", {"title": f"Trip {number}"}
        case _:
            return f"travellers/b{users.randrange(BALANCES)}/deposits/f{number}", {"amount": 1}


def _written(stage: Stage, path: str, fields: Fields, outcome: Result) -> Change:
    """Returns the event of a user's write, which is retried until the database accepts it."""
    while True:
        try:
            return stage.change(path, fields)
        except Transient:
            outcome.refused += 1


def _fresh(stage: Stage, number: int) -> Fields:
    itinerary = stage.read(f"itineraries/i{number}").fields or {}
    names = [(stage.read(stop.path).fields or {})["name"] for stop in itinerary["stops"]]
    return {"title": itinerary["title"], "cities": sorted(names)}


class Deliveries:
    """Events on their way to a contestant, handled by some threads."""

    def __init__(self, contestant: Contestant, chance: random.Random) -> None:
        self.outcome = Result()
        self._contestant, self._chance = contestant, chance
        self._changed = threading.Condition()
        self._waiting: list[tuple[float, int, int, Change]] = []
        self._order = itertools.count()
        self._open = 0
        self._closed = False
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(THREADS)]
        for thread in self._threads:
            thread.start()

    def add(self, change: Change) -> None:
        """Delivers the event once or more, each copy a little later."""
        with self._changed:
            for _ in range(self._chance.choices(range(1, 1 + MAX_COPIES), (6, 3, 1))[0]):
                self._put(change, 1, self._chance.uniform(0, SPREAD_SECONDS))

    def are_done(self, end: float) -> bool:
        """Waits until everything is acknowledged or the time is over; returns whether everything is."""
        with self._changed:
            return self._changed.wait_for(lambda: self._open == 0, max(0.0, end - time.monotonic()))

    def stop(self) -> int:
        """Ends the deliveries, and returns how many were not acknowledged."""
        with self._changed:
            left = self._open
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        return left

    def _put(self, change: Change, attempt: int, wait: float) -> None:
        heapq.heappush(self._waiting, (time.monotonic() + wait, next(self._order), attempt, change))
        self._open += 1
        self._changed.notify_all()

    def _take(self) -> tuple[int, Change] | None:
        with self._changed:
            while not self._closed:
                wait = self._waiting[0][0] - time.monotonic() if self._waiting else None
                if wait is not None and wait <= 0:
                    _, _, attempt, change = heapq.heappop(self._waiting)
                    return attempt, change
                self._changed.wait(wait)
            return None

    def _work(self) -> None:
        while taken := self._take():
            attempt, change = taken
            started = time.monotonic()
            try:
                added, done = self._contestant.handle(change), True
            except Exception:
                added, done = False, False
            with self._changed:
                if added:
                    self.outcome.added += 1
                    self.outcome.forms.add(change.path)
                self.outcome.seconds.append(time.monotonic() - started)
                self.outcome.given_up += not done
                if not done or (attempt == 1 and self._chance.random() < CRASHED):
                    self._put(change, attempt + 1, min(2.0, 0.05 * 2**attempt))
                self._open -= 1
                self._changed.notify_all()
