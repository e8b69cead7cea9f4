"""A surface: what an attacker may send to one part of an app, and whether the app holds against it.

A surface is a module with two functions:

    def inputs(random: Random) -> Iterator[Any]      # endless; the same for the same seed
    def judge() -> ContextManager[Judge]             # starts the app, and returns what judges one input after another

A new one is a line in `SURFACES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from importlib import import_module
from itertools import islice
from random import Random
from typing import Any, NamedTuple, Protocol, TypeAlias, cast

Judge: TypeAlias = Callable[[Any], str | None]
"""Sends an input, and returns what is wrong with what came of it; None when the app holds."""

SURFACES: Mapping[str, str] = {
    "http": "tests.attack.http",
    "events": "tests.attack.events",
    "sockets": "tests.attack.sockets",
    "uploads": "tests.attack.uploads",
    "values": "tests.attack.values",
    "webhook": "tests.attack.webhook",
}
"""The surfaces by name: a module each, imported when it is attacked."""


class Surface(Protocol):
    def inputs(self, random: Random) -> Iterator[Any]: ...

    def judge(self) -> AbstractContextManager[Judge]: ...


class Figures(NamedTuple):
    """What came of an attack on one surface; `failures` are inputs, each with what is wrong."""

    surface: str
    seed: int
    tried: int
    failures: tuple[tuple[Any, str], ...]

    @property
    def held(self) -> int:
        return self.tried - len(self.failures)

    def __str__(self) -> str:
        return f"{self.surface:<12}{self.tried:>8} tried {self.held:>8} held {len(self.failures):>4} failed"


def attack(name: str, *, seed: int, tries: int) -> Figures:
    """Sends so many inputs of a seed to a surface."""
    surface = cast(Surface, import_module(SURFACES[name]))
    failures = []
    with surface.judge() as judge:
        for each in islice(surface.inputs(Random(seed)), tries):
            try:
                wrong = judge(each)
            except Exception as error:
                # What reaches the judge is an error that no client should cause.
                wrong = f"raised {error!r}"
            if wrong is not None:
                failures.append((each, wrong))
    return Figures(name, seed, tries, tuple(failures))
