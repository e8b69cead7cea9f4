"""Dead letters: a document about each view or form that will fail again, with the kind of its error.

No build deletes a letter, which would cost each of them a write. Upkeep deletes the letters of what was done since, and
the TTL those of the rest. `last_time` says when the failure was last seen.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from boiler_functions.database import NAME, Cursor, Database, Document, Filter, Order, Put, Query, unchanged
from boiler_functions.exceptions import Conflict, Permanent
from boiler_functions.modes.invocation import Invocation, Outcome
from boiler_functions.types import Fields, Reference, digest, to_datetime

COLLECTION = "boilerDeadLetters"

KEPT = timedelta(days=30)

MAX_ATTEMPTS = 5
"""Attempts to count in a letter that other deliveries change too, before the event fails and is delivered again."""

# A message may quote user data. The limit keeps the letter small, even if the size of the data is the error.
_LONGEST_MESSAGE = 10_000

log = logging.getLogger(__name__)


class Letter(NamedTuple):
    """A dead letter as it was read."""

    document: Document
    function: str
    view: str
    """The views that it is about, separated by commas; of a function that receives changes, its name."""
    subject: str
    source: str
    event: str
    code: str
    kind: str
    reason: str
    message: str
    first_time: datetime
    last_time: datetime
    attempts: int

    @classmethod
    def of(cls, document: Document) -> Letter:
        """Returns the letter that a document holds."""
        fields = document.fields or {}
        return cls(document, *(fields[name] for name in cls._fields[1:]))

    @property
    def id(self) -> str:
        return self.document.id

    @property
    def views(self) -> tuple[str, ...]:
        return tuple(self.view.split(", "))


def letters_of(
    database: Database, app: str, *, after: str = "", until: str = "", limit: int | None = None, page: int = 300
) -> Iterator[Letter]:
    """Yields the letters of an app in the order of their ids, which are random; `after` and `until` are such ids."""
    query = Query(COLLECTION, filters=(Filter("app", "==", app),), orders=(Order(NAME),))
    query = query._replace(limit=limit or page, end=_cursor(until) if until else None)
    while True:
        found = database.query(query._replace(start=_cursor(after) if after else None)).documents
        yield from map(Letter.of, found)
        if limit or len(found) < page:
            return
        after = found[-1].id


def _cursor(letter: str) -> Cursor:
    return Cursor((Reference(f"{COLLECTION}/{letter}"),), before=False)


def write_dead_letter(
    invocation: Invocation,
    *,
    view: str,
    subject: str,
    source: str,
    event: str,
    error: Permanent,
    key: str | None = None,
) -> None:
    """Writes the dead letter of `subject` (a root, or an input document), or counts another attempt in it.

    With a `key`, all subjects of that key share one letter.
    """
    path = f"{COLLECTION}/{digest(invocation.app, view, subject if key is None else key)}"
    reason: Fields = {
        "app": invocation.app,
        "function": invocation.function,
        "view": view,
        "subject": _text(subject),
        "source": _text(source),
        "event": _text(event),
        "code": error.code,
        "kind": error.kind,
        "reason": type(error).__name__,
        "message": _text(str(error)),
    }
    if not invocation.on_shelf:  # What nobody sees is nobody's failure; the ledger says that its build is owed.
        _count_at_last(invocation, path, reason)
    invocation.note(Outcome.DEAD_LETTER)
    cause = {"function": invocation.function, "event": event, "view": view, "subject": subject}
    log.error(
        "%s gives up on %s of %s: %s",
        invocation.function,
        view or "an event",
        subject,
        error,
        exc_info=error,
        extra={**cause, "code": error.code, "kind": error.kind, "dead_letter": path},
    )


def _count_at_last(invocation: Invocation, path: str, reason: Fields) -> None:
    """Counts the attempt, and tries again if another delivery of the same failure counts at the same time."""
    for attempt in range(MAX_ATTEMPTS):
        try:
            _count(invocation, path, reason)
            return
        except Conflict:
            # Another delivery of the same failure counted meanwhile.
            if attempt == MAX_ATTEMPTS - 1:
                raise
            invocation.pause(attempt)


def refuse_event(invocation: Invocation, *, view: str, subject: str, event: str, error: Permanent) -> None:
    """Writes the one dead letter of a function about events that are not its own, or counts another event in it.

    Whoever posts such events controls their content and number. So they share one letter, and a conflict between two of
    them ends both instead of having the platform deliver them again.
    """
    try:
        write_dead_letter(
            invocation, view=view, subject=subject, source=subject, event=event, error=error, key=invocation.function
        )
    except Conflict:
        invocation.note(Outcome.DEAD_LETTER)


def _text(text: str) -> str:
    # User code or an event may contain half of a surrogate pair, which Firestore refuses.
    return text[:_LONGEST_MESSAGE].encode(errors="replace").decode()


def _count(invocation: Invocation, path: str, reason: Fields) -> None:
    document = invocation.database.read([path]).documents[0]
    earlier, now = document.fields or {}, to_datetime(invocation.now())
    fields = {
        **reason,
        "first_time": earlier.get("first_time", now),
        "last_time": now,
        "attempts": earlier.get("attempts", 0) + 1,
        "expire_at": now + KEPT,
    }
    invocation.database.commit([Put(path, fields, precondition=unchanged(document))])
