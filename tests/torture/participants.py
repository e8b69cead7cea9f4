"""The part of copies that differ: participants join, leave and read, each with an unread count of their own.

Whoever left has no copy once all events are handled, whatever failed; in the end each copy shows what is its
participant's, and a receiver has had each change of each copy once, from the first content to the last. In some seeds
the view is quiet, in others every commit of several copies is in parts.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any
from unittest.mock import patch

from boiler_functions import Boiler, Changed, Copy, DomainModel, Store, ViewModel, attrs, children, one_of, reference
from boiler_functions.database import Document
from boiler_functions.database.faults import Faults
from boiler_functions.modes.invocation import Outcome, Surroundings
from boiler_functions.modes.ledger import COLLECTION
from boiler_functions.modes.outbox import COLLECTION as OUTBOX
from boiler_functions.modes.query import commits
from boiler_functions.testing import MemoryApp, VirtualClock, assert_views_equal_rebuild
from boiler_functions.types import Fields, digest
from tests.torture.clubs import BROKEN, PARTS
from tests.torture.figures import Figure
from tests.torture.judged import Judged, wrong_figures
from tests.torture.unlogged import unlogged

SEEDS = 400
SHORT_SEEDS = 20
ACTS = 30
PERIOD = timedelta(seconds=5)

FIGURES = ("reads_on", "view_divergence", "changes_missed_or_doubled", "unclassified_errors")


class Room(DomainModel):
    class Meta:
        collection_name = "rooms"

    title = attrs.string(default="")


class Participant(DomainModel):
    class Meta:
        collection_name = "rooms/{room_id}/participants"

    unread = attrs.integer(default=0)
    is_host = attrs.boolean(default=False)


class RoomStore(Store):
    room = reference(Room)
    participants = children(Participant)


class RoomCopy(Copy):
    participants = one_of(RoomStore.participants)


class RoomView(ViewModel[RoomStore, RoomCopy]):
    class Meta:
        path = "users/{participants.doc_id}/rooms/{room.doc_id}"
        versioned = True

    @attrs.computed
    def title(self) -> str:
        return self.store.room.title * 300

    @attrs.computed
    def unread(self) -> int:
        return self.copy.participants.unread

    @attrs.computed
    def behind(self) -> list[str]:
        behind = [each.doc_id for each in self.store.participants if each.unread]
        return behind if self.copy.participants.is_host else []


@dataclass
class Result(Judged):
    """The result of one seed."""

    events: int = 0
    withdrawals: int = 0
    left_alone: int = 0
    parts: int = 0

    def look(self, before: Document, after: Document) -> None:
        """Counts the copies that a build left alone beside others that it wrote, and the parts of commits."""
        if after.collection != COLLECTION or not before.exists or not after.exists:
            return
        self.parts += ", part " in (after.fields or {}).get("cause", "")
        was, now = ({*zip(*map(each.get, ("destinations", "digests")), strict=True)} if each.get("digests") else set()
                    for each in (before.fields or {}, after.fields or {}))  # fmt: skip
        self.left_alone += len(was & now) if was != now else 0


def act(app: MemoryApp, chance: Random, result: Result) -> None:
    """Does one thing that a client does, after some time."""
    app.surroundings.sleep(chance.choice([0.01, 0.1, 1, 4]))
    result.events += 1
    room = f"rooms/{chance.choice('cd')}"
    participant = f"{room}/participants/{chance.choice('pqrs')}"
    match chance.randrange(12):
        case 0:
            app.write(room, None)
        case 1 | 2:
            app.write(room, {"title": chance.choice(["a", "b", BROKEN, BROKEN])})
        case 3 | 4:
            app.write(participant, None)
        case 5 if chance.random() < 0.5:
            app.advance()
        case _:
            app.write(participant, {"unread": chance.randrange(3), "isHost": chance.random() < 0.3})


def allowed(app: MemoryApp) -> dict[str, Fields]:
    """Returns what each participant sees, computed in plain Python."""
    documents = {path: dict(each.fields or {}) for path, each in app.documents().items()}
    found: dict[str, Fields] = {}
    for path, room in documents.items():
        if path.startswith("rooms/") and path.count("/") == 1:
            below = {at.split("/")[3]: each for at, each in documents.items() if at.startswith(f"{path}/participants/")}
            behind = sorted(name for name, each in below.items() if each["unread"])
            for name, each in below.items():
                shown = {"unread": each["unread"], "behind": behind if each["isHost"] else []}
                found[f"users/{name}/{path}"] = {"title": room["title"] * 300, **shown}
    return found


def copies(app: MemoryApp) -> dict[str, Fields]:
    """Returns what is stored for participants."""
    stored = {path: dict(each.fields or {}) for path, each in app.documents().items() if path.startswith("users/")}
    names = ("title", "unread", "behind")
    return {path: {name: each[name] for name in names} for path, each in stored.items()}


def missed_or_doubled(app: MemoryApp) -> Iterator[str]:
    """Yields the copies whose recorded changes do not lead from nothing to the content that is stored."""
    documents = app.documents()
    records = [each.fields or {} for path, each in documents.items() if path.startswith(OUTBOX)]
    for copy in sorted({path for each in records for path in each["copies"]}):
        own = [each for each in records if each["copies"] == [copy]]
        balance = Counter(digest(each["after"]) for each in own)
        balance.subtract(digest(each["before"]) for each in own)
        stored = documents[copy].fields if copy in documents else None
        balance[digest(None)] += 1
        balance[digest(stored and {name: value for name, value in stored.items() if name != "doc_ref"})] -= 1
        if any(balance.values()):
            yield copy


@unlogged()
def torture(seed: int) -> Result:
    """Runs one seed: participants come, read and go while everything goes wrong; then all is mended; compares all."""
    chance, result, clock = Random(seed), Result(seed), VirtualClock()
    boiler = Boiler("participants")
    boiler.query(at_most_every=chance.choice([None, PERIOD]))(RoomView)
    heard: list[Changed[RoomView]] = []

    @boiler.on_change(RoomView)
    def hear(change: Changed[RoomView]) -> None:
        heard.append(change)

    app = MemoryApp(boiler, Surroundings(clock.now, clock.sleep, Random(seed)))
    app.database.subscribe(result.look)
    faults = Faults(before=chance.choice([0.0, 0.03]), after=chance.choice([0.0, 0.03]), torn=0.2)
    sizes: dict[str, Any] = chance.choice([PARTS, {}])
    with result.running(), patch.multiple(commits, **sizes) if sizes else unlogged():
        for each in "pqrs":
            app.write(f"rooms/c/participants/{each}", {"unread": 1, "isHost": each == "p"})
        app.write("rooms/c", {"title": "a"})
        reports = app.deliver(
            shuffle=seed, at_once=chance.randint(1, 5), crashes=chance.choice([0.0, 0.05]), faults=faults,
            duplicates=chance.choice([0, 1]), meanwhile=[lambda: act(app, chance, result)] * ACTS,
        )  # fmt: skip
        result.withdrawals += sum(report.outcomes.get(Outcome.WITHDRAWN, 0) for report in reports)
        for path in sorted(copies(app).keys() - allowed(app).keys()):
            result.note("reads_on", path)
        for each in "cd":
            app.write(f"rooms/{each}", {"title": "mended"})
        app.deliver(shuffle=seed, at_once=2, faults=faults)
        for _ in range(3):
            app.advance(days=1)
            app.deliver()
        if copies(app) != allowed(app):
            result.note("view_divergence", f"{copies(app)} instead of {allowed(app)}")
        assert_views_equal_rebuild(app)
        for copy in missed_or_doubled(app):
            result.note("changes_missed_or_doubled", copy)
    return result


def run(short: bool, seed: int) -> Iterator[Figure]:
    """Yields the figures of copies that differ."""
    results = [torture(each) for each in range(seed, seed + (SHORT_SEEDS if short else SEEDS))]
    yield Figure("seeds", len(results), "≥", SHORT_SEEDS if short else SEEDS)
    yield Figure("events", sum(each.events for each in results), "≥", len(results) * ACTS // 2)
    yield Figure("copies_left_alone", sum(each.left_alone for each in results), "≥", len(results) // 8)
    yield Figure("withdrawals", sum(each.withdrawals for each in results), "≥", len(results) // 20)
    yield Figure("parts", sum(each.parts for each in results), "≥", len(results) // 2)
    yield from wrong_figures(results, FIGURES)
