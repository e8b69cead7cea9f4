"""What an operator can do with the copies of a stored view: build, compare and remove them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple, Protocol

from boiler_functions.database import Number
from boiler_functions.modes.invocation import Outcome
from boiler_functions.modes.staged import StagedVersion
from boiler_functions.types import Fields, Instant


class BuiltPage(NamedTuple):
    """The outcomes of one page. Another run can go on after the root `after`, which is the last that is finished."""

    after: str
    outcomes: Counter[Outcome]


class Verdict(StrEnum):
    """What a comparison found."""

    RIGHT = "right"
    LATE = "late"
    """A source has changed just now, and its event is still to come."""
    OWED = "owed"
    """The ledger itself says that a build is owed; `boiler status` says since when."""
    OTHER_CODE = "other code"
    """What is stored is what other code built, and this code builds something else."""
    LOST = "lost"
    """A source changed longer ago than an event takes, and the view does not show it."""
    WRONG = "wrong"
    """It was built from the very documents that there are, and a copy says something else or is missing."""
    NO_LEDGER = "no ledger"
    """A copy that no ledger names, so that no function follows it."""


FAULTS = (Verdict.LOST, Verdict.WRONG, Verdict.NO_LEDGER)


class Finding(NamedTuple):
    """The verdict on one instance, or on a copy without a ledger, and where stored and built differ."""

    verdict: Verdict
    root: str
    differing: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """The paths of copies with the names of the fields in which they differ; none if the copy is missing or extra."""


class WrongTotal(NamedTuple):
    """A kept total that is not what Firestore counts, and not because an event is on its way."""

    root: str
    """The root of a view that shows it."""
    name: str
    """The reference of its Store."""
    kept: Number | Mapping[str, Number]
    """The number; of a total by value, the numbers of those values that are wrong, and None for a value without."""
    counted: Number | Mapping[str, Number]


class Moved(StrEnum):
    """What became of an instance by a promotion or a rollback."""

    MOVED = "moved"
    BEHIND = "behind"
    """What would come is older than what is shown: an event is on its way, or the build fails."""
    TOO_LARGE = "too large"
    """Its copies do not fit into one commit, so that readers would see old and new ones side by side."""


class OnShelf(NamedTuple):
    """What is on the shelf of a view."""

    staged: int
    former: int
    owed: tuple[tuple[Instant, str], ...] = ()
    """The builds that are owed to staged instances: since when, and the class of the error if they failed."""


class BuildOfAll(Protocol):
    """The build of all instances of a view, whatever their ledgers say."""

    def run(self, after: str = "") -> Iterator[BuiltPage]:
        """Builds page by page, and yields a step for each; with `after`, only the roots after it."""
        ...

    def number(self) -> int:
        """Returns how many instances there are."""
        ...

    def number_stale(self) -> int:
        """Returns how many instances other code has built."""
        ...

    def rebuild(self, roots: list[str]) -> BuiltPage:
        """Builds the instances of these roots."""
        ...


class Comparison(Protocol):
    """The comparison of what is stored of a view with a fresh build."""

    def whole(self) -> Iterator[Finding]:
        """Yields a finding for each root, each ledger whose root is gone, and each copy without a ledger."""
        ...

    def sample(self, number: int) -> Iterator[Finding]:
        """Yields findings of about so many instances, chosen by chance."""
        ...

    def since(self, time: Instant) -> Iterator[Finding]:
        """Yields findings of the instances of which a source, the ledger or a copy was written since the time."""
        ...

    def of(self, roots: Iterable[str]) -> Iterator[Finding]:
        """Yields a finding for each of the roots."""
        ...

    def fresh(self, root: str) -> Mapping[str, Fields]:
        """Returns the copies of a root, by path, as the code builds them from the documents of now."""
        ...

    def without_ledger(self, paths: list[str]) -> Iterator[Finding]:
        """Yields those of the copies that no ledger names."""
        ...

    def repair(self, findings: Iterable[Finding]) -> None:
        """Builds the faulty instances again, and deletes the copies that no ledger names even then."""
        ...

    def wrong_totals(self, roots: Iterable[str]) -> Iterator[WrongTotal]:
        """Yields the kept totals of these roots that are not what Firestore counts."""
        ...

    def repair_totals(self, wrong: Iterable[WrongTotal]) -> None:
        """Fills the kept totals of the view again, and builds the instances that show the wrong ones."""
        ...


class Staging(Protocol):
    """The work on the shelf of a view, by the code of its staged version."""

    def build(self) -> Iterator[BuiltPage]:
        """Builds all instances on the shelf; yields a step for each page."""
        ...

    def number_of_roots(self) -> int:
        """Returns how many instances there may be; reads the names of their roots alone."""
        ...

    def on_shelf(self) -> OnShelf:
        """Counts what is on the shelf."""
        ...

    def promote(self, staged: StagedVersion) -> Iterator[Counter[Moved]]:
        """Shows the staged version, page by page; yields what became of each."""
        ...

    def roll_back(self, staged: StagedVersion) -> Iterator[Counter[Moved]]:
        """Shows the former version again, page by page; yields what became of each."""
        ...

    def differences(self, roots: Collection[str] | None = None) -> Iterator[Finding]:
        """Yields for each instance on the shelf where what it shows would change."""
        ...

    def clear(self) -> Iterator[int]:
        """Deletes the shelf; yields the number of instances of each page."""
        ...

    def finish(self) -> Iterator[int]:
        """Leaves what is shown to production, which has the promoted code, and deletes the shelf; yields as `clear`."""
        ...


class Removal(Protocol):
    """The removal of what a view has left behind that no code declares any more."""

    def delete(self) -> Iterator[tuple[int, int]]:
        """Deletes page by page; yields the number of deleted copies, and of instances that changed meanwhile."""
        ...
