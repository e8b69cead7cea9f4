"""Continuations: the part of a fan-out that does not fit into one invocation, handed on through Cloud Tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

from boiler_functions.database import NAME, Database, Document, Filter, Order, Query
from boiler_functions.database.change import Change
from boiler_functions.modes.ledger import COLLECTION, cursor
from boiler_functions.types import Instant, Version, digest

VIEWS = 1000
"""Views of one continuation: some seconds of work, so that many run side by side."""


class Continuation(NamedTuple):
    """The ledgers after one id, up to and with another, that a change concerns; as JSON it is a task's payload."""

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

    @classmethod
    def of(cls, function: str, tokens: Sequence[str], change: Change) -> Continuation:
        """The whole of what a change concerns; `ranges` cuts it."""
        return cls(
            function, tuple(tokens), "", "", change.id, change.source, change.path, change.time,
            change.before.version, change.after.version,
        )  # fmt: skip

    @classmethod
    def from_json(cls, payload: Mapping[str, Any]) -> Continuation:
        return cls(**{**payload, "tokens": tuple(payload["tokens"])})

    def to_json(self) -> dict[str, Any]:
        return self._asdict()

    @property
    def name(self) -> str:
        """The task's name; the same work has the same name, so that it is enqueued once."""
        # https://cloud.google.com/tasks/docs/reference/rpc/google.cloud.tasks.v2#createtaskrequest
        return digest(self.function, self.source, self.id, self.tokens, self.after, self.until)

    def change(self) -> Change:
        """The change without contents: versions are all that a rebuild asks of it."""
        before, after = (Document(self.path, {} if at else None, at) for at in (self.before, self.updated))
        return Change(self.id, self.source, self.path, before, after, self.time)


Enqueue: TypeAlias = Callable[[Continuation], None]
"""Hands a continuation on; raises when it could not, so that the event is not acknowledged."""


def ranges(database: Database, whole: Continuation) -> Iterator[Continuation]:
    """The continuation cut into parts of at most VIEWS ledgers each; names are read, no ledgers."""
    query = Query(
        COLLECTION,
        filters=(Filter("depends_on", "array-contains-any", whole.tokens),),
        orders=(Order(NAME),),
        end=cursor(whole.until) if whole.until else None,
        limit=VIEWS,
        names_only=True,
    )
    after = whole.after
    while True:
        found = database.query(query._replace(start=cursor(after) if after else None)).documents
        if not found:
            return
        yield whole._replace(after=after, until=found[-1].id)
        if len(found) < VIEWS:
            return
        after = found[-1].id
