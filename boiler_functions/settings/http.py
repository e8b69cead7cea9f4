"""HttpSettings: what the HTTP function requires of a request, and how much it allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from boiler_functions.exceptions import InvalidOption
from boiler_functions.settings.checks import Check, check_each, duration, flag, optional, positive, text, texts, whole

# https://firebase.google.com/docs/firestore/quotas#limits: maps and arrays are nested at most 20 deep.
MAX_DEPTH = 20

ID = "id"
"""The name of the root's id in the JSON of a view."""


class HttpSettings(NamedTuple):
    """The settings of the function `api`: `Boiler("shop", http=HttpSettings(origins=["https://shop.example"]))`.

    origins          web origins whose pages may call the API; "*" admits any, and an empty list only its own.
    check_revoked    whether to ask Firebase Auth at each request if the token was revoked, which costs one more RPC.
    tenant           the Identity Platform tenant whose users are admitted; without it, only users of no tenant.
    app_check        whether to require a valid App Check token in `X-Firebase-AppCheck`.
    rate, burst      requests per second that one caller may send to one instance, in the long run and at once; None
                     sets no limit. Each instance counts by itself, so use Cloud Armor against floods.
    max_body_bytes, max_depth, max_keys
                     the limits of a body: its bytes, the nesting of objects and arrays, and its field names in all.
    max_limit        views in one page of a list.
    max_wait         seconds that `Prefer: wait` may wait for the stored view.
    keeps_answers    how long a repeated `Idempotency-Key` gets the same answer.
    """

    origins: Sequence[str] = ()
    check_revoked: bool = False
    tenant: str | None = None
    app_check: bool = False
    rate: float | None = 50.0
    burst: int = 200
    max_body_bytes: int = 1024 * 1024
    max_depth: int = MAX_DEPTH
    max_keys: int = 2000
    max_limit: int = 100
    max_wait: float = 10.0
    keeps_answers: timedelta = timedelta(hours=24)

    def check(self) -> None:
        """Raises InvalidOption for a setting with an impossible value."""
        check_each("HttpSettings.", self._asdict(), _CHECKS)


def _origins(where: str, value: Any) -> tuple[str, ...]:
    origins = texts(where, value)
    for origin in origins:
        if origin != "*" and (not origin.startswith(("https://", "http://")) or origin.count("/") != 2):
            raise InvalidOption(f"{where} has {origin!r}; write a scheme and a host, as 'https://shop.example'.")
    return origins


_CHECKS: Mapping[str, Check] = {
    "origins": _origins,
    "check_revoked": flag,
    "tenant": optional(text),
    "app_check": flag,
    "rate": optional(positive),
    "burst": whole(1),
    "max_body_bytes": whole(1),
    "max_depth": whole(1, MAX_DEPTH),
    "max_keys": whole(1),
    "max_limit": whole(1),
    "max_wait": positive,
    "keeps_answers": duration,
}

DEFAULT_HTTP = HttpSettings()
