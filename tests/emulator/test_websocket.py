"""The WebSocket service as Cloud Run runs it: a process of its own, Firestore's emulator, real Socket.IO clients."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from typing import Any

import pytest

from boiler_functions import use
from boiler_functions.local.events import EventServer
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from boiler_functions.local.loopback import LOOPBACK, answers, free_port
from boiler_functions.local.process import ServerProcess
from boiler_functions.local.stack import LocalStack
from emulator.live import FUNCTIONS, LIVE, live_app, seed
from functions.meeting_room import Ticket
from tests.unit.modes.websocket.rooms import Client

pytestmark = pytest.mark.xdist_group("websocket")


class Service:
    """The functions of the meeting on the emulator, and the process that holds the sockets."""

    def __init__(self, stack: LocalStack, project: str) -> None:
        self.stack = stack
        self.project = project
        port = free_port()
        self.url = f"http://{LOOPBACK}:{port}"
        environment = {
            **os.environ,
            "HOST": LOOPBACK,
            "PORT": str(port),
            "FIRESTORE_EMULATOR_HOST": stack.emulator.host,
            # Nobody is asked there; it makes firebase-admin take tokens without a signature.
            "FIREBASE_AUTH_EMULATOR_HOST": f"{LOOPBACK}:1",
            "GOOGLE_CLOUD_PROJECT": project,
        }
        command = [sys.executable, "-m", "boiler_functions.websocket", "live_room:app"]
        self.process = ServerProcess("The sockets", command, environment=environment, folder=FUNCTIONS, grace=15)
        self.process.wait_until(lambda: answers(f"{LOOPBACK}:{port}"), 60)

    def token(self, uid: str, seconds: float = 3600) -> str:
        now = int(time.time())
        claims = {
            "iss": f"https://securetoken.google.com/{self.project}",
            "aud": self.project,
            "sub": uid,
            "iat": now - 60,
            "exp": int(now + seconds),
        }
        head, body = (urlsafe_b64encode(json.dumps(each).encode()).decode() for each in ({"alg": "none"}, claims))
        return f"{head.rstrip('=')}.{body.rstrip('=')}."


@pytest.fixture
def service(firestore_emulator: FirestoreEmulator, event_server: EventServer, project: str) -> Iterator[Service]:
    with LocalStack(live_app(), project, emulator=firestore_emulator, server=event_server) as stack:
        seed(stack.database)
        stack.drain()
        service = Service(stack, project)
        with service.process:
            yield service


def test_a_change_of_a_source_reaches_every_client_through_the_functions(service: Service) -> None:
    async def follow() -> None:
        clients = []
        for uid in ("ada", "grace", "alan"):
            client = Client("/meeting")
            await client.connect(service.url, service.token(uid))
            assert (await client.subscribe("standup"))["code"] == 200
            assert [each["name"] for each in (await client.view())["attending"]] == ["Ada Lovelace"]
            clients.append(client)
        await asyncio.to_thread(attend, "ticket-grace")
        for client in clients:
            assert [each["name"] for each in (await client.view())["attending"]] == ["Ada Lovelace", "Grace Hopper"]
            await client.socket.disconnect()

    def attend(ticket_id: str) -> None:
        with use(service.stack.database):
            ticket = Ticket.get(ticket_id)
            assert ticket
            ticket.attendance = True
            ticket.save()

    asyncio.run(follow())


def test_the_client_of_npm_follows_and_mutates_and_notices_when_the_service_stops(service: Service) -> None:
    lines: list[Any] = []
    command = ["node", "browser/socket.mjs", service.url, service.token("ada")]
    with subprocess.Popen(command, cwd=LIVE, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout
        while ["view", False] not in lines:
            lines.append(json.loads(client.stdout.readline()))
        os.kill(service.process.pid, signal.SIGTERM)
        lines += map(json.loads, client.stdout)
    assert ["subscribe", 200] in lines
    assert ["mutate", [200, False]] in lines
    assert lines.index(["view", True]) < lines.index(["view", False])
    assert lines[-2:] == [["ended", "The server stops. Connect again."], ["disconnect", "io server disconnect"]]


@pytest.mark.parametrize(("uid", "seconds"), [("mallory", 3600), ("ada", -3600)])
def test_strangers_and_expired_tokens_learn_nothing(service: Service, uid: str, seconds: float) -> None:
    command = ["node", "browser/socket.mjs", service.url, service.token(uid, seconds)]
    with subprocess.Popen(command, cwd=LIVE, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdout
        told = json.loads(client.stdout.readline())
        client.kill()
    expected = ["subscribe", 404] if seconds > 0 else ["connect_error", "The token is invalid or expired."]
    assert told == expected
