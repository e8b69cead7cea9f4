"""What an operator can do with the copies of a stored view: build, compare and remove them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple, Protocol

from boiler_functions.modes.invocation import Outcome
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


class Removal(Protocol):
    """The removal of what a view has left behind that no code declares any more."""

    def delete(self) -> Iterator[tuple[int, int]]:
        """Deletes page by page; yields the number of deleted copies, and of instances that changed meanwhile."""
        ...
