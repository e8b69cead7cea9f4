"""Deployed or emulated by firebase-tools, a fan-out finds its queue without a setting of its own."""

import json
import threading
from base64 import b64decode
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from boiler_functions import Boiler
from boiler_functions.exceptions import Unavailable
from boiler_functions.manifest import Function
from boiler_functions.modes.query.continuation import Continuation
from boiler_functions.runtime import queues as cloud_tasks
from boiler_functions.runtime.export import _enqueue
from boiler_functions.runtime.queues import firebase_enqueuer
from tests.unit.modes.cities import CityView, app_of

REST = Continuation("city_view_on_cities", ("t1",), "", "", "e1", "test", "cities/TOK", 1, 0, 2)


class Tasks(BaseHTTPRequestHandler):
    """What firebase-tools' emulator answers: each name once."""

    seen: list[tuple[str, Any]]
    status: int

    def do_POST(self) -> None:  # the name that the library calls
        task = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["task"]
        known = any(task["name"] == each["name"] for _, each in self.seen)
        self.seen.append((self.path, task))
        self.send_response(409 if known else self.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def emulator() -> Iterator[Any]:
    handler: Any = type("Handler", (Tasks,), {"seen": [], "status": 200})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        handler.host = f"127.0.0.1:{server.server_port}"
        yield handler
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BOILER_QUEUE", "FIREBASE_CONFIG", "FUNCTIONS_EMULATOR", "CLOUD_TASKS_EMULATOR_HOST"):
        monkeypatch.delenv(name, raising=False)


def continuations(**options: Any) -> Function:
    app = Boiler("demo", **options)
    app.query(CityView)
    return app.manifest.queues[0]


def emulated(host: str) -> dict[str, str]:
    config = json.dumps({"projectId": "demo-x"})
    return {"FUNCTIONS_EMULATOR": "true", "CLOUD_TASKS_EMULATOR_HOST": host, "FIREBASE_CONFIG": config}


def test_a_continuation_is_enqueued_once_by_its_name(emulator: Any) -> None:
    enqueue = firebase_enqueuer(continuations(region="europe-west1"), emulated(emulator.host))
    enqueue(REST)
    enqueue(REST)
    path, task = emulator.seen[0]
    assert path == "/projects/demo-x/locations/europe-west1/queues/demo-continuations/tasks"
    assert task["name"] == f"{path[1:]}/{REST.name}"
    assert Continuation.from_json(json.loads(b64decode(task["httpRequest"]["body"]))) == REST
    assert len(emulator.seen) == 2


@pytest.mark.parametrize("status", [404, 500])
def test_a_queue_that_takes_no_task_leaves_the_event_unacknowledged(status: int, emulator: Any) -> None:
    emulator.status = status
    with pytest.raises(Unavailable, match="accepts no task"):
        firebase_enqueuer(continuations(), emulated(emulator.host))(REST)


def test_a_queue_that_does_not_answer_leaves_the_event_unacknowledged() -> None:
    with pytest.raises(Unavailable, match="accepts no task"):
        firebase_enqueuer(continuations(), emulated("127.0.0.1:1"))(REST)


def test_in_the_cloud_the_queue_has_the_functions_name_region_and_account(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    monkeypatch.setattr(cloud_tasks.Queue, "put", lambda queue, _: made.append(queue))
    function = continuations(region="europe-west1", service_account="boiler@")
    firebase_enqueuer(function, {"FIREBASE_CONFIG": json.dumps({"projectId": "my-company"})})(REST)
    (queue,) = made
    assert queue.name == "projects/my-company/locations/europe-west1/queues/demo-continuations"
    assert queue.url == "https://europe-west1-my-company.cloudfunctions.net/demo-continuations"
    assert queue.service_account == "boiler@my-company.iam.gserviceaccount.com"


def test_a_function_looks_for_a_queue_only_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = app_of(CityView).compiled
    assert _enqueue(compiled) is None
    monkeypatch.setenv("FIREBASE_CONFIG", json.dumps({"projectId": "demo-x"}))
    assert _enqueue(compiled) is not None
    monkeypatch.setenv("FUNCTIONS_EMULATOR", "true")
    assert _enqueue(compiled) is None
    monkeypatch.setenv("CLOUD_TASKS_EMULATOR_HOST", "127.0.0.1:1")
    assert _enqueue(compiled) is not None
