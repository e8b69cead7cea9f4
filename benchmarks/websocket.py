"""1,000 Socket.IO clients on one view, and on a hundred, beside a server by hand that does the same."""

import asyncio
import gc
import json
import os
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from benchmarks.results import Row, Target, at_most
from benchmarks.served.sockets import NAMESPACE
from benchmarks.stage import Stage
from boiler_functions.database import Database, Put
from boiler_functions.database.firestore import PROJECT
from emulator.loopback import LOOPBACK, answers, free_port, request
from emulator.process import ServerProcess

CLIENTS = 1000
VIEWS = 100
CHANGES = 20

_AT_ONCE = 25
_PEER = "python-socketio by hand"


@dataclass
class Measured:
    """What one server did."""

    listeners: int
    pushes: list[float]
    kib_per_client: float
    after: dict[str, int]
    kib_left: float


@dataclass
class Crowd:
    """Clients, and when each was told of which value."""

    url: str
    sockets: list[ClientConnection] = field(default_factory=list)
    readers: list[asyncio.Task[None]] = field(default_factory=list)
    told: dict[str, list[float]] = field(default_factory=dict)
    greeted: int = 0

    async def join(self, number: int, views: int) -> None:
        """Connects so many clients, each to one of the views."""
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(index: int) -> None:
            async with gate:
                socket = await connect(self.url, ping_interval=None, compression=None, proxy=None, open_timeout=60)
                await socket.recv()
                await socket.send(f"40{NAMESPACE},")
                await socket.recv()
                await socket.send(f'42{NAMESPACE},1["subscribe",{{"id":"{index % views}"}}]')
                self.sockets.append(socket)
                self.readers.append(asyncio.create_task(self._read(socket)))

        await asyncio.gather(*(one(index) for index in range(number)))

    async def _read(self, socket: ClientConnection) -> None:
        async for message in socket:
            text = str(message)
            if text == "2":
                await socket.send("3")
            elif '["view"' in text:
                title = json.loads(text[text.index("[") :])[1]["view"]["title"]
                self.greeted += title == "first"
                self.told.setdefault(title, []).append(time.perf_counter())

    async def leave(self) -> None:
        await asyncio.gather(*(socket.close() for socket in self.sockets))
        await asyncio.gather(*self.readers)


def websocket(stage: Stage) -> Iterator[Row]:
    """Listeners, push, memory and what is left, of both servers in both crowds."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192)), hard))
    for views in (1, VIEWS):
        ours, peer = (_measured(who, stage, views) for who in ("ours", "by_hand"))
        name = f"sockets, {CLIENTS:,} clients on {views} view{'s' if views > 1 else ''}"
        for percent in (50, 99):
            mine, theirs = (quantiles(each.pushes, n=100)[percent - 1] for each in (ours, peer))
            yield Row(f"{name}: change → client, p{percent}", mine, theirs, _PEER, "ms")
        yield Row(f"{name}: listeners", ours.listeners, peer.listeners, _PEER, "", Target("ours", "<=", views))
        yield Row(f"{name}: memory", ours.kib_per_client, peer.kib_per_client, _PEER, "KiB/client")
        yield Row(f"{name}: listeners after all left", ours.after["listeners"], None, None, "", at_most(0))
        yield Row(f"{name}: tasks after all left", ours.after["tasks"], peer.after["tasks"], _PEER, "", at_most(0))
        yield Row(f"{name}: memory after all left", ours.kib_left, peer.kib_left, _PEER, "KiB/client")


def _measured(who: str, stage: Stage, views: int) -> Measured:
    database = stage.database
    database.commit([_card(view, "first") for view in range(views)])
    port = free_port()
    environment = {**os.environ, PROJECT: stage.project}
    command = [sys.executable, "-m", "benchmarks.served.sockets", who, str(port)]
    with ServerProcess(f"The sockets, {who}", command, environment=environment) as server:
        server.wait_until(lambda: answers(f"{LOOPBACK}:{port}", "/stats"), 60)
        # The first client brings the connection to Firestore, and what Engine.IO starts once.
        asyncio.run(_visit(port))
        before = _settled(port)
        crowd = asyncio.run(_follow(database, port, views))
        after = _settled(port, before["tasks"])
    pushes, during = crowd
    return Measured(
        during["listeners"],
        pushes,
        (during["kib"] - before["kib"]) / CLIENTS,
        {"listeners": after["listeners"], "tasks": after["tasks"] - before["tasks"]},
        (after["kib"] - before["kib"]) / CLIENTS,
    )


async def _visit(port: int) -> None:
    crowd = Crowd(_url(port))
    await crowd.join(1, 1)
    await _until(lambda: crowd.greeted >= 1)
    await crowd.leave()


async def _follow(database: Database, port: int, views: int) -> tuple[list[float], dict[str, int]]:
    crowd = Crowd(_url(port))
    gc.disable()
    try:
        await crowd.join(CLIENTS, views)
        await _until(lambda: crowd.greeted >= CLIENTS)
        during = await asyncio.to_thread(_stats, port)
        pushes: list[float] = []
        for change in range(CHANGES if views == 1 else views):
            title = f"change {change}"
            started = time.perf_counter()
            await asyncio.to_thread(database.commit, [_card(change % views, title)])
            await _until(lambda title=title: len(crowd.told.get(title, ())) >= CLIENTS // views)
            pushes += [(at - started) * 1000 for at in crowd.told[title]]
        await crowd.leave()
        return pushes, during
    finally:
        gc.enable()


async def _until(fulfilled: Any, seconds: float = 120) -> None:
    async with asyncio.timeout(seconds):
        while not fulfilled():
            await asyncio.sleep(0.001)


def _card(view: int, title: str) -> Put:
    return Put(f"cards/{view}", {"title": title, "obj_type": "Card", "doc_ref": f"cards/{view}"})


def _settled(port: int, tasks: int | None = None, seconds: float = 60) -> dict[str, int]:
    """What the server holds once nobody is there; a ping of Engine.IO waits for as long as 25 seconds."""
    deadline = time.monotonic() + seconds
    while True:
        stats = _stats(port)
        is_idle = stats["listeners"] == 0 and (stats["tasks"] <= tasks if tasks is not None else stats["tasks"] <= 8)
        if is_idle or time.monotonic() > deadline:
            return stats
        time.sleep(0.5)


def _stats(port: int) -> dict[str, int]:
    found: dict[str, int] = json.loads(request(f"{LOOPBACK}:{port}", "GET", "/stats").body)
    return found


def _url(port: int) -> str:
    return f"ws://{LOOPBACK}:{port}/socket.io/?EIO=4&transport=websocket"
