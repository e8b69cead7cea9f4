"""The outbox: records of the changes of stored views, one for each receiver, written in the commits of the changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any, Protocol

from boiler_functions.database import ABSENT, Database, Filter, Put, Query, Write
from boiler_functions.modes.invocation import Invocation
from boiler_functions.modes.ledger import Ledger
from boiler_functions.types import Fields, digest, to_datetime
from boiler_functions.views.build import Built, Instance
from boiler_functions.views.view_model import View

COLLECTION = "boilerOutbox"
"""The collection that holds the outboxes: one collection of the same name for each recipient, and so one trigger."""

KEPT = timedelta(days=30)


class Recipient(Protocol):
    """A function that receives the changes of a model or a view."""

    @property
    def view(self) -> View | None: ...

    def outbox(self, app: str) -> str:
        """Returns the collection of its records."""
        ...


def records(
    invocation: Invocation, recipients: Iterable[Recipient], instance: Instance, ledger: Ledger, built: Built
) -> Iterator[Write]:
    """Yields a record of the change for each recipient of the view, to be written in the commit of the change."""
    for each in recipients:
        # At most one commit succeeds on a version of the ledger, so every attempt at this change has the same key.
        key = digest(each.outbox(invocation.app), instance.root, ledger.document.version)
        fields = {
            "app": invocation.app,
            "path": instance.root,
            "before": ledger.content,
            "after": built.content,
            "copies": sorted({*ledger.destinations, *built.destinations}),
            **state(invocation, "pending", 0),
        }
        yield Put(f"{each.outbox(invocation.app)}/{key}", fields, precondition=ABSENT)


def undelivered(database: Database, outbox: str) -> list[Fields]:
    """Returns the records of a recipient's outbox that still wait to be delivered."""
    found = database.query(Query(outbox, filters=(Filter("status", "==", "pending"),))).documents
    return [each.fields or {} for each in found]


def state(invocation: Invocation, status: str, attempts: int) -> dict[str, Any]:
    now = to_datetime(invocation.now())
    return {"status": status, "attempts": attempts, "time": now, "expire_at": now + KEPT}
