"""The measured results: rows with their targets, as a table and as JSON."""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from operator import ge, le
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

FILE = Path(__file__).parent / "results.json"

_COMPARE: dict[str, Callable[[float, float], bool]] = {"<=": le, ">=": ge}


@dataclass(frozen=True)
class Target:
    """A bound on our value, or on its ratio to the peer's: `Target("ratio", "<=", 1.1)`."""

    subject: Literal["ours", "ratio"]
    operator: Literal["<=", ">="]
    bound: float

    def __str__(self) -> str:
        return f"{self.subject} {self.operator} {self.bound:g}"


def at_most(bound: float) -> Target:
    """Our value is at most this."""
    return Target("ours", "<=", bound)


def at_least(bound: float) -> Target:
    """Our value is at least this."""
    return Target("ours", ">=", bound)


def ratio_at_most(bound: float) -> Target:
    """Our value is at most so many times the peer's."""
    return Target("ratio", "<=", bound)


def ratio_at_least(bound: float) -> Target:
    """Our value is at least so many times the peer's."""
    return Target("ratio", ">=", bound)


@dataclass(frozen=True)
class Row:
    """One comparison; without a target it is printed, but not judged."""

    name: str
    ours: float
    peer: float | None
    peer_name: str | None
    unit: str
    target: Target | None = None

    @property
    def ratio(self) -> float | None:
        return self.ours / self.peer if self.peer else None

    @property
    def ok(self) -> bool | None:
        if self.target is None:
            return None
        subject = self.ours if self.target.subject == "ours" else self.ratio
        return subject is not None and _COMPARE[self.target.operator](subject, self.target.bound)

    def to_json(self) -> dict[str, Any]:
        target = None if self.target is None else str(self.target)
        return {**asdict(self), "ratio": self.ratio, "target": target, "ok": self.ok}


def write_json(rows: Iterable[Row], path: Path = FILE) -> None:
    """Writes the rows as a list of objects."""
    path.write_text(json.dumps([row.to_json() for row in rows], indent=2, ensure_ascii=False) + "\n")


def print_table(rows: Iterable[Row]) -> None:
    """Prints the rows, a line each."""
    table = Table("", "ours", "peer", "ratio", "unit", "against", "target", "ok")
    for row in rows:
        ok = {None: "", True: "[green]yes", False: "[bold red]NO"}[row.ok]
        table.add_row(
            row.name,
            _number(row.ours),
            _number(row.peer),
            _number(row.ratio),
            row.unit,
            row.peer_name or "",
            str(row.target or ""),
            ok,
        )
    Console(width=150).print(table)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f}" if value == int(value) or value >= 1000 else f"{value:.2f}"
