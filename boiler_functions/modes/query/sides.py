"""The two versions of a staged view: which of its two ledgers is that of this code.

One ledger is *shown*, and the other is on the *shelf*. One is production's, and one the staged version's; a promotion
swaps them. Production's code looks first at what is shown, and a staged version's code at the shelf. If it meets the
other's ledger there, its own is in the second place. A builder that is mistaken, as the two were swapped meanwhile,
meets a conflict. `tests/model/staged.py` checks this over all interleavings.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from boiler_functions.database import Document
from boiler_functions.exceptions import Conflict
from boiler_functions.modes.invocation import Invocation
from boiler_functions.modes.ledger import Ledger, edition_of
from boiler_functions.views.build import Instance


class Sides(NamedTuple):
    """What one invocation's code has to do with the ledgers that it meets."""

    invocation: Invocation

    def apart(self, others: list[Instance]) -> list[Instance]:
        """Returns those with this code's ledger in the second place, of instances with the other's in the first."""
        there = self.invocation.elsewhere()
        found = self.invocation.database.read([there.ledger_of(each) for each in others]).documents
        return [each for each, document in zip(others, found, strict=True) if self._is_own_there(document)]

    def check(self, ledgers: Mapping[Instance, Ledger]) -> None:
        """Raises Conflict if a ledger in the second place is not that of this code any more."""
        if not all(self._is_own_there(each.document) for each in ledgers.values()):
            raise Conflict("A staged view was promoted or rolled back meanwhile.")

    def is_own_elsewhere(self, instance: Instance, document: Document) -> bool:
        """Whether the document is the ledger of this code in the second place."""
        is_there = document.path == self.invocation.elsewhere().ledger_of(instance)
        return is_there and self._is_own_there(document)

    def _is_own_there(self, document: Document) -> bool:
        if document.fields is None:
            return self._is_staged  # The root came back after both ledgers were deleted.
        return edition_of(document.fields).is_staged is self._is_staged

    @property
    def _is_staged(self) -> bool:
        return bool(self.invocation.surroundings.release.staged)
