"""Who writes, handles and disturbs in a run on the emulator: the writer, the worker processes, and what breaks them."""

import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from google.events.cloud.firestore_v1 import DocumentEventData

from boiler_functions.database import PRESENT, Database, Delete, Put, Write
from boiler_functions.database.codec import Codec
from boiler_functions.exceptions import Conflict
from boiler_functions.local.delivery import Delivered, post_to
from boiler_functions.local.events import Event
from boiler_functions.local.functions_process import FunctionsProcess
from boiler_functions.types import MISSING, Reference
from tests.torture.emulator_faults import KILLS, PER_COMMIT, READ
from tests.torture.emulator_proxy import Proxy

LEDGERS = "ledgers"
MUTATIONS = "_PATCH_TotalView"
FORMS = ("deposits", "ballots", MUTATIONS)
TEAMS, ACCOUNTS, PEOPLE, POISONED = 8, 30, 12, 3
SECONDS_BETWEEN_KILLS = 1.0


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
        self._chance.choices((*works, self._beat), (18, 12, 6, 5, 30, 15, 10, 8))[0](number)

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

    def _beat(self, number: int) -> None:
        """Changes a field that no view reads; a document that is gone stays so."""
        path = self._account() if self._chance.random() < 0.7 else f"teams/t{self._chance.randrange(TEAMS)}"
        with suppress(Conflict):
            self._write(Put(path, {"seen": number}, ("seen",), PRESENT))

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


def chance_of(volume: Volume, what: str) -> random.Random:
    """Returns the random numbers for one purpose, which depend on the seed alone."""
    return random.Random(f"{volume.seed} {what}")
