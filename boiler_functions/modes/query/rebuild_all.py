"""Every instance of a view rebuilt by force: for data that was there before, a change of code, an edit by hand.

Live traffic may go on: each commit holds the precondition on its ledger, as those of events do.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from boiler_functions.database import NAME, Cursor, Database, Delete, Document, Order, Query
from boiler_functions.database.metered import Metered
from boiler_functions.exceptions import Conflict
from boiler_functions.models.selection import collection_query
from boiler_functions.modes.edition import scope_of
from boiler_functions.modes.invocation import REAL, Invocation, Outcome, Surroundings
from boiler_functions.modes.ledger import COLLECTION, Ledger, ledger_path
from boiler_functions.modes.outbox import Recipient, records
from boiler_functions.modes.query.rebuild import PAGE, Rebuild
from boiler_functions.types import Reference
from boiler_functions.views.build import Built, Instance, chunks
from boiler_functions.views.view_model import ViewModel

NAMES = 500
"""Roots that one query names; of ledgers, which it reads whole, it takes PAGE."""

FUNCTION = "build"
"""What a dead letter names as its function."""


@dataclass(frozen=True)
class Step:
    """What one page did; `after` is the last root that is finished, from which another run can go on."""

    after: str
    outcomes: Counter[Outcome]


@dataclass(frozen=True)
class RebuildAll:
    """All instances of a view: ghosts, whose root is gone, are deleted, then those of all roots are built.

    for step in RebuildAll("meeting-room", MeetingSession, database).run():
        print(step.after, step.outcomes)
    """

    app: str
    view: type[ViewModel[Any]]
    database: Database
    surroundings: Surroundings = REAL
    recipients: tuple[Recipient, ...] = ()

    def run(self, after: str = "") -> Iterator[Step]:
        """Rebuilds page by page; with `after`, only the roots behind it."""
        if not after:
            # First, so that a document which a ghost and a living instance share is written last.
            for ledgers in pages(self.database, Query(COLLECTION, limit=PAGE)):
                yield self._delete_ghosts(ledgers)
        for roots in self._roots(after):
            for chunk in chunks(roots, PAGE):
                yield self.rebuild(chunk)

    def rebuild(self, roots: list[str]) -> Step:
        """Rebuilds the instances of the roots, whatever their ledgers say."""
        invocation = self._invocation()
        Rebuild(invocation, (self.view,), force=True, recipients=self.recipients).rebuild(
            [Instance(self.view, root) for root in roots]
        )
        return Step(roots[-1], invocation.outcomes)

    def _roots(self, after: str) -> Iterator[list[str]]:
        root = self.view.store_class.root()
        if root is None:
            yield [""]
            return
        # Documents of the model's other subclasses too: one that changed its class loses its view.
        query = collection_query(root.model, {})._replace(limit=NAMES, names_only=True)
        for page in pages(self.database, query, after):
            yield [document.path for document in page]

    def _delete_ghosts(self, ledgers: list[Document]) -> Step:
        invocation = self._invocation()
        own = {instance.root: ledger for ledger in ledgers if (instance := self._instance_of(ledger))}
        living = self._living(own, invocation.database)
        for root in own.keys() - living:
            self._delete(Instance(self.view, root), own[root], invocation)
        return Step("", invocation.outcomes)

    def _living(self, roots: Iterable[str], database: Database) -> set[str]:
        """The roots that exist, and that the view can have as it is declared now."""
        root = self.view.store_class.root()
        if root is None:
            return {""}
        possible = filter(self._is_possible, roots)
        return {document.path for document in database.read(list(possible)).documents if document.exists}

    def _is_possible(self, root: str) -> bool:
        reference = self.view.store_class.root()
        return reference is not None and reference.model.pattern().match(root) is not None

    def _delete(self, instance: Instance, document: Document, invocation: Invocation) -> None:
        ledger = Ledger.of(instance, document)
        # The event of the root's deletion will find no ledger, so it is told of here. A root that the view cannot have
        # any more was not deleted: its declaration changed.
        recipients = self.recipients if self._is_possible(instance.root) else ()
        told = records(invocation, recipients, instance, ledger, Built(None, (), frozenset(), {}))
        try:
            invocation.database.commit([ledger.delete(), *map(Delete, ledger.destinations), *told])
        except Conflict:
            return  # An event was faster, and it knew its root.
        invocation.note(Outcome.DELETED)

    def _instance_of(self, ledger: Document) -> Instance | None:
        """The instance of this view that the ledger belongs to; None for one of another view, or of another app."""
        fields = ledger.fields or {}
        instance = Instance(self.view, fields["root"])
        return instance if ledger_path(scope_of(self.app, self.view), instance) == ledger.path else None

    def _invocation(self) -> Invocation:
        return Invocation(self.app, FUNCTION, Metered(self.database), self.surroundings)


def pages(database: Database, query: Query, after: str = "") -> Iterator[list[Document]]:
    """The documents of a query in pages as large as its limit, ordered by path; `after` is a document's path."""
    query = query._replace(orders=(Order(NAME),))
    while True:
        start = Cursor((Reference(after),), before=False) if after else None
        documents = list(database.query(query._replace(start=start)).documents)
        if documents:
            yield documents
        if len(documents) != query.limit:
            return
        after = documents[-1].path
