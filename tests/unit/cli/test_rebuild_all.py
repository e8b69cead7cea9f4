"""A build by hand makes every instance of a view equal to its sources, whatever was there before."""

from collections.abc import Sequence

import pytest

from boiler_functions import Boiler, DomainModel, Store, ViewModel, attrs, matching, reference, use
from boiler_functions.database import (
    Committed,
    Delete,
    Document,
    Put,
    Query,
    Reading,
    Verified,
    Write,
)
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.modes.edition import scope_of
from boiler_functions.modes.invocation import Outcome, Surroundings
from boiler_functions.modes.ledger import COLLECTION, ledger_path
from boiler_functions.modes.query import rebuild_all
from boiler_functions.modes.query.rebuild import PAGE
from boiler_functions.modes.query.rebuild_all import RebuildAll
from boiler_functions.types import Fields, Instant
from boiler_functions.views.build import Instance

ADDED = ("plan", "code", "deployment", "owed", "due")
"""The fields of a ledger that the version before did not write."""

NAMES = 5 * PAGE

app = Boiler("harbour")


class Ship(DomainModel):
    class Meta:
        collection_name = "fleets/{fleet_id}/ships"

    name = attrs.string(required=True)


class Harbour(DomainModel):
    class Meta:
        collection_name = "harbours"

    name = attrs.string(required=True)


class ShipStore(Store):
    ship = reference(Ship)


class HarbourStore(Store):
    harbour = reference(Harbour)


class BoardStore(Store):
    harbours = matching(Harbour.all())


@app.query
class ShipView(ViewModel[ShipStore]):
    class Meta:
        path = "fleetView/{ship.fleet_id}/shipView/{ship.doc_id}"

    @attrs.computed
    def title(self) -> str:
        return self.store.ship.name.upper()


@app.query
class HarbourView(ViewModel[HarbourStore]):
    class Meta:
        path = "harbourView/{harbour.doc_id}"

    @attrs.computed
    def title(self) -> str:
        return self.store.harbour.name.upper()


@app.query
class Board(ViewModel[BoardStore]):
    class Meta:
        path = "boards/main"

    @attrs.computed
    def names(self) -> list[str]:
        return sorted(harbour.name for harbour in self.store.harbours)


@pytest.fixture
def database() -> MemoryDatabase:
    return MemoryDatabase()


def harbours(database: MemoryDatabase, number: int) -> None:
    database.commit([Put(f"harbours/h{at:04}", {"name": f"n{at}"}) for at in range(number)])


def fields(database: MemoryDatabase, path: str) -> Fields | None:
    return database.read([path]).documents[0].fields


def stored(database: MemoryDatabase, collection: str) -> tuple[Document, ...]:
    return database.query(Query(collection)).documents


def outcomes(work: RebuildAll, after: str = "") -> dict[str, int]:
    counted: dict[str, int] = {}
    for step in work.run(after):
        for outcome, count in step.outcomes.items():
            counted[outcome] = counted.get(outcome, 0) + count
    return counted


def test_views_over_data_that_was_there_before_are_built_page_by_page(
    database: MemoryDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuild_all, "NAMES", NAMES)
    number = NAMES + PAGE + 1
    harbours(database, number)
    steps = list(RebuildAll("harbour", HarbourView, database).run())
    assert [step.outcomes[Outcome.BUILT] for step in steps] == [PAGE] * 6 + [1]
    assert [step.after for step in steps[-2:]] == [f"harbours/h{number - 2:04}", f"harbours/h{number - 1:04}"]
    assert len(stored(database, "harbourView")) == number


def test_a_view_that_was_edited_by_hand_heals(database: MemoryDatabase) -> None:
    harbours(database, 2)
    work = RebuildAll("harbour", HarbourView, database)
    outcomes(work)
    database.commit([Put("harbourView/h0000", {"title": "edited"}), Delete("harbourView/h0001")])
    assert outcomes(work) == {"built": 2}
    assert [(document.fields or {})["title"] for document in stored(database, "harbourView")] == ["N0", "N1"]


def test_a_build_goes_on_after_the_root_where_another_stopped(database: MemoryDatabase) -> None:
    harbours(database, 3 * PAGE)
    work = RebuildAll("harbour", HarbourView, database, Surroundings())
    stopped = next(iter(work.run()))
    assert len(stored(database, "harbourView")) == PAGE
    assert outcomes(work, stopped.after) == {"built": 2 * PAGE}
    assert len(stored(database, "harbourView")) == 3 * PAGE


def test_roots_of_sub_collections_are_found_in_every_parent(database: MemoryDatabase) -> None:
    with use(database):
        Ship.new(doc_id="s", fleet_id="north", name="Ada").save()
        Ship.new(doc_id="s", fleet_id="south", name="Bea").save()
    database.commit([Put("ships/s", {"name": "a collection of the same name"})])
    assert outcomes(RebuildAll("harbour", ShipView, database)) == {"built": 2}
    assert (fields(database, "fleetView/north/shipView/s") or {})["title"] == "ADA"
    assert (fields(database, "fleetView/south/shipView/s") or {})["title"] == "BEA"


def test_a_view_without_root_is_one_instance(database: MemoryDatabase) -> None:
    harbours(database, 2)
    work = RebuildAll("harbour", Board, database)
    assert outcomes(work) == {"built": 1}
    assert outcomes(work) == {"built": 1}
    assert (fields(database, "boards/main") or {})["names"] == ["n0", "n1"]


def test_a_view_whose_root_is_gone_goes_with_its_ledger(database: MemoryDatabase) -> None:
    harbours(database, 3)
    work = RebuildAll("harbour", HarbourView, database)
    outcomes(work)
    database.commit([Delete("harbours/h0001")])
    assert outcomes(work) == {"deleted": 1, "built": 2}
    assert [document.id for document in stored(database, "harbourView")] == ["h0000", "h0002"]
    assert len(stored(database, COLLECTION)) == 2


def test_a_ledger_of_a_root_that_the_view_can_no_longer_have_goes_and_the_living_view_stays(
    database: MemoryDatabase,
) -> None:
    harbours(database, 1)
    work = RebuildAll("harbour", HarbourView, database)
    outcomes(work)
    (ledger,) = stored(database, COLLECTION)
    former = Instance(HarbourView, "ports/h0000")
    path = ledger_path(scope_of("harbour", HarbourView), former)
    database.commit([Put(path, {**(ledger.fields or {}), "root": former.root})])
    assert outcomes(work) == {"deleted": 1, "built": 1}
    assert fields(database, path) is None
    assert (fields(database, "harbourView/h0000") or {})["title"] == "N0"


def test_ledgers_of_other_views_and_of_other_apps_are_left_alone(database: MemoryDatabase) -> None:
    harbours(database, 1)
    outcomes(RebuildAll("harbour", Board, database))
    outcomes(RebuildAll("elsewhere", HarbourView, database))
    database.commit([Delete("harbours/h0000")])
    assert outcomes(RebuildAll("harbour", HarbourView, database)) == {}
    assert len(stored(database, COLLECTION)) == 2
    assert fields(database, "harbourView/h0000") is not None


def test_a_view_that_cannot_be_built_becomes_a_dead_letter_and_the_others_are_built(database: MemoryDatabase) -> None:
    harbours(database, 3)
    database.commit([Put("harbours/h0001", {"name": 7})])
    assert outcomes(RebuildAll("harbour", HarbourView, database)) == {"built": 2, "dead letter": 1}
    (letter,) = stored(database, "boilerDeadLetters")
    assert letter.fields is not None
    assert (letter.fields["function"], letter.fields["subject"]) == ("build", "harbours/h0001")


class Racing(MemoryDatabase):
    """The root of a ghost comes back, and an event builds its view, just before the ghost is deleted."""

    revived = False

    def commit(self, writes: Sequence[Write], *, verify: Sequence[Verified] = ()) -> Committed:
        ghost = [write for write in writes if isinstance(write, Delete) and write.path.startswith(COLLECTION)]
        if ghost and not self.revived:
            self.revived = True
            super().commit([Put("harbours/h0000", {"name": "again"})])
            RebuildAll("harbour", HarbourView, self).rebuild(["harbours/h0000"])
        return super().commit(writes, verify=verify)


def test_a_ghost_that_comes_to_life_meanwhile_is_kept() -> None:
    database = Racing()
    harbours(database, 1)
    work = RebuildAll("harbour", HarbourView, database)
    outcomes(work)
    database.commit([Delete("harbours/h0000")])
    steps = list(work.run())
    assert database.revived
    assert steps[0].outcomes[Outcome.DELETED] == 0
    assert (fields(database, "harbourView/h0000") or {})["title"] == "AGAIN"


class Watched(MemoryDatabase):
    """Counts the ledgers that queries return."""

    ledgers = 0

    def query(self, query: Query, *, at: Instant | None = None) -> Reading:
        reading = super().query(query, at=at)
        self.ledgers += len(reading.documents) if query.collection == COLLECTION else 0
        return reading


def test_a_build_reads_no_ledger_of_another_view() -> None:
    database = Watched()
    harbours(database, 40)
    outcomes(RebuildAll("harbour", HarbourView, database))
    database.ledgers = 0
    outcomes(RebuildAll("harbour", Board, database))
    assert outcomes(RebuildAll("harbour", Board, database)) == {"built": 1}
    assert database.ledgers == 1


def test_the_first_build_after_an_upgrade_finds_the_ghosts_of_the_version_before(database: MemoryDatabase) -> None:
    harbours(database, 2)
    work = RebuildAll("harbour", HarbourView, database)
    outcomes(work)
    for ledger in stored(database, COLLECTION):
        known = {name: value for name, value in (ledger.fields or {}).items() if name not in ADDED}
        database.commit([Put(ledger.path, known)])
    database.commit([Delete("harbours/h0001")])
    assert outcomes(work) == {"built": 2, "deleted": 1}  # h0000 once more, in case the ghost had a copy of it
    assert [document.id for document in stored(database, "harbourView")] == ["h0000"]
    assert outcomes(work) == {"built": 1}
