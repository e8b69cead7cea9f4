"""A socket leaves nothing behind in any counter, however and whenever it ends."""

import asyncio
import gc
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest

from boiler_functions.modes.websocket.followers import Follower
from boiler_functions.modes.websocket.guard import SocketConnection
from boiler_functions.modes.websocket.hub import Followed
from boiler_functions.modes.websocket.namespace import Client
from boiler_functions.modes.websocket.socket_session import SocketSession
from boiler_functions.modes.websocket.sockets import Sockets
from boiler_functions.settings.sockets import SocketSettings
from boiler_functions.testing import memory_app
from tests.unit.modes.websocket.rooms import Card, Copy, Guest, Room, Tokens, app, other_code, stored_by_other_code

PROGRAMS = 20

KINDS = (Client, SocketSession, Followed, Follower, SocketConnection)

SCOPE = {
    "type": "websocket",
    "path": "/socket.io/",
    "query_string": b"EIO=4&transport=websocket",
    "headers": [(b"connection", b"Upgrade"), (b"upgrade", b"websocket")],
}


class Wire:
    """One socket as an ASGI server has it; every step of it can be the last."""

    def __init__(self, sockets: Sockets) -> None:
        self.sent: list[dict[str, Any]] = []
        self.is_broken = False
        self._coming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._coming.put_nowait({"type": "websocket.connect"})
        self.serving = asyncio.ensure_future(sockets(dict(SCOPE), self._coming.get, self._send))

    async def _send(self, message: Any) -> None:
        if self.is_broken:
            raise OSError("broken")
        self.sent.append(message)

    def say(self, text: str) -> None:
        self._coming.put_nowait({"type": "websocket.receive", "text": text})

    def hang_up(self) -> None:
        self._coming.put_nowait({"type": "websocket.disconnect", "code": 1006})

    def told(self) -> list[str]:
        return [str(each.get("text")) for each in self.sent]


@asynccontextmanager
async def serving(**limits: Any) -> AsyncIterator[tuple[Sockets, Any]]:
    with memory_app(app) as testing:
        Guest.new(doc_id="ada", name="Ada").save()
        for name in ("blue", "red", "green"):
            Room.new(doc_id=name, title=name, guests=["ada"]).save()
        testing.deliver()
        stored_by_other_code(testing, Card, "red", "cards/red", code=other_code(Card))
        stored_by_other_code(testing, Copy, "red", "guests/ada/copies/red", code=other_code(Copy))
        settings = SocketSettings(**{"ping_interval": 0.1, "ping_timeout": 0.3, **limits})
        declarations = app.compiled.declarations._replace(socket_settings=settings)
        sockets = Sockets(declarations, lambda: testing.database, tokens=Tokens())
        yield sockets, testing
        await sockets.close()


def held(sockets: Sockets, testing: Any) -> dict[str, int]:
    """Returns the counters of sockets, by name."""
    manager = sockets.server.manager
    return {
        "followed": len(sockets.hub),
        "listeners": testing.database.listeners,
        "connections": len(sockets.guard.connections),
        "clients": sum(len(each.clients) for each in sockets.namespaces),
        "engine": len(sockets.server.eio.sockets),
        "environments": len(sockets.server.environ),
        "rooms": len(manager.rooms) + len(manager.pending_connect) + len(manager.pending_disconnect),
        "waiting": sockets.hub.threads._work_queue.qsize(),
    }


def alive(sockets: Sockets, testing: Any) -> dict[str, int]:
    """Returns the counters of sockets, and once these are zero, of their living objects, which take long to count."""
    if any((counters := held(sockets, testing)).values()):
        return counters
    gc.collect()
    found = [type(each) for each in gc.get_objects() if isinstance(each, KINDS)]
    objects = {kind.__name__: sum(issubclass(each, kind) for each in found) for kind in KINDS}
    return counters | objects


async def emptied(
    sockets: Sockets, testing: Any, counters: Callable[[Sockets, Any], dict[str, int]] = alive
) -> dict[str, int]:
    """Returns the counters that are not zero, after the time that threads need to end."""
    left: dict[str, int] = {}
    for pause in (*([0.001] * 20), *([0.02] * 200)):
        left = {name: count for name, count in counters(sockets, testing).items() if count}
        if not left:
            break
        await asyncio.sleep(pause)
    return left


NAMESPACES = ("/boards", "/cards", "/copies", "/hosted")
TOKENS: tuple[dict[str, Any], ...] = ({}, *({"token": each} for each in ("ada", "ada", "forged", "ada:0.05", 5)))
NAMES = ("connect", "disconnect", "message", "sent", "__init__", "clients")
EVENTS: tuple[Callable[[Random], list[Any]], ...] = (
    lambda random: ["subscribe", {"id": random.choice(("blue", "red", "green", "none"))}],
    lambda random: ["subscribe", {"id": random.choice(("blue", "red", "green", "none"))}],
    lambda random: ["unsubscribe", {"id": "blue"}],
    lambda random: ["list", random.choice(({}, {"limit": 1}, {"title>": "a"}, {"orderBy": 5}, {"pageToken": "x"}))],
    lambda random: ["mutate", {"id": "red", "values": {"title": str(random.random())}}],
    lambda random: [random.choice(NAMES), {"id": "blue"}],
    lambda random: ["subscribe", {"id": random.choice(("..", "", None, "a/b"))}],
)
ENDINGS = ("hang up", "break", "cancel", "leave", "nonsense", "end", "flood")


async def play(random: Random, sockets: Sockets) -> None:
    """Runs a few sockets that connect, call and end, each at any point of what the others do."""
    wires = [Wire(sockets) for _ in range(random.randint(1, 4))]
    for _ in range(random.randint(3, 25)):
        wire, namespace = random.choice(wires), random.choice(NAMESPACES)
        if random.random() < 0.3:
            wire.say(f"40{namespace},{json.dumps(random.choice(TOKENS))}")
        else:
            for _ in range(random.choice((1, 1, 4, 20))):
                wire.say(f"42{namespace},{random.randint(0, 9)}{json.dumps(random.choice(EVENTS)(random))}")
        await pause(random)
        if random.random() < 0.15:
            end(random.choice(ENDINGS), wire, random, sockets)
    for wire in wires:
        await pause(random)
        end(random.choice(ENDINGS), wire, random, sockets)
        await pause(random)
        wire.hang_up()
    await asyncio.wait([wire.serving for wire in wires], timeout=10)
    assert all(wire.serving.done() for wire in wires)


async def pause(random: Random) -> None:
    for _ in range(random.choice((0, 1, 2, 3, 5, 8, 13))):
        await asyncio.sleep(random.choice((0, 0, 0, 0.001)))


def end(how: str, wire: Wire, random: Random, sockets: Sockets) -> None:
    match how:
        case "hang up":
            wire.hang_up()
        case "break":
            wire.is_broken = True
            wire.hang_up()
        case "cancel":
            wire.serving.cancel()
        case "leave":
            wire.say(f"41{random.choice(NAMESPACES)},")
        case "nonsense":
            wire.say("45999-")
        case "end":
            for connection in list(sockets.guard.connections):
                connection.end(1008, "test")
        case "flood":
            for _ in range(200):
                wire.say('42/boards,["subscribe",{"id":"blue"}]')


@pytest.mark.parametrize("seed", range(PROGRAMS))
def test_after_any_program_of_sockets_every_counter_is_zero(seed: int) -> None:
    async def run() -> None:
        async with serving() as (sockets, testing):
            await play(Random(seed), sockets)
            assert await emptied(sockets, testing) == {}

    asyncio.run(run())
