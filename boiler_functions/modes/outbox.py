"""The outbox: records of the changes of stored views, one for each receiver, written in the commits of the changes."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any, NamedTuple, Protocol

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


class Told(NamedTuple):
    """One change for the receivers: the content before and after, of all copies or of one."""

    before: Fields | None
    after: Fields | None
    copies: tuple[str, ...]
    copy: str = ""
    """The path of the copy that changed, of a view whose copies differ."""


def changes(instance: Instance, ledger: Ledger, built: Built) -> Iterator[Told]:
    """Yields the change of a view, if it changed; of one whose copies differ, that of each copy that did."""
    copies = tuple(sorted({*ledger.destinations, *built.destinations}))
    if not instance.view.has_own_copies():
        if built.content_hash != ledger.content_hash:
            yield Told(ledger.content, built.content, copies)
        return
    known = ledger.copies
    for path in copies:
        before, after = ledger.content_at(path), built.at(path)
        new = None if after is None else built.digest_at(path)
        # By content too: after a commit in parts, the ledger has no digests.
        if known.get(path) != new and (before is None or digest(before) != new):
            yield Told(before, after, (path,), path)


def withdrawals(instance: Instance, ledger: Ledger, paths: Iterable[str]) -> Iterator[Told]:
    """Yields the changes of copies that are withdrawn while the others keep their content."""
    if instance.view.has_own_copies():
        yield from (Told(ledger.content_at(path), None, (path,), path) for path in paths)


def records(
    invocation: Invocation, recipients: Iterable[Recipient], instance: Instance, ledger: Ledger, told: Iterable[Told]
) -> Iterator[Write]:
    """Yields a record of each change for each recipient of the view, to be written in the commit of the change."""
    for recipient, each in itertools.product(recipients, told):
        outbox = recipient.outbox(invocation.app)
        # At most one commit succeeds on a version of the ledger, so every attempt at this change has the same key.
        key = digest(outbox, instance.root, ledger.document.version, *filter(None, [each.copy]))
        fields = {
            "app": invocation.app,
            "path": instance.root,
            "before": each.before,
            "after": each.after,
            "copies": list(each.copies),
            **state(invocation, "pending", 0),
        }
        yield Put(f"{outbox}/{key}", fields, precondition=ABSENT)


def undelivered(database: Database, outbox: str) -> list[Fields]:
    """Returns the records of a recipient's outbox that still wait to be delivered."""
    found = database.query(Query(outbox, filters=(Filter("status", "==", "pending"),))).documents
    return [each.fields or {} for each in found]


def state(invocation: Invocation, status: str, attempts: int) -> dict[str, Any]:
    now = to_datetime(invocation.now())
    return {"status": status, "attempts": attempts, "time": now, "expire_at": now + KEPT}
