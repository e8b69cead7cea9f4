"""Packets of Socket.IO whose JSON is as strict as that of the REST function."""

from __future__ import annotations

import json
from typing import Any

import socketio.packet
from marshmallow import ValidationError

from boiler_functions.modes.rest import strict_json

SENT = "sent"
"""The event that stands for each one that a client sends. The client's own name of it is the first argument: Socket.IO
calls its own events "connect" and "disconnect", and a client may send such a name, too."""


class Malformed(str):
    """What is wrong with an event that cannot be read: it is answered, where an exception would only be logged."""


class StrictJson:
    """What a packet uses in place of the module `json`."""

    @staticmethod
    def dumps(value: Any, **options: Any) -> str:
        return json.dumps(value, **options)

    @staticmethod
    def loads(text: str) -> Any:
        try:
            return strict_json.parse(text)
        except (ValueError, ValidationError) as error:
            return [Malformed(error)]


class StrictPacket(socketio.packet.Packet):  # type: ignore[misc]  # socketio has no types
    """A packet to a client, or from one."""

    # Of a class of its own: `AsyncServer(json=…)` would set it for every client and server of the process.
    json = StrictJson

    def decode(self, encoded_packet: str) -> int | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Reads what a client sent."""
        attachments: int | None = super().decode(encoded_packet)
        if self.packet_type == socketio.packet.EVENT:
            self.data: Any = [SENT, *self.data]
        return attachments
