"""What the WebSocket service admits and endures; one record, given to the app."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from boiler_functions.settings.checks import Check, check_each, flag, optional, positive, text, whole


class SocketSettings(NamedTuple):
    """The settings of the WebSocket service: `Boiler("shop", sockets=SocketSettings(max_connections=500))`.

    max_connections      sockets that one process holds; more are refused, and try again elsewhere.
    max_views            view instances that one process follows.
    max_subscriptions    view instances that one connection follows.
    max_message_bytes    of a message from a client.
    rate, burst          messages a second that one connection may send for long, and at once; more cut it off.
    admission_seconds    that a socket may be open without a valid token and without following a public view.
    answer_seconds       until a view that is subscribed to must be there.
    send_seconds         until a client has taken a message; one that takes longer is cut off.
    ping_interval, ping_timeout
                         seconds between pings, and until one must be answered: so long a dead peer is held.
    check_revoked        asks Firebase Auth at each connection whether the token was revoked.
    app_check            demands a valid App Check token, as `appCheck` beside `token`.
    tenant               the Identity Platform tenant whose users are admitted; without it, only users of no tenant.

    Who is admitted is one question for the whole app: what HttpSettings says of these three holds for sockets, too.
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
        """Raises InvalidOption for a setting that cannot be."""
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
