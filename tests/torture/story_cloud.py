"""The cloud of the story: a local stack whose functions can be down, and whose events can be lost or given up."""

import json
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self

from boiler_functions import Boiler
from boiler_functions.local.delivery import EventHandler, Refused, Retries
from boiler_functions.local.events import Event, EventServer
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from boiler_functions.local.loopback import LOOPBACK
from boiler_functions.local.stack import Handled, LocalStack
from boiler_functions.manifest import function_name
from boiler_functions.modes.event_function import EventFunction
from boiler_functions.modes.release import Release

DELIVERIES = 3
"""After so many, an event of a function that is down for good is given up; Pub/Sub makes 100."""


class KeptEvents:
    """The subscription of undelivered events: the calls of Pub/Sub by which `boiler letters --undelivered` pulls."""

    def __init__(self) -> None:
        self.waiting: dict[str, dict[str, Any]] = {}
        self._leased: dict[str, dict[str, Any]] = {}
        self._server = ThreadingHTTPServer((LOOPBACK, 0), _handler(self._answer))
        self.host = f"{LOOPBACK}:{self._server.server_address[1]}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def add(self, event: Event, function: str) -> None:
        """Keeps an event that the function of this name has given up."""
        named = {
            "CloudPubSubDeadLetterSourceSubscription": f"eventarc-us-central1-{function}-123456-sub-789",
            "CloudPubSubDeadLetterSourceDeliveryCount": str(DELIVERIES),
        }
        self.waiting[event.id] = {
            "messageId": event.id,
            "publishTime": datetime.now(UTC).isoformat(),
            "data": b64encode(event.data).decode(),
            "attributes": {**event.headers, **named},
        }

    def _answer(self, method: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        match method:
            case "pull":
                taken = list(self.waiting)[: body["maxMessages"]]
                self._leased |= {each: self.waiting.pop(each) for each in taken}
                return {"receivedMessages": [{"ackId": each, "message": self._leased[each]} for each in taken]}
            case "modifyAckDeadline" if body["ackDeadlineSeconds"] == 0:
                self.waiting |= {each: self._leased.pop(each) for each in body["ackIds"]}
            case "acknowledge":
                for each in body["ackIds"]:
                    del self._leased[each]
        return {}


def _handler(answer: Callable[[str, Mapping[str, Any]], Mapping[str, Any]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            content = json.dumps(answer(self.path.rpartition(":")[2], body)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            """Does nothing, because nobody reads it."""

    return Handler


class Cloud(LocalStack):
    """Delivers each event to its function, unless the event is one of those that are lost, or the function is down.

    `losing` has the documents whose events are lost: they are acknowledged, and no function receives them. `down` has
    the entry points of functions that answer nothing; those in `given_up`, too, have their events kept in the end.
    """

    def __init__(
        self, app: Boiler, project: str, emulator: FirestoreEmulator, server: EventServer, kept: KeptEvents
    ) -> None:
        self.losing: frozenset[str] = frozenset()
        self.down: frozenset[str] = frozenset()
        self.given_up: frozenset[str] = frozenset()
        self.acknowledged: Counter[str] = Counter()
        self._kept = kept
        self._deliveries: Counter[tuple[str, str]] = Counter()
        super().__init__(
            app,
            project,
            emulator=emulator,
            server=server,
            observer=self._count,
            retries=Retries(first=0.05, longest=0.5, attempts=100_000),
            release=Release(1),
        )

    def _target(self, function: EventFunction, release: Release) -> EventHandler:
        reached = super()._target(function, release)

        def target(event: Event) -> int:
            if event.document in self.losing:
                return 204
            if function.entry_point not in self.down:
                return reached(event)
            self._deliveries[function.entry_point, event.id] += 1
            is_last = self._deliveries[function.entry_point, event.id] >= DELIVERIES
            if function.entry_point not in self.given_up or not is_last:
                raise Refused(503, "The function is down.")
            self._kept.add(event, function_name(self.app.name, function.entry_point))
            return 204

        return target

    def _count(self, handled: Handled) -> None:
        self.acknowledged[handled.delivery.function] += handled.delivery.acknowledged
