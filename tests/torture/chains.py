"""The part of views of views: a chain of three and a view beside it, over documents that come, change, go and return.

Once all events are handled, whoever lost the right to a copy has none at the end of a chain, though the view before it
could not be built; and once what was broken is mended, the end of the chain is what plain Python makes of the documents
at its beginning.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from boiler_functions import (
    Boiler,
    DomainModel,
    Store,
    ViewModel,
    access,
    attrs,
    children,
    matching,
    reference,
    references,
    referrers,
)
from boiler_functions.database.faults import Faults
from boiler_functions.modes.invocation import Outcome, Surroundings
from boiler_functions.testing import MemoryApp, VirtualClock, assert_views_equal_rebuild
from boiler_functions.types import Reference
from tests.torture.figures import Figure
from tests.torture.judged import Judged, wrong_figures
from tests.torture.unlogged import unlogged

SEEDS = 300
SHORT_SEEDS = 15
ACTS = 30

FIGURES = ("reads_on", "view_divergence", "unclassified_errors")

BROKEN = 7
"""A title that is no string."""


class Meeting(DomainModel):
    class Meta:
        collection_name = "meetings"

    title = attrs.string(default="")
    room = attrs.string(default="")
    seats = attrs.integer(default=0)


class Ticket(DomainModel):
    class Meta:
        collection_name = "tickets"

    meeting = attrs.relation(Meeting)


class Agenda(DomainModel):
    class Meta:
        collection_name = "agendas"

    meetings = attrs.relation(Meeting, many=True)
    members = attrs.relation("Member", many=True)


class MeetingStore(Store):
    meeting = reference(Meeting)
    tickets = referrers(Ticket.meeting)


class Session(ViewModel[MeetingStore]):
    """The first of the chain; a meeting with a broken title keeps its former content."""

    class Meta:
        path = "sessions/{meeting.doc_id}"

    @attrs.computed
    def title(self) -> str:
        return self.store.meeting.title

    @attrs.computed
    def room(self) -> str:
        return self.store.meeting.room

    @attrs.computed
    def free(self) -> int:
        return max(self.store.meeting.seats - len(self.store.tickets), 0)


class CardStore(Store):
    session = reference(Session)


class Card(ViewModel[CardStore]):
    """The second, whose copies move with the room; one without a room has none."""

    class Meta:
        path = "rooms/{session.room}/cards/{session.doc_id}"

    @attrs.computed
    def text(self) -> str:
        return f"{self.store.session.title}, {'free' if self.store.session.free else 'full'}"


class Room(DomainModel):
    class Meta:
        collection_name = "rooms"


class RoomStore(Store):
    room = reference(Room)
    cards = children(Card)
    free = matching(Session.free > 0).count()


class RoomView(ViewModel[RoomStore]):
    """The third; it also counts copies of the first."""

    class Meta:
        path = "roomViews/{room.doc_id}"

    @attrs.computed
    def cards(self) -> list[str]:
        return [each.text for each in self.store.cards]

    @attrs.computed
    def free(self) -> int:
        return self.store.free


class Member(DomainModel):
    class Meta:
        collection_name = "members"


class InvitedStore(Store):
    agenda = reference(Agenda)
    members = references(Agenda.members)
    meetings = references(Agenda.meetings)


class Invited(ViewModel[InvitedStore]):
    """A copy for each member; it cannot be built while a title is broken."""

    class Meta:
        path = "members/{members.doc_id}/invited/{agenda.doc_id}"
        read = access.owner("members.doc_id")

    @attrs.computed
    def titles(self) -> list[str]:
        return [each.title for each in self.store.meetings]


class LetterStore(Store):
    invited = reference(Invited)


class LetterView(ViewModel[LetterStore]):
    """What each member reads of their copy."""

    class Meta:
        path = "members/{invited.members_id}/letters/{invited.doc_id}"
        read = access.owner("invited.members_id")

    @attrs.computed
    def titles(self) -> list[str]:
        return self.store.invited.titles


class AgendaStore(Store):
    agenda = reference(Agenda)
    meetings = references(Agenda.meetings)
    sessions = references(Session, via=meetings, fields=[Session.title])


class AgendaView(ViewModel[AgendaStore]):
    """Reads the copies of the documents of another reference, beside these."""

    class Meta:
        path = "agendaViews/{agenda.doc_id}"

    @attrs.computed
    def titles(self) -> list[str]:
        return [each.title for each in self.store.sessions]


def act(app: MemoryApp, chance: Random) -> None:
    """Does one thing that a client does."""
    name = chance.choice("mno")
    match chance.randrange(10):
        case 0:
            app.write(f"meetings/{name}", None)
        case 1:
            app.write(f"tickets/{chance.choice('tu')}", None)
        case 2 | 3:
            app.write(f"tickets/{chance.choice('tu')}", {"meeting": Reference(f"meetings/{name}")})
        case 4 | 6:
            meetings = [Reference(f"meetings/{each}") for each in "mno" if chance.random() < 0.6]
            members = [Reference(f"members/{each}") for each in "pq" if chance.random() < 0.5]
            app.write("agendas/a", {"meetings": meetings, "members": members})
        case 5:
            app.write(f"rooms/{chance.choice('rs')}", chance.choice([{}, {}, None]))
        case _:
            title = BROKEN if chance.random() < 0.1 else chance.choice(["red", "blue"])
            fields = {"title": title, "room": chance.choice(["r", "s", "s", ""]), "seats": chance.randrange(4)}
            app.write(f"meetings/{name}", fields)


def expected(app: MemoryApp) -> dict[str, dict[str, Any]]:
    """Returns what the ends of the chain show, computed in plain Python from the documents at its beginning."""
    documents = {path: dict(each.fields or {}) for path, each in app.documents().items()}
    meetings = {path: each for path, each in documents.items() if path.startswith("meetings/")}
    sold = [each["meeting"].path for path, each in documents.items() if path.startswith("tickets/")]
    free = {path: max(each["seats"] - sold.count(path), 0) for path, each in meetings.items()}
    found: dict[str, dict[str, Any]] = {}
    for path, fields in documents.items():
        if path.startswith("agendas/"):
            titles = [meetings[each.path]["title"] for each in fields["meetings"] if each.path in meetings]
            found[path.replace("agendas", "agendaViews")] = {"titles": titles}
            for member in fields["members"]:
                found[f"{member.path}/letters/{path.split('/')[1]}"] = {"titles": titles}
        if path.startswith("rooms/") and path.count("/") == 1:
            own = [each for each in sorted(meetings) if meetings[each]["room"] == path.split("/")[1]]
            cards = [f"{meetings[each]['title']}, {'free' if free[each] else 'full'}" for each in own]
            found[path.replace("rooms", "roomViews")] = {"cards": cards, "free": sum(map(bool, free.values()))}
    return found


def ends(app: MemoryApp) -> dict[str, dict[str, Any]]:
    """Returns what is stored at the ends of the chain."""
    names = ("titles", "cards", "free")
    return {
        path: {name: value for name, value in (each.fields or {}).items() if name in names}
        for path, each in app.documents().items()
        if path.startswith(("agendaViews/", "roomViews/")) or "/letters/" in path
    }


def _chain() -> Boiler:
    app = Boiler("chains")
    for view in (AgendaView, RoomView, Card, Session, LetterView, Invited):
        app.query(view)
    return app


@dataclass
class Result(Judged):
    """The result of one seed."""

    followed: int = 0
    stopped: int = 0
    deleted: int = 0


@unlogged()
def torture(seed: int) -> Result:
    """Runs one seed: everything changes while everything goes wrong; then titles are mended; compares all."""
    chance, result, clock = Random(seed), Result(seed), VirtualClock()
    app = MemoryApp(_chain(), Surroundings(clock.now, clock.sleep, Random(seed)))
    faults = Faults(before=chance.choice([0.0, 0.03]), after=chance.choice([0.0, 0.03]), torn=0.2)
    with result.running():
        for path in ("rooms/r", "rooms/s", "members/p", "members/q"):
            app.write(path, {})
        reports = app.deliver(
            shuffle=seed, at_once=chance.randint(1, 5), crashes=chance.choice([0.0, 0.05]), faults=faults,
            duplicates=chance.choice([0, 1]), meanwhile=[lambda: act(app, chance)] * ACTS,
        )  # fmt: skip
        behind = [each for each in reports if each.function.endswith(("_on_sessions", "_on_cards", "_on_invited"))]
        result.followed += sum(each.outcomes.get(Outcome.BUILT, 0) for each in behind)
        result.stopped += sum(each.outcomes.get(Outcome.UNCHANGED, 0) for each in behind)
        result.deleted += sum(each.outcomes.get(Outcome.DELETED, 0) for each in behind)
        for path in sorted(ends(app).keys() - expected(app).keys()):
            if "/letters/" in path:
                result.note("reads_on", path)
        for path, document in app.documents().items():
            if path.startswith("meetings/") and (document.fields or {})["title"] == BROKEN:
                app.write(path, {**(document.fields or {}), "title": "mended"})
        app.deliver(shuffle=seed, at_once=2, faults=faults)
        app.upkeep()
        app.deliver()
        if ends(app) != expected(app):
            result.note("view_divergence", f"{ends(app)} instead of {expected(app)}")
        assert_views_equal_rebuild(app)
    return result


def run(short: bool, seed: int) -> Iterator[Figure]:
    """Yields the figures of chains."""
    results = [torture(each) for each in range(seed, seed + (SHORT_SEEDS if short else SEEDS))]
    yield Figure("seeds", len(results), "≥", SHORT_SEEDS if short else SEEDS)
    yield Figure("followed", sum(each.followed for each in results), "≥", len(results) * ACTS // 20)
    yield Figure("stopped", sum(each.stopped for each in results), "≥", len(results))
    yield Figure("deleted", sum(each.deleted for each in results), "≥", len(results) // 15)
    yield from wrong_figures(results, FIGURES)
