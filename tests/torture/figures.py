"""The figures of a part of the torture, with their targets, one row each."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

LEAST_OF_A_KIND = 200
"""The fewest faults of each kind in a whole run; without them, the run proves nothing about the kind."""


@dataclass(frozen=True)
class Figure:
    """One measured value: `Figure("lost_events", 0, "=", 0)` is on target.

    A figure of volume (`≥`) shows that the world did enough for the zeros to mean something. Its target is at most half
    of the least that any seeds gave, so that it is off only when the world no longer does the thing.
    """

    name: str
    value: float
    relation: Literal["=", "≥", "≤", ""] = ""
    target: float = 0
    note: str = ""

    @property
    def holds(self) -> bool:
        """Whether the value is on target; without a target it always is."""
        match self.relation:
            case "=":
                return self.value == self.target
            case "≥":
                return self.value >= self.target
            case "≤":
                return self.value <= self.target
            case _:
                return True

    def __str__(self) -> str:
        target = f"target {self.relation} {self.target:,}" if self.relation else ""
        verdict = "" if not self.relation else "ok" if self.holds else "OFF"
        return f"{self.name:<44} {self.value:>12,}  {target:<18} {verdict:<4}{self.note}".rstrip()


def fault_figures(injected: Counter[str], kinds: Iterable[str], least: int) -> list[Figure]:
    """Yields a row for each kind of fault, including those that never happened."""
    return [Figure(f"faults_injected[{kind}]", injected[kind], "≥", least) for kind in sorted(kinds)]
