"""The app that is tortured on the emulator; and its oracle, which computes the views in plain Python."""

import os
from collections import Counter as Tally
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from boiler_functions import (
    Boiler,
    Changed,
    Copy,
    DomainModel,
    Rejected,
    Store,
    ViewModel,
    Webhook,
    access,
    attrs,
    matching,
    one_of,
    reference,
    referrers,
)
from boiler_functions.database import Document
from boiler_functions.types import Fields
from tests.torture.emulator_receiver import SECRET, URL


class Team(DomainModel):
    class Meta:
        collection_name = "teams"

    name = attrs.string(required=True)
    seen = attrs.integer(default=0)


class Account(DomainModel):
    class Meta:
        collection_name = "accounts"

    owner = attrs.string(required=True)
    team = attrs.relation(Team)
    points = attrs.integer(default=0)
    seen = attrs.integer(default=0)


class Counter(DomainModel):
    class Meta:
        collection_name = "counters"

    total = attrs.integer(default=0)
    bonus = attrs.integer(default=0)


class Vote(DomainModel):
    class Meta:
        collection_name = "votes"

    choice = attrs.string(required=True)
    count = attrs.integer(default=0)


class Deadline(DomainModel):
    class Meta:
        collection_name = "deadlines"

    due_at = attrs.timestamp(required=True)


PERIOD = timedelta(seconds=3)
"""The time between two writes of a quiet view; longer than most events are late, or these would show what is lost."""

LARGE = 3
"""A team with more members is large."""

app = Boiler("torture")


class TeamStore(Store):
    team = reference(Team)
    members = referrers(Account.team)


@app.query
class TeamView(ViewModel[TeamStore]):
    """A root, and the documents that refer to it."""

    class Meta:
        path = "teamViews/{team.doc_id}"

    @attrs.computed
    def name(self) -> str:
        return self.store.team.name

    @attrs.computed
    def members(self) -> list[str]:
        return sorted(member.owner for member in self.store.members)


class RosterStore(Store):
    team = reference(Team, fields=[Team.name])
    members = referrers(Account.team, fields=[Account.owner])


@app.query(at_most_every=PERIOD)
class RosterView(ViewModel[RosterStore]):
    """A quiet view, whose references list what they read: all that others change is acknowledged unseen."""

    class Meta:
        path = "rosters/{team.doc_id}"

    @attrs.computed
    def name(self) -> str:
        return self.store.team.name

    @attrs.computed
    def members(self) -> list[str]:
        return sorted(member.owner for member in self.store.members)


class AskedStore(Store):
    team = reference(Team)
    members = referrers(Account.team).count()
    points = referrers(Account.team).sum(Account.points)


@app.query
class AskedView(ViewModel[AskedStore]):
    """Totals that Firestore is asked for."""

    class Meta:
        path = "asked/{team.doc_id}"

    @attrs.computed
    def members(self) -> int:
        return self.store.members

    @attrs.computed
    def points(self) -> int:
        return self.store.points


class KeptStore(Store):
    team = reference(Team)
    members = referrers(Account.team).count(kept=True, shards=2)
    points = referrers(Account.team).sum(Account.points, kept=True, shards=2)


@app.query
class KeptView(ViewModel[KeptStore]):
    """The same totals, kept by the commits of the events; a build fills them while events go on."""

    class Meta:
        path = "kept/{team.doc_id}"

    @attrs.computed
    def members(self) -> int:
        return self.store.members

    @attrs.computed
    def points(self) -> int:
        return self.store.points


class CrestStore(Store):
    team = reference(TeamView)


@app.query
class Crest(ViewModel[CrestStore]):
    """The second view of a chain: it reads a copy of another."""

    class Meta:
        path = "crests/{team.doc_id}"

    @attrs.computed
    def is_large(self) -> bool:
        return len(self.store.team.members) > LARGE


class LeagueStore(Store):
    large = matching(Crest.where(is_large=True))
    crests = matching(Crest.where()).count()


@app.query
class League(ViewModel[LeagueStore]):
    """The end of the chain: it finds copies by their content, and counts them."""

    class Meta:
        path = "leagues/all"

    @attrs.computed
    def large(self) -> list[str]:
        return sorted(each.params["doc_id"] for each in self.store.large)

    @attrs.computed
    def crests(self) -> int:
        return self.store.crests


class SeatStore(Store):
    team = reference(Team)
    members = referrers(Account.team)


class SeatCopy(Copy):
    members = one_of(SeatStore.members)


@app.query
class SeatView(ViewModel[SeatStore, SeatCopy]):
    """Copies that differ: each member sees how many others have more points."""

    class Meta:
        path = "rooms/{team.doc_id}/seats/{members.doc_id}"

    @attrs.computed
    def ahead(self) -> int:
        own = self.copy.members.points
        return sum(each.points > own for each in self.store.members)


class DeadlineStore(Store):
    deadline = reference(Deadline)


@app.query
class DueView(ViewModel[DeadlineStore]):
    """A view that changes because time passes."""

    class Meta:
        path = "dues/{deadline.doc_id}"

    @attrs.computed
    def passed(self) -> bool:
        return self.store.now.has_passed(self.store.deadline.due_at)


class CardStore(Store):
    account = reference(Account)
    team = reference(Account.team)


@app.query
class Card(ViewModel[CardStore]):
    """A root, and the documents that it refers to, which decide where the view is stored."""

    class Meta:
        path = "boards/{team.doc_id}/cards/{account.doc_id}"

    @attrs.computed
    def owner(self) -> str:
        return self.store.account.owner

    @attrs.computed
    def team(self) -> str:
        return self.store.team.name if self.store.team else ""


class TotalStore(Store):
    counter = reference(Counter)


@app.query
@app.document()
class TotalView(ViewModel[TotalStore]):
    """A document that only tasks and mutations write, and its view; it never returns to an earlier state."""

    class Meta:
        path = "totals/{counter.doc_id}"
        write = access.signed_in

    @attrs.computed
    def total(self) -> int:
        return self.store.counter.total

    @attrs.computed
    def bonus(self) -> int:
        return self.store.counter.bonus

    @bonus.setter
    def add_bonus(self, value: int) -> None:
        """Adds an amount: the sum shows whether it was added twice, or never."""
        self.store.counter.bonus += value


class YesStore(Store):
    votes = matching(Vote.choice == "yes")


@app.query
class YesView(ViewModel[YesStore]):
    """A hot view: all documents that match a condition."""

    class Meta:
        path = "dashboards/yes"

    @attrs.computed
    def voters(self) -> list[str]:
        return sorted(vote.doc_id for vote in self.store.votes)


@app.task("people/{person}/deposits/{form}", writes=[Counter])
class Deposit(ViewModel):
    """An increment: the total shows whether it was made twice, or never."""

    amount = attrs.integer(required=True)

    def propagate_change(self) -> None:
        counter = Counter.get(self.params["person"])
        if counter is None:
            raise Rejected("no such counter")
        counter.total += self.amount
        counter.save()


@app.task("people/{person}/ballots/{form}", writes=[Vote])
class Ballot(ViewModel):
    """A form that is rewritten many times: the last version must take effect, and none twice."""

    choice = attrs.string(required=True)

    def propagate_change(self) -> None:
        person = self.params["person"]
        vote = Vote.get(person) or Vote.new(doc_id=person, choice=self.choice)
        vote.choice = self.choice
        vote.count += 1
        vote.save()


@app.on_change(Team)
def tell_of_team(change: Changed[Team]) -> None:
    """Receives the change, whoever wrote the document."""
    Webhook(os.environ[URL], secret_env=SECRET).notify(change)


@app.on_change(TotalView)
def tell_of_total(change: Changed[TotalView]) -> None:
    """Receives the change through the outbox, in which a view's change leaves a record."""
    Webhook(os.environ[URL], secret_env=SECRET).notify(change)


VIEWS = (
    "teamViews", "rosters", "asked", "kept", "crests", "leagues", "seats", "dues", "cards", "totals", "dashboards"
)  # fmt: skip
"""The ids of the collections that hold the views."""


def expected_views(documents: Mapping[str, Document], now: datetime) -> dict[str, Fields]:
    """Returns every view document that should exist now, computed in plain Python from the sources alone."""
    by_collection: dict[str, list[Document]] = {}
    for document in documents.values():
        by_collection.setdefault(document.collection, []).append(document)
    return dict(
        [
            *_team_views(by_collection.get("teams", []), by_collection.get("accounts", [])),
            *_cards(documents, by_collection.get("accounts", [])),
            *_totals(by_collection.get("counters", [])),
            *_dashboard(by_collection.get("votes", [])),
            *_dues(by_collection.get("deadlines", []), now),
        ]
    )


def _view(path: str, view: str, /, **content: Any) -> tuple[str, Fields]:
    return path, {**content, "obj_type": view, "doc_ref": path}


def _team_views(teams: Collection[Document], accounts: Iterable[Document]) -> Iterator[tuple[str, Fields]]:
    accounts_of: dict[str, list[Document]] = {}
    for account in accounts:
        if team := (account.fields or {}).get("team"):
            accounts_of.setdefault(team.path, []).append(account)
    large = []
    for team in teams:
        members = {each.id: each.fields or {} for each in accounts_of.get(team.path, [])}
        owners = sorted(each["owner"] for each in members.values())
        points = [each.get("points", 0) for each in members.values()]
        content = {"name": (team.fields or {})["name"], "members": owners}
        yield _view(f"teamViews/{team.id}", "TeamView", **content)
        yield _view(f"rosters/{team.id}", "RosterView", **content)
        yield _view(f"asked/{team.id}", "AskedView", members=len(members), points=sum(points))
        yield _view(f"kept/{team.id}", "KeptView", members=len(members), points=sum(points))
        yield _view(f"crests/{team.id}", "Crest", isLarge=len(members) > LARGE)
        for name, each in members.items():
            ahead = sum(other > each.get("points", 0) for other in points)
            yield _view(f"rooms/{team.id}/seats/{name}", "SeatView", ahead=ahead)
        large += [team.id] * (len(members) > LARGE)
    yield _view("leagues/all", "League", large=sorted(large), crests=len(teams))


def _cards(documents: Mapping[str, Document], accounts: Iterable[Document]) -> Iterator[tuple[str, Fields]]:
    for account in accounts:
        fields = account.fields or {}
        team = documents.get(fields["team"].path) if fields.get("team") else None
        if team is not None:
            path = f"boards/{team.id}/cards/{account.id}"
            yield _view(path, "Card", owner=fields["owner"], team=(team.fields or {})["name"])


def _totals(counters: Iterable[Document]) -> Iterator[tuple[str, Fields]]:
    for counter in counters:
        fields = counter.fields or {}
        yield _view(f"totals/{counter.id}", "TotalView", total=fields["total"], bonus=fields.get("bonus", 0))


def _dashboard(votes: Iterable[Document]) -> Iterator[tuple[str, Fields]]:
    said = {vote.id: (vote.fields or {})["choice"] for vote in votes}
    if said:
        voters = sorted(voter for voter, choice in said.items() if choice == "yes")
        yield _view("dashboards/yes", "YesView", voters=voters)


def _dues(deadlines: Iterable[Document], now: datetime) -> Iterator[tuple[str, Fields]]:
    for deadline in deadlines:
        yield _view(f"dues/{deadline.id}", "DueView", passed=(deadline.fields or {})["dueAt"] <= now)


def summed(documents: Mapping[str, Document], collection: str, field: str) -> Tally[str]:
    """Returns the right value of each counter: the sum of its forms or mutations."""
    tally: Tally[str] = Tally()
    for document in documents.values():
        if document.collection.endswith(f"/{collection}"):
            tally[document.path.split("/")[1]] += (document.fields or {})[field]
    return tally
