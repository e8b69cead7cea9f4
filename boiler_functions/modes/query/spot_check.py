"""Compares some copies, chosen by chance, with a fresh build, so that drift is seen without anybody asking for it.

Only reads, and logs what is wrong: which of two writers is right, a person decides.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta

from boiler_functions.exceptions import Permanent
from boiler_functions.modes.edition import scope_of
from boiler_functions.modes.invocation import Invocation
from boiler_functions.modes.ledger import instance_of
from boiler_functions.modes.ledgers import sampled
from boiler_functions.modes.query.audit import Audit
from boiler_functions.modes.query.rebuild_all import RebuildAll
from boiler_functions.modes.stored_copies import FAULTS
from boiler_functions.types import digest
from boiler_functions.views.view_model import View

LATE = timedelta(minutes=30)
"""How long an event may take until its view counts as wrong; a shorter delay is for the alert about late events."""

log = logging.getLogger(__name__)


def spot_check(invocation: Invocation, views: Sequence[View], number: int) -> None:
    """Compares so many instances of one of the views, and logs an entry for each whose copies are not right."""
    if not views or not number:
        return
    chance = invocation.surroundings.random
    view = views[chance.randrange(len(views))]
    audit = Audit(RebuildAll(invocation.app, view, invocation.database, invocation.surroundings), LATE)
    edition, start = invocation.edition_of(view), digest(chance.getrandbits(64))
    try:
        ledgers = sampled(invocation.database, scope_of(invocation.app, view), edition, start, number)
        found = list(audit.of([instance_of(view, each).root for each in ledgers]))
    except Permanent as error:
        # No letter: nothing is left undone, and what cannot be read stops other work, which has its own.
        log.warning("Copies of %s cannot be compared: %s", view.__name__, error, exc_info=error)
        return
    for each in found:
        if each.verdict in FAULTS:
            copies = [path for path, _ in each.differing]
            log.warning(
                "%s of %s is %s: run `boiler audit %s`",
                view.__name__,
                each.root or "the app",
                each.verdict,
                view.__name__,
                extra={"view": view.__name__, "verdict": str(each.verdict), "subject": each.root, "copies": copies},
            )
