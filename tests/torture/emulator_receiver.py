"""Receives webhooks of changes; refuses some, loses some of its own answers, and recognises a message by its key."""

import json
import random
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from boiler_functions.local.loopback import LOOPBACK

URL = "TORTURE_RECEIVER"
"""The environment variable with the URL that workers send webhooks to."""

SECRET = "TORTURE_SECRET"

REFUSED, ANSWER_LOST = FAULTS = ("receiver_refused", "receiver_answer_lost")


class Receiver:
    """Keeps the messages by key: `with Receiver(random.Random(1)).serving() as receiver: …`."""

    def __init__(self, chance: random.Random) -> None:
        self.told: dict[str, dict[str, Any]] = {}
        self.messages = 0
        self.healing = False
        self.contradictions: list[str] = []
        """The keys under which different messages came."""
        self.injected: Counter[str] = Counter()
        self._chance = chance
        self._lock = threading.Lock()
        self.url = ""

    @contextmanager
    def serving(self) -> Iterator[Self]:
        """Listens at `url` during the `with` block."""
        with ThreadingHTTPServer((LOOPBACK, 0), self._handler()) as server:
            self.url = f"http://{LOOPBACK}:{server.server_port}/changes"
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()

    def changes(self, kind: str) -> list[tuple[str, Any, Any]]:
        """Returns path, state before and state after of each change of this model or view, once for each key."""
        data = [each["data"] for each in self.told.values() if each["type"] == f"{kind}.changed"]
        return [(each["path"], each["before"], each["after"]) for each in data]

    def take(self, key: str, message: dict[str, Any]) -> str | None:
        """Records the message, and returns the fault that its sender should meet."""
        with self._lock:
            fault = None if self.healing or self._chance.random() > 0.35 else self._chance.choice(FAULTS)
            if fault:
                self.injected[fault] += 1
            if fault == REFUSED:
                return fault
            self.messages += 1
            if self.told.setdefault(key, message) != message:
                self.contradictions.append(f"{key}: {self.told[key]}, then {message}")
            return fault

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        take = self.take

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                fault = take(self.headers["webhook-id"], json.loads(body))
                if fault == ANSWER_LOST:
                    self.close_connection = True
                    return
                self.send_response(503 if fault else 204)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Logs nothing; the figures count the requests."""

        return Handler


def broken_chains(changes: list[tuple[str, Any, Any]], stored: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Finds lost and doubled changes of a document: its changes must form a chain from nothing to the stored state.

    It applies only if no state occurs twice, so that one change leads to each state, and one away from it.
    """
    lost, twice = [], []
    steps: dict[str, dict[str, Any]] = {}
    for path, before, after in changes:
        of_path = steps.setdefault(path, {})
        if _name(before) in of_path:
            twice.append(f"{path}: two changes of {before}")
        of_path[_name(before)] = after
    for path in {*steps, *stored}:
        state, of_path = None, steps.get(path, {})
        while _name(state) in of_path:
            state = of_path.pop(_name(state))
        if of_path or state != stored.get(path):
            lost.append(f"{path}: told up to {state}, stored is {stored.get(path)}; left are {list(of_path)}")
    return lost, twice


def _name(state: Any) -> str:
    return json.dumps(state, sort_keys=True)
