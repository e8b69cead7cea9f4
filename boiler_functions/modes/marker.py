"""The marker: a document per handled event, created in the commit of its effect; where it is, the event is done."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple

from boiler_functions.database import ABSENT, Document, Put, Write
from boiler_functions.database.change import Change
from boiler_functions.modes.invocation import Invocation
from boiler_functions.types import digest, to_datetime

COLLECTION = "boilerMarkers"

# An event function runs at most 540 s; clocks of the platform and of the function differ by less than the rest.
# https://cloud.google.com/functions/quotas
MARGIN = timedelta(hours=1)


class Marker(NamedTuple):
    """The marker of one event in one function; `attempt` tells this attempt's own marker from another's."""

    path: str
    attempt: str

    @classmethod
    def of(cls, invocation: Invocation, change: Change) -> Marker:
        """The marker of an event. Its name is hashed: ids may hold `/`, and sequential ids make hot spots."""
        name = digest(invocation.app, invocation.function, change.source, change.id)
        return cls(f"{COLLECTION}/{name}", f"{invocation.surroundings.random.getrandbits(96):024x}")

    @classmethod
    def of_version(cls, invocation: Invocation, form: Document, attempt: str) -> Marker:
        """The marker of one version of an input document, whichever event tells of it."""
        return cls(f"{COLLECTION}/{digest(invocation.app, invocation.function, form.path, form.version)}", attempt)

    def create(self, invocation: Invocation, change: Change, outcome: str, kept: timedelta) -> Write:
        """The write that makes the commit fail when the event was handled already."""
        now = to_datetime(invocation.now())
        fields: dict[str, Any] = {
            "attempt": self.attempt,
            "app": invocation.app,
            "function": invocation.function,
            "event": change.id,
            "source": change.path,
            "outcome": outcome,
            "time": now,
            "expire_at": now + kept + MARGIN,
        }
        return Put(self.path, fields, precondition=ABSENT)

    def is_own(self, document: Document) -> bool:
        """Whether this very attempt created the marker."""
        return (document.fields or {}).get("attempt") == self.attempt
