"""What no document can hold is found where it is made: by key, depth, type and range, with its place."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

import pytest

from boiler_functions import Boiler, DomainModel, HttpSettings, Rejected, Store, ViewModel, attrs, reference
from boiler_functions.access import public
from boiler_functions.database.values import as_name, dotted, fault_of_name, fault_of_path, faults_of
from boiler_functions.exceptions import InvalidValue
from boiler_functions.testing import MemoryApp, http_client, memory_app
from boiler_functions.types import GeoPoint, Reference
from tests.unit.modes.cities import put


def nested(depth: int, inner: Any) -> Any:
    for _ in range(depth):
        inner = {"m": inner}
    return inner


HELD = {
    "null": None,
    "a key of three underscores": {"___": 1},
    "twenty maps": nested(20, 1),
    "an empty list in twenty maps": nested(20, []),
    "a list in a map in a list": [{"m": [1]}],
    "the largest integer": 2**63 - 1,
    "not a number": float("nan"),
    "a path as a key": {"users/ada": 1},
    "a reference elsewhere": Reference("/projects/q/databases/d/documents/users/a"),
    "a reference that looks like a full name": Reference("projects/q/databases/d/documents/users"),
    "a key as long as the field's name leaves": {"x" * (1500 - len("value.")): 1},
    "the last moment": datetime(9999, 12, 31, tzinfo=UTC),
}


class Nowhere(tzinfo):
    def utcoffset(self, _: datetime | None) -> timedelta:
        raise KeyError("nowhere")

    dst = utcoffset

    def tzname(self, _: datetime | None) -> str:
        return "nowhere"


REFUSED = {
    "an empty key": ({"": 1}, "value.''", "The key is empty."),
    "a reserved key": ({"__proto__": 1}, "value.__proto__", "Firestore reserves"),
    "a key that is no text": ({1: 1}, "value.1", "of type int; it must be a string"),
    "half a pair as a key": ({"\ud800": 1}, "value.?", "not valid Unicode"),
    "a long key": ({"x" * 1495: 1}, "value.xxx", "over 1500 bytes"),
    "keys that are long together": ({"x" * 800: {"y" * 700: 1}}, "value.xxx", "over 1500 bytes"),
    "twenty-one maps": (nested(21, 1), "value.m.m", "more than 20 deep"),
    "an empty map in twenty": (nested(20, {}), "value.m.m", "more than 20 deep"),
    "a list in twenty maps": (nested(20, [1]), "value.m.m", "more than 20 deep"),
    "a list in a list": ({"a": [1, [2]]}, "value.a.1", "put a mapping between"),
    "an integer of 65 bits": ([2**63], "value.0", "64-bit"),
    "half a pair": (["a\ud800"], "value.0", "Not valid Unicode"),
    "a path of one segment": (Reference("users"), "value", "must alternate"),
    "a reserved path": (Reference("users/__a__"), "value", "double underscores"),
    "nowhere on earth": (GeoPoint(91.0, 0.0), "value", "not a place on earth"),
    "no place at all": (GeoPoint(float("nan"), 0.0), "value", "not a place on earth"),
    "a set": ({"tags": {1}}, "value.tags", "A set is not a value"),
    "thousands of maps": (nested(5000, 1), "value.m.m", "more than 20 deep"),
    "a path that is no text": (Reference(5), "value", "of type int; it must be a string"),  # type: ignore[arg-type]
    "degrees that are none": (GeoPoint("north", None), "value", "not a place on earth"),  # type: ignore[arg-type]
    "a time of a zone that fails": (datetime(2020, 1, 1, tzinfo=Nowhere()), "value", "not a valid timestamp"),
}


@pytest.mark.parametrize("name", HELD)
def test_what_a_document_can_hold_has_no_fault(name: str) -> None:
    assert faults_of(HELD[name], "value") == []


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_document_can_hold_is_told_with_its_place(name: str) -> None:
    value, where, reason = REFUSED[name]
    (fault,) = faults_of(value, "value")
    assert dotted(("value", *fault.where)).startswith(where)
    assert reason in fault.reason or reason in fault.reason.lower()


@pytest.mark.parametrize("path", ["users/ada", "__cfg/main", "projects/p/databases/d/documents/c"])
def test_a_path_that_a_document_can_have_has_no_fault(path: str) -> None:
    assert fault_of_path(path) is None


@pytest.mark.parametrize(
    "path", ["", "users", "users/", "users/..", "__cfg__/main", "users/\ud800", "users/" + "x" * 1501]
)
def test_a_path_that_no_document_can_have_has_a_reason(path: str) -> None:
    assert fault_of_path(path)


@pytest.mark.parametrize("text", ["", "__x__", "\ud800", "x" * 3000])
def test_a_text_that_is_no_name_is_made_one(text: str) -> None:
    assert fault_of_name(text)
    assert fault_of_name(as_name(text)) is None


# Where values are made.


class Note(DomainModel):
    class Meta:
        collection_name = "notes"

    text = attrs.string(default="")
    odd = attrs.string(default="")


class NoteStore(Store):
    note = reference(Note)


ODD: dict[str, Any] = {}
"""What the getter gives."""


class NoteView(ViewModel[NoteStore]):
    class Meta:
        path = "noteViews/{note.doc_id}"
        read = write = public

    @attrs.computed
    def value(self) -> dict[str, Any]:
        return {"is": ODD[self.store.note.odd]} if self.store.note.odd else {}

    @attrs.computed
    def text(self) -> str:
        return self.store.note.text

    @text.setter
    def set_text(self, value: str) -> None:
        self.store.note.text = value


class NoteForm(ViewModel):
    name = attrs.string()

    def propagate_change(self) -> None:
        raise ODD[self.name or ""]


@pytest.fixture
def testing() -> Iterator[MemoryApp]:
    app = Boiler("demo", http=HttpSettings(rate=None))
    app.query(NoteView)
    app.rest("/notes")(NoteView)
    app.task("forms/{form_id}", writes=[])(NoteForm)
    with memory_app(app) as memory:
        yield memory


@pytest.mark.parametrize("name", REFUSED)
def test_a_letter_names_view_attribute_and_reason_of_a_value_that_no_document_can_hold(
    testing: MemoryApp, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    value, _, reason = REFUSED[name]
    monkeypatch.setitem(ODD, "x", value)
    put(testing, "notes/a", odd="x")
    testing.deliver()
    (letter,) = [each.fields or {} for path, each in testing.documents().items() if path.startswith("boilerDead")]
    assert letter["code"] == "BF502"
    assert letter["message"].startswith("NoteView refuses value")
    assert reason in letter["message"] or reason in letter["message"].lower() or "more than 20" in letter["message"]


class Torn(list[Any]):
    """A list that nobody can read."""

    def __iter__(self) -> Iterator[Any]:
        raise KeyError("torn")


def test_a_value_that_fails_as_it_is_read_is_a_letter(testing: MemoryApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ODD, "x", Torn([1]))
    put(testing, "notes/a", odd="x")
    testing.deliver()
    (letter,) = [each.fields or {} for path, each in testing.documents().items() if path.startswith("boilerDead")]
    assert letter["message"].startswith("NoteView refuses value: Cannot be stored: ")


@pytest.mark.parametrize(
    "value",
    [
        datetime(2020, 1, 1),
        datetime(2020, 1, 1, tzinfo=timezone(timedelta(hours=5))),
        datetime(2020, 1, 1, tzinfo=timezone(timedelta(seconds=1))),
        GeoPoint(1, 2),
        ({"at": datetime(2020, 1, 1, tzinfo=timezone(timedelta(hours=-3)))}, GeoPoint(3, 4.5)),
    ],
)
def test_a_view_built_now_is_spelled_as_its_copy(
    testing: MemoryApp, monkeypatch: pytest.MonkeyPatch, value: Any
) -> None:
    monkeypatch.setitem(ODD, "x", value)
    put(testing, "notes/a", odd="x")
    testing.deliver()
    stored, fresh = (http_client(testing, "ada").get(f"/notes/a{query}") for query in ("", "?fresh=true"))
    assert (stored.status_code, stored.text, stored.headers["ETag"]) == (200, fresh.text, fresh.headers["ETag"])


@pytest.mark.parametrize("name", REFUSED)
def test_a_model_refuses_to_save_what_no_document_can_hold(testing: MemoryApp, name: str) -> None:
    class Thing(DomainModel):
        class Meta:
            collection_name = "anything"

        value = attrs.bproperty()

    with pytest.raises(InvalidValue, match=r"Thing refuses value"):
        Thing.new(value=REFUSED[name][0]).save()


def test_a_view_over_the_size_of_a_document_tells_which_attribute_is_large(
    testing: MemoryApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ODD, "x", "x" * 500_000)
    put(testing, "notes/a", text="é" * 300_000, odd="x")
    testing.deliver()
    (letter,) = [each.fields or {} for path, each in testing.documents().items() if path.startswith("boilerDead")]
    assert letter["code"] == "BF504"
    assert letter["message"].startswith("noteViews/a has ")
    assert "of them in text" in letter["message"]


@pytest.mark.parametrize(
    ("rejection", "reason", "errors"),
    [
        (
            lambda: Rejected("no\ud800", {"": ["empty"], "__x__": ["reserved"]}),
            "no?",
            {"()": ["empty"], "(__x__)": ["reserved"]},
        ),
        (lambda: Rejected(5, {1: "one"}), "5", {"1": ["one"]}),  # type: ignore[arg-type, dict-item]
        (lambda: Rejected("many", {"a": (1, None)}), "many", {"a": ["1", "None"]}),  # type: ignore[dict-item]
        (lambda: Rejected(ValueError("odd"), None), "odd", {}),  # type: ignore[arg-type]
    ],
)
def test_a_form_is_stamped_whatever_a_rejection_says(
    testing: MemoryApp, monkeypatch: pytest.MonkeyPatch, rejection: Any, reason: str, errors: dict[str, list[str]]
) -> None:
    monkeypatch.setitem(ODD, "x", rejection())
    testing.write("forms/one", {"name": "x"})
    testing.deliver()
    outcome = (testing.fields("forms/one") or {})["outcome"]
    assert (outcome["status"], outcome["reason"], outcome["errors"]) == ("rejected", reason, errors)


def test_a_rejection_of_any_length_leaves_a_form_room_for_its_stamp(
    testing: MemoryApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ODD, "x", Rejected("no " * 700_000, {str(number): ["x" * 5000] for number in range(5000)}))
    testing.write("forms/one", {"name": "x"})
    testing.deliver()
    assert (testing.fields("forms/one") or {})["outcome"]["reason"].startswith("no no no")


def test_an_answer_as_large_as_its_view_is_kept_and_found_again(testing: MemoryApp) -> None:
    put(testing, "notes/a", text="", odd="")
    testing.deliver()
    client, headers, body = http_client(testing), {"Idempotency-Key": "once"}, {"text": "漢" * 180_000}
    sent = json.dumps(body, ensure_ascii=False).encode()
    first = client.patch("/notes/a", data=sent, content_type="application/json", headers=headers)
    assert (first.status_code, first.json) == (200, {"id": "a", "text": body["text"], "value": {}})
    again = client.patch("/notes/a", data=sent, content_type="application/json", headers=headers)
    assert (again.status_code, again.json) == (200, first.json)
