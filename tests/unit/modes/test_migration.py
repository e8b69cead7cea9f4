"""Migrations: steps that bring documents up to date, page by page, in their order, and once for all who run them."""

from collections.abc import Collection, Iterator, Mapping
from random import Random, SystemRandom
from typing import Any

import pytest

from boiler_functions import Boiler, DomainModel, Store, ViewModel, attrs, reference
from boiler_functions.database import Committed, Database, Put, Write
from boiler_functions.exceptions import Conflict, DeclarationError, UnknownOutcome
from boiler_functions.modes import migration
from boiler_functions.modes.bookkeeping import BOOKKEEPING
from boiler_functions.modes.migration import Migrations
from boiler_functions.testing import MemoryApp, assert_views_equal_rebuild, memory_app
from tests.unit.modes.cities import put


class Parcel(DomainModel):
    class Meta:
        collection_name = "parcels"

    title = attrs.string(required=True, aliases=["name"])
    weight = attrs.float(coerce=True)
    status = attrs.string(default="open")
    moves = attrs.integer(default=0)


class ParcelStore(Store):
    parcel = reference(Parcel)


class ParcelView(ViewModel[ParcelStore]):
    class Meta:
        path = "parcelViews/{parcel.doc_id}"

    @attrs.computed
    def told(self) -> str:
        parcel = self.store.parcel
        return f"{parcel.title} {parcel.weight} {parcel.status} {parcel.moves}"


@pytest.fixture
def app() -> Boiler:
    made = Boiler("post")
    made.query(ParcelView)
    return made


@pytest.fixture
def testing(app: Boiler) -> Iterator[MemoryApp]:
    with memory_app(app) as memory:
        yield memory


def work(app: Boiler, testing: MemoryApp, database: Database | None = None) -> Migrations:
    return Migrations(app.name, app.migrations, database or testing.database)


def run(app: Boiler, testing: MemoryApp, **options: bool) -> dict[str, tuple[str, int, int, int]]:
    return {
        step.name: (each.status, each.read, each.changed, each.left) for step, each in work(app, testing).run(**options)
    }


def moved(app: Boiler) -> None:
    @app.migration(Parcel)
    def moved(parcel: Parcel) -> None:
        parcel.moves += 1


def test_a_step_writes_names_types_and_defaults_as_they_are_declared_now(app: Boiler, testing: MemoryApp) -> None:
    @app.migration(Parcel)
    def up_to_date(parcel: Parcel) -> None:
        """The declaration says it all."""

    put(testing, "parcels/a", name="Book", weight="1.5", legacy=7)
    put(testing, "parcels/b", title="Lamp", weight=2.0, status="sent", moves=1)
    assert run(app, testing) == {"up_to_date": ("done", 2, 1, 0)}
    fields = testing.fields("parcels/a") or {}
    assert {key: fields.get(key) for key in ("title", "name", "weight", "status", "moves", "legacy")} == {
        "title": "Book", "name": None, "weight": 1.5, "status": "open", "moves": 0, "legacy": 7,
    }  # fmt: skip
    assert "obj_type" not in (testing.fields("parcels/b") or {})
    testing.deliver()
    assert (testing.fields("parcelViews/a") or {})["told"] == "Book 1.5 open 0"
    assert_views_equal_rebuild(testing)


def test_a_step_that_is_done_is_never_run_again(app: Boiler, testing: MemoryApp) -> None:
    moved(app)
    put(testing, "parcels/a", title="Book")
    assert run(app, testing) == {"moved": ("done", 1, 1, 0)}
    assert run(app, testing) == {}
    assert (testing.fields("parcels/a") or {})["moves"] == 1


def test_a_step_is_given_what_the_document_holds_if_it_asks_for_it(app: Boiler, testing: MemoryApp) -> None:
    @app.migration(Parcel)
    def from_grams(parcel: Parcel, stored: Mapping[str, Any]) -> None:
        parcel.weight = stored["grams"] / 1000

    put(testing, "parcels/a", title="Book", grams=500)
    run(app, testing)
    assert (testing.fields("parcels/a") or {})["weight"] == 0.5


def test_what_cannot_be_changed_is_left_and_named_and_only_that_is_tried_again(app: Boiler, testing: MemoryApp) -> None:
    @app.migration(Parcel)
    def first(parcel: Parcel) -> None:
        parcel.moves += 1 // (parcel.title != "Bad")

    @app.migration(Parcel)
    def second(parcel: Parcel) -> None:
        parcel.status = "checked"

    put(testing, "parcels/a", title="Bad")
    put(testing, "parcels/b", title="Good", weight="heavy")
    put(testing, "parcels/c", title="Good")
    assert run(app, testing) == {"first": ("left", 3, 2, 2)}
    left = dict(work(app, testing).left(app.migrations[0]))
    assert left.keys() == {"parcels/a", "parcels/b"}
    assert left["parcels/a"].startswith("ZeroDivisionError")
    assert "parcels/b does not fit Parcel: weight: Not a valid number." in left["parcels/b"]
    put(testing, "parcels/a", title="Mended")
    put(testing, "parcels/b", title="Good", weight=3, moves=1)
    assert run(app, testing) == {"first": ("done", 3, 4, 0), "second": ("done", 3, 3, 0)}
    assert {path: (testing.fields(f"parcels/{path}") or {})["moves"] for path in "abc"} == {"a": 1, "b": 2, "c": 1}
    assert not list(work(app, testing).left(app.migrations[0]))


def test_a_step_with_documents_that_are_left_can_be_counted_as_done(app: Boiler, testing: MemoryApp) -> None:
    moved(app)
    put(testing, "parcels/a", title=7)
    assert run(app, testing) == {"moved": ("left", 1, 1, 1)}
    assert run(app, testing, leave=True) == {"moved": ("done", 1, 2, 1)}
    assert [path for path, _ in work(app, testing).left(app.migrations[0])] == ["parcels/a"]


def test_a_dry_run_shows_the_fields_before_and_after_and_writes_nothing(app: Boiler, testing: MemoryApp) -> None:
    moved(app)
    put(testing, "parcels/a", name="Book", weight="1.5")
    before = testing.documents()
    (applied,) = work(app, testing).tried(app.migrations[0])
    assert applied.diff() == [
        "- name: 'Book'", "- weight: '1.5'", "+ weight: 1.5", "+ title: 'Book'", "+ status: 'open'", "+ moves: 1",
        "+ obj_type: 'Parcel'", "+ doc_id: 'a'", "+ doc_ref: 'parcels/a'",
    ]  # fmt: skip
    assert testing.documents() == before


class Other:
    """The database, with something that happens before some of its commits, or instead of their answers."""

    def __init__(self, database: Database, happen: Any) -> None:
        self._database, self._happen = database, happen

    def commit(self, writes: Collection[Write], **options: Any) -> Committed:
        lost = self._happen()
        committed = self._database.commit(list(writes), **options)
        if lost:
            raise UnknownOutcome("The answer was lost.")
        return committed

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)


def test_each_document_is_changed_once_by_two_runs_at_once_that_are_cut_off_beside_clients_that_write(
    app: Boiler, testing: MemoryApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = SystemRandom().randrange(10**9)
    print("seed", seed)
    chance = Random(seed)
    moved(app)
    monkeypatch.setattr(migration, "PAGE", 7)
    for number in range(60):
        put(testing, f"parcels/p{number:02}", name=f"n{number}")
    depth = 0

    def happen() -> bool:
        nonlocal depth
        dice = chance.random()
        if dice < 0.2:
            put_name(chance.randrange(60))
        elif dice < 0.4 and depth == 0:
            depth = 1
            next(iter(work(app, testing).run()), None)  # Another laptop commits one page.
            depth = 0
        elif dice < 0.5:
            raise Conflict("Contention.")
        return dice > 0.9

    def put_name(number: int) -> None:
        path = f"parcels/p{number:02}"
        testing.database.commit([Put(path, {"note": chance.random()}, mask=("note",))])

    shared: Any = Other(testing.database, happen)
    while work(app, testing).progress()["moved"].status != "done":
        runs = work(app, testing, shared).run()
        try:
            for _ in range(chance.randint(1, 4)):
                next(runs)
        except (Conflict, UnknownOutcome, StopIteration):
            continue  # It was cut off; another run goes on.
    found = [each.fields or {} for path, each in testing.documents().items() if path.startswith("parcels/")]
    assert [each["moves"] for each in found] == [1] * 60
    assert all("name" not in each for each in found)
    progress = work(app, testing).progress()["moved"]
    assert (progress.read, progress.changed, progress.left) == (60, 60, 0)


def test_a_step_that_is_declared_before_one_that_began_is_refused(app: Boiler, testing: MemoryApp) -> None:
    moved(app)
    run(app, testing)

    @app.migration(Parcel)
    def later(parcel: Parcel) -> None: ...

    app.migrations = app.migrations[::-1]
    with pytest.raises(DeclarationError, match="The step later is declared before moved, which has begun"):
        work(app, testing).progress()


def test_a_step_that_writes_another_document_leaves_the_document_and_says_so(app: Boiler, testing: MemoryApp) -> None:
    @app.migration(Parcel)
    def copying(parcel: Parcel) -> None:
        Parcel.new(doc_id="copy", title=parcel.title).save()

    put(testing, "parcels/a", title="Book", status="open", moves=0)
    assert run(app, testing) == {"copying": ("left", 1, 0, 1)}
    assert testing.fields("parcels/copy") is None
    assert "writes parcels/copy" in dict(work(app, testing).left(app.migrations[0]))["parcels/a"]


def test_a_step_may_delete_its_document(app: Boiler, testing: MemoryApp) -> None:
    @app.migration(Parcel)
    def drop(parcel: Parcel) -> None:
        parcel.delete()

    put(testing, "parcels/a", title="Book")
    assert run(app, testing) == {"drop": ("done", 1, 1, 0)}
    assert testing.fields("parcels/a") is None


def test_declarations_that_name_no_step_are_refused(app: Boiler) -> None:
    moved(app)
    with pytest.raises(DeclarationError, match=r"@app\.migration\(Parcel\) of moved: a step is known by the name"):
        moved(app)
    with pytest.raises(DeclarationError, match="give the DomainModel whose documents it changes"):
        app.migration(7)(lambda _: None)  # type: ignore[arg-type]
    assert {migration.COLLECTION, migration.LEFT} <= {*BOOKKEEPING}
