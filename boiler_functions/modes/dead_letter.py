"""Dead letters: a document about each view or form that will fail again, with the kind of its error.

A letter stays until its TTL, even if the view was built since: deleting it would cost every build a write. Its
`last_time` says when the failure was last seen.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from boiler_functions.database import Put, unchanged
from boiler_functions.exceptions import Conflict, Permanent
from boiler_functions.modes.invocation import Invocation, Outcome
from boiler_functions.types import Fields, digest, to_datetime

COLLECTION = "boilerDeadLetters"

KEPT = timedelta(days=30)

MAX_ATTEMPTS = 5
"""Attempts to count in a letter that other deliveries change too, before the event fails and is delivered again."""

# A message may quote user data. The limit keeps the letter small, even if the size of the data is the error.
_LONGEST_MESSAGE = 10_000

log = logging.getLogger(__name__)


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
