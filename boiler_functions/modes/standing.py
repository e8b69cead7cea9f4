"""The standing of what an app declares, as its own bookkeeping in the database shows it; everything here only reads."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from boiler_functions.database import Database
from boiler_functions.modes.registry import Registration
from boiler_functions.modes.release import Release
from boiler_functions.types import Instant

STOPPED = timedelta(minutes=15)
"""How long work may be overdue before nothing seems to run; upkeep comes once a minute."""


class State(StrEnum):
    """What is known of a view, a task or a receiver; the worst comes last, and what cannot be known is never OK."""

    OK = "ok"
    STALE_CODE = "stale code"
    LATE = "late"
    FAILING = "failing"
    STOPPED = "stopped"
    UNKNOWN = "unknown"


class Standing(NamedTuple):
    """The state of one declaration, the figures that it follows from, and why it is not OK."""

    mode: str
    name: str
    state: State
    figures: Mapping[str, Any]
    why: str = ""

    @classmethod
    def worst(cls, mode: str, name: str, figures: Mapping[str, Any], whys: Mapping[State, str]) -> Standing:
        """Returns the standing whose state is the worst for which a reason is given."""
        found = [state for state in State if whys.get(state)]
        state = found[-1] if found else State.OK
        return cls(mode, name, state, figures, whys.get(state, ""))


class Asked(NamedTuple):
    """A question for the standing of an app, with what all of its modes need for the answer."""

    database: Database
    registration: Registration
    letters: Mapping[str, Mapping[str, int]]
    """The number of dead letters for each view and kind."""
    release: Release
    now: Instant
    late: timedelta

    def letters_of(self, name: str) -> dict[str, int]:
        return dict(self.letters.get(name, {}))

    def age_of(self, moment: Instant) -> timedelta:
        return timedelta(microseconds=(self.now - moment) // 1000)


def told_letters(letters: Mapping[str, int]) -> str:
    """Returns the letters by kind for a person: `2 letters (schema)`, or an empty text without letters."""
    return f"{sum(letters.values())} letters ({', '.join(sorted(letters))})" if letters else ""
