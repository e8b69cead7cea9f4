"""Continuations: the parts of a fan-out that does not fit into one invocation, handed on through Cloud Tasks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from boiler_functions.database import NAME, Database, Document, Filter, Order, Query
from boiler_functions.database.change import Change
from boiler_functions.exceptions import InvalidEvent, Permanent, Unavailable
from boiler_functions.models.conditions import MAX_ALTERNATIVES
from boiler_functions.modes.event_function import Enqueue
from boiler_functions.modes.invocation import Invocation, Outcome
from boiler_functions.modes.ledger import COLLECTION
from boiler_functions.modes.ledgers import cursor
from boiler_functions.types import Instant, Version, digest

CONTINUATIONS = "continuations"
"""The entry point of the function that handles continuations."""

_LEDGER_ID = re.compile(r"[\w-]*", re.ASCII)
"""Matches the id of a ledger; "" stands for the start or the end of all ledgers."""

VIEWS = 1000
"""The most views of one continuation: a few seconds of work, so that many continuations run side by side."""


PARTS = 200
"""The most such continuations that one invocation queues, which takes some seconds; the one after them queues more."""


MOST_FIELDS = 100
"""The most names of changed fields in a payload; a change of more concerns all views."""


class Continuation(NamedTuple):
    """The ledgers that a change concerns, from after one id up to and including another.

    The payload of a task is a continuation as JSON.
    """

    function: str
    tokens: tuple[str, ...]
    after: str
    until: str
    id: str
    source: str
    path: str
    time: Instant
    before: Version
    updated: Version
    changed: tuple[str, ...] = ()
    """The names of the fields that the change changes; none if they are too many, or not known."""

    @classmethod
    def of(
        cls, function: str, tokens: Sequence[str], change: Change, changed: frozenset[str] | None = None
    ) -> Continuation:
        """Returns the continuation of all ledgers that a change concerns; `ranges` cuts it into parts."""
        return cls(
            function, tuple(tokens), "", "", change.id, change.source, change.path, change.time,
            change.before.version, change.after.version,
            tuple(sorted(changed)) if changed and len(changed) <= MOST_FIELDS else (),
        )  # fmt: skip

    @classmethod
    def from_json(cls, payload: Any) -> Continuation:
        """Returns the continuation in a task's payload; raises InvalidEvent for a payload that is not one."""
        try:
            tokens: Any = payload["tokens"]
            found = cls(**{**payload, "tokens": tuple(tokens), "changed": tuple(payload.get("changed", ()))})
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidEvent(f"A task's payload is not a continuation: {error!r}.") from error
        if not found._fits():
            raise InvalidEvent(f"A task's payload is not a continuation: {str(payload)[:1000]}.")
        return found

    def _fits(self) -> bool:
        """Whether each field has its declared type: a payload is JSON, which anybody could have written."""
        fields: dict[str, Any] = self._asdict()
        tokens, changed = fields.pop("tokens"), fields.pop("changed")
        texts = [fields.pop(name) for name in ("function", "id", "source", "path")]
        ids = [fields.pop(name) for name in ("after", "until")]
        return (
            all(isinstance(each, str) for each in (*texts, *tokens, *changed))
            and all(isinstance(each, str) and _LEDGER_ID.fullmatch(each) for each in ids)
            and all(type(each) is int for each in fields.values())
            and 0 < len(tokens) <= MAX_ALTERNATIVES
        )

    def to_json(self) -> dict[str, Any]:
        return self._asdict()

    @property
    def name(self) -> str:
        """The name of the task. The same work has the same name, so that it is enqueued once."""
        # https://cloud.google.com/tasks/docs/reference/rpc/google.cloud.tasks.v2#createtaskrequest
        return digest(self.function, self.source, self.id, self.tokens, self.after, self.until)

    @property
    def fields_changed(self) -> frozenset[str] | None:
        return frozenset(self.changed) or None

    def change(self) -> Change:
        """Returns the change without the documents' contents; a rebuild needs only their versions."""
        before, after = (Document(self.path, {} if at else None, at) for at in (self.before, self.updated))
        return Change(self.id, self.source, self.path, before, after, self.time)


def hand_on(rest: Continuation, invocation: Invocation, enqueue: Enqueue) -> None:
    """Queues the rest of a fan-out in parts; raises Unavailable if the queue does not take one."""
    for part in ranges(invocation.database, rest):
        try:
            enqueue(part)
        except Permanent as error:
            # A dead letter would acknowledge the event and lose the rest. A new delivery gets further each time.
            raise Unavailable(f"A change of {rest.path} must be delivered again: {error}") from error
        invocation.note(Outcome.CONTINUED)


def ranges(database: Database, whole: Continuation) -> Iterator[Continuation]:
    """Yields the continuation in parts of at most VIEWS ledgers each, and after PARTS of them, the rest as one.

    Reads the names of the ledgers only.
    """
    query = Query(
        COLLECTION,
        filters=(Filter("depends_on", "array-contains-any", whole.tokens),),
        orders=(Order(NAME),),
        end=cursor(whole.until) if whole.until else None,
        limit=VIEWS,
        select=(),
    )
    after = whole.after
    for _ in range(PARTS):
        found = database.query(query._replace(start=cursor(after) if after else None)).documents
        if not found:
            return
        yield whole._replace(after=after, until=found[-1].id)
        if len(found) < VIEWS:
            return
        after = found[-1].id
    yield whole._replace(after=after)
