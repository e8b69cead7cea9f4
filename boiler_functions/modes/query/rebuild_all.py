"""Rebuilds every instance of a view, whatever its ledger says.

This is for documents that are older than the view, for a change of code, and for copies that were edited by hand. Live
traffic may go on, because each commit has the same precondition on the ledger as the commits of events.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from boiler_functions.database import Aggregation, Database, Query
from boiler_functions.database.metered import Metered
from boiler_functions.models.selection import collection_query
from boiler_functions.modes.edition import Edition, scope_of
from boiler_functions.modes.in_order import in_order
from boiler_functions.modes.invocation import REAL, Invocation, Outcome, Surroundings
from boiler_functions.modes.ledger import COLLECTION, ledger_path, root_of
from boiler_functions.modes.ledgers import number_of_other_code, of_view
from boiler_functions.modes.outbox import Recipient
from boiler_functions.modes.query.fill import Fill
from boiler_functions.modes.query.keep import Keep
from boiler_functions.modes.query.paging import pages
from boiler_functions.modes.query.rebuild import PAGE, Rebuild
from boiler_functions.modes.query.withdrawal import having
from boiler_functions.modes.release import Release
from boiler_functions.modes.stored_copies import BuiltPage
from boiler_functions.views.build import Instance, chunks
from boiler_functions.views.view_model import ViewModel

NAMES = 10_000
"""The number of roots that one query names. Only their names are read; what is built comes PAGE at a time."""

FUNCTION = "build"
"""The name of the function in dead letters."""


@dataclass(frozen=True)
class RebuildAll:
    """Rebuilds all instances of a view: deletes the ghosts, whose roots are gone, then builds those of all roots.

    for step in RebuildAll("meeting-room", MeetingSession, database).run():
        print(step.after, step.outcomes)
    """

    app: str
    view: type[ViewModel[Any]]
    database: Database
    surroundings: Surroundings = REAL
    recipients: tuple[Recipient, ...] = ()
    withdraw: bool = False
    """Whether a build may delete every copy of an instance that another fetch plan stored, though its root exists."""

    def run(self, after: str = "") -> Iterator[BuiltPage]:
        """Rebuilds some pages at once, and yields a step for each in their order.

        With `after`, rebuilds only the roots after it.
        """
        if not after:
            # Before the views, so that these read the numbers.
            for _ in self._fill():
                yield BuiltPage("", Counter())
        if after:
            roots = self._all_roots(after)
        else:
            roots, ledgers = self.listed()
            # First, so that a copy that a ghost shares with a living instance is written after it was deleted.
            yield from self.ghosts(roots, ledgers.items())
            del ledgers  # It has as many paths as there are views, and the builds need none.
        has_met_earlier_ledgers = False
        for step, done in self._living(roots):
            has_met_earlier_ledgers |= done.has_met_earlier_ledgers
            yield step
        if has_met_earlier_ledgers:
            # Earlier ledgers are not indexed by view, so all ledgers are searched, once after such an upgrade.
            everything = (each for page in pages(self.database, Query(COLLECTION, limit=PAGE)) for each in page)
            steps = list(self.ghosts(roots, ((each.path, root_of(each)) for each in everything)))
            yield from steps
            if any(step.outcomes[Outcome.DELETED] for step in steps):
                yield from (step for step, _ in self._living(root for page in self.roots() for root in page))

    def _all_roots(self, after: str = "") -> list[str]:
        return [root for page in self.roots(after) for root in page]

    def _roots_by_ledger(self) -> dict[str, str]:
        """Returns the path of each ledger of the view, with that of its root."""
        ledgers = (each for page in of_view(self.database, self._scope, PAGE) for each in page.documents)
        return {each.path: root_of(each) for each in ledgers}

    def listed(self) -> tuple[list[str], dict[str, str]]:
        """Returns the roots that there are, and those in ledgers; if there may be threads, lists both at once."""
        listings: tuple[Callable[[], Any], ...] = (self._all_roots, self._roots_by_ledger)
        roots, ledgers = in_order(lambda listing: listing(), listings, self.surroundings.threads)
        return roots, ledgers

    def number(self) -> int:
        """Returns how many roots there are; of a collection that a pattern narrows, at most."""
        root = self.view.store_class.root()
        if root is None:
            return 1
        query = collection_query(root.model, {})._replace(pattern=None)
        found = self.database.aggregate(Aggregation(query, "count")).value
        assert isinstance(found, int)
        return found

    def number_stale(self) -> int:
        """Returns how many instances other code has built."""
        # A function without a release file records its class instead of its source.
        own = {Edition.of(self.app, self.view, each).code for each in (self.surroundings.release, Release())}
        return number_of_other_code(self.database, self._scope, own)

    def rebuild(self, roots: list[str]) -> BuiltPage:
        """Rebuilds the instances of these roots, whatever their ledgers say."""
        return self._rebuild([Instance(self.view, root) for root in roots])[0]

    def fill(self) -> None:
        """Fills the kept totals of the view, whatever they have."""
        for _ in self._fill():
            pass

    def _fill(self) -> Iterator[int]:
        return Fill(Keep(self._invocation(), (self.view,))).run()

    def having(self, paths: Iterable[str]) -> dict[str, Instance]:
        """Returns the instances that have copies at the paths, by path."""
        return having(self.view, paths, self.database, lambda each: ledger_path(scope_of(self.app, self.view), each))

    def _rebuild(self, instances: list[Instance]) -> tuple[BuiltPage, Invocation]:
        invocation = self._invocation()
        Rebuild(invocation, (self.view,), force=True, recipients=self.recipients, withdraw=self.withdraw).rebuild(
            instances
        )
        return BuiltPage(instances[-1].root, invocation.outcomes), invocation

    def _living(self, roots: Iterable[str]) -> Iterator[tuple[BuiltPage, Invocation]]:
        instances = (Instance(self.view, root) for root in roots)
        return in_order(self._rebuild, chunks(instances, PAGE), self.surroundings.threads)

    def ghosts(self, living: Iterable[str], ledgers: Iterable[tuple[str, str]]) -> Iterator[BuiltPage]:
        """Rebuilds, and so deletes, instances whose root is gone, or is one that the view can no longer have.

        `ledgers` are paths of ledgers, each with that of its root.
        """
        known = {*living, ""}
        found = ((path, Instance(self.view, root)) for path, root in ledgers)
        gone = ((path, each) for path, each in found if each.root not in known or not each.is_possible)
        ledger_of = self._invocation().ledger_of
        # Others are of other views, or of other apps.
        others = (each for path, each in gone if ledger_of(each) == path)
        steps = in_order(self._without_root, chunks(others, PAGE), self.surroundings.threads)
        return (step for step in steps if step is not None)

    def _without_root(self, instances: list[Instance]) -> BuiltPage | None:
        # Read again: a root may be younger than the list of those that live.
        documents = self.database.read([each.root for each in instances if each.root]).documents
        gone = {document.path for document in documents if not document.exists}
        ghosts = [each for each in instances if each.root in gone or not each.is_possible]
        return self._rebuild(ghosts)[0]._replace(after="") if ghosts else None

    def roots(self, after: str = "") -> Iterator[list[str]]:
        """Yields the roots that there are, page by page; of a view without a root, the empty path."""
        if (query := self.root_query) is None:
            yield [""]
            return
        for page in pages(self.database, query._replace(limit=NAMES), after):
            yield [document.path for document in page]

    @property
    def root_query(self) -> Query | None:
        """The query for the names of the roots; None for a view without a root, which has one instance."""
        root = self.view.store_class.root()
        # Includes documents of the model's other subclasses: a document that changed its class loses its view.
        return None if root is None else collection_query(root.model, {})._replace(select=())

    @property
    def _scope(self) -> str:
        return scope_of(self._invocation().keeper, self.view)

    def _invocation(self) -> Invocation:
        return Invocation(self.app, FUNCTION, Metered(self.database), self.surroundings)
