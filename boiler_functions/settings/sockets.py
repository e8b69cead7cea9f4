"""SocketSettings: what the WebSocket service requires of a client, and how much it allows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from boiler_functions.settings.checks import Check, check_each, flag, optional, positive, text, whole


class SocketSettings(NamedTuple):
    """The settings of the WebSocket service: `Boiler("shop", sockets=SocketSettings(max_connections=500))`.

    max_connections      sockets that one process holds; it refuses more, and their clients try another instance.
    max_views            view instances that one process follows.
    max_subscriptions    view instances that one connection follows.
    max_message_bytes    bytes in a message from a client.
    rate, burst          messages per second that one connection may send, in the long run and at once; a client that
                         sends more is disconnected.
    admission_seconds    seconds that a socket may stay open without a valid token and without following a public view.
    answer_seconds       seconds within which the first state of a view must be sent to its subscriber.
    send_seconds         seconds within which a client must receive a message; a slower one is disconnected.
    ping_interval, ping_timeout
                         seconds between pings, and for an answer; together, the longest that a dead peer is held.
    check_revoked        whether to ask Firebase Auth at each connection if the token was revoked.
    app_check            whether to require a valid App Check token, as `appCheck` beside `token`.
    tenant               the Identity Platform tenant whose users are admitted; without it, only users of no tenant.

    The last three, if set in HttpSettings, apply to sockets too: an app admits the same users everywhere.
    """

    max_connections: int = 2000
    max_views: int = 1000
    max_subscriptions: int = 50
    max_message_bytes: int = 64 * 1024
    rate: float = 20.0
    burst: int = 100
    admission_seconds: float = 10.0
    answer_seconds: float = 20.0
    send_seconds: float = 60.0
    ping_interval: float = 25.0
    ping_timeout: float = 20.0
    check_revoked: bool = False
    app_check: bool = False
    tenant: str | None = None

    def check(self) -> None:
        """Raises InvalidOption for a setting with an impossible value."""
        check_each("SocketSettings.", self._asdict(), _CHECKS)


_CHECKS: Mapping[str, Check] = {
    "max_connections": whole(1),
    "max_views": whole(1),
    "max_subscriptions": whole(1),
    "max_message_bytes": whole(1),
    "rate": positive,
    "burst": whole(1),
    "admission_seconds": positive,
    "answer_seconds": positive,
    "send_seconds": positive,
    "ping_interval": positive,
    "ping_timeout": positive,
    "check_revoked": flag,
    "app_check": flag,
    "tenant": optional(text),
}

DEFAULT_SOCKETS = SocketSettings()
