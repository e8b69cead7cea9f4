"""Retries the work of dead letters when a person asks, and deletes those whose work was done since."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from boiler_functions.database import Database, Delete, unchanged
from boiler_functions.exceptions import Conflict, InvalidEvent
from boiler_functions.modes.dead_letter import Letter, letters_of
from boiler_functions.modes.invocation import REAL, Invocation, Outcome, Surroundings
from boiler_functions.modes.mode import Declarations
from boiler_functions.modes.run import Report, nothing, run
from boiler_functions.settings.options import MAX_EVENT_SECONDS
from boiler_functions.types import digest

EACH_RUN = 10
"""The letters that one run of upkeep looks at, so that many letters cost little, and each is looked at in time."""


@dataclass(frozen=True)
class Retry:
    """One more try of a letter's work, as the function that gave up on it.

    A failure counts in the same letter, because the names are the same.
    """

    app: str
    letter: Letter
    timeout_sec: int = MAX_EVENT_SECONDS

    @property
    def entry_point(self) -> str:
        return self.letter.function

    @property
    def serves(self) -> tuple[str, ...]:
        return self.letter.views

    def run(self, declarations: Declarations, database: Database, surroundings: Surroundings = REAL) -> Report | None:
        """Does the work again, and deletes the letter if it is done now; None if nothing declared has such work."""
        if self.letter.kind == InvalidEvent.kind:
            return None  # It never was this function's work.
        found = (mode.retry(declarations, self.letter) for mode in declarations.modes)
        work = next((each for each in found if each is not None), None)
        if work is None:
            return None
        change = nothing(self.letter.event)._replace(path=self.letter.subject)
        report = run(self, change, database, surroundings, work)
        if is_done(report):
            drop(database, self.letter)
        return report


def is_done(report: Report) -> bool:
    """Whether nothing is left to be done after a retry."""
    return report.error is None and not report.outcomes.keys() & {Outcome.DEAD_LETTER, Outcome.LEFT}


def drop(database: Database, letter: Letter) -> bool:
    """Deletes a letter; returns False if it was changed since it was read, as by another failure."""
    try:
        database.commit([Delete(letter.document.path, precondition=unchanged(letter.document))])
    except Conflict:
        return False
    return True


def end_settled(declarations: Declarations, invocation: Invocation) -> None:
    """Deletes some letters whose work was done since.

    It looks at a few, from a random one on: no letter that stays hides the others, and no position has to be stored.
    """
    database, app = invocation.database, declarations.app
    start = digest(invocation.surroundings.random.getrandbits(64))
    found = list(letters_of(database, app, after=start, limit=EACH_RUN))
    if left := EACH_RUN - len(found):
        found += letters_of(database, app, until=start, limit=left)
    for letter in _settled(declarations, found, database):
        drop(database, letter)


def unsettled(declarations: Declarations, database: Database) -> list[Letter]:
    """Returns the letters of an app whose work is still to be done."""
    found = list(letters_of(database, declarations.app))
    settled = {letter.id for letter in _settled(declarations, found, database)}
    return [letter for letter in found if letter.id not in settled]


def _settled(declarations: Declarations, letters: list[Letter], database: Database) -> Iterator[Letter]:
    for mode in declarations.modes if letters else ():
        yield from mode.settled_letters(declarations, letters, database)
