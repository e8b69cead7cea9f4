"""The part of staged versions: an operator stages, promotes, rolls back, aborts and finishes while all goes wrong.

Clients write, and old and new code follow their events side by side. Each command is killed at any call of the
database, run again or followed by another, and sometimes a second person runs one beside it; so does upkeep. Somebody
listens to each copy, and must see no gap, no mixture of versions, no older source after a newer one, and a version only
while it is asked for. In some seeds events are lost, which an audit finds and repairs.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from random import Random
from typing import Any
from unittest.mock import patch

from boiler_functions import Boiler, DomainModel, Store, ViewModel, attrs, reference, references
from boiler_functions.database import Database, Document, Put
from boiler_functions.database.faults import Faults
from boiler_functions.database.metered import Metered, Usage
from boiler_functions.modes.invocation import Invocation, Surroundings
from boiler_functions.modes.ledger import COLLECTION as LEDGERS
from boiler_functions.modes.ledger import COPIES
from boiler_functions.modes.query import shelf as shelf_module
from boiler_functions.modes.release import Release
from boiler_functions.modes.run import Report
from boiler_functions.modes.staged import COLLECTION, StagedProgress, StagedVersion
from boiler_functions.modes.stored_copies import FAULTS, Finding, Moved, Staging
from boiler_functions.testing import Delivery, MemoryApp, VirtualClock
from boiler_functions.types import Fields, Reference
from tests.torture.figures import Figure
from tests.torture.judged import Judged, by_two_processes, wrong_figures
from tests.torture.processes import Processes, Work
from tests.torture.unlogged import unlogged

SEEDS = 1_000
SHORT_SEEDS = 15
ACTS = 160
LATE = timedelta(minutes=2)

FIGURES = (
    "gaps",
    "mixtures",
    "older_after_newer",
    "versions_shown_unasked",
    "view_divergence",
    "shelf_divergence",
    "left_over",
    "audit_false_alarms",
    "faults_left_by_repair",
    "commands_without_end",
    "unclassified_errors",
)

SHOWN = (StagedProgress.PROMOTING, StagedProgress.PROMOTED, StagedProgress.ROLLING_BACK)

MOVES = ("promote", "rollback")

COMMANDS = ("stage", *MOVES, "abort", "deploy", "finish", "upkeep")

ROUNDS = 12
"""How often an operator repeats a command that leaves something behind, with upkeep in between."""


class Country(DomainModel):
    class Meta:
        collection_name = "countries"

    number = attrs.integer(required=True)


class Guide(DomainModel):
    class Meta:
        collection_name = "guides"


class City(DomainModel):
    class Meta:
        collection_name = "cities"

    number = attrs.integer(required=True)
    note = attrs.integer(default=0)
    country = attrs.relation(Country)
    guides = attrs.relation(Guide, many=True)


class Alone(Store):
    """Reads little: changes of the country, and of the note, it leaves alone."""

    city = reference(City)
    guides = references(City.guides)


class Whole(Store):
    city = reference(City)
    guides = references(City.guides)
    country = reference(City.country)


STORES: tuple[type[Store], ...] = (Alone, Whole)
PATHS = ("placeViews/{city.doc_id}", "guides/{guides.doc_id}/placeViews/{city.doc_id}")


@cache
def edition(number: int, store: Any, path: str) -> Boiler:
    """The code of a version, which says its own number first and last."""
    place = path

    class PlaceView(ViewModel[store]):
        class Meta:
            path = place

        @attrs.computed
        def by(self) -> int:
            return number

        @attrs.computed
        def read(self) -> dict[str, Any]:
            found: Any = self.store
            if (country := getattr(found, "country", None)) is None:
                return {"city": found.city.number}
            return {"city": found.city.number, country.doc_id: country.number}

        @attrs.computed
        def said(self) -> list[int]:
            found: Any = self.store
            return [found.city.note if store is Whole else 0, number]

    app = Boiler("places")
    app.query(PlaceView)
    return app


@dataclass
class Result(Judged):
    """The result of one seed."""

    commands: Counter[str] = field(default_factory=Counter)
    """How many processes began, by name."""
    kills: int = 0
    events: int = 0
    lost: int = 0
    repaired: int = 0


class Places(MemoryApp):
    """The app in memory, with what its operator does; events reach the code of each side, or are lost."""

    def __init__(self, chance: Random, result: Result, surroundings: Surroundings) -> None:
        self.chance, self.result = chance, result
        self.path = chance.choice(PATHS)
        self.loss = chance.choice([0.0, 0.0, 0.05])
        self.faults = Faults(before=chance.choice([0.0, 0.03]), after=chance.choice([0.0, 0.03]), torn=0.2)
        self.stores: dict[int, Any] = {}
        self.production = self._new_version()
        """The number of the version that production has."""
        self.number = 0
        """The number of the version that was staged last."""
        self.progress: StagedProgress | None = None
        self.in_hand = 0
        """The events that the staged functions handle just now."""
        self.history: dict[str, list[tuple[int, frozenset[str] | None]]] = {}
        """The number of each city as it was written, with its guides, or None for its deletion."""
        self._numbers = 0
        super().__init__(self.code(self.production), surroundings)
        self.processes = Processes(self.database, self.faults, chance, surroundings.sleep)
        self.database.subscribe(self._look)

    def _new_version(self) -> int:
        number = len(self.stores) + 1
        self.stores[number] = self.chance.choice(STORES)
        return number

    def code(self, number: int) -> Boiler:
        return edition(number, self.stores[number], self.path)

    # What clients do, and what becomes of their events.

    def client(self) -> None:
        """Does one thing that a client does."""
        self.result.events += 1
        chance, city = self.chance, self.chance.choice("abc")
        history = self.history.setdefault(city, [(0, None)])
        match chance.randrange(8):
            case 0:
                history.append((0, None))
                self.write(f"cities/{city}", None)
            case 1 | 2:
                self.write(f"countries/{chance.choice('xy')}", {"number": self._next()})
            case 3 if history[-1][1] is not None:
                self.database.commit([Put(f"cities/{city}", {"note": self._next()}, mask=("note",))])
            case _:
                guides = [each for each in "gh" if chance.random() < 0.8]
                country = chance.choice([None, Reference("countries/x"), Reference("countries/y")])
                fields: Fields = {"number": self._next(), "country": country}
                history.append((self._numbers, frozenset(guides)))
                self.write(f"cities/{city}", {**fields, "guides": [Reference(f"guides/{each}") for each in guides]})

    def _next(self) -> int:
        self._numbers += 1
        return self._numbers

    def take(self) -> list[Delivery]:
        """Takes the pending events, some of which are lost: no function ever hears of them."""
        taken = super().take()
        kept = [each for each in taken if self.chance.random() >= self.loss]
        self.result.lost += len(taken) - len(kept)
        return kept

    def handle(self, delivery: Delivery, through: Database | None = None) -> Report:
        if not delivery.release.staged:
            return super().handle(delivery, through)
        if self._staged is None or delivery.release != self._staged[1]:
            return Report("", "", "", {}, Usage(), 0, 0)  # Its function is gone.
        self.in_hand += 1
        try:
            return super().handle(delivery, through)
        finally:
            self.in_hand -= 1

    # What listeners see.

    def _look(self, before: Document, after: Document) -> None:
        if after.collection == COLLECTION:
            self.progress = StagedProgress(after.fields["state"]) if after.fields else None
        if not is_copy(after.path):
            return
        if after.fields is None:
            if self._should_be_there(after.path, before.fields or {}):
                self.result.note("gaps", f"{after.path}: {before.fields} is gone")
            return
        by = after.fields["by"]
        if by != after.fields["said"][-1]:
            self.result.note("mixtures", f"{after.path}: {after.fields}")
        # The code before a deployment may be the first to hear of a root.
        is_first = by < self.production and (before.fields or {}).get("by", by) <= by
        if by != self.production and not is_first and not (by == self.number and self.progress in SHOWN):
            self.result.note("versions_shown_unasked", f"{after.path} shows {by} while the stage is {self.progress}")
        if before.fields is not None:
            self._compare(after.path, before.fields, after.fields)

    def _should_be_there(self, path: str, was: Fields) -> bool:
        """Whether the copy belonged there all the time since its city was read."""
        first, guide = path.split("/")[:2]
        history = self.history[path.split("/")[-1]]
        start = next(place for place, (number, _) in enumerate(history) if number == was["read"]["city"])
        return all(guides is not None and (first != "guides" or guide in guides) for _, guides in history[start:])

    def _compare(self, path: str, was: Fields, now: Fields) -> None:
        for name in was["read"].keys() & now["read"].keys():
            if now["read"][name] < was["read"][name]:
                self.result.note("older_after_newer", f"{path}: {was} became {now}")
        is_former_again = was["by"] == self.number != now["by"]
        if is_former_again and self.progress is StagedProgress.PROMOTED:
            self.result.note("versions_shown_unasked", f"{path}: {was} became {now}, and nobody rolls back")

    # What the operator does: each command as `boiler` does it, through the database of its process.

    def command(self) -> tuple[str, Work]:
        """Returns what an operator does next who sees how the stage stands."""
        chance, record = self.chance, self.record(self.database)
        if not record.exists:
            return "stage", self.begin
        if self.production == self.number:
            return "finish", self.finish
        options: list[tuple[str, Work, int]]
        match record.progress:
            case StagedProgress.BUILDING:
                options = [("stage", self.begin, 3), ("abort", self.abort, 1)]
            case StagedProgress.BUILT:
                options = [("promote", self.promote, 8), ("stage", self.begin, 1), ("abort", self.abort, 1)]
            case StagedProgress.PROMOTED:
                options = [("promote", self.promote, 1), ("rollback", self.roll_back, 4), ("deploy", self.take_over, 2)]
            case _:
                options = [("promote", self.promote, 1), ("rollback", self.roll_back, 1)]
        name, command, _ = chance.choices(options, [each[2] for each in options])[0]
        return name, command

    def record(self, through: Database) -> StagedVersion:
        return StagedVersion.of(through, "places", "PlaceView")

    def staging(self, record: StagedVersion, through: Database) -> Staging:
        declared = self.code(self.number).compiled.declarations
        release = Release(record.deployment, staged=record.view)
        surroundings = self.surroundings._replace(release=release)
        return declared.storing().staging(declared, declared.stored[0], through, surroundings)

    def begin(self, through: Database) -> None:
        record = self.record(through)
        if record.is_shown:
            return
        if not record.exists:
            self.number = self._new_version()
        number = self.release.deployment
        record = record.write(through, progress=StagedProgress.BUILDING, deployment=number + 1, production=number)
        if self._staged is None:
            self.stage(self.code(self.number), "PlaceView")
        for _ in self.staging(record, through).build():
            pass
        record.write(through, progress=StagedProgress.BUILT)

    def promote(self, through: Database) -> None:
        record = self.record(through)
        if record.exists and record.progress is not StagedProgress.BUILDING and self.production != self.number:
            self.moved = sum(self.staging(record, through).promote(record), Counter[Moved]())

    def roll_back(self, through: Database) -> None:
        record = self.record(through)
        if record.is_shown and self.production != self.number:
            self.moved = sum(self.staging(record, through).roll_back(record), Counter[Moved]())

    def abort(self, through: Database) -> None:
        record = self.record(through)
        if record.exists and not record.is_shown:
            record = record.write(through, progress=StagedProgress.BUILDING)
            self._clear(record, through, self.staging(record, through).clear())

    def take_over(self, through: Database) -> None:
        """Deploys the promoted code as production's; some events go to the code before."""
        record = self.record(through)
        if record.progress is StagedProgress.PROMOTED:
            self.release = self.release._replace(deployment=record.deployment)
            self.production = self.number
            self.deploy(self.code(self.number), pending_to_old=self.chance.random() < 0.7)

    def finish(self, through: Database) -> None:
        record = self.record(through)
        if record.progress is StagedProgress.PROMOTED and self.production == self.number:
            self._clear(record, through, self.staging(record, through).finish())

    def _clear(self, record: StagedVersion, through: Database, pages: Iterator[int]) -> None:
        self.unstage()
        while self.in_hand:  # Its functions end with what they have in hand.
            self.record(through)
        for _ in pages:
            pass
        record.delete(through)

    # What runs when.

    def act(self) -> None:
        """Does one thing that a client does, or one step of a command or of upkeep, which may be its last."""
        if self.chance.random() < 0.15:
            self.client()
            return
        names = self.processes.names
        if "upkeep" not in names and self.chance.random() < 0.05:
            self.processes.start("upkeep", self.chance.choice([self.look_after, self.look_after_staged]))
        if not set(names) - {"upkeep"}:
            self.processes.start(*self.command())
        elif len(names) == 1 and names[0] in MOVES and self.chance.random() < 0.03:
            self.processes.start(*self.chance.choice([("promote", self.promote), ("rollback", self.roll_back)]))
        self.processes.step()

    def look_after(self, through: Database) -> None:
        self.upkeep(through, rolling_out=True)

    def look_after_staged(self, through: Database) -> None:
        if self._staged is not None:
            compiled, release = self._staged
            (upkeep,) = compiled.scheduled.values()
            upkeep.attempt(through, self.surroundings._replace(release=release)).or_raise()

    def settle(self) -> None:
        """Lets functions, upkeep and commands go on without faults, until an operator has nothing to run again."""
        self.processes.kill_all()
        self.loss = 0.0
        self.moved = Counter[Moved]()
        for _ in range(ROUNDS):
            self.deliver()
            self.upkeep()
            self.look_after_staged(self.database)
            record = self.record(self.database)
            if not (record.exists and record.progress is not StagedProgress.BUILT):
                break
            if record.progress is StagedProgress.PROMOTED and not self.moved[Moved.BEHIND]:
                if self.production == self.number:
                    self.finish(self.database)
                    continue
                break
            name = {StagedProgress.BUILDING: self.abort, StagedProgress.ROLLING_BACK: self.roll_back}
            name.get(record.progress, self.promote)(self.database)
        else:
            self.result.note("commands_without_end", f"{self.record(self.database)}: {self.moved}")
        self.deliver()
        self.upkeep()
        self.look_after_staged(self.database)
        self.follow_code()
        self.deliver()

    def follow_code(self) -> None:
        """Builds what the code before the last deployment has built, as `boiler deploy` offers."""
        declared = self.compiled.declarations
        surroundings = self.surroundings._replace(release=self.release)
        for mode in declared.modes:
            mode.follow_code(declared, Invocation("places", "build", Metered(self.database), surroundings))

    # What must be so in the end.

    @property
    def shown(self) -> int:
        """The number of the version that should be shown."""
        return self.number if self.progress in SHOWN else self.production

    def check(self) -> None:
        """Compares what is stored with plain Python; an audit must find what was lost, and nothing else."""
        self.surroundings.sleep(3600)
        wrong = self.audit()
        if wrong and not self.result.lost:
            self.result.note("audit_false_alarms", f"{wrong}")
        self.result.repaired += len(wrong)
        self.deliver()
        if left := self.audit():
            self.result.note("faults_left_by_repair", f"{left}")
        documents = self.documents()
        stored = {path: each.fields or {} for path, each in documents.items() if is_copy(path)}
        found = {path: {name: each[name] for name in ("by", "read", "said")} for path, each in stored.items()}
        wanted = self.expected(self.shown, documents)
        if self.result.lost:
            # New code that never heard of a root has nothing to promote; `boiler diff` says which.
            former = self.expected(self.production, documents)
            wanted |= {path: former[path] for path, each in found.items() if each["by"] == self.production}
        if found != wanted:
            self.result.note("view_divergence", f"{found} instead of {wanted}")
        if not self.result.lost:
            self._check_shelf(documents)

    def audit(self) -> list[Finding]:
        """Runs `boiler audit --repair` with the code that is shown, and returns the faults that it found."""
        compiled = self.code(self.shown).compiled
        declared = compiled.declarations
        surroundings = self.surroundings._replace(release=Release())
        work = declared.storing().comparison(declared, declared.stored[0], self.database, surroundings, LATE)
        faults = [each for each in work.whole() if each.verdict in FAULTS]
        work.repair(faults)
        return faults

    def _check_shelf(self, documents: dict[str, Document]) -> None:
        """The shelf has the other version of what is shown, or nothing is left of it."""
        # Of a root that is gone, the former version may be left until it comes back, or until the end.
        gone = [path for path in map("cities/{}".format, "abc") if path not in documents and self.progress in SHOWN]
        copies = [
            each.fields or {}
            for path, each in documents.items()
            if path.startswith(COPIES) and f"cities/{(each.fields or {})['doc_ref'].rpartition('/')[2]}" not in gone
        ]
        shelved = [each.fields or {} for each in documents.values() if each.collection == LEDGERS]
        if self.progress is None:
            number = len({path for path in documents if path.startswith("cities/")})
            if copies or len(shelved) != number:
                self.result.note("left_over", f"{copies}, {[each['plan'] for each in shelved]}")
            return
        other = self.production if self.progress in SHOWN else self.number
        found = sorted(([each["doc_ref"], each["by"], each["read"]] for each in copies), key=repr)
        expected = self.expected(other, documents).items()
        wanted = sorted(([path, each["by"], each["read"]] for path, each in expected), key=repr)
        if found != wanted:
            self.result.note("shelf_divergence", f"{self.progress}: {found} instead of {wanted}")

    def expected(self, number: int, documents: dict[str, Document]) -> dict[str, Fields]:
        """Returns the copies of a version, computed from all documents in plain Python."""
        found: dict[str, Fields] = {}
        is_whole = self.stores[number] is Whole
        for path, document in documents.items():
            if not path.startswith("cities/") or document.fields is None:
                continue
            city, name = document.fields, path.split("/")[1]
            read = {"city": city["number"]}
            if is_whole and city["country"] is not None and city["country"].path in documents:
                country = documents[city["country"].path]
                read[country.id] = (country.fields or {})["number"]
            content = {"by": number, "read": read, "said": [city.get("note", 0) if is_whole else 0, number]}
            guides = [each.path for each in city["guides"]]
            places = (
                [f"{each}/placeViews/{name}" for each in guides] if "guides" in self.path else [f"placeViews/{name}"]
            )
            found |= dict.fromkeys(places, content)
        return found


def is_copy(path: str) -> bool:
    """Whether a document is a copy that clients read."""
    return path.startswith("placeViews/") or (path.startswith("guides/") and path.count("/") == 3)


@unlogged()
def torture(seed: int) -> Result:
    """Runs one seed: clients, functions and an operator while everything goes wrong; then settles, and compares."""
    chance, result, clock = Random(seed), Result(seed), VirtualClock()
    app = Places(chance, result, Surroundings(clock.now, clock.sleep, Random(seed)))
    sizes: dict[str, Any] = {"PAGE": chance.choice([1, 2, 100])}
    with result.running(), patch.multiple(shelf_module, **sizes):
        for path in ("guides/g", "guides/h"):
            app.write(path, {})
        for _ in range(5):
            app.client()
        app.deliver(
            shuffle=seed, at_once=chance.randint(1, 4), crashes=chance.choice([0.0, 0.03]), faults=app.faults,
            duplicates=chance.choice([0, 0, 1]), meanwhile=[app.act] * ACTS,
        )  # fmt: skip
        app.settle()
        app.check()
    result.commands, result.kills = app.processes.started, app.processes.kills
    return result


def run(short: bool, seed: int) -> Iterator[Figure]:
    """Yields the figures of staged versions."""
    seeds = range(seed, seed + (SHORT_SEEDS if short else SEEDS))
    results = list(map(torture, seeds)) if short else by_two_processes(torture, seeds)
    commands = sum((each.commands for each in results), Counter[str]())
    yield Figure("seeds", len(results), "≥", SHORT_SEEDS if short else SEEDS)
    yield Figure("events", sum(each.events for each in results), "≥", len(results) * ACTS // 15)
    yield Figure("commands", commands.total(), "≥", len(results) * 6)
    for name in COMMANDS:
        # A few seeds may lack the rare ones.
        yield Figure(f"commands[{name}]", commands[name], "≥", len(results) // 20)
    yield Figure("kills", sum(each.kills for each in results), "≥", len(results) // 2)
    yield Figure("events_lost", sum(each.lost for each in results), "≥", len(results) // 20)
    yield Figure("instances_repaired", sum(each.repaired for each in results), "≥", len(results) // 200)
    yield from wrong_figures(results, FIGURES)
