"""Upkeep: builds what is owed, so that no view waits for an event that may never come.

It looks for debts that are due, for views that asked for the time and whose moment has come, for changes that were
postponed until now, and for views that another fetch plan built: of those, changes of what the new plan reads would
find nobody. All state is in the ledgers, so each run goes on where the last one stopped, and two at once do no harm.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from boiler_functions.database import Document, Reading
from boiler_functions.modes.edition import scope_of
from boiler_functions.modes.invocation import Invocation
from boiler_functions.modes.ledger import edition_of
from boiler_functions.modes.ledgers import of_other_code, of_other_plan, owed_by
from boiler_functions.modes.outbox import Recipient
from boiler_functions.modes.query.rebuild import PAGE, LedgerPages, Rebuild
from boiler_functions.types import Instant
from boiler_functions.views.view_model import View


class Upkeep:
    """One run for the views of an app."""

    def __init__(
        self,
        invocation: Invocation,
        views: Iterable[View],
        recipients: tuple[Recipient, ...] = (),
        at_most_every: Mapping[View, Instant] = MappingProxyType({}),
    ) -> None:
        self._invocation = invocation
        self._views = {view.__name__: view for view in views}
        self._rebuild = Rebuild(
            invocation, tuple(self._views.values()), recipients=recipients, at_most_every=at_most_every
        )

    def run(self, due_by: Instant) -> None:
        """Builds the views that are due by this moment, page by page, until the invocation is out of time.

        Raises NewerSchema in the end for a ledger that only a newer version of this package can read.
        """
        # The next run goes on where this one stops.
        newer = self._rebuild.rebuild_pages(LedgerPages(self._pages(due_by), lambda: self._invocation.is_out_of_time))
        if newer is not None:
            raise newer

    def follow_code(self) -> None:
        """Builds every view that other code built and that is not left to later code."""
        for view in self._views.values():
            scope, edition = scope_of(self._invocation.keeper, view), self._invocation.edition_of(view)
            self._rebuild.rebuild_pages(of_other_code(self._invocation.database, scope, PAGE, edition))

    def _pages(self, due_by: Instant) -> Iterator[Reading]:
        """Yields the ledgers that say that a build is due, then those of another plan, which no event may find."""
        database, keeper = self._invocation.database, self._invocation.keeper
        # A staged version pays the debts on the shelf, and after its promotion those of what is shown.
        for owing in dict.fromkeys((keeper, self._invocation.app)):
            for page in owed_by(database, owing, due_by, PAGE):
                yield _only(page, (each for each in page.documents if self._is_own(each)))
        for view in self._views.values():
            edition = self._invocation.edition_of(view)
            for page in of_other_plan(database, scope_of(keeper, view), PAGE, edition):
                found = (each for each in page.documents if not edition_of(each.fields or {}).is_later_than(edition))
                yield _only(page, found)

    def _is_own(self, ledger: Document) -> bool:
        """Whether this code can pay the debt; a view that is no longer declared has nothing that could build it."""
        fields = ledger.fields or {}
        is_staged = bool(self._invocation.surroundings.release.staged)
        return fields["view"] in self._views and (edition_of(fields).is_staged or not is_staged)


def _only(page: Reading, documents: Iterable[Document]) -> Reading:
    return page._replace(documents=tuple(documents))
