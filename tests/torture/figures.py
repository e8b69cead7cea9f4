"""What a part of the torture comes to: figures with their targets, one row each."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

LEAST_OF_A_KIND = 200
"""Faults of each kind that a whole run injects at least; a run without one proves nothing about it."""


@dataclass(frozen=True)
class Figure:
    """One measured value: `Figure("lost_events", 0, "=", 0)` is as it should be."""

    name: str
    value: float
    relation: Literal["=", "≥", "≤", ""] = ""
    target: float = 0
    note: str = ""

    @property
    def holds(self) -> bool:
        """Whether the value is on target; one without a target always is."""
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
    """A row for each kind of fault, those that never happened included."""
    return [Figure(f"faults_injected[{kind}]", injected[kind], "≥", least) for kind in sorted(kinds)]
