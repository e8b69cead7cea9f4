"""The standing of a stored view: how many instances there are, which other code built, and which are owed a build."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from boiler_functions.database import Document
from boiler_functions.modes.edition import Edition, scope_of
from boiler_functions.modes.ledger import Debt, debt_of, due_at, due_since, edition_of, skipped_of
from boiler_functions.modes.ledgers import number_of_view, of_other_code, owed_to, with_skipped
from boiler_functions.modes.release import Release
from boiler_functions.modes.standing import STOPPED, Asked, Standing, State, told_letters
from boiler_functions.types import Instant, to_datetime
from boiler_functions.views.view_model import View

PAGE = 300

MOST_NAMED = 5
"""The number of skipped documents that the standing names; `boiler explain` of a copy has those of one view."""


class Owed(NamedTuple):
    """The builds that are owed to a view, without those that are only to be done once more after a deployment."""

    debts: list[Debt]

    @classmethod
    def of(cls, app: str, view: View, asked: Asked) -> Owed:
        found = owed_to(asked.database, app, view.__name__, asked.now, PAGE)
        return cls([debt for each in found if (debt := _owed_by(each, asked.now)) is not None])

    @property
    def oldest(self) -> int | None:
        return min((each.since for each in self.debts), default=None)


def standing_of(app: str, view: View, mode: str, asked: Asked) -> Standing:
    """Returns the standing of a stored view by its ledgers and letters."""
    scope, name = scope_of(app, view), view.__name__
    instances = number_of_view(asked.database, scope)
    other = sum(1 for _ in _of_other_code(app, view, asked))
    owed = Owed.of(app, view, asked)
    letters = asked.letters_of(name)
    oldest = owed.oldest
    skipping = [each.fields or {} for page in with_skipped(asked.database, scope, PAGE) for each in page.documents]
    named = [f"{path} ({why})" for each in skipping for path, why in skipped_of(each).items()]
    figures: dict[str, Any] = {
        "instances": instances,
        "skipped": sum(each["number_skipped"] for each in skipping),
        "skipped_documents": list(dict.fromkeys(named))[:MOST_NAMED],
        "other_code": other,
        "owed": len(owed.debts),
        "oldest_owed": None if oldest is None else to_datetime(oldest),
        "letters": letters,
    }
    is_known = instances or asked.registration.views.get(name) == view.pattern().text
    overdue = due_at(app, asked.now - int(STOPPED.total_seconds()) * 1_000_000_000)
    stopped = sum(each.due < overdue for each in owed.debts)
    is_late = oldest is not None and asked.age_of(oldest) >= asked.late
    failing = sum(each.is_failure for each in owed.debts)
    whys = {
        State.UNKNOWN: "" if is_known else "no deployment has registered it here, and nothing is built",
        State.STOPPED: f"{stopped} builds are overdue: does upkeep run?" if stopped else "",
        State.FAILING: told_letters(letters) or (f"{failing} builds failed" if failing else ""),
        State.LATE: f"{len(owed.debts)} are owed a build" if is_late else "",
        State.STALE_CODE: f"{other} of {instances} are built by other code than this checkout's" if other else "",
    }
    return Standing.worst(mode, name, figures, whys)


def _owed_by(ledger: Document, now: Instant) -> Debt | None:
    """Returns the debt of a ledger, or what it owes because an answer about the time has changed."""
    fields = ledger.fields or {}
    debt = debt_of(fields)
    if debt is not None and debt.is_unpaid:
        return debt
    since = due_since(ledger, now)
    return None if since is None else Debt(since, "time has passed", 0, fields["due"])


def _of_other_code(app: str, view: View, asked: Asked) -> Iterator[Document]:
    """Yields the ledgers of other code; a function without a release file records its class instead of its source."""
    scope = scope_of(app, view)
    mine = Edition.of(app, view, asked.release)
    own = {mine.code, Edition.of(app, view, Release()).code}
    for page in of_other_code(asked.database, scope, PAGE, mine):
        yield from (each for each in page.documents if edition_of(each.fields or {}).code not in own)
