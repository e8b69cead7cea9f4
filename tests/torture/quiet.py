"""The part of quiet views: sources change all the time, members come and go, clocks are wrong, and upkeep sleeps.

Their references read some fields, so that changes of others are acknowledged unseen.

Two writes of a view are a period apart; whoever lost the right to a copy has none once all events are handled, though
the view waits; and once upkeep woke, every view is what its sources say.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from boiler_functions import Boiler, DomainModel, Store, ViewModel, attrs, reference, references, referrers
from boiler_functions.database import Document
from boiler_functions.database.faults import Faults
from boiler_functions.models.session import use
from boiler_functions.modes.invocation import Outcome, Surroundings
from boiler_functions.modes.ledger import COLLECTION
from boiler_functions.testing import MemoryApp, VirtualClock, assert_views_equal_rebuild
from boiler_functions.types import Fields, Instant, Reference, to_instant
from tests.torture.figures import Figure
from tests.torture.judged import Judged, wrong_figures
from tests.torture.unlogged import unlogged

SEEDS = 400
SHORT_SEEDS = 20
ACTS = 40
PERIOD = timedelta(seconds=5)

FIGURES = ("written_too_often", "reads_on", "view_divergence", "unclassified_errors")


class Member(DomainModel):
    class Meta:
        collection_name = "members"

    seen = attrs.integer(default=0)
    beat = attrs.integer(default=0)


class Room(DomainModel):
    class Meta:
        collection_name = "rooms"

    visits = attrs.integer(default=0)
    members = attrs.relation(Member, many=True)


class Message(DomainModel):
    class Meta:
        collection_name = "messages"

    room = attrs.relation(Room)
    text = attrs.string(default="")
    reads = attrs.integer(default=0)


class RoomStore(Store):
    room = reference(Room, fields=[Room.visits])
    members = references(Room.members, fields=[Member.seen])
    messages = referrers(Message.room, fields=[Message.text])


class RoomView(ViewModel[RoomStore]):
    class Meta:
        path = "members/{members.doc_id}/rooms/{room.doc_id}"

    @attrs.computed
    def visits(self) -> int:
        return self.store.room.visits

    @attrs.computed
    def seen(self) -> list[int]:
        return [each.seen for each in self.store.members]

    @attrs.computed
    def texts(self) -> list[str]:
        return [each.text for each in self.store.messages]


@dataclass
class Result(Judged):
    """The result of one seed."""

    events: int = 0
    postponed: int = 0
    unseen: int = 0
    withdrawals: int = 0
    written: dict[str, Instant] = field(default_factory=dict)

    def look(self, before: Document, after: Document) -> None:
        """Looks at the times at which a ledger says that its view was written; a ledger that is new begins anew."""
        if after.collection != COLLECTION or not before.exists or not after.exists:
            return
        was, now = ((each.fields or {}).get("written_at") for each in (before, after))
        if was and now and was != now and to_instant(now) - to_instant(was) < PERIOD.total_seconds() * 1e9:
            self.note("written_too_often", f"{after.path}: {was}, then {now}")


def act(app: MemoryApp, chance: Random, result: Result) -> None:
    """Does one thing that a client does, after some time."""
    app.surroundings.sleep(chance.choice([0.01, 0.1, 1, 4]))
    result.events += 1
    room = f"rooms/{chance.choice('cd')}"
    match chance.randrange(10):
        case 0:
            app.write(room, None)
        case 1:
            app.write(f"members/{chance.choice('pqr')}", None)
        case 2 | 3:
            app.write(f"members/{chance.choice('pqr')}", {"seen": chance.randrange(3), "beat": chance.randrange(9)})
        case 4 | 5:
            app.write(f"messages/{chance.choice('xyz')}", _message(room, chance))
        case 6:
            app.write(f"messages/{chance.choice('xyz')}", None)
        case 7 if chance.random() < 0.5:
            app.advance()
        case _:
            members = [Reference(f"members/{each}") for each in "pqr" if chance.random() < 0.7]
            app.write(room, {"visits": chance.randrange(9), "members": members})


def _message(room: str, chance: Random) -> Fields:
    return {"room": Reference(room), "text": chance.choice("ab"), "reads": chance.randrange(9)}


def allowed(app: MemoryApp) -> set[str]:
    """Returns the copies that members may read, computed in plain Python."""
    documents = {path: each.fields or {} for path, each in app.documents().items()}
    rooms = {path: each for path, each in documents.items() if path.startswith("rooms/")}
    return {
        f"{member.path}/{path}"
        for path, room in rooms.items()
        for member in room["members"]
        if member.path in documents
    }


def copies(app: MemoryApp) -> set[str]:
    """Returns the copies that are stored for members."""
    return {path for path in app.documents() if path.count("/") == 3}


@unlogged()
def torture(seed: int) -> Result:
    """Runs one seed: everything changes while everything goes wrong; then upkeep wakes; compares all."""
    chance, result, clock = Random(seed), Result(seed), VirtualClock()
    boiler = Boiler("quiet")
    boiler.query(at_most_every=PERIOD)(RoomView)
    app = MemoryApp(boiler, Surroundings(clock.now, clock.sleep, Random(seed)))
    skew = chance.choice([0, 0, -3600, 3600]) * 1_000_000_000
    true = app.surroundings.clock
    app.surroundings = app.surroundings._replace(clock=lambda: true() + skew)
    app.database.subscribe(result.look)
    faults = Faults(before=chance.choice([0.0, 0.03]), after=chance.choice([0.0, 0.03]), torn=0.2)
    with result.running(), use(app.database):
        for each in "pqr":
            app.write(f"members/{each}", {"seen": 0})
        reports = app.deliver(
            shuffle=seed, at_once=chance.randint(1, 5), crashes=chance.choice([0.0, 0.05]), faults=faults,
            duplicates=chance.choice([0, 1]), meanwhile=[lambda: act(app, chance, result)] * ACTS,
        )  # fmt: skip
        result.withdrawals += sum(report.outcomes.get(Outcome.WITHDRAWN, 0) for report in reports)
        result.postponed += sum(report.outcomes.get(Outcome.POSTPONED, 0) for report in reports)
        result.unseen += sum(report.usage.rpcs == 0 for report in reports)
        for path in sorted(copies(app) - allowed(app)):
            result.note("reads_on", path)
        app.surroundings = app.surroundings._replace(clock=true)
        app.advance(days=chance.choice([1, 0.0001]))
        app.deliver(shuffle=seed, at_once=2, faults=faults)
        app.advance(seconds=6)
        app.deliver()
        if copies(app) != allowed(app):
            result.note("view_divergence", f"{sorted(copies(app))} instead of {sorted(allowed(app))}")
        assert_views_equal_rebuild(app)
    return result


def run(short: bool, seed: int) -> Iterator[Figure]:
    """Yields the figures of quiet views."""
    results = [torture(each) for each in range(seed, seed + (SHORT_SEEDS if short else SEEDS))]
    yield Figure("seeds", len(results), "≥", SHORT_SEEDS if short else SEEDS)
    yield Figure("events", sum(each.events for each in results), "≥", len(results) * ACTS // 2)
    yield Figure("postponed", sum(each.postponed for each in results), "≥", len(results))
    yield Figure("acknowledged_unseen", sum(each.unseen for each in results), "≥", len(results) // 2)
    yield Figure("withdrawals", sum(each.withdrawals for each in results), "≥", len(results) // 20)
    yield from wrong_figures(results, FIGURES)
