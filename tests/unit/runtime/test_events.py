"""Events that are not a function's own: nothing is done about them, but for one letter."""

import json
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import pytest
from cloudevents.http import CloudEvent
from flask import Flask, request

from boiler_functions.database import Document
from boiler_functions.database.change import Change
from boiler_functions.modes import dead_letter
from boiler_functions.testing.app import MemoryApp, memory_app
from tests.attack.diary import Entry, app
from tests.attack.events import OWN, PROJECT

FUNCTION = "entry_view_on_entries"
COPY = "users/ada/entries/e1"


class Deployed:
    """The exported functions of the diary in a project, over a database that holds one entry and its copy."""

    def __init__(self, testing: MemoryApp, functions: dict[str, Any]) -> None:
        self.testing = testing
        self.functions = functions

    def post(self, **attributes: str) -> None:
        self.functions[FUNCTION](CloudEvent({**OWN, **attributes}, b""))

    def enqueue(self, body: Any) -> Any:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        with Flask("main").test_request_context(method="POST", data=data):
            return self.functions["continuations"](request)

    @property
    def letters(self) -> list[Any]:
        return [
            each.fields for path, each in self.testing.documents().items() if path.startswith(dead_letter.COLLECTION)
        ]


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployed]:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", PROJECT)
    with memory_app(app) as testing, patch("boiler_functions.runtime.export.connect", lambda **_: testing.database):
        Entry.new(doc_id="e1", owner="ada", title="one").save()
        testing.deliver()
        functions: dict[str, Any] = {"__name__": "main"}
        app.export(functions)
        yield Deployed(testing, functions)


@pytest.mark.parametrize(
    ("attribute", "value", "told"),
    [
        ("type", "google.cloud.firestore.document.v1.deleted", "of the type"),
        ("source", "//firestore.googleapis.com/projects/other/databases/(default)", "of the project 'other'"),
        ("source", f"//firestore.googleapis.com/projects/{PROJECT}/databases/other", "of the database 'other'"),
        ("database", "other", "of the database 'other'"),
        ("namespace", "other", "of the namespace 'other'"),
        ("document", "others/e1", "receives changes of 'entries/{doc_id}'"),
        ("document", "entries/..", "receives changes of 'entries/{doc_id}'"),
        ("time", "soon", "is not of a Firestore trigger"),
    ],
)
def test_an_event_of_others_is_a_letter_and_nothing_else(
    deployed: Deployed, attribute: str, value: str, told: str
) -> None:
    deployed.post(**{attribute: value})
    (letter,) = deployed.letters
    assert (letter["code"], letter["event"], told in letter["message"]) == ("BF510", "event-1", True)
    assert deployed.testing.fields(COPY)


def test_the_functions_own_event_is_no_letter(deployed: Deployed) -> None:
    deployed.post()
    # The emulator doubles `projects/`.
    deployed.post(source=str(OWN["source"]).replace("projects/", "projects/projects/"), namespace="(default)")
    assert deployed.letters == []


def test_a_project_that_is_named_by_its_number_is_not_taken_for_another(deployed: Deployed) -> None:
    deployed.testing.write("entries/e1", {"owner": "ada", "title": "two"})
    deployed.post(source="//firestore.googleapis.com/projects/123456789/databases/(default)")
    assert deployed.letters == []
    copy = deployed.testing.fields(COPY)
    assert copy
    assert copy["title"] == "two"


def test_a_flood_of_foreign_events_counts_in_one_letter(deployed: Deployed) -> None:
    for number in range(20):
        deployed.post(id=f"event-{number}", document=f"others/{number}")
    (letter,) = deployed.letters
    assert (letter["attempts"], letter["function"]) == (20, FUNCTION)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[" * 100_000,
        [],
        None,
        {},
        {"function": FUNCTION, "version": 2},
        {"function": FUNCTION, "tokens": 5},
    ],
)
def test_a_payload_that_is_no_continuation_is_a_letter_and_does_not_come_again(deployed: Deployed, body: Any) -> None:
    assert deployed.enqueue(body) == ("", 204)
    (letter,) = deployed.letters
    assert (letter["code"], letter["function"]) == ("BF510", "continuations")


def test_a_change_whose_images_are_of_different_documents_is_nobodys(deployed: Deployed) -> None:
    function = app.compiled.functions[FUNCTION]
    change = Change("event-1", "s", "entries/e1", Document("others/e1", {}, 5), Document("entries/e1"), 0)
    report = function.handle(change, deployed.testing.database)
    assert report.outcomes == {"dead letter": 1}
    assert deployed.testing.fields(COPY)
