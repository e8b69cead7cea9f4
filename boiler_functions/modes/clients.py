"""The access of clients through Firestore's own SDK, from which the security rules are generated."""

from __future__ import annotations

from dataclasses import dataclass

from marshmallow import Schema

from boiler_functions.access import Audience, nobody
from boiler_functions.paths import Pattern


@dataclass(frozen=True)
class Exposed:
    """The documents of a path, as clients may use them: read them, or create one that fits the schema; nothing else.

    `name` names one of them in a program, and `kind` says what it is. Only functions write documents without
    `is_sent`, and only they write the fields in `reserved`. `tenant` is the one whose users are admitted; without it,
    only users of no tenant.
    """

    name: str
    kind: str
    pattern: Pattern
    schema: Schema
    readers: Audience
    senders: Audience = nobody
    is_sent: bool = False
    reserved: tuple[str, ...] = ()
    tenant: str | None = None

    @property
    def title(self) -> str:
        return f"{self.name}, {self.kind}"
