"""The page about stored documents names every collection that the package writes, and every field of it."""

import logging
import re
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import pytest

from boiler_functions import (
    Boiler,
    Changed,
    Copy,
    DomainModel,
    Store,
    ViewModel,
    access,
    attrs,
    one_of,
    reference,
    references,
    referrers,
)
from boiler_functions.database import Document
from boiler_functions.modes import cloud_build, secret
from boiler_functions.modes.bookkeeping import BOOKKEEPING
from boiler_functions.modes.cloud_build import BuildRange, CloudBuild
from boiler_functions.modes.ledger import COPIES
from boiler_functions.modes.migration import Migrations
from boiler_functions.modes.query.rebuild_all import RebuildAll
from boiler_functions.modes.registry import Registration
from boiler_functions.modes.staged import StagedVersion
from boiler_functions.testing import MemoryApp, http_client, memory_app
from boiler_functions.types import Reference
from tests.pages import ROOT

PAGE = ROOT / "docs" / "reference" / "documents.md"
ROW = re.compile(r"^\| `(\w+)` \|(.*)\|$", re.MULTILINE)

app = Boiler("clubs")


class Member(DomainModel):
    class Meta:
        collection_name = "members"

    name = attrs.string(required=True)


class Club(DomainModel):
    class Meta:
        collection_name = "clubs"

    name = attrs.string(required=True)
    opens_at = attrs.timestamp()
    members = attrs.relation(Member, many=True)


class Visit(DomainModel):
    class Meta:
        collection_name = "visits"

    club = attrs.relation(Club)
    minutes = attrs.integer()


class ClubStore(Store):
    club = reference(Club)
    members = references(Club.members)
    visits = referrers(Visit.club, on_invalid="skip")


class ClubCopy(Copy):
    members = one_of(ClubStore.members)


class NameStore(Store):
    club = reference(Club)


class MinutesStore(Store):
    club = reference(Club)
    minutes = referrers(Visit.club).sum(Visit.minutes, kept=True)


@app.query(at_most_every=timedelta(seconds=5))
class ClubView(ViewModel[ClubStore, ClubCopy]):
    class Meta:
        path = "members/{members.doc_id}/clubs/{club.doc_id}"
        read = access.owner("members.doc_id")

    @attrs.computed
    def name(self) -> str:
        return f"{self.store.club.name}, {self.copy.members.name}"

    @attrs.computed
    def visits(self) -> list[int | None]:
        return [each.minutes for each in self.store.visits]

    @attrs.computed
    def is_open(self) -> bool:
        opens_at = self.store.club.opens_at
        return opens_at is None or self.store.now.has_passed(opens_at)


@app.query
@app.rest("/clubs")
class ClubName(ViewModel[NameStore]):
    class Meta:
        path = "clubNames/{club.doc_id}"
        read = write = access.signed_in
        versioned = True

    @attrs.computed
    def name(self) -> str:
        return self.store.club.name

    @name.setter
    def set_name(self, value: str) -> None:
        self.store.club.name = value


@app.query
class ClubMinutes(ViewModel[MinutesStore]):
    class Meta:
        path = "clubMinutes/{club.doc_id}"

    @attrs.computed
    def minutes(self) -> int:
        return self.store.minutes


@app.task("forms/{form_id}", writes=[Club], on_completion="keep")
class ClubForm(ViewModel):
    class Meta:
        write = access.signed_in

    name = attrs.string(required=True)

    def propagate_change(self) -> None:
        Club.new(doc_id=self.params["form_id"], name=self.name).save()


@app.on_change(ClubView)
def hear(change: Changed[ClubView]) -> None:
    """Receives the change of a copy."""


@app.on_change(ClubName)
def hear_name(change: Changed[ClubName]) -> None:
    """Receives the change of a view whose copies are the same."""


@app.migration(Member)
def whole_names(member: Member) -> None:
    assert member.name != "Eve", "is left as it is"


def write_everything(testing: MemoryApp) -> None:
    """Has the app, and what its operator's commands use, write each kind of document."""
    database = testing.database
    Registration("clubs").write(database)
    secret.secret_of(database, "clubs")
    StagedVersion.of(database, "clubs", "ClubName").write(database)
    now = testing.surroundings.clock()
    build = cloud_build.begin(
        database, CloudBuild.new("clubs", ("ClubName",), 1, now, only_stale=True, withdraw=False, max_rate=9.5)
    )
    moved = BuildRange(Document(build.range_path(0)), build.id, 0, "", "", moved_at=now)
    ended = build._replace(is_open=False, resumed_at=now, ended_at=now)
    database.commit([moved.put(), ended.put()])

    for name in ("Ada", "Eve"):
        Member.new(doc_id=name.lower(), name=name).save()
    opens_at = datetime.now(UTC) + timedelta(days=1)
    Club.new(doc_id="chess", name="Chess", opens_at=opens_at, members=["ada", "eve"]).save()
    testing.write("visits/short", {"club": Reference("clubs/chess"), "minutes": "ten"})
    Visit.new(doc_id="long", club="chess", minutes=90).save()
    testing.write("forms/go", {"name": "Go"})
    testing.deliver()
    Member.new(doc_id="ada", name="Ada L.").save()  # too early for a quiet view
    Visit.new(doc_id="later", club="chess", minutes=30).save()
    testing.deliver()
    testing.write("visits/later", None)
    testing.write("clubs/chess", {"members": []})
    testing.deliver()
    patched = http_client(testing, "ada").patch("/clubs/go", json={"name": "Go!"}, headers={"Idempotency-Key": "once"})
    assert patched.status_code == 200
    RebuildAll(app.name, ClubMinutes, database).fill()
    for _ in Migrations(app.name, app.migrations, database).run():
        """Runs each step."""


def collection_of(path: str) -> str:
    return path.split("/")[-2]


@pytest.fixture
def written(caplog: pytest.LogCaptureFixture) -> dict[str, set[str]]:
    """The fields of all documents that were ever written, by collection."""
    caplog.set_level(logging.CRITICAL)
    found: dict[str, set[str]] = defaultdict(set)

    def note(before: Document, after: Document) -> None:
        found[collection_of(after.path)] |= {*(after.fields or {})}

    with memory_app(app) as testing:
        testing.database.subscribe(note)
        write_everything(testing)
    return found


def test_every_collection_of_the_bookkeeping_has_a_row() -> None:
    assert sorted(name for name, _ in ROW.findall(PAGE.read_text("utf-8"))) == sorted(BOOKKEEPING)


def test_every_field_that_is_written_is_named(written: dict[str, set[str]]) -> None:
    rows = {name: {*re.findall(r"`(\w+)`", row)} for name, row in ROW.findall(PAGE.read_text("utf-8"))}
    of_views = {COPIES}  # has the fields of views
    assert {*BOOKKEEPING} - written.keys() == of_views, "write_everything no longer writes these"
    unnamed = {name: sorted(written[name] - rows[name]) for name in sorted({*BOOKKEEPING} - of_views)}
    assert {name: fields for name, fields in unnamed.items() if fields} == {}
