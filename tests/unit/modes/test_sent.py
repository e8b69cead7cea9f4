"""A value that a model refuses: the sender's fault where it was sent, that of the code where the code made it."""

from typing import Any

import pytest
from marshmallow import validate

from boiler_functions import Boiler, DomainModel, Store, ViewModel, access, attrs, operation, reference
from boiler_functions.modes.dead_letter import COLLECTION as LETTERS
from boiler_functions.testing import MemoryApp, http_client, memory_app
from tests.unit.modes.cities import put

app = Boiler("sent")


class Note(DomainModel):
    class Meta:
        collection_name = "notes"

    text = attrs.string(default="", validate=validate.Length(max=5))
    stars = attrs.integer(default=0, validate=validate.Range(max=5))


class NoteStore(Store):
    note = reference(Note)


@app.query
@app.rest("/notes")
@app.document()
class NoteView(ViewModel[NoteStore]):
    class Meta:
        path = "noteViews/{note.doc_id}"
        read = write = access.public

    @attrs.computed
    def text(self) -> str:
        return self.store.note.text

    @text.setter
    def set_text(self, value: str) -> None:
        self.store.note.text = value

    @attrs.computed
    def liked(self) -> bool:
        return self.store.note.stars > 0

    @liked.setter
    def set_liked(self, value: bool) -> None:
        self.store.note.stars = 9

    @operation
    def rate(self, stars: int) -> None:
        self.store.note.stars = stars

    @operation
    def shout(self) -> None:
        self.store.note.text = "!" * 9


def outcome(testing: MemoryApp, **values: object) -> tuple[str, dict[str, Any], int]:
    """The status and errors of a mutation beside the copy, and how many dead letters there are."""
    path = "noteViews/n/_PATCH_NoteView/m"
    put(testing, "notes/n", text="")
    testing.deliver()
    put(testing, path, **values)
    testing.deliver(duplicates=1)
    stamp = (testing.fields(path) or {})["outcome"]
    letters = [path for path in testing.documents() if path.startswith(LETTERS)]
    return stamp["status"], stamp.get("errors", {}), len(letters)


def test_a_sent_value_that_a_setter_hands_on_is_rejected_by_field() -> None:
    with memory_app(app) as testing:
        assert outcome(testing, text="too long") == ("rejected", {"text": ["Longer than maximum length 5."]}, 0)


def test_a_value_that_a_setter_makes_has_failed_and_leaves_a_dead_letter() -> None:
    with memory_app(app) as testing:
        assert outcome(testing, liked=True) == ("failed", {}, 1)
        assert (testing.fields("notes/n") or {}).get("stars", 0) == 0


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/notes/n", {"text": "too long"}, 422),
        ("/notes/n", {"liked": True}, 500),
        ("/notes/n:rate", {"stars": 6}, 422),
        ("/notes/n:shout", {}, 500),
    ],
)
def test_over_http_a_sent_value_is_a_422_and_one_that_the_code_makes_a_500(
    path: str, body: dict[str, object], status: int
) -> None:
    with memory_app(app) as testing:
        put(testing, "notes/n", text="")
        client = http_client(testing)
        answer = client.open(path, method="POST" if ":" in path else "PATCH", json=body)
        assert answer.status_code == status
        assert "stars" not in answer.get_data(as_text=True) or status == 422
        assert testing.fields("notes/n") == {"text": ""}
