"""New code never serves a copy of older code as its own: it builds it now, and a list says what it may miss."""

from collections.abc import Iterator
from typing import Any

import pytest

from boiler_functions import Boiler, DomainModel, HttpSettings, Store, ViewModel, access, attrs, reference
from boiler_functions.testing import MemoryApp, http_client, memory_app


class Note(DomainModel):
    class Meta:
        collection_name = "notes"

    title = attrs.string(required=True)


class NoteStore(Store):
    note = reference(Note)


class Content(ViewModel[NoteStore]):
    class Meta:
        path = "noteViews/{note.doc_id}"
        read = access.signed_in

    @attrs.computed
    def title(self) -> str:
        return self.store.note.title


def before() -> Boiler:
    class NoteView(Content):
        pass

    return served(NoteView)


def after(*, shouts: bool = True) -> Boiler:
    """The next deployment: one attribute more, and another getter."""

    class NoteView(Content):
        @attrs.computed
        def title(self) -> str:
            return self.store.note.title.upper() if shouts else self.store.note.title

        @attrs.computed
        def length(self) -> int:
            return len(self.store.note.title)

    return served(NoteView)


def served(view: type[ViewModel[Any]]) -> Boiler:
    app = Boiler("demo", http=HttpSettings(rate=None))
    app.query(view)
    app.rest("/notes")(view)
    return app


@pytest.fixture
def testing() -> Iterator[MemoryApp]:
    """Two notes that the code before stored; the new code is deployed."""
    with memory_app(before()) as memory:
        Note.new(doc_id="a", title="one").save()
        Note.new(doc_id="b", title="three").save()
        memory.deliver()
        memory.deploy(after())
        yield memory


def get(testing: MemoryApp, path: str) -> Any:
    return http_client(testing, "ada").get(path)


def test_a_copy_of_older_code_is_built_now(testing: MemoryApp) -> None:
    assert get(testing, "/notes/a").json == {"id": "a", "title": "ONE", "length": 3}


def test_a_copy_is_served_again_once_the_new_code_stored_it(testing: MemoryApp) -> None:
    Note.new(doc_id="a", title="two").save()
    testing.deliver()
    copy = dict(testing.fields("noteViews/a") or {})
    testing.write("noteViews/a", {**copy, "title": "AS STORED"})
    assert get(testing, "/notes/a").json["title"] == "AS STORED"


def test_older_code_builds_what_newer_code_stored(testing: MemoryApp) -> None:
    Note.new(doc_id="a", title="two").save()
    testing.deliver()
    testing.deploy(before())
    assert get(testing, "/notes/a").json == {"id": "a", "title": "two"}


def test_a_list_shows_every_copy_of_older_code_as_the_new_code_builds_it(testing: MemoryApp) -> None:
    Note.new(doc_id="b", title="seven").save()
    testing.deliver()
    answer = get(testing, "/notes")
    assert [each["title"] for each in answer.json["results"]] == ["ONE", "SEVEN"]
    assert "Warning" not in answer.headers


def test_a_list_by_a_field_warns_while_a_copy_of_older_code_is_left(testing: MemoryApp) -> None:
    answer = get(testing, "/notes?length=3")
    assert answer.json["results"] == []
    assert answer.headers["Warning"].startswith('299 - "Other code stored some of these views')
    for note in ("a", "b"):
        Note.new(doc_id=note, title="new").save()
    testing.deliver()
    answer = get(testing, "/notes?length=3")
    assert [each["id"] for each in answer.json["results"]] == ["a", "b"]
    assert "Warning" not in answer.headers


def test_the_same_code_deployed_again_serves_its_copies(testing: MemoryApp) -> None:
    for note in ("a", "b"):
        Note.new(doc_id=note, title="new").save()
    testing.deliver()
    testing.deploy(after())
    copy = dict(testing.fields("noteViews/a") or {})
    testing.write("noteViews/a", {**copy, "title": "AS STORED"})
    assert get(testing, "/notes/a").json["title"] == "AS STORED"
