"""The access of clients through Firestore's own SDK, from which the security rules are generated."""

from __future__ import annotations

from dataclasses import dataclass

from marshmallow import Schema

from boiler_functions.access import Audience, nobody
from boiler_functions.paths import Pattern


@dataclass(frozen=True)
class Documents:
    """The documents of a path, as clients may use them: read them, or create one that fits a schema; nothing else.

    Without a schema only functions write them. `reserved` are fields that only functions write.
    `tenant` is the one whose users are admitted; without it, only users of no tenant.
    """

    title: str
    pattern: Pattern
    readers: Audience
    senders: Audience = nobody
    schema: Schema | None = None
    reserved: tuple[str, ...] = ()
    tenant: str | None = None
