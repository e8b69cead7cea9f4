"""What the HTTP function demands of a request, and allows it; one record, given to the app."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from boiler_functions.exceptions import InvalidOption

# https://firebase.google.com/docs/firestore/quotas#limits: maps and arrays are nested at most 20 deep.
MAX_DEPTH = 20


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
        if isinstance(self.origins, str):
            raise InvalidOption(f"HttpSettings.origins is a list; write [{self.origins!r}].")
        for origin in self.origins:
            if origin != "*" and (not origin.startswith(("https://", "http://")) or origin.count("/") != 2):
                raise InvalidOption(
                    f"HttpSettings.origins has {origin!r}; an origin is a scheme and a host, as 'https://shop.example'."
                )
        for name in ("rate", "burst", "max_body_bytes", "max_depth", "max_keys", "max_limit", "max_wait"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise InvalidOption(f"HttpSettings.{name} is more than 0; found {value!r}.")
        if self.max_depth > MAX_DEPTH:
            raise InvalidOption(
                f"HttpSettings.max_depth is {self.max_depth}; Firestore holds nothing over {MAX_DEPTH} deep."
            )


DEFAULT_HTTP = HttpSettings()
