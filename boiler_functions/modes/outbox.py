"""The outbox: a record for each change of a stored view, written in its commit, for those who receive it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any, Protocol

from boiler_functions.database import ABSENT, Put, Write
from boiler_functions.modes.invocation import Invocation
from boiler_functions.modes.ledger import Ledger
from boiler_functions.types import digest, to_datetime
from boiler_functions.views.build import Built, Instance
from boiler_functions.views.view_model import View

COLLECTION = "boilerOutbox"
"""Holds collections of the same name, one for each recipient, so that each has its own trigger."""

KEPT = timedelta(days=30)


class Recipient(Protocol):
    """Who receives the changes of a view."""

    @property
    def view(self) -> View | None: ...

    def outbox(self, app: str) -> str:
        """The collection of its records."""
        ...


def records(
    invocation: Invocation, recipients: Iterable[Recipient], instance: Instance, ledger: Ledger, built: Built
) -> Iterator[Write]:
    """The records of a view's change, to be written in its commit: one for each recipient of the view."""
    for each in recipients:
        # At most one commit succeeds on a version of the ledger, so this names the change, however often it is tried.
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


def state(invocation: Invocation, status: str, attempts: int) -> dict[str, Any]:
    now = to_datetime(invocation.now())
    return {"status": status, "attempts": attempts, "time": now, "expire_at": now + KEPT}
