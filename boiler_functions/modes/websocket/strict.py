"""Packets of Socket.IO, with JSON as strict as that of the REST function."""

from __future__ import annotations

import json
from typing import Any

import socketio.packet
from marshmallow import ValidationError

from boiler_functions.modes.rest import strict_json

SENT = "sent"
"""The name that replaces that of every event from a client, which becomes the first argument. Socket.IO itself raises
"connect" and "disconnect", so a client could otherwise fake these."""


class Malformed(str):
    """The fault of an event that cannot be read; a value, as Socket.IO would log an exception but not answer."""


class StrictJson:
    """Replaces the module `json` in packets."""

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

    # Set on a subclass, as `AsyncServer(json=…)` would set it for every client and server of the process.
    json = StrictJson

    def decode(self, encoded_packet: str) -> int | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Reads a packet from a client."""
        attachments: int | None = super().decode(encoded_packet)
        if self.packet_type == socketio.packet.EVENT:
            self.data: Any = [SENT, *self.data]
        return attachments
