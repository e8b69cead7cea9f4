"""What the HTTP function demands of a request, and allows it; one record, given to the app."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from boiler_functions.exceptions import InvalidOption
from boiler_functions.settings.checks import Check, check_each, duration, flag, optional, positive, text, texts, whole

# https://firebase.google.com/docs/firestore/quotas#limits: maps and arrays are nested at most 20 deep.
MAX_DEPTH = 20

ID = "id"
"""What the JSON of a view calls the id of its root."""


class HttpSettings(NamedTuple):
    """The settings of the function `api`: `Boiler("shop", http=HttpSettings(origins=["https://shop.example"]))`.

    origins          web origins whose pages may call it; "*" is any. None unless given: only its own.
    check_revoked    asks Firebase Auth at each request whether the token was revoked: one RPC more.
    tenant           the Identity Platform tenant whose users are admitted; without it, only users of no tenant.
    app_check        demands a valid App Check token in `X-Firebase-AppCheck`.
    rate, burst      requests a second that one caller may send for long, and at once, to one instance; a rate of None
                     is no limit. Instances do not know of one another: use Cloud Armor against floods.
    max_body_bytes, max_depth, max_keys
                     what a body may be: bytes, nested objects and arrays, and names of fields in all of it.
    max_limit        views in one page of a list.
    max_wait         seconds that `Prefer: wait` may wait for the stored view.
    keeps_answers    how long an `Idempotency-Key` finds the answer that it got.
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
        """Raises InvalidOption for a setting that cannot be."""
        check_each("HttpSettings.", self._asdict(), _CHECKS)


def _origins(where: str, value: Any) -> tuple[str, ...]:
    origins = texts(where, value)
    for origin in origins:
        if origin != "*" and (not origin.startswith(("https://", "http://")) or origin.count("/") != 2):
            raise InvalidOption(f"{where} has {origin!r}; an origin is a scheme and a host, as 'https://shop.example'.")
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
