"""What a request says besides its path and its body: who calls, on which conditions, and how it is to be answered."""

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
    """`If-Match` and `If-None-Match`."""

    match: ETags = field(default_factory=ETags)
    none_match: ETags = field(default_factory=ETags)

    def __bool__(self) -> bool:
        return bool(self.match or self.none_match)

    def check(self, etag: str | None) -> None:
        """Raises PreconditionFailed unless they hold for the view as it is, None when there is none."""
        if self.match and (etag is None or etag not in self.match):
            raise PreconditionFailed("The view is no longer as `If-Match` says. Get it again.")
        if self.none_match and etag is not None and self.none_match.contains_weak(etag):
            raise PreconditionFailed("The view is as `If-None-Match` excludes.")


@dataclass(frozen=True)
class Call:
    """One mutation as it was asked for; `body` names all that it says, so that a repeated key can be compared."""

    caller: Caller | None
    conditions: Conditions = Conditions()
    key: str | None = None
    body: str = ""
    wait: float = 0.0
    sent: Mapping[str, Any] = field(default_factory=dict)
    """The values that the sender chose."""


def current_call(wait: float | None, longest_wait: float, sent: Mapping[str, Any] | None = None) -> Call:
    """The call of the request at hand; `wait` is its parameter, which goes before `Prefer: wait`."""
    asked, key = _preferred_wait() if wait is None else wait, _key()
    body = digest(request.method, request.full_path, body_of(request)) if key is not None else ""
    return Call(g.caller, _conditions(), key, body, min(asked, longest_wait), sent or {})


def _conditions() -> Conditions:
    conditions = Conditions(request.if_match, request.if_none_match)
    for name, tags in (("If-Match", conditions.match), ("If-None-Match", conditions.none_match)):
        # Taken as none, it would let the mutation overwrite what it was to spare.
        if name in request.headers and not tags:
            raise BadRequest(f"`{name}` names no ETag; send one as it came, in its quotes.")
    return conditions


def _key() -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not _KEY.fullmatch(key):
        raise BadRequest("An `Idempotency-Key` is 1 to 255 visible ASCII characters, as a UUID.")
    return key


def _preferred_wait() -> float:
    # https://datatracker.ietf.org/doc/html/rfc7240: a preference that is not understood is ignored.
    for preference in request.headers.get("Prefer", "").split(","):
        name, _, value = preference.partition("=")
        seconds = value.partition(";")[0].strip().strip('"')
        if name.strip().lower() == "wait" and re.fullmatch(r"[0-9]{1,6}", seconds):
            return float(seconds)
    return 0.0
