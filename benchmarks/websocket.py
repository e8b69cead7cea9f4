"""1,000 Socket.IO clients on one view, and on a hundred, next to a server by hand that does the same."""

import asyncio
import gc
import json
import os
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from benchmarks.results import Row, Target, at_most, ratio_at_most
from benchmarks.served.sockets import BY_HAND, NAMESPACE, OURS, PING_SECONDS
from benchmarks.stage import Stage
from boiler_functions.database import Put
from boiler_functions.database.variables import PROJECT
from boiler_functions.local.loopback import LOOPBACK, answers, free_port, request
from boiler_functions.local.process import ServerProcess

CLIENTS = 1000
VIEWS = 100
CHANGES = 20

WAVES = 4

MOST_TASKS = 8
"""More than either server uses without clients."""

PEER = "python-socketio by hand"

_AT_ONCE = 25


@dataclass
class Crowd:
    """Clients, and when each received which value."""

    url: str
    sockets: list[ClientConnection] = field(default_factory=list)
    readers: list[asyncio.Task[None]] = field(default_factory=list)
    told: dict[str, list[float]] = field(default_factory=dict)
    greeted: int = 0

    async def join(self, number: int, views: int) -> None:
        """Connects so many clients, each of which follows one of the views."""
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
                with suppress(ConnectionClosed):
                    await socket.send("3")
            elif '["view"' in text:
                title = json.loads(text[text.index("[") :])[1]["view"]["title"]
                self.greeted += title == "first"
                self.told.setdefault(title, []).append(time.perf_counter())

    async def leave(self) -> None:
        await asyncio.gather(*(socket.close() for socket in self.sockets))
        await asyncio.gather(*self.readers)


def websocket(stage: Stage) -> Iterator[Row]:
    """Measures listeners, push and memory of both servers in both crowds, and what remains after waves of clients."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8192)), hard))
    for views in (1, VIEWS):
        yield from _crowd(stage, views)
    yield from _waves(stage)


def _crowd(stage: Stage, views: int) -> Iterator[Row]:
    with ExitStack() as opened:
        both = [Server(who, stage.another(), views, opened) for who in (OURS, BY_HAND)]
        before = [server.stats() for server in both]
        during, pushes = asyncio.run(_follow(both, views))
        after = [server.settled() for server in both]
    name = f"sockets, {CLIENTS:,} clients on {views} view{'s' if views > 1 else ''}"
    for percent in (50, 99):
        mine, theirs = (quantiles(pushes[server], n=100)[percent - 1] for server in both)
        # Two runs of the same server differ by up to a quarter.
        target = ratio_at_most(1.25) if percent == 50 else None
        yield Row(f"{name}: change → client, p{percent}", mine, theirs, PEER, "ms", target)
    listeners = [stats["listeners"] for stats in during]
    yield Row(f"{name}: listeners", listeners[0], listeners[1], PEER, "", Target("ours", "<=", views))
    kib = [(now["kib"] - then["kib"]) / CLIENTS for now, then in zip(during, before, strict=True)]
    yield Row(f"{name}: memory", kib[0], kib[1], PEER, "KiB/client")
    yield Row(f"{name}: listeners after all left", after[0]["listeners"], None, None, "", at_most(0))
    tasks = [now["tasks"] - server.tasks for now, server in zip(after, both, strict=True)]
    yield Row(f"{name}: tasks after all left", tasks[0], tasks[1], PEER, "", at_most(0))


def _waves(stage: Stage) -> Iterator[Row]:
    """Measures what clients leave behind: later waves reuse what the first one allocated."""
    after: dict[str, list[dict[str, int]]] = {}
    for who in (OURS, BY_HAND):
        with ExitStack() as opened:
            server = Server(who, stage.another(), 1, opened, ping_seconds=5)
            after[who] = [server.stats("/trim")]
            for _ in range(WAVES):
                asyncio.run(_wave(server))
                after[who].append(server.settled("/trim"))
    name = f"sockets, {WAVES} waves of {CLIENTS:,} clients"
    for what, unit, bound in (("kib", "KiB/client", 2.0), ("blocks", "blocks/client", 0.5)):
        label = {"kib": "memory", "blocks": "Python's objects"}[what]
        first = [(stats[1][what] - stats[0][what]) / CLIENTS for stats in after.values()]
        grown = [_grown([each[what] for each in stats[1:]]) / CLIENTS for stats in after.values()]
        yield Row(f"{name}: {label} kept after the first", first[0], first[1], PEER, unit)
        yield Row(f"{name}: {label} added by the later ones", grown[0], grown[1], PEER, unit, at_most(bound))


def _grown(after: list[int]) -> int:
    """Returns by how much every later wave exceeds every earlier one: a leak grows each time, a pool does not.

    The allocator comes to its level in the first wave or the second, and gives some of it back when it likes.
    """
    half = len(after) // 2
    return min(after[half:]) - max(after[:half])


class Server:
    """One of the two servers, in a process and with a project of its own."""

    def __init__(self, who: str, stage: Stage, views: int, opened: ExitStack, ping_seconds: float = 25) -> None:
        self.database = stage.database
        self.commit([_card(view, "first") for view in range(views)])
        self.port = free_port()
        environment = {**os.environ, PROJECT: stage.project, PING_SECONDS: str(ping_seconds)}
        command = [sys.executable, "-m", "benchmarks.served.sockets", who, str(self.port)]
        process = opened.enter_context(ServerProcess(f"The sockets, {who}", command, environment=environment))
        process.wait_until(lambda: answers(f"{LOOPBACK}:{self.port}", "/stats"), 60)
        # The first client opens the connection to Firestore, and makes Engine.IO start its tasks.
        self.tasks = MOST_TASKS
        asyncio.run(_visit(self))
        self.tasks = self.settled()["tasks"]

    def commit(self, writes: list[Put]) -> None:
        self.database.commit(writes)

    def stats(self, path: str = "/stats") -> dict[str, int]:
        found: dict[str, int] = json.loads(request(f"{LOOPBACK}:{self.port}", "GET", path).body)
        return found

    def settled(self, path: str = "/stats", seconds: float = 90) -> dict[str, int]:
        """Returns the memory without clients, after an interval of Engine.IO, whose pings end only then."""
        deadline = time.monotonic() + seconds
        while True:
            stats = self.stats(path)
            is_idle = stats["listeners"] == 0 and stats["tasks"] <= self.tasks
            if is_idle or time.monotonic() > deadline:
                return stats
            time.sleep(0.5)


async def _visit(server: Server) -> None:
    crowd = Crowd(_url(server.port))
    await crowd.join(1, 1)
    await _until(lambda: crowd.greeted >= 1)
    await crowd.leave()


async def _wave(server: Server) -> None:
    await asyncio.to_thread(server.commit, [_card(0, "first")])
    crowd = Crowd(_url(server.port))
    await crowd.join(CLIENTS, 1)
    await _until(lambda: crowd.greeted >= CLIENTS)
    for change in range(CHANGES // 4):
        await _push(server, crowd, 0, f"change {change}", CLIENTS)
    await crowd.leave()


async def _follow(servers: list[Server], views: int) -> tuple[list[dict[str, int]], dict[Server, list[float]]]:
    """Returns the memory with all clients, and the times of pushes; in turns, so that noise affects both servers."""
    crowds = {server: Crowd(_url(server.port)) for server in servers}
    gc.disable()
    try:
        for crowd in crowds.values():
            await crowd.join(CLIENTS, views)
            await _until(lambda crowd=crowd: crowd.greeted >= CLIENTS)
        during = [await asyncio.to_thread(server.stats) for server in servers]
        pushes: dict[Server, list[float]] = {server: [] for server in servers}
        for change in range(CHANGES if views == 1 else views):
            for server, crowd in crowds.items():
                pushes[server] += await _push(server, crowd, change % views, f"change {change}", CLIENTS // views)
        for crowd in crowds.values():
            await crowd.leave()
        return during, pushes
    finally:
        gc.enable()


async def _push(server: Server, crowd: Crowd, view: int, title: str, clients: int) -> list[float]:
    """Returns the milliseconds from the change until each client of the view receives it."""
    started = time.perf_counter()
    await asyncio.to_thread(server.commit, [_card(view, title)])
    await _until(lambda: len(crowd.told.get(title, ())) >= clients)
    return [(at - started) * 1000 for at in crowd.told[title]]


async def _until(fulfilled: Any, seconds: float = 120) -> None:
    async with asyncio.timeout(seconds):
        while not fulfilled():
            await asyncio.sleep(0.001)


def _card(view: int, title: str) -> Put:
    return Put(f"cards/{view}", {"title": title, "obj_type": "Card", "doc_ref": f"cards/{view}"})


def _url(port: int) -> str:
    return f"ws://{LOOPBACK}:{port}/socket.io/?EIO=4&transport=websocket"
