"""Socket.IO's register of clients."""

from __future__ import annotations

from typing import Any, cast

import socketio


class Manager(socketio.AsyncManager):  # type: ignore[misc]  # socketio has no types
    """Refuses clients of a socket that has ended, as nothing would release them."""

    async def pre_connect(self, eio_sid: str, namespace: str) -> str | None:
        """Registers a client and returns its id; None if it is refused."""
        if eio_sid not in cast(Any, self.server).environ:
            return None
        sid: str | None = await super().pre_connect(eio_sid, namespace)
        return sid
