"""The marker: a document per event, created in the commit of its effect. If it exists, the event was handled."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple

from boiler_functions.database import ABSENT, Document, Put, Write, unchanged
from boiler_functions.database.change import Change
from boiler_functions.modes.invocation import Invocation
from boiler_functions.types import Version, digest, to_datetime

COLLECTION = "boilerMarkers"

# An event function runs at most 540 s; clocks of the platform and of the function differ by less than the rest.
# https://cloud.google.com/functions/quotas
MARGIN = timedelta(hours=1)


REMEMBERED = timedelta(days=3650)
"""How long the fields of a kept form are remembered after it took effect; a migration may touch old forms, too."""


class Marker(NamedTuple):
    """The marker of one event of a form; `attempt` tells this attempt's marker from that of another.

    Its name does not hold the function, so that a task that is renamed meets its own markers while the old function
    still stands. No two tasks of an app take one document.
    """

    path: str
    attempt: str

    @classmethod
    def of(cls, invocation: Invocation, change: Change) -> Marker:
        """Returns the marker of an event. Its name is hashed: ids may have `/`, and sequential ids make hot spots."""
        name = digest(invocation.app, change.path, change.source, change.id)
        return cls(f"{COLLECTION}/{name}", f"{invocation.surroundings.random.getrandbits(96):024x}")

    @staticmethod
    def of_form(app: str, path: str) -> str:
        """Returns the path of a kept form's record, which has the fields with which the form last took effect."""
        return f"{COLLECTION}/{digest(app, path)}"

    @staticmethod
    def of_version(invocation: Invocation, form: Document) -> str:
        """Returns the path at which the previous version of this package created markers of kept forms."""
        return f"{COLLECTION}/{digest(invocation.app, invocation.function, form.path, form.version)}"

    def remember(self, invocation: Invocation, record: Document, version: Version, said: object) -> Write:
        """Returns the write of a kept form's record, which fails if another commit let the form take effect."""
        expire_at = to_datetime(invocation.now()) + REMEMBERED
        fields = {
            "attempt": self.attempt,
            "app": invocation.app,
            "version": version,
            "input": said,
            "expire_at": expire_at,
        }
        return Put(record.path, fields, precondition=unchanged(record))

    def create(self, invocation: Invocation, change: Change, outcome: str, kept: timedelta) -> Write:
        """Returns the write of the marker, which fails if the event was already handled."""
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
        """Whether this attempt created the marker."""
        return (document.fields or {}).get("attempt") == self.attempt
