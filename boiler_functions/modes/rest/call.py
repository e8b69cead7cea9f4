"""The headers of a mutation: who calls, on which conditions, with which key, and how long to wait."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import g, request
from werkzeug.datastructures import ETags
from werkzeug.exceptions import BadRequest, PreconditionFailed

from boiler_functions.access import Caller
from boiler_functions.modes.rest.body import body_of
from boiler_functions.types import digest

# https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-idempotency-key-header
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True)
class Conditions:
    """The conditions of `If-Match` and `If-None-Match`."""

    match: ETags = field(default_factory=ETags)
    none_match: ETags = field(default_factory=ETags)

    def __bool__(self) -> bool:
        return bool(self.match or self.none_match)

    def check(self, etag: str | None) -> None:
        """Raises PreconditionFailed unless they hold for the ETag of the view; None if the view does not exist."""
        if self.match and (etag is None or etag not in self.match):
            raise PreconditionFailed("The view has changed: its `ETag` does not match `If-Match`. Get it again.")
        if self.none_match and etag is not None and self.none_match.contains_weak(etag):
            raise PreconditionFailed("The view exists, with an `ETag` that `If-None-Match` excludes.")


@dataclass(frozen=True)
class Call:
    """One requested mutation; `body` is a digest of the request, compared when an `Idempotency-Key` is repeated."""

    caller: Caller | None
    conditions: Conditions = Conditions()
    key: str | None = None
    body: str = ""
    wait: float = 0.0
    sent: Mapping[str, Any] = field(default_factory=dict)
    """The values that the sender chose, whose errors are answered to them."""


def current_call(wait: float | None, longest_wait: float, sent: Mapping[str, Any] | None = None) -> Call:
    """Returns the call of the current request; the parameter `wait` goes before `Prefer: wait`."""
    asked, key = _preferred_wait() if wait is None else wait, _key()
    body = digest(request.method, request.full_path, body_of(request)) if key is not None else ""
    return Call(g.caller, _conditions(), key, body, min(asked, longest_wait), sent or {})


def _conditions() -> Conditions:
    conditions = Conditions(request.if_match, request.if_none_match)
    for name, tags in (("If-Match", conditions.match), ("If-None-Match", conditions.none_match)):
        # If it were ignored, the mutation would overwrite what the header was to protect.
        if name in request.headers and not tags:
            raise BadRequest(f"`{name}` holds no ETag; send it as it was received, including the quotes.")
    return conditions


def _key() -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not _KEY.fullmatch(key):
        raise BadRequest("`Idempotency-Key` must be 1 to 255 visible ASCII characters, for example a UUID.")
    return key


def _preferred_wait() -> float:
    # https://datatracker.ietf.org/doc/html/rfc7240: unknown preferences are ignored.
    for preference in request.headers.get("Prefer", "").split(","):
        name, _, value = preference.partition("=")
        seconds = value.partition(";")[0].strip().strip('"')
        if name.strip().lower() == "wait" and re.fullmatch(r"[0-9]{1,6}", seconds):
            return float(seconds)
    return 0.0
