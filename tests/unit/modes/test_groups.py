"""Models of sub-collections, beside collections of the same name elsewhere: every mode sees only its own documents."""

from collections.abc import Iterator
from typing import Any

import pytest

from boiler_functions import Boiler, DomainModel, Store, ViewModel, access, attrs, matching, reference, referrers
from boiler_functions.database import Put, Query
from boiler_functions.modes.ledger import COLLECTION as LEDGERS
from boiler_functions.modes.query.rebuild_all import RebuildAll
from boiler_functions.settings.http import HttpSettings
from boiler_functions.testing import MemoryApp, assert_views_equal_rebuild, http_client, memory_app
from boiler_functions.types import Reference, digest


class Note(DomainModel):
    class Meta:
        collection_name = "users/{user_id}/notes"

    text = attrs.string(required=True)


class Count(DomainModel):
    class Meta:
        collection_name = "counts"

    texts = attrs.list(str)


class FirstStore(Store):
    notes = matching(Note.all().order_by(Note.text).limit(2))


class FirstView(ViewModel[FirstStore]):
    class Meta:
        path = "dashboards/first"

    @attrs.computed
    def texts(self) -> list[str]:
        return [note.text for note in self.store.notes]


class NoteStore(Store):
    note = reference(Note)


class NoteView(ViewModel[NoteStore]):
    class Meta:
        path = "readers/{note.user_id}/noteViews/{note.doc_id}"
        read = access.public

    @attrs.computed
    def text(self) -> str:
        return self.store.note.text


class ListedView(ViewModel[NoteStore]):
    """Not stored: its list is a query of the roots."""

    class Meta:
        read = access.public

    @attrs.computed
    def text(self) -> str:
        return self.store.note.text


class CountForm(ViewModel[FirstStore]):
    def propagate_change(self) -> None:
        selected = [note.text for note in Note.all().order_by(Note.text.desc()).limit(1)]
        Count.new(doc_id=self.params["doc_id"], texts=[*(note.text for note in self.store.notes), *selected]).save()


@pytest.fixture
def testing() -> Iterator[MemoryApp]:
    app = Boiler("notes", http=HttpSettings(rate=None))
    app.query(FirstView)
    app.task("forms/{doc_id}", writes=[Count])(CountForm)
    app.rest("/notes")(ListedView)
    with memory_app(app) as testing:
        foreign = ("aaa/x/notes", "users/u/deep/x/notes", "notes", "zzz/x/notes")
        testing.database.commit(
            [Put(f"{foreign[n % 4]}/{n}", {"text": text}) for n, text in enumerate("abcdefg" + "tuvwxyz")]
        )
        for n, text in enumerate("hijk"):
            Note.new(doc_id=str(n), user_id="uv"[n % 2], text=text).save()
        yield testing


def test_a_view_of_the_first_few_has_its_own_and_follows_them(testing: MemoryApp) -> None:
    testing.deliver(shuffle=1)
    assert (testing.fields("dashboards/first") or {})["texts"] == ["h", "i"]
    testing.write("users/u/notes/0", None)
    testing.write("aaa/x/notes/new", {"text": "A"})
    testing.deliver(duplicates=1, shuffle=2)
    assert (testing.fields("dashboards/first") or {})["texts"] == ["i", "j"]
    assert_views_equal_rebuild(testing)


def test_a_task_reads_its_own_documents_by_its_store_and_by_a_selection(testing: MemoryApp) -> None:
    testing.write("forms/f", {})
    testing.deliver()
    assert (testing.fields("counts/f") or {})["texts"] == ["h", "i", "k"]


def test_a_list_has_the_documents_of_its_own_collection(testing: MemoryApp) -> None:
    response = http_client(testing).get("/notes/u", query_string={"orderBy": "text"})
    listed: dict[str, Any] = response.get_json()
    assert [each["text"] for each in listed["results"]] == ["h", "j"]


def test_a_build_by_hand_goes_over_its_own_roots_page_by_page(
    testing: MemoryApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    for size in ("NAMES", "PAGE"):
        monkeypatch.setattr(f"boiler_functions.modes.query.rebuild_all.{size}", 2)
    steps = list(RebuildAll("notes", NoteView, testing.database).run())
    assert [step.after for step in steps] == ["users/u/notes/2", "users/v/notes/3"]


def test_the_oracle_reads_by_itself_what_a_view_of_a_group_should_be(testing: MemoryApp) -> None:
    testing.deliver()
    testing.database.commit([Put("dashboards/first", {"texts": ["a", "b"]}, mask=("texts",))])
    with pytest.raises(AssertionError, match=r"texts is \['a', 'b'\], and should be \['h', 'i'\]"):
        assert_views_equal_rebuild(testing)


class Board(DomainModel):
    class Meta:
        collection_name = "boards"


class Pin(DomainModel):
    class Meta:
        collection_name = "users/{user_id}/pins"

    board = attrs.relation(Board)


class BoardStore(Store):
    board = reference(Board)
    pins = referrers(Pin.board)


class BoardView(ViewModel[BoardStore]):
    class Meta:
        path = "boardViews/{board.doc_id}"

    @attrs.computed
    def pins(self) -> list[str]:
        return [pin.path for pin in self.store.pins]


def test_a_change_finds_the_ledger_that_an_earlier_version_of_the_package_wrote_for_a_query_of_a_group() -> None:
    app = Boiler("boards")
    app.query(BoardView)
    with memory_app(app) as testing:
        Board.new(doc_id="b").save()
        testing.deliver()
        (ledger,) = testing.database.query(Query(LEDGERS)).documents
        asked = digest("pins", True, [("board", "==", Reference("boards/b"))], [], [None, None], None, False)
        collection = digest("boards/BoardView", "collection", "users/{user_id}/pins/{doc_id}")
        tokens = sorted([digest("boards/BoardView", "query", asked), collection])
        added = ("plan", "code", "deployment", "owed", "due")
        fields = {name: each for name, each in (ledger.fields or {}).items() if name not in added}
        testing.write(ledger.path, {**fields, "depends_on": tokens})
        Pin.new(doc_id="p", user_id="u", board="b").save()
        testing.deliver()
        assert testing.fields("boardViews/b") == {
            "pins": ["users/u/pins/p"],
            "obj_type": "BoardView",
            "doc_ref": "boardViews/b",
        }
