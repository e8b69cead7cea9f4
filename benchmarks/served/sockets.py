"""Two servers of the same views over Socket.IO, ours and one by hand.

`python -m benchmarks.served.sockets WHO PORT`; each tells at /stats its listeners, its tasks and its memory, and at
/trim the same, after it has given back to the system what it does not use.
"""

import asyncio
import ctypes
import gc
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import socketio
import uvicorn
from google.cloud import firestore

from boiler_functions import Boiler, DomainModel, SocketSettings, Store, ViewModel, access, attrs, reference
from boiler_functions.database.firestore import connect

NAMESPACE = "/cards"
OURS, BY_HAND = "ours", "by_hand"
PING_SECONDS = "PING_SECONDS"

_PING_SECONDS = float(os.environ.get(PING_SECONDS, "25"))


class Room(DomainModel):
    class Meta:
        collection_name = "rooms"

    title = attrs.string(required=True)


class RoomStore(Store):
    room = reference(Room)


app = Boiler("cards", sockets=SocketSettings(ping_interval=_PING_SECONDS))


@app.query
@app.websocket(NAMESPACE)
class Card(ViewModel[RoomStore]):
    class Meta:
        path = "cards/{room.doc_id}"
        read = access.public

    @attrs.computed
    def title(self) -> str:
        return self.store.room.title


class ByHand(socketio.AsyncNamespace):  # type: ignore[misc]
    """What one would write: a room of Socket.IO and a watch of Google's client for each view; nothing else."""

    def __init__(self) -> None:
        super().__init__(NAMESPACE)
        self.client = firestore.Client()
        self.watches: dict[str, Any] = {}
        self.followers: dict[str, set[str]] = {}
        self.shown: dict[str, dict[str, Any]] = {}

    async def on_subscribe(self, sid: str, data: dict[str, str]) -> dict[str, int]:
        view = data["id"]
        await self.enter_room(sid, view)
        self.followers.setdefault(view, set()).add(sid)
        if view not in self.watches:
            loop = asyncio.get_running_loop()

            def changed(snapshots: Any, *_: object) -> None:
                shown = self.shown[view] = {"id": view, "view": snapshots[0].to_dict() if snapshots else None}
                asyncio.run_coroutine_threadsafe(self.emit("view", shown, room=view), loop)

            self.watches[view] = self.client.document(f"cards/{view}").on_snapshot(changed)
        elif view in self.shown:
            await self.emit("view", self.shown[view], to=sid)
        return {"code": 200}

    async def on_disconnect(self, sid: str, reason: str) -> None:
        for view, followers in list(self.followers.items()):
            followers.discard(sid)
            if not followers and view in self.watches:
                self.watches.pop(view).unsubscribe()


def by_hand() -> tuple[Any, Callable[[], int]]:
    """The server by hand, and what counts its listeners."""
    server = socketio.AsyncServer(
        async_mode="asgi", transports=["websocket"], cors_allowed_origins="*", ping_interval=_PING_SECONDS
    )
    namespace = ByHand()
    server.register_namespace(namespace)
    return socketio.ASGIApp(server), lambda: len(namespace.watches)


def ours() -> tuple[Any, Callable[[], int]]:
    """Our server, and what counts its listeners."""
    sockets = app.asgi()
    return sockets, lambda: connect().listeners


def main(who: str, port: int) -> None:
    """Serves until it is ended."""
    served, listeners = {OURS: ours, BY_HAND: by_hand}[who]()

    async def with_stats(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["path"] not in ("/stats", "/trim"):
            await served(scope, receive, send)
            return
        gc.collect()
        if scope["path"] == "/trim":
            ctypes.CDLL(None).malloc_trim(0)
        stats = {
            "listeners": listeners(),
            "tasks": len(asyncio.all_tasks()),
            "kib": resident_kib(),
            "blocks": sys.getallocatedblocks(),
        }
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": json.dumps(stats).encode()})

    uvicorn.run(with_stats, host="127.0.0.1", port=port, log_level="error", ws="websockets-sansio")


def resident_kib() -> int:
    """The memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
