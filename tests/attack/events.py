"""The surface of event functions: events and tasks that are foreign or malformed.

Whatever is sent, all that may come of it is a letter, and what is sent is acknowledged.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any, NamedTuple
from unittest.mock import patch

from cloudevents.http import CloudEvent
from flask import Flask, request
from google.events.cloud.firestore_v1 import DocumentEventData

from boiler_functions.database.codec import Codec
from boiler_functions.modes import dead_letter
from boiler_functions.testing.app import MemoryApp, memory_app
from tests.attack.diary import Entry, app
from tests.attack.surface import Judge

PROJECT, DATABASE = "demo-attack", "(default)"

MOST_LETTERS = 10
"""The dead letters that any number of foreign events leaves: one for each function, and one for the queue's."""


class Foreign(NamedTuple):
    """Returns an event for a function; `name` is the document's in the content, None for malformed content."""

    function: str
    attributes: dict[str, Any]
    name: str | None
    deletes: bool


class Payload(NamedTuple):
    """Returns the body of a task of the queue."""

    body: bytes


OWN = {
    "id": "event-1",
    "type": "google.cloud.firestore.document.v1.written",
    "source": f"//firestore.googleapis.com/projects/{PROJECT}/databases/{DATABASE}",
    "document": "entries/e1",
    "time": "2026-11-24T12:00:00Z",
}

# Changes that make an event foreign; each is enough by itself.
WRONG: dict[str, tuple[Any, ...]] = {
    "type": ("google.cloud.firestore.document.v1.deleted", "x", "google.cloud.storage.object.v1.finalized"),
    "source": (
        "",
        "x",
        "//firestore.googleapis.com/projects/other/databases/(default)",
        f"//firestore.googleapis.com/projects/{PROJECT}/databases/other",
        f"//evil.example/projects/{PROJECT}/databases/{DATABASE}",
    ),
    "document": (
        "entries",
        "entries/",
        "entries/..",
        "entries/__x__",
        "others/e1",
        "entries/e1/entries/e1",
        "projects/other/databases/(default)/documents/entries/e1",
        "entries/" + "x" * 1501,
        "boilerLedgers/x",
        None,
    ),
    "time": ("soon", "", "9999-99-99T00:00:00Z"),
    "database": ("other",),
    "namespace": ("other",),
}

NAMES = (
    "projects/other/databases/(default)/documents/entries/e1",
    f"projects/{PROJECT}/databases/other/documents/entries/e1",
    f"projects/{PROJECT}/databases/(default)/documents/others/e1",
    f"projects/{PROJECT}/databases/(default)/documents/entries/..",
)

FUNCTIONS = ("entry_view_on_entries", "board_view_on_entries", "wish_task")

VALUES: tuple[Any, ...] = (None, 0, 1, -1, 10**30, "", "x", "a/b", "..", [], ["x"], ["x"] * 40, {}, 1.5, "\ud800", True)


def inputs(random: Random) -> Iterator[Foreign | Payload]:
    """Yields foreign events and payloads in turn."""
    while True:
        yield _event(random) if random.random() < 0.6 else Payload(_payload(random))


def _event(random: Random) -> Foreign:
    function = random.choice(FUNCTIONS)
    path = "wishes/ada/all/w1" if function == "wish_task" else "entries/e1"
    attributes: dict[str, Any] = {**OWN, "document": path, "id": f"event-{random.randrange(10**9)}"}
    own_name: str | None = f"projects/{PROJECT}/databases/{DATABASE}/documents/{path}"
    chosen = random.choice((*WRONG, "name", "function"))
    if chosen == "name":
        own_name = random.choice(NAMES)
    elif chosen == "function":
        attributes["document"], own_name = ("cities/c1", None)
    else:
        # Without content, whose path would win over the header.
        own_name = None if chosen == "document" else own_name
        attributes[chosen] = random.choice(WRONG[chosen])
    if random.random() < 0.1:
        attributes["traceparent"] = random.choice(VALUES)
    return Foreign(
        function,
        {name: value for name, value in attributes.items() if value is not None},
        own_name,
        random.random() < 0.5,
    )


def _payload(random: Random) -> bytes:
    if random.random() < 0.3:
        return random.choice((b"", b"{", b"[]", b"null", b"5", b"[" * 100_000, b"\xff", b"{}", b'{"function":"x"}'))
    known = {
        "function": "entry_view_on_entries",
        "tokens": ["x"],
        "after": "",
        "until": "",
        "id": "event-1",
        "source": OWN["source"],
        "path": "others/e1",
        "time": 0,
        "before": 0,
        "updated": 0,
    }
    for name in random.sample(sorted(known), random.choice((0, 1, 2))):
        known[name] = random.choice(VALUES)
    if random.random() < 0.2:
        known["version"] = 2
    return json.dumps(known).encode()


@contextmanager
def judge() -> Iterator[Judge]:
    with patch.dict("os.environ", {"GOOGLE_CLOUD_PROJECT": PROJECT}), memory_app(app) as testing:
        Entry.new(doc_id="e1", owner="ada", title="one", shared=True).save()
        Entry.new(doc_id="e2", owner="bob", title="two").save()
        testing.deliver()
        testing.write("wishes/ada/all/w1", {"title": "wished"})
        functions: dict[str, Any] = {"__name__": "main"}
        with patch("boiler_functions.runtime.export.connect", lambda **_: testing.database):
            app.export(functions)
            yield lambda each: _wrong(testing, functions, each)


def _wrong(testing: MemoryApp, functions: dict[str, Any], each: Foreign | Payload) -> str | None:
    before = _others(testing)
    with Flask("main").test_request_context(method="POST", data=each.body if isinstance(each, Payload) else b""):
        if isinstance(each, Payload):
            answer = functions["continuations"](request)
            if answer != ("", 204):
                return f"the queue is answered {answer}"
        else:
            functions[each.function](CloudEvent(each.attributes, _content(each)))
    if _others(testing) != before:
        return "a document was written, or deleted"
    letters = [path for path in testing.documents() if path.startswith(dead_letter.COLLECTION)]
    return f"{len(letters)} letters" if len(letters) > MOST_LETTERS else None


def _others(testing: MemoryApp) -> dict[str, Any]:
    """Returns every document except dead letters, with its version."""
    return {path: each for path, each in testing.documents().items() if not path.startswith(dead_letter.COLLECTION)}


def _content(each: Foreign) -> bytes:
    if each.name is None:
        return b""
    message = DocumentEventData.pb(DocumentEventData())
    image = message.old_value if each.deletes else message.value
    image.name = each.name
    Codec(each.name.partition("/documents/")[0]).encode_fields({"owner": "ada", "title": "forged"}, image.fields)
    image.update_time.FromNanoseconds(1_900_000_000_000_000_000)
    return bytes(message.SerializeToString())
