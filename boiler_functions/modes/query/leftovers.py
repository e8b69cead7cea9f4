"""Deletes the copies and ledgers of a view that no code declares any more, which no event can reach."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from boiler_functions.database import Database, Delete, Document, Query, unchanged
from boiler_functions.exceptions import Conflict
from boiler_functions.models.model import OBJ_TYPE
from boiler_functions.modes.ledger import COLLECTION
from boiler_functions.modes.ledger_lists import Lists
from boiler_functions.modes.query.paging import pages
from boiler_functions.modes.query.rebuild import PAGE
from boiler_functions.modes.query.rebuild_all import RebuildAll
from boiler_functions.types import digest
from boiler_functions.views.build import chunks

WRITES = 200
"""The number of copies that one commit deletes."""


@dataclass(frozen=True)
class Leftovers:
    """The leftovers of a view, identified by its name, because its class is gone."""

    app: str
    view: str
    database: Database
    heirs: tuple[RebuildAll, ...] = ()
    """The builds of the views that are stored now, some of them perhaps where this one was."""

    def delete(self) -> Iterator[tuple[int, int]]:
        """Deletes page by page; returns the number of deleted copies, and of ledgers that changed meanwhile."""
        for ledgers in pages(self.database, Query(COLLECTION, limit=PAGE)):
            own = [each for each in ledgers if self._is_own(each)]
            done = [self._delete(each) for each in own]
            yield sum(each for each in done if each is not None), done.count(None)

    def _is_own(self, ledger: Document) -> bool:
        """Whether the ledger is of this view, and not of one of that name in another app."""
        fields = ledger.fields or {}
        path = f"{COLLECTION}/{digest(f'{self.app}/{self.view}', fields['root'])}"
        return fields["view"] == self.view and ledger.path == path

    def _delete(self, ledger: Document) -> int | None:
        """Deletes the copies of a ledger, then the ledger; returns their number, or None if one changed meanwhile."""
        deleted = 0
        try:
            for paths in chunks(Lists.of(ledger.fields or {}).destinations, WRITES):
                taken = self._taken(paths)
                read = self.database.read(paths).documents
                copies = [each for each in read if self._is_copy(each) and each.path not in taken]
                self.database.commit([Delete(each.path, precondition=unchanged(each)) for each in copies])
                deleted += len(copies)
            # The ledger is deleted last, so that after an interrupted run the next one finds the remaining copies.
            self.database.commit([Delete(ledger.path, precondition=unchanged(ledger))])
        except Conflict:
            return None
        return deleted

    def _taken(self, paths: Sequence[str]) -> set[str]:
        """The paths that other views have by now; they write their copies anew, as old code may have written last."""
        taken: set[str] = set()
        for heir in self.heirs:
            having = heir.having(paths)
            for chunk in chunks(dict.fromkeys(each.root for each in having.values()), PAGE):
                heir.rebuild(chunk)
            taken.update(having)
        return taken

    def _is_copy(self, document: Document) -> bool:
        return document.exists and (document.fields or {}).get(OBJ_TYPE) == self.view
