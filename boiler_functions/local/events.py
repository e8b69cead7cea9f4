"""Receives the events that the Firestore emulator posts."""

import threading
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.message import Message
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self, TypeAlias
from urllib.parse import unquote

from boiler_functions.database.messages import DocumentEventData
from boiler_functions.exceptions import ConfigurationError
from boiler_functions.local.loopback import LOOPBACK, request


@dataclass(frozen=True)
class Event:
    """One CloudEvent in binary mode: the headers decoded as Latin-1, as in WSGI, and DocumentEventData as bytes."""

    headers: Mapping[str, str]
    data: bytes

    @property
    def id(self) -> str:
        return self.headers["ce-id"]

    @property
    def document(self) -> str:
        """The path of the document: `users/uid1`."""
        return self.headers["ce-document"].encode("latin-1").decode()

    @cached_property
    def changes_nothing(self) -> bool:
        """Whether the write left the document unchanged, or deleted a missing one; production sends no such event."""
        content = DocumentEventData.FromString(self.data)
        return bool(content.value == content.old_value)


Receiver: TypeAlias = Callable[[str, Event], None]
"""Receives the id of a trigger and an event for it."""


class EventServer:
    """Receives the events of an emulator, and passes each to the receiver of its project.

    with EventServer() as server, FirestoreEmulator(functions=server.host) as emulator:
        ...

    The emulator posts one event at a time, in the order of the commits, and waits only for the answer.
    """

    def __init__(self) -> None:
        self._receivers: dict[str, Receiver] = {}
        self._server = ThreadingHTTPServer((LOOPBACK, 0), _handler(self._receivers))
        self.host = f"{LOOPBACK}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def receive(self, project: str, receiver: Receiver) -> None:
        """Passes the project's events to the receiver from now on."""
        self._receivers[project] = receiver

    def deliver(self, project: str, trigger: str, event: Event) -> None:
        """Delivers an event once more, as production may; raises ConfigurationError if nothing receives it."""
        path = f"/functions/projects/{project}/triggers/{trigger}"
        answer = request(self.host, "POST", path, b64encode(event.data), event.headers)
        if answer.status != 202:
            raise ConfigurationError(f"{project} takes no events: {answer.status}. Is its stack stopped?")

    def forget(self, project: str) -> None:
        """Drops the project's events from now on."""
        self._receivers.pop(project, None)

    def stop(self) -> None:
        """Stops the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(receivers: Mapping[str, Receiver]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            _, _, _, project, _, trigger = map(unquote, self.path.split("/"))
            receiver = receivers.get(project)
            if receiver is not None:
                receiver(trigger, Event(_event_headers(self.headers), b64decode(body, validate=True)))
            self.send_response(202 if receiver else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Does nothing, because the receiver reports the events."""

    return Handler


def _event_headers(headers: Message) -> dict[str, str]:
    """Returns the CloudEvent's headers as production sends them; the emulator doubles `projects/` in the source."""
    chosen = {name.lower(): value for name, value in headers.items() if name.lower().startswith("ce-")}
    source = chosen["ce-source"].replace("/projects/projects/", "/projects/")
    return {**chosen, "ce-source": source, "content-type": headers.get_content_type()}
