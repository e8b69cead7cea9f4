"""Records builds that are owed: of a view that cannot be built now, and of one that a later edition builds."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from boiler_functions.database import Write
from boiler_functions.exceptions import Permanent
from boiler_functions.modes.edition import scope_of
from boiler_functions.modes.invocation import Invocation, Outcome
from boiler_functions.modes.ledger import Debt, Ledger, due_at
from boiler_functions.modes.query.commits import Commits, Prepared
from boiler_functions.views.build import Instance, Reader
from boiler_functions.views.dependencies import tokens_of


class Debts(NamedTuple):
    """Writes debts into ledgers; with `force`, a person builds the views, of later editions too."""

    commits: Commits
    force: bool

    @property
    def invocation(self) -> Invocation:
        return self.commits.invocation

    def left(self, instance: Instance, ledger: Ledger) -> Prepared:
        """Returns the debt to a later edition, whose functions may not have received this event."""
        now, app = self.invocation.now(), self.invocation.keeper
        debt = ledger.debt if ledger.is_unpaid else None
        debt = debt or Debt(now, "an event came to older code", 0, due_at(app, now))
        return Prepared(instance, [ledger.put_debt(debt, self.commits.cause)], Outcome.LEFT)

    def owing(
        self, instance: Instance, ledger: Ledger, tokens: frozenset[str], error: Permanent, gone: Collection[str] = ()
    ) -> Write:
        """Returns the ledger of a view that cannot be built, without the copies in `gone`, which are withdrawn.

        Hash and versions stay as they were, so that the next good build writes all that is due, and no event that
        comes now counts as covered.
        """
        earlier = ledger.debt if ledger.is_unpaid else None
        debt = Debt.of(self.invocation.keeper, type(error).__name__, self.invocation.now(), earlier)
        kept = tuple(path for path in ledger.destinations if path not in gone)
        edition = self.invocation.edition_of(instance.view)
        return ledger._replace(destinations=kept).owing(tokens, edition, debt).put(instance)

    def give_up(self, instance: Instance, error: Permanent, reader: Reader) -> None:
        """Commits a debt, then the dead letter.

        The debt holds the tokens of all documents that were reached, so that their repair rebuilds the view; without
        room for them, upkeep alone tries again.
        """
        for reaches in (True, False):
            try:
                self._owe(instance, error, reader if reaches else None)
                break
            except Permanent:
                continue  # The tokens make the ledger too large; or the root's path is invalid.
        self.commits.write_dead_letter(instance, error)

    def _owe(self, instance: Instance, error: Permanent, reader: Reader | None) -> None:
        scope = scope_of(self.invocation.app, instance.view)
        path = self.invocation.ledger_of(instance)
        wanted = [path, instance.root] if instance.root else [path]
        documents = {each.path: each for each in self.invocation.database.read(wanted).documents}
        ledger = Ledger.of(instance, documents[path])
        root = instance.view.store_class.root()
        if not ledger.document.exists and root and not root.model.holds(documents[instance.root]):
            return
        if not self.force and ledger.is_left_by(self.invocation.edition_of(instance.view)):
            self.invocation.database.commit(self.left(instance, ledger).writes)
            return
        tokens: frozenset[str] = frozenset()
        if reader is not None:
            reader.documents = {**documents, **reader.documents}
            tokens = tokens_of(scope, reader.reached(instance), instance.root)
        self.invocation.database.commit([self.owing(instance, ledger, tokens, error)])
