"""The part of access: members come and go while sources are broken, and every commit of several copies is in parts.

Whoever lost the right to a copy has none once all events are handled, whatever failed; and once the sources are
mended, everybody who has the right does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any
from unittest.mock import patch

from boiler_functions import Boiler, DomainModel, Store, ViewModel, attrs, reference, references
from boiler_functions.database import Document
from boiler_functions.database.faults import Faults
from boiler_functions.modes.invocation import Outcome, Surroundings
from boiler_functions.modes.query import commits
from boiler_functions.testing import MemoryApp, VirtualClock, assert_views_equal_rebuild
from boiler_functions.types import Fields, Reference
from tests.torture.figures import Figure
from tests.torture.judged import Judged, wrong_figures
from tests.torture.unlogged import unlogged

SEEDS = 400
SHORT_SEEDS = 20
ACTS = 20

FIGURES = ("reads_on", "view_divergence", "unclassified_errors")

PARTS: dict[str, Any] = {"COMMIT_BYTES": 1_000, "MAX_DOCUMENT_BYTES": 600}
"""So small that each copy is a part, and that two copies are too large for one commit."""

BROKEN = 7
"""A text that is no string."""


class Member(DomainModel):
    class Meta:
        collection_name = "members"


class Note(DomainModel):
    class Meta:
        collection_name = "notes"

    text = attrs.string(default="")


class Club(DomainModel):
    class Meta:
        collection_name = "clubs"

    note = attrs.relation(Note)
    members = attrs.relation(Member, many=True)


class ClubStore(Store):
    club = reference(Club)
    note = reference(Club.note)
    members = references(Club.members)


class ClubView(ViewModel[ClubStore]):
    class Meta:
        path = "members/{members.doc_id}/clubs/{club.doc_id}"

    @attrs.computed
    def text(self) -> str:
        return self.store.note.text * 500 if self.store.note else ""


@dataclass
class Result(Judged):
    """The result of one seed."""

    withdrawals: int = 0
    parts: int = 0

    def count(self, _: Document, after: Document) -> None:
        """Counts the parts of commits, by the ledgers that go with them."""
        self.parts += ", part " in (after.fields or {}).get("cause", "")


def act(app: MemoryApp, chance: Random) -> None:
    """Does one thing that a client does."""
    match chance.randrange(6):
        case 0:
            app.write(f"members/{chance.choice('pqrs')}", chance.choice([{}, None]))
        case 1 | 2:
            app.write(f"notes/{chance.choice('mn')}", {"text": chance.choice(["a", "b", BROKEN])})
        case _:
            members = [Reference(f"members/{each}") for each in "pqrs" if chance.random() < 0.6]
            note = Reference(f"notes/{chance.choice('mn')}")
            app.write(f"clubs/{chance.choice('cd')}", {"note": note, "members": members})


def allowed(app: MemoryApp) -> dict[str, Fields]:
    """Returns what each member may read, computed in plain Python."""
    documents = {path: dict(each.fields or {}) for path, each in app.documents().items()}
    found: dict[str, Fields] = {}
    for path, club in documents.items():
        if path.startswith("clubs/"):
            note = documents.get(club["note"].path)
            text = "" if note is None or note["text"] == BROKEN else note["text"] * 500
            copies = (f"{each.path}/{path}" for each in club["members"] if each.path in documents)
            found.update({copy: {"text": text, "obj_type": "ClubView", "doc_ref": copy} for copy in copies})
    return found


def copies(app: MemoryApp) -> dict[str, Fields]:
    """Returns what is stored for members."""
    return {path: dict(each.fields or {}) for path, each in app.documents().items() if path.count("/") == 3}


@unlogged()
def torture(seed: int) -> Result:
    """Runs one seed: members come and go while everything goes wrong; then the sources are mended; compares all."""
    chance, result, clock = Random(seed), Result(seed), VirtualClock()
    boiler = Boiler("clubs")
    boiler.query(ClubView)
    app = MemoryApp(boiler, Surroundings(clock.now, clock.sleep, Random(seed)))
    app.database.subscribe(result.count)
    faults = Faults(before=chance.choice([0.0, 0.03]), after=chance.choice([0.0, 0.03]), torn=0.2)
    with result.running(), patch.multiple(commits, **PARTS):
        for each in "pqrs":
            app.write(f"members/{each}", {})
        reports = app.deliver(
            shuffle=seed, at_once=chance.randint(1, 5), crashes=chance.choice([0.0, 0.05]), faults=faults,
            duplicates=chance.choice([0, 1]), meanwhile=[lambda: act(app, chance)] * ACTS,
        )  # fmt: skip
        result.withdrawals += sum(report.outcomes.get(Outcome.WITHDRAWN, 0) for report in reports)
        for path in sorted(copies(app).keys() - allowed(app).keys()):
            result.note("reads_on", path)
        for each in "mn":
            app.write(f"notes/{each}", {"text": "mended"})
        app.deliver(shuffle=seed, at_once=2, faults=faults)
        app.upkeep()
        if copies(app) != allowed(app):
            result.note("view_divergence", f"{sorted(copies(app))} instead of {sorted(allowed(app))}")
        assert_views_equal_rebuild(app)
    return result


def run(short: bool, seed: int) -> Iterator[Figure]:
    """Yields the figures of access."""
    results = [torture(each) for each in range(seed, seed + (SHORT_SEEDS if short else SEEDS))]
    yield Figure("seeds", len(results), "≥", SHORT_SEEDS if short else SEEDS)
    yield Figure("withdrawals", sum(each.withdrawals for each in results), "≥", len(results) // 20)
    yield Figure("parts", sum(each.parts for each in results), "≥", len(results))
    yield from wrong_figures(results, FIGURES)
