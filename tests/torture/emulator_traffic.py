"""Who writes, handles and disturbs in a run on the emulator: the writer, the worker processes, and what breaks them."""

import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from google.events.cloud.firestore_v1 import DocumentEventData

from boiler_functions.database import PRESENT, Database, Delete, Put, Write
from boiler_functions.database.codec import Codec
from boiler_functions.exceptions import Conflict
from boiler_functions.local.delivery import Delivered, Refused, post_to
from boiler_functions.local.events import Event
from boiler_functions.local.functions_process import FunctionsProcess
from boiler_functions.types import MISSING, Reference
from tests.torture.emulator_faults import ASLEEP, KILLS, PER_COMMIT, READ, WRONG_CLOCK
from tests.torture.emulator_patience import end
from tests.torture.emulator_proxy import Proxy

LEDGERS = "ledgers"
MUTATIONS = "_PATCH_TotalView"
FORMS = ("deposits", "ballots", MUTATIONS)
POISONED = 3

MENDED = "teams/mended"
"""The team of accounts that are repaired in the end: any other team's views would be built anew, and so come right."""
SECONDS_BETWEEN_KILLS = 1.0

HOUR = 3600
SKEWS = (0, 0, -HOUR, HOUR)
"""By how many seconds the clock of each worker is ahead."""

_TICK = Event({"ce-id": "tick", "ce-source": "schedule", "ce-type": "tick", "ce-specversion": "1.0"}, b"")


@dataclass(frozen=True)
class Volume:
    """The volume of a run, and its number of faults."""

    events: int = 10_000
    seed: int = 1
    teams: int = 8
    accounts: int = 30
    people: int = 12
    deadlines: int = 6
    kills: int = 24
    """Workers that kill themselves with SIGKILL just before or just after a commit."""
    killed_processes: int = 6
    """Processes that are killed from outside at any point, and restarted."""
    outages: int = 10
    longest_outage: float = 10.0
    longest_pause: float = 6.0
    """The most seconds between two faults."""
    timeout: float = 1_200.0


SHORT = Volume(
    events=250, teams=2, accounts=8, people=3, deadlines=3, kills=4, killed_processes=1, outages=2, longest_outage=1.0,
    longest_pause=1.0, timeout=100.0,
)  # fmt: skip


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
            return self.post(function, event, process)

        return target

    def post(self, function: str, event: Event, process: FunctionsProcess) -> int:
        """Has the process handle the event, perhaps with a fault; raises Refused unless it acknowledges it."""
        with self._lock:
            self._busy[process] += 1
            fault = None if self.healing else self._fault()
        headers = {**event.headers, "ce-function": function, **({"ce-fault": fault} if fault else {})}
        try:
            return post_to(process.host, timeout=90.0)(replace(event, headers=headers))
        finally:
            with self._lock:
                self._busy[process] -= 1

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

    def __init__(self, database: Database, volume: Volume) -> None:
        self.database = database
        self.written = 0
        self.ballots: dict[str, list[str]] = {}
        self.choices: dict[str, str] = {}
        self.last_due = datetime.now(UTC)
        """The latest deadline that passes during the run."""
        self._volume = volume
        self._chance = chance_of(volume, "writes")
        self._numbers = itertools.count()

    def begin(self) -> None:
        for number in range(self._volume.teams):
            self._put(f"teams/t{number}", {"name": f"Team {number}"})
        for number in range(self._volume.accounts):
            self._put(f"accounts/a{number}", {"owner": f"Owner {number}", **self._place()})
        for number in range(self._volume.people):
            self._put(f"counters/p{number}", {"total": 0})
            self._deposit(next(self._numbers))
        for number in range(self._volume.deadlines):
            self._deadline(number)
        self._put(MENDED, {"name": "Mended"})
        for number in range(POISONED):
            self._put(f"accounts/poison{number}", {"name": "an owner is missing"})

    def step(self) -> None:
        number = next(self._numbers)
        works = (
            (self._rename, 18), (self._move, 18), (self._team_name, 6), (self._vanish, 6), (self._deposit, 30),
            (self._mutate, 15), (self._vote, 10), (self._beat, 8), (self._deadline, 12),
        )  # fmt: skip
        self._chance.choices([work for work, _ in works], [weight for _, weight in works])[0](number)

    def repair(self) -> None:
        for number in range(POISONED):
            self._put(f"accounts/poison{number}", {"owner": f"Mended {number}", "team": Reference(MENDED), "points": 1})

    def hurry(self, number: int) -> None:
        """Changes a quiet view; at once after a change of it, only upkeep writes the view again."""
        self._put(MENDED, {"name": f"Mended {number}"})

    def _rename(self, number: int) -> None:
        self._put(self._account(), {"owner": f"Owner {number}"}, ("owner",))

    def _move(self, number: int) -> None:
        self._put(self._account(), {"owner": f"Moved {number}", **self._place()})

    def _team_name(self, number: int) -> None:
        self._put(self._team(), {"name": f"Team {number}"})

    def _vanish(self, number: int) -> None:
        path = self._account() if self._chance.random() < 0.8 else self._team()
        self._write(Delete(path))
        if self._chance.random() < 0.8:
            is_team = path.startswith("teams")
            self._put(path, {"name": f"Again {number}"} if is_team else {"owner": f"Again {number}", **self._place()})

    def _beat(self, number: int) -> None:
        """Changes a field that no view reads; a document that is gone stays so."""
        path = self._account() if self._chance.random() < 0.7 else self._team()
        with suppress(Conflict):
            self._write(Put(path, {"seen": number}, ("seen",), PRESENT))

    def _deposit(self, number: int) -> None:
        self._put(f"people/{self._person()}/deposits/f{number}", {"amount": 1})

    def _mutate(self, number: int) -> None:
        copy = f"totals/{self._person()}"
        # Nobody changes a view that does not exist yet; once it exists, it stays.
        if self.database.read([copy]).documents[0].exists:
            self._put(f"{copy}/{MUTATIONS}/m{number}", {"bonus": 1})

    def _vote(self, number: int) -> None:
        person = self._person()
        self.choices[person] = self._chance.choice(("yes", "no", "maybe"))
        self.ballots.setdefault(person, []).append(self.choices[person])
        self._put(f"people/{person}/ballots/one", {"choice": self.choices[person], "sent": number})

    def _deadline(self, number: int) -> None:
        """Sets a deadline that is over, passes soon, or comes within the hour by which clocks are wrong."""
        away = self._chance.choice((-60, 1, 3, HOUR / 2))
        due_at = datetime.now(UTC) + timedelta(seconds=away)
        if away < 60:
            self.last_due = max(self.last_due, due_at)
        self._put(f"deadlines/d{self._chance.randrange(self._volume.deadlines)}", {"dueAt": due_at})

    def _person(self) -> str:
        return f"p{self._chance.randrange(self._volume.people)}"

    def _account(self) -> str:
        return f"accounts/a{self._chance.randrange(self._volume.accounts)}"

    def _team(self) -> str:
        return f"teams/t{self._chance.randrange(self._volume.teams)}"

    def _place(self) -> dict[str, object]:
        return {"team": Reference(self._team()), "points": self._chance.randrange(4)}

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
        elif not _is_classified(delivery.error):
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


def _is_classified(error: str) -> bool:
    """The worker is away, or answered with an error that asks for a retry."""
    return "did not answer" in error or error.startswith("BF40")


class Schedule(threading.Thread):
    """Runs upkeep in one worker or another, whose clock may be wrong, and now and then for a while in none."""

    def __init__(self, volume: Volume, workers: Workers) -> None:
        super().__init__(daemon=True)
        self.injected: Counter[str] = Counter()
        self.unclassified: list[str] = []
        self.runs = 0
        self._asleep = 2 * volume.longest_outage
        self._workers = workers
        self._chance = chance_of(volume, "upkeep")
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(self._pause()):
            process, skew = self._chance.choice(list(zip(self._workers.processes, SKEWS, strict=True)))
            self.injected[WRONG_CLOCK] += bool(skew)
            self.runs += 1
            try:
                self._workers.post("upkeep", _TICK, process)
            except Refused as error:
                if not _is_classified(str(error)):
                    self.unclassified.append(f"upkeep: {error.status} {error}")

    def finish(self) -> None:
        """Returns once the run in progress is over."""
        self._ended.set()
        end(self, 100.0)

    def _pause(self) -> float:
        """Returns the seconds until the next run."""
        if self._workers.healing or self._chance.random() > 0.2:
            return 0.3
        self.injected[ASLEEP] += 1
        return self._asleep


class Disturber(threading.Thread):
    """Makes the database unreachable, cuts connections and kills processes, until all planned faults have happened."""

    def __init__(self, volume: Volume, proxy: Proxy, processes: list[FunctionsProcess]) -> None:
        super().__init__(daemon=True)
        self.injected: Counter[str] = Counter()
        self._volume, self._proxy, self._processes = volume, proxy, processes
        self._chance = chance_of(volume, "outages")
        self._ended = threading.Event()

    def run(self) -> None:
        works = ["database_down", "database_hangs"] * (self._volume.outages // 2)
        works += ["process_killed"] * self._volume.killed_processes + ["connections_cut"] * self._volume.outages
        self._chance.shuffle(works)
        for work in works:
            self._ended.wait(self._chance.uniform(0.5, self._volume.longest_pause))
            getattr(self, f"_{work}")(self._chance.uniform(0.5, self._volume.longest_outage))
            self.injected[work] += 1

    def finish(self) -> None:
        """Returns once all planned faults have happened."""
        self._ended.set()
        end(self, 60.0 + 2 * self._volume.outages * self._volume.longest_outage)

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


def chance_of(volume: Volume, what: str) -> random.Random:
    """Returns the random numbers for one purpose, which depend on the seed alone."""
    return random.Random(f"{volume.seed} {what}")
