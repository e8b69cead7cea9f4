"""What a run on the emulator left, compared with what plain Python makes of the sources."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from boiler_functions.database import Database, Document, Query
from boiler_functions.modes import outbox
from boiler_functions.views.keeping import CONTRIBUTIONS
from tests.torture.emulator_app import VIEWS, expected_views, summed
from tests.torture.emulator_faults import IN_UPKEEP, KILLS, PER_COMMIT, READ, UPKEEP
from tests.torture.emulator_receiver import FAULTS, Receiver, broken_chains
from tests.torture.emulator_traffic import FORMS, MUTATIONS, POISONED, Volume, Watch, Writer
from tests.torture.figures import LEAST_OF_A_KIND, Figure, fault_figures

OUTAGES = ("database_down", "database_hangs", "connections_cut")


@dataclass
class Result:
    """What is wrong, by figure, and the faults that were injected."""

    wanted: int
    wrong: dict[str, list[str]] = field(default_factory=dict)
    volume: dict[str, float] = field(default_factory=dict)
    injected: Counter[str] = field(default_factory=Counter)

    def figures(self, short: bool) -> Iterator[Figure]:
        for name, found in self.wrong.items():
            yield Figure(name, len(found), "=", 0, "; ".join(found[:5]))
        yield Figure("events", self.volume.pop("events"), "≥", self.wanted)
        yield from (Figure(name, number) for name, number in self.volume.items())
        per_event = (*PER_COMMIT, READ, "answer_lost", "delivery_dropped", "delivered_again", *FAULTS)
        yield from fault_figures(self.injected, per_event, 1 if short else LEAST_OF_A_KIND)
        yield from fault_figures(self.injected, (*OUTAGES, *UPKEEP), 1)
        yield Figure(f"faults_injected[{IN_UPKEEP}]", self.injected[IN_UPKEEP], "≥", 0 if short else 5)
        kills = sum(self.injected[kill] for kill in (*KILLS, "process_killed"))
        yield Figure("faults_injected[sigkill]", kills, "≥", 2 if short else 20, self._kills())

    def _kills(self) -> str:
        return ", ".join(f"{self.injected[kill]} {kill}" for kill in (*KILLS, "process_killed"))


def compared(
    volume: Volume, database: Database, writer: Writer, watch: Watch, letters: Mapping[str, Document]
) -> Result:
    """Returns what is wrong, once everything is handled."""
    sources = all_of(database, ["teams", "accounts", "counters", "votes", "deadlines", *FORMS])
    views = all_of(database, VIEWS)
    expected = expected_views(sources, datetime.now(UTC))
    # A view without a root may be missing if it has no content, as no event concerned it.
    needed = {path for path, fields in expected.items() if path in views or not _is_blank(fields)}
    diverged = [path for path in needed if path not in views or views[path].fields != expected[path]]
    ghosts = [path for path in views if path not in expected]
    counters = {each.id: each.fields or {} for path, each in sources.items() if path.startswith("counters/")}
    wanted = _labelled(summed(sources, "deposits", "amount"), summed(sources, MUTATIONS, "bonus"))
    totals = _labelled(*({who: each.get(field, 0) for who, each in counters.items()} for field in ("total", "bonus")))
    votes = {path.split("/")[1]: each.fields or {} for path, each in sources.items() if path.startswith("votes/")}
    mistaken = [who for who, choice in writer.choices.items() if votes.get(who, {}).get("choice") != choice]
    twice = [who for who, all_of in writer.ballots.items() if votes.get(who, {}).get("count", 0) > len(all_of)]
    unstamped = [path for path, each in sources.items() if path.split("/")[-2] in FORMS and not _is_done(each)]
    poisoned = {f"accounts/poison{number}" for number in range(POISONED)}
    unlettered = poisoned - {(each.fields or {})["subject"] for each in letters.values()}
    strange = [each for each in letters.values() if (each.fields or {})["subject"] not in poisoned]
    return Result(
        wanted=volume.events,
        wrong={
            "lost_events": [*(wanted - totals).elements(), *mistaken],
            "duplicate_effects": [*(totals - wanted).elements(), *twice],
            "view_divergence": [f"{path} is {_told(views.get(path))}, not {expected[path]}" for path in diverged],
            "stale_overwrites": watch.stale,
            "ghost_views": [f"{path} should not be there: {_told(views[path])}" for path in ghosts],
            "acked_failure": [*(f"no outcome: {path} {_told(sources[path])}" for path in unstamped), *unlettered],
            "unclassified_errors": [*watch.unclassified, *map(_told, strange)],
        },
        volume={
            "views_compared": len(expected),
            "increments": wanted.total(),
            "contributions": len(all_of(database, [CONTRIBUTIONS])),
            "dead_letters": len(letters),
        },
    )


def untold(database: Database, receiver: Receiver, accepted: Collection[tuple[str, str]]) -> Mapping[str, list[str]]:
    """Counts notifications that were lost, or came under a second key, once everything is handled."""
    stored = {
        f"counters/{each.id}": {"total": (each.fields or {})["total"], "bonus": (each.fields or {})["bonus"]}
        for each in database.query(Query("totals")).documents
    }
    lost, twice = broken_chains([_sums(each) for each in receiver.changes("TotalView")], stored)
    teams = len(receiver.changes("Team")) - sum(function == "tell_of_team_on_teams" for function, _ in accepted)
    lost += [f"{-teams} changes of teams"] if teams < 0 else []
    twice += [f"{teams} changes of teams"] if teams > 0 else []
    records = database.query(Query(outbox.COLLECTION, group=True)).documents
    lost += [f"{each.path} {_told(each)}" for each in records if (each.fields or {})["status"] != "delivered"]
    return {"lost_notifications": lost, "duplicate_notifications": twice + receiver.contradictions}


def _sums(change: tuple[str, Any, Any]) -> tuple[str, Any, Any]:
    """Returns the change with only the sums of the views."""
    path, *states = change
    before, after = (state and {"total": state["total"], "bonus": state["bonus"]} for state in states)
    return path, before, after


def _labelled(totals: Mapping[str, int], bonuses: Mapping[str, int]) -> Counter[str]:
    """Returns both sums of every counter as one tally."""
    labelled = {"total": totals, "bonus": bonuses}
    return Counter({f"{field} of {who}": n for field, sums in labelled.items() for who, n in sums.items()})


def _is_blank(fields: Mapping[str, Any]) -> bool:
    return fields.get("voters") == [] or fields.get("crests") == 0


def _is_done(form: Document) -> bool:
    outcome = (form.fields or {}).get("outcome")
    return isinstance(outcome, dict) and outcome.get("status") == "done"


def _told(document: Document | None) -> str:
    return str(document.fields if document else None)[:400]


def all_of(database: Database, collections: list[str] | tuple[str, ...]) -> dict[str, Document]:
    """Returns the documents of the collections, by path."""
    found = (database.query(Query(name, group=True)).documents for name in collections)
    return {document.path: document for documents in found for document in documents}
