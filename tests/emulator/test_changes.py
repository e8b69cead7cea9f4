"""Receivers of changes, and mutations beside copies, on the real emulator from end to end."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from boiler_functions import (
    Boiler,
    Changed,
    DomainModel,
    Store,
    ViewModel,
    Webhook,
    access,
    attrs,
    reference,
    references,
    use,
)
from boiler_functions.database import Put
from boiler_functions.local.delivery import DeliveryFaults, Retries
from boiler_functions.local.events import EventServer
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from boiler_functions.local.stack import Handled, LocalStack
from boiler_functions.modes.on_change.webhook import signature

COPY = "users/ann/rooms/one"


class User(DomainModel):
    class Meta:
        collection_name = "users"

    name = attrs.string(required=True)


class Room(DomainModel):
    class Meta:
        collection_name = "rooms"

    topic = attrs.string(default="")
    users = attrs.relation(User, many=True)


class RoomStore(Store):
    room = reference(Room)
    users = references(Room.users)


class Receiver:
    """An HTTP server that refuses the first messages, and keeps all that came."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.came: list[tuple[dict[str, str], bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                receiver.came.append(({name.lower(): value for name, value in self.headers.items()}, body))
                receiver.refusals -= 1
                self.send_response(503 if receiver.refusals >= 0 else 204)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    @property
    def topics(self) -> list[tuple[str, str | None, str | None]]:
        """Returns the changes of a receiver, one for each key: the class, the topic before and after."""
        messages = {headers["webhook-id"]: json.loads(body) for headers, body in self.came}
        told = (
            (each["type"], *((each["data"][when] or {}).get("topic") for when in ("before", "after")))
            for each in messages.values()
        )
        return sorted(told, key=str)


def rooms(url: str) -> Boiler:
    """An app whose view is changed by documents, and whose changes are posted to the URL."""
    app = Boiler("rooms")
    hook = Webhook(url, secret_env="ROOMS_SECRET")

    @app.query
    @app.document()
    class RoomView(ViewModel[RoomStore]):
        class Meta:
            path = "users/{users.doc_id}/rooms/{room.doc_id}"
            write = access.owner("users.doc_id")
            versioned = True

        @attrs.computed
        def topic(self) -> str:
            return self.store.room.topic

        @topic.setter
        def set_topic(self, value: str) -> None:
            self.store.room.topic = value

    @app.on_change(RoomView)
    def tell(change: Changed[RoomView]) -> None:
        hook.notify(change)

    @app.on_change(Room)
    def note(change: Changed[Room]) -> None:
        hook.notify(change)

    return app


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("ROOMS_SECRET", "whsec_c2VjcmV0")
    opened = Receiver(refusals=2)
    yield opened
    opened.close()


def test_a_mutation_reaches_every_copy_and_each_change_its_receiver_once_per_key(
    project: str, firestore_emulator: FirestoreEmulator, event_server: EventServer, receiver: Receiver
) -> None:
    handled: list[Handled] = []
    options: dict[str, Any] = {"emulator": firestore_emulator, "server": event_server, "observer": handled.append}
    faults = DeliveryFaults(seed=4, duplicate=0.3, drop=0.2)
    retries = Retries(first=0.01, longest=0.05)
    with LocalStack(rooms(receiver.url), project, faults=faults, retries=retries, **options) as stack:
        with use(stack.database):
            for name in ("ann", "ben"):
                User.new(doc_id=name, name=name).save()
            Room.new(doc_id="one", topic="tea", users=["ann", "ben"]).save()
            stack.drain()
            seen = fields(stack, COPY)["doc_version"]
            for number in range(3):
                path = f"{COPY}/_PATCH_RoomView/m{number}"
                stack.database.commit([Put(path, {"topic": f"cake {number}", "if_version": seen})])
            stack.drain()
        stamps = [fields(stack, f"{COPY}/_PATCH_RoomView/m{number}")["outcome"]["status"] for number in range(3)]
        assert sorted(stamps) == ["done", "rejected", "rejected"]
        topic = f"cake {stamps.index('done')}"
        assert [fields(stack, f"users/{name}/rooms/one")["topic"] for name in ("ann", "ben")] == [topic, topic]
    pairs = [(None, "tea"), ("tea", topic)]
    wanted = [(kind, *pair) for kind in ("Room.changed", "RoomView.changed") for pair in pairs]
    assert receiver.topics == sorted(wanted, key=str)
    for headers, body in receiver.came:
        signed = signature("whsec_c2VjcmV0", headers["webhook-id"], headers["webhook-timestamp"], body)
        assert headers["webhook-signature"] == signed
    assert any(each.delivery.status == 500 for each in handled), "nobody was refused"


def fields(stack: LocalStack, path: str) -> dict[str, Any]:
    found = stack.database.read([path]).documents[0].fields
    assert found is not None, path
    return dict(found)
