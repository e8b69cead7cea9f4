"""The clients that Socket.IO knows of, as it keeps them."""

from __future__ import annotations

import socketio


class Manager(socketio.AsyncManager):  # type: ignore[misc]  # socketio has no types
    """Takes no client of a socket that has ended: nothing would release it."""

    async def pre_connect(self, eio_sid: str, namespace: str) -> str | None:
        """The client's id; None refuses it."""
        if eio_sid not in self.server.environ:
            return None
        sid: str | None = await super().pre_connect(eio_sid, namespace)
        return sid
