"""Real events, real workers, real kills, on the Firestore emulator.

Four processes of functions-framework serve the compiled functions. Each event comes one to five times, in any order;
deliveries are dropped, answers and commits are lost, workers are killed, the database goes away. Then all is healed,
what is left is delivered, and every document is compared with what plain Python makes of the sources.
"""

import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from google.events.cloud.firestore_v1 import DocumentEventData

from boiler_functions.compile.compiler import Compiled
from boiler_functions.database import Database, Delete, Document, Put, Query, Write
from boiler_functions.database.codec import Codec
from boiler_functions.database.firestore import EMULATOR_HOST, PROJECT, FirestoreDatabase
from boiler_functions.exceptions import NotDrained
from boiler_functions.local.delivery import Delivered, DeliveryFaults, DeliveryHarness, LocalTrigger, Retries, post_to
from boiler_functions.local.events import Event, EventServer
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from boiler_functions.local.functions_process import FunctionsProcess
from boiler_functions.manifest import EventTrigger
from boiler_functions.modes import dead_letter, ledger, outbox
from boiler_functions.types import MISSING, Reference
from tests.torture.emulator_app import VIEWS, app, expected_views, summed
from tests.torture.emulator_faults import KILLS, NOTES, PER_COMMIT, READ
from tests.torture.emulator_proxy import Proxy
from tests.torture.emulator_receiver import FAULTS, SECRET, URL, Receiver, broken_chains
from tests.torture.figures import LEAST_OF_A_KIND, Figure, fault_figures

ROOT = Path(__file__).parents[2]
WORKER = Path(__file__).parent / "emulator_worker.py"

LEDGERS = "ledgers"
MUTATIONS = "_PATCH_TotalView"
FORMS = ("deposits", "ballots", MUTATIONS)
OUTAGES = ("database_down", "database_hangs", "connections_cut")
WORKERS = 4
SENDERS = 12
TEAMS, ACCOUNTS, PEOPLE, POISONED = 8, 30, 12, 3

EVENTS_PER_WRITE = 2.3
SECONDS_BETWEEN_KILLS = 1.0
AHEAD = 120
"""By how many events the writer may be ahead of the functions: enough to reorder and merge events, but not a burst."""


@dataclass(frozen=True)
class Volume:
    """The volume of a run, and its number of faults."""

    events: int = 10_000
    seed: int = 1
    kills: int = 24
    """Workers that kill themselves with SIGKILL just before or just after a commit."""
    killed_processes: int = 6
    """Processes that are killed from outside at any point, and restarted."""
    outages: int = 10
    longest_outage: float = 10.0
    timeout: float = 1_200.0


SHORT = Volume(events=150, kills=4, killed_processes=1, outages=2, longest_outage=1.0, timeout=40.0)


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
        yield from fault_figures(self.injected, OUTAGES, 1)
        kills = sum(self.injected[kill] for kill in (*KILLS, "process_killed"))
        yield Figure("faults_injected[sigkill]", kills, "≥", 2 if short else 20, self._kills())

    def _kills(self) -> str:
        return ", ".join(f"{self.injected[kill]} {kill}" for kill in (*KILLS, "process_killed"))


class Workers:
    """The worker processes; an event goes to the least busy one, with the fault that it should meet."""

    def __init__(self, processes: list[FunctionsProcess], chance: random.Random, kills: int, met: Callable[[], int]):
        self.processes = processes
        self.accepted: set[tuple[str, str]] = set()
        self.deliveries = 0
        self.healing = False
        self._chance, self._kills, self._met = chance, kills, met
        self._busy = dict.fromkeys(processes, 0)
        self._lock = threading.Lock()
        self._last_kill = 0.0

    def target(self, function: str) -> Callable[[Event], int]:
        def target(event: Event) -> int:
            with self._lock:
                self.deliveries += 1
                self.accepted.add((function, event.id))
                running = [each for each in self.processes if each.running] or self.processes
                process = min(running, key=lambda each: self._busy[each])
                self._busy[process] += 1
                fault = None if self.healing else self._fault()
            headers = {**event.headers, "ce-function": function, **({"ce-fault": fault} if fault else {})}
            try:
                return post_to(process.host, timeout=90.0)(replace(event, headers=headers))
            finally:
                with self._lock:
                    self._busy[process] -= 1

        return target

    def _fault(self) -> str | None:
        now = time.monotonic()
        if now - self._last_kill > SECONDS_BETWEEN_KILLS and self._chance.random() < 0.3 and self._met() < self._kills:
            self._last_kill = now
            return self._chance.choice(KILLS)
        if self._chance.random() < 0.25:
            return self._chance.choice((*PER_COMMIT, READ))
        return None


class Writer:
    """The users: they write sources and forms at random until these have caused enough events."""

    def __init__(self, database: Database, chance: random.Random) -> None:
        self.database = database
        self.written = 0
        self.ballots: dict[str, list[str]] = {}
        self.choices: dict[str, str] = {}
        self._chance = chance
        self._numbers = itertools.count()

    def begin(self) -> None:
        for number in range(TEAMS):
            self._put(f"teams/t{number}", {"name": f"Team {number}"})
        for number in range(ACCOUNTS):
            self._put(f"accounts/a{number}", {"owner": f"Owner {number}", "team": self._team()})
        for number in range(PEOPLE):
            self._put(f"counters/p{number}", {"total": 0})
        for number in range(POISONED):
            self._put(f"accounts/poison{number}", {"name": "an owner is missing"})

    def step(self) -> None:
        number = next(self._numbers)
        works = (self._rename, self._move, self._team_name, self._vanish, self._deposit, self._mutate, self._vote)
        self._chance.choices(works, (22, 12, 6, 5, 30, 15, 10))[0](number)

    def repair(self) -> None:
        for number in range(POISONED):
            self._put(f"accounts/poison{number}", {"owner": f"Mended {number}", "team": self._team()})

    def _rename(self, number: int) -> None:
        self._put(self._account(), {"owner": f"Owner {number}"}, ("owner",))

    def _move(self, number: int) -> None:
        self._put(self._account(), {"owner": f"Moved {number}", "team": self._team()})

    def _team_name(self, number: int) -> None:
        self._put(f"teams/t{self._chance.randrange(TEAMS)}", {"name": f"Team {number}"})

    def _vanish(self, number: int) -> None:
        path = self._account() if self._chance.random() < 0.8 else f"teams/t{self._chance.randrange(TEAMS)}"
        self._write(Delete(path))
        if self._chance.random() < 0.8:
            new = {"name": f"Again {number}"} if path.startswith("teams") else {"owner": f"Again {number}"}
            self._put(path, {**new, **({} if path.startswith("teams") else {"team": self._team()})})

    def _deposit(self, number: int) -> None:
        self._put(f"people/p{self._chance.randrange(PEOPLE)}/deposits/f{number}", {"amount": 1})

    def _mutate(self, number: int) -> None:
        copy = f"totals/p{self._chance.randrange(PEOPLE)}"
        # Nobody changes a view that does not exist yet; once it exists, it stays.
        if self.database.read([copy]).documents[0].exists:
            self._put(f"{copy}/{MUTATIONS}/m{number}", {"bonus": 1})

    def _vote(self, number: int) -> None:
        person = f"p{self._chance.randrange(PEOPLE)}"
        self.choices[person] = self._chance.choice(("yes", "no", "maybe"))
        self.ballots.setdefault(person, []).append(self.choices[person])
        self._put(f"people/{person}/ballots/one", {"choice": self.choices[person], "sent": number})

    def _account(self) -> str:
        return f"accounts/a{self._chance.randrange(ACCOUNTS)}"

    def _team(self) -> Reference:
        return Reference(f"teams/t{self._chance.randrange(TEAMS)}")

    def _put(self, path: str, fields: dict[str, object], mask: tuple[str, ...] | None = None) -> None:
        # Renaming a deleted account recreates it without a team, as a careless client would.
        self._write(Put(path, fields, mask))

    def _write(self, write: Write) -> None:
        self.database.commit([write])
        self.written += 1


class Watch:
    """Watches the run from outside: counts failed answers, and ledgers that went back in time."""

    def __init__(self, project: str) -> None:
        self.acknowledged: set[tuple[str, str]] = set()
        self.unclassified: list[str] = []
        self.stale: list[str] = []
        self.injected: Counter[str] = Counter()
        self.latencies: list[float] = []
        self._codec = Codec(f"projects/{project}/databases/(default)")

    def delivery(self, delivery: Delivered) -> None:
        if delivery.acknowledged:
            if delivery.function == LEDGERS:
                return
            self.acknowledged.add((delivery.function, delivery.event_id))
            self.latencies.append(delivery.milliseconds)
            return
        if delivery.error.startswith("fault: "):
            self.injected["delivery_dropped" if "dropped" in delivery.error else "answer_lost"] += 1
        elif not _is_classified(delivery):
            self.unclassified.append(f"{delivery.function} on {delivery.subject}: {delivery.status} {delivery.error}")

    def ledger(self, event: Event) -> int:
        """Counts a version in a ledger that is older than the one before: somebody overwrote newer work."""
        data = DocumentEventData.pb(DocumentEventData.deserialize(event.data))
        before, after = (self._versions(image) for image in (data.old_value, data.value))
        for path in before.keys() & after.keys():
            if MISSING not in (before[path], after[path]) and after[path] < before[path]:
                self.stale.append(f"{event.document} goes back in {path}")
        return 200

    def _versions(self, image: object) -> Mapping[str, int]:
        fields = self._codec.decode_document(image).fields if image.name else None  # type: ignore[attr-defined]
        return (fields or {}).get("versions") or {}


def _is_classified(delivery: Delivered) -> bool:
    """The worker is away, or answered with an error that asks for a retry."""
    return "did not answer" in delivery.error or delivery.error.startswith("BF40")


def torture(volume: Volume) -> Result:
    """The result of a run."""
    with ExitStack() as opened:
        notes = Path(opened.enter_context(TemporaryDirectory())) / "notes"
        notes.touch()
        server = opened.enter_context(EventServer())
        emulator = opened.enter_context(FirestoreEmulator(functions=server.host))
        proxy = opened.enter_context(Proxy(emulator.host))
        project = f"demo-torture-{volume.seed}"
        receiver = opened.enter_context(Receiver(_chance(volume, "receiver")).serving())
        environment = {
            EMULATOR_HOST: proxy.host,
            PROJECT: project,
            "PYTHONPATH": str(ROOT),
            NOTES: str(notes),
            URL: receiver.url,
            SECRET: "whsec_dG9ydHVyZQ==",
        }
        processes = [
            opened.enter_context(FunctionsProcess(WORKER, "dispatch", env=environment)) for _ in range(WORKERS)
        ]
        started = time.monotonic()
        database = FirestoreDatabase(project, emulator=emulator.host)
        watch = Watch(project)
        workers = Workers(processes, _chance(volume, "faults"), volume.kills, lambda: _kills(_noted(notes)))
        triggers = [
            *_triggers(app.compiled, workers),
            LocalTrigger(LEDGERS, f"{ledger.COLLECTION}/{{id}}", watch.ledger),
        ]
        harness = opened.enter_context(
            DeliveryHarness(
                server,
                emulator,
                project,
                triggers,
                observer=watch.delivery,
                workers=SENDERS,
                retries=Retries(first=0.05, longest=1.0, attempts=400),
                faults=DeliveryFaults(volume.seed, duplicate=0.5, copies=5, shuffle=0.5, drop=0.03, crash=0.03),
            )
        )
        writer = Writer(database, _chance(volume, "writes"))
        disturber = Disturber(volume, proxy, processes)
        disturber.start()
        _write(writer, workers, watch, volume, started)
        disturber.finish()
        _drain(harness, volume, started)
        letters = _all(database, [dead_letter.COLLECTION])
        writer.repair()
        workers.healing = receiver.healing = True
        undrained = _drain(harness, volume, started)
        result = compared(volume, database, writer, watch, letters)
        result.wrong |= untold(database, receiver, workers.accepted)
        result.wrong["unacked_success"] = [*undrained, *map(str, harness.discarded)]
        result.injected = _noted(notes)
    result.volume |= {
        "events": len(workers.accepted),
        "deliveries": workers.deliveries,
        "source_writes": writer.written,
        "notifications": len(receiver.told),
        "messages_received": receiver.messages,
        "seconds": round(time.monotonic() - started),
        "p50_milliseconds": round(_percentile(watch.latencies, 0.5)),
        "p99_milliseconds": round(_percentile(watch.latencies, 0.99)),
    }
    result.injected.update(disturber.injected + watch.injected + receiver.injected)
    result.injected["delivered_again"] = max(0, workers.deliveries - len(workers.accepted))
    return result


class Disturber(threading.Thread):
    """Makes the database unreachable, cuts connections and kills processes, until all planned faults have happened."""

    def __init__(self, volume: Volume, proxy: Proxy, processes: list[FunctionsProcess]) -> None:
        super().__init__(daemon=True)
        self.injected: Counter[str] = Counter()
        self._volume, self._proxy, self._processes = volume, proxy, processes
        self._chance = _chance(volume, "outages")
        self._ended = threading.Event()

    def run(self) -> None:
        works = ["database_down", "database_hangs"] * (self._volume.outages // 2)
        works += ["process_killed"] * self._volume.killed_processes + ["connections_cut"] * self._volume.outages
        self._chance.shuffle(works)
        for work in works:
            self._ended.wait(self._chance.uniform(0.5, 1.0 if self._volume.timeout <= 60 else 6.0))
            getattr(self, f"_{work}")(self._chance.uniform(0.5, self._volume.longest_outage))
            self.injected[work] += 1

    def finish(self) -> None:
        """Returns once all planned faults have happened."""
        self._ended.set()
        self.join()

    def _database_down(self, seconds: float) -> None:
        self._proxy.refuse(seconds)

    def _database_hangs(self, seconds: float) -> None:
        self._proxy.stall(seconds)

    def _connections_cut(self, seconds: float) -> None:
        self._proxy.drop()

    def _process_killed(self, seconds: float) -> None:
        process = self._chance.choice(self._processes)
        process.kill()
        process.restart()


def _write(writer: Writer, workers: Workers, watch: Watch, volume: Volume, started: float) -> None:
    """Writes until so many events have come, without getting far ahead of the functions."""
    writer.begin()
    while len(workers.accepted) < volume.events:
        if time.monotonic() - started > volume.timeout * 0.8:
            break
        if writer.written * EVENTS_PER_WRITE - len(watch.acknowledged) < AHEAD:
            writer.step()
            time.sleep(0.002)
        else:
            time.sleep(0.02)


def _drain(harness: DeliveryHarness, volume: Volume, started: float) -> list[str]:
    """Counts what is not handled when everything should be."""
    try:
        harness.drain(max(60.0, volume.timeout - (time.monotonic() - started)))
    except NotDrained as error:
        return [str(error)]
    return []


def _triggers(compiled: Compiled, workers: Workers) -> Iterator[LocalTrigger]:
    for record in compiled.manifest.functions:
        if isinstance(on := record.trigger, EventTrigger):
            yield LocalTrigger(record.entry_point, on.document, workers.target(record.entry_point), on.event_type)


def compared(
    volume: Volume, database: Database, writer: Writer, watch: Watch, letters: Mapping[str, Document]
) -> Result:
    """Returns what is wrong, once everything is handled."""
    sources = _all(database, ["teams", "accounts", "counters", "votes", *FORMS])
    views = _all(database, VIEWS)
    expected = expected_views(sources)
    # A dashboard without content may be missing, as no event concerned it.
    needed = {path for path, fields in expected.items() if path in views or fields.get("voters") != []}
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
        volume={"views_compared": len(expected), "increments": wanted.total(), "dead_letters": len(letters)},
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


def _is_done(form: Document) -> bool:
    outcome = (form.fields or {}).get("outcome")
    return isinstance(outcome, dict) and outcome.get("status") == "done"


def _told(document: Document | None) -> str:
    return str(document.fields if document else None)[:400]


def _all(database: Database, collections: list[str] | tuple[str, ...]) -> dict[str, Document]:
    found = (database.query(Query(name, group=True)).documents for name in collections)
    return {document.path: document for documents in found for document in documents}


def _noted(notes: Path) -> Counter[str]:
    return Counter(notes.read_text().split())


def _kills(noted: Mapping[str, int]) -> int:
    return sum(noted.get(kill, 0) for kill in KILLS)


def _chance(volume: Volume, what: str) -> random.Random:
    return random.Random(f"{volume.seed} {what}")


def _percentile(samples: list[float], share: float) -> float:
    return sorted(samples)[int(share * (len(samples) - 1))] if samples else 0.0


def run(short: bool, seed: int) -> Iterator[Figure]:
    """Yields the figures of a run on the emulator."""
    yield from torture(replace(SHORT if short else Volume(), seed=seed)).figures(short)
