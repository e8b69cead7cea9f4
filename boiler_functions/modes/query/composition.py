"""Composes what is committed for a view that was built: its ledger, its copies and the records of its change."""

from __future__ import annotations

import logging
from collections.abc import Collection
from functools import partial
from typing import NamedTuple

from boiler_functions.database import Delete, Put, Write
from boiler_functions.database.change import Change
from boiler_functions.database.sizes import MAX_DOCUMENT_BYTES, value_size
from boiler_functions.exceptions import Permanent, TooLarge, WithdrawalHeld
from boiler_functions.modes.edition import Edition
from boiler_functions.modes.invocation import Invocation, Outcome
from boiler_functions.modes.ledger import SPARE_BYTES, Debt, Ledger, Wake
from boiler_functions.modes.outbox import Recipient, changes, records, withdrawals
from boiler_functions.modes.query.commits import Commits, Prepared
from boiler_functions.modes.query.debts import Debts
from boiler_functions.modes.query.quiet import QuietViews
from boiler_functions.modes.query.withdrawal import Withdrawal, deletes_of_former
from boiler_functions.types import Instant
from boiler_functions.views.build import Built, Instance, Reader
from boiler_functions.views.store import Resolution
from boiler_functions.views.totals import Total

log = logging.getLogger(__name__)


class Composition(NamedTuple):
    """Decides between the new content of a view and a debt, and returns the writes of either."""

    commits: Commits
    recipients: tuple[Recipient, ...]
    force: bool
    withdraw: bool
    quiet: QuietViews

    def result(
        self,
        instance: Instance,
        ledger: Ledger,
        built: Built,
        reader: Reader,
        resolution: Resolution,
        failure: Permanent | None = None,
    ) -> Prepared:
        """Returns the writes for one instance: its new content, or a debt if it failed; the dead letter follows."""
        held = self._held(instance, ledger, built, reader, resolution)
        if fault := failure or built.failure or held:
            gone = [] if held else [path for path in ledger.destinations if path not in built.destinations]
            is_owed = ledger.document.exists or bool(resolution.paths)
            debts = Debts(self.commits, self.force)
            # The debt is committed with the other views of the page.
            owing = [debts.owing(instance, ledger, built.tokens, fault, gone)] if is_owed else []
            writes = [*owing, *self._withdrawals(instance, ledger, gone)]
            return Prepared(instance, writes, Outcome.WITHDRAWN if gone else Outcome.DEAD_LETTER, fault)
        writes, outcome = self._writes(instance, ledger, built, reader)
        refused = next(iter(built.refused), None)
        unfinished = partial(self._unfinished, instance, ledger, built) if built.content is not None else None
        return Prepared(instance, writes, outcome, refused, unfinished)

    def _held(
        self, instance: Instance, ledger: Ledger, built: Built, reader: Reader, resolution: Resolution
    ) -> WithdrawalHeld | None:
        """Returns the error if new code, rather than a change of data, would withdraw every copy."""
        if self.withdraw or self._invocation.on_shelf or ledger.edition.plan == self._edition(instance).plan:
            return None
        return Withdrawal(instance, ledger, self._change, reader, resolution).held(built)

    def _writes(self, instance: Instance, ledger: Ledger, built: Built, reader: Reader) -> tuple[list[Write], Outcome]:
        if built.content is None:
            if not ledger.document.exists:
                return [], Outcome.IGNORED
            if self._invocation.is_former:
                emptied = ledger.emptied(self._edition(instance), self.commits.cause, reader.read_time or 0)
                return [emptied.put(instance), *self._deletes(instance, ledger, ledger.destinations)], Outcome.DELETED
            outbox = self._records(instance, ledger, built, reader.read_time or 0)
            deletes = self._deletes(instance, ledger, ledger.destinations)
            return [ledger.delete(), *deletes, *outbox], Outcome.DELETED
        # What another fetch plan stored may be at another place: it is built at once, as every view after a deployment.
        is_same_plan = ledger.edition.plan == self._edition(instance).plan
        is_held_back = self.quiet.every and is_same_plan and not self.force
        if is_held_back and self.quiet.is_too_early(instance, ledger, reader.time()):
            return self._postponing(instance, ledger, built, reader.time())
        known = ledger.copies
        wanted = [path for path in built.destinations if self.force or built.digest_at(path) != known.get(path)]
        gone = [path for path in ledger.destinations if path not in built.destinations]
        edition = self._edition(instance)
        if ledger.document.exists and not ledger.edition.plan:
            self._invocation.has_met_earlier_ledgers = True
        if recipients := self._recipients_of(instance):
            _check_contents(instance, built)
        described = ledger.describing(
            built,
            reader.read_time or 0,
            self.commits.cause,
            edition,
            self._once_more(),
            Wake.of(self._invocation.keeper, built.wake_at),
            with_content=bool(recipients),
        )
        if self.quiet.every or described.postponed:
            described = self.quiet.built(instance, described, reader.time(), is_written=bool(wanted))
        for path in described.skipped.keys() - ledger.skipped.keys():
            told = "%r leaves out %s, which does not fit its model"
            log.warning(told, instance, path, extra={"skipped": path})
        place = partial(self._invocation.copy_at, instance)
        # The ledger is written even if nothing else is: a builder with an older snapshot must meet a conflict.
        writes: list[Write] = [described.put(instance), *(Put(place(path), built.document(path)) for path in wanted)]
        writes += self._deletes(instance, ledger, gone)
        writes += self._records(instance, ledger, built, reader.read_time or 0)
        return writes, Outcome.BUILT if wanted or gone else Outcome.UNCHANGED

    def _postponing(
        self, instance: Instance, ledger: Ledger, built: Built, read_at: Instant
    ) -> tuple[list[Write], Outcome]:
        """Writes until when the view is postponed; takes away at once what somebody may no longer read."""
        gone = [path for path in ledger.destinations if path not in built.destinations]
        kept = tuple(path for path in ledger.destinations if path in built.destinations)
        postponing = self.quiet.postponing(instance, ledger, read_at)._replace(destinations=kept)
        if postponing == ledger:
            # Written all the same: a builder with an older reading must meet a conflict, or it would give a copy to
            # somebody who has just lost the right to it.
            postponing = ledger._replace(cause=self.commits.cause)
        writes = [postponing.put(instance), *self._withdrawals(instance, ledger, gone)]
        return writes, Outcome.WITHDRAWN if gone else Outcome.POSTPONED

    def _deletes(self, instance: Instance, ledger: Ledger, paths: Collection[str]) -> list[Write]:
        """Returns the deletes of copies that do not belong there any more."""
        if self._invocation.on_shelf:
            return [Delete(self._invocation.copy_at(instance, path)) for path in paths]
        if ledger.edition.plan == self._edition(instance).plan:
            return [Delete(path) for path in paths]  # No other view, and no other root, has its copies there.
        return deletes_of_former(instance, paths, self._invocation.database, self._invocation.ledger_of)

    def _records(self, instance: Instance, ledger: Ledger, built: Built, read_time: Instant) -> list[Write]:
        """Returns the outbox records of a change of content.

        A build by hand has none, unless it was faster than the event of a changed source, or than the upkeep of a view
        whose moment has come: these find nothing to do then, and nothing else would record the change.
        """
        recipients = self._recipients_of(instance)
        # The view of a root that its declaration no longer allows was not deleted by a change of data.
        if self._invocation.on_shelf:
            return []
        told = list(changes(instance, ledger, built)) if recipients and instance.is_possible else []
        if not told:
            return []
        is_by_hand = self._change is None or self.force
        is_woken = ledger.wake is not None and ledger.wake.at <= read_time
        # Totals bring no versions, so that the ledger does not show whether the event was still to come.
        has_totals = any(isinstance(each, Total) for each in instance.view.store_class.sources)
        is_known = ledger.content_hash is None or (ledger.knows(built.versions) and not has_totals)
        if is_by_hand and not is_woken and is_known:
            return []
        return list(records(self._invocation, recipients, instance, ledger, told))

    def _withdrawals(self, instance: Instance, ledger: Ledger, gone: Collection[str]) -> list[Write]:
        """Returns deletes of copies while the others stay as they are, with the records that this has."""
        told = () if self._invocation.on_shelf else withdrawals(instance, ledger, gone)
        outbox = records(self._invocation, self._recipients_of(instance), instance, ledger, told)
        return [*self._deletes(instance, ledger, gone), *outbox]

    def _recipients_of(self, instance: Instance) -> list[Recipient]:
        return [each for each in self.recipients if each.view is instance.view]

    def _unfinished(self, instance: Instance, ledger: Ledger, built: Built) -> Ledger:
        """Returns the ledger to commit with a part of the copies: it names old and new copies, and owes a build."""
        debt = Debt.of(self._invocation.keeper, "not all copies are written", self._invocation.now(), ledger.debt)
        copies = tuple(dict.fromkeys((*ledger.destinations, *built.destinations)))
        owing = ledger.owing(built.tokens, self._edition(instance), debt)
        return owing._replace(destinations=copies, content_hash="", digests={})

    def _once_more(self) -> Debt | None:
        # By the time of the start rather than of the commit: the sources were read in between, and a change of them may
        # have gone to the code before.
        release = self._invocation.surroundings.release
        return Debt.once_more(self._invocation.keeper, self._invocation.started, release.settled_at)

    @property
    def _change(self) -> Change | None:
        return self.commits.change

    @property
    def _invocation(self) -> Invocation:
        return self.commits.invocation

    def _edition(self, instance: Instance) -> Edition:
        return self._invocation.edition_of(instance.view)


def _check_contents(instance: Instance, built: Built) -> None:
    """Raises TooLarge if no ledger could keep the contents of all copies, which a receiver of their changes needs."""
    size = sum(map(value_size, (built.own or {}).values()))
    if size > MAX_DOCUMENT_BYTES - SPARE_BYTES:
        raise TooLarge(
            f"The copies of {instance!r} differ and hold {size} bytes together. For `@app.on_change` its ledger keeps "
            f"all of them, and a document has at most {MAX_DOCUMENT_BYTES}; let a view with less content be received."
        )
