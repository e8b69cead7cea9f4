"""The app that is tortured on the emulator; and its oracle, which computes the views in plain Python."""

import os
from collections import Counter as Tally
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from boiler_functions import (
    Boiler,
    Changed,
    DomainModel,
    Rejected,
    Store,
    ViewModel,
    Webhook,
    access,
    attrs,
    matching,
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


PERIOD = timedelta(seconds=1)
"""The time between two writes of a quiet view."""

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


VIEWS = ("teamViews", "rosters", "cards", "totals", "dashboards")
"""The ids of the collections that hold the views."""


def expected_views(documents: Mapping[str, Document]) -> dict[str, Fields]:
    """Returns every view document that should exist, computed in plain Python from the sources alone."""
    by_collection: dict[str, list[Document]] = {}
    for document in documents.values():
        by_collection.setdefault(document.collection, []).append(document)
    return dict(
        [
            *_team_views(by_collection.get("teams", []), by_collection.get("accounts", [])),
            *_cards(documents, by_collection.get("accounts", [])),
            *_totals(by_collection.get("counters", [])),
            *_dashboard(by_collection.get("votes", [])),
        ]
    )


def _view(path: str, view: str, /, **content: Any) -> tuple[str, Fields]:
    return path, {**content, "obj_type": view, "doc_ref": path}


def _team_views(teams: Iterable[Document], accounts: Iterable[Document]) -> Iterator[tuple[str, Fields]]:
    owners: dict[str, list[str]] = {}
    for account in accounts:
        fields = account.fields or {}
        if fields.get("team"):
            owners.setdefault(fields["team"].path, []).append(fields["owner"])
    for team in teams:
        members = sorted(owners.get(team.path, []))
        content = {"name": (team.fields or {})["name"], "members": members}
        yield _view(f"teamViews/{team.id}", "TeamView", **content)
        yield _view(f"rosters/{team.id}", "RosterView", **content)


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


def summed(documents: Mapping[str, Document], collection: str, field: str) -> Tally[str]:
    """Returns the right value of each counter: the sum of its forms or mutations."""
    tally: Tally[str] = Tally()
    for document in documents.values():
        if document.collection.endswith(f"/{collection}"):
            tally[document.path.split("/")[1]] += (document.fields or {})[field]
    return tally
