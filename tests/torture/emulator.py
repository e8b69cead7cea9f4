"""Real events, real workers, real kills, on the Firestore emulator.

Four processes of functions-framework serve the compiled functions, two of them by a clock that is an hour wrong. Each
event comes one to five times, in any order; deliveries are dropped, answers and commits are lost, workers are killed,
the database goes away, upkeep sleeps, and a build fills kept totals meanwhile. Then all is healed, what is left is
delivered, and every document is compared with what plain Python makes of the sources.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from boiler_functions.compile.compiler import Compiled
from boiler_functions.database import Database
from boiler_functions.database.firestore import FirestoreDatabase
from boiler_functions.database.metered import Metered
from boiler_functions.database.variables import EMULATOR_HOST, PROJECT
from boiler_functions.local.delivery import DeliveryFaults, DeliveryHarness, LocalTrigger, Retries
from boiler_functions.local.events import EventServer
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from boiler_functions.local.functions_process import FunctionsProcess
from boiler_functions.manifest import EventTrigger
from boiler_functions.modes import dead_letter, ledger
from boiler_functions.modes.invocation import REAL, Invocation
from boiler_functions.modes.query.rebuild_all import RebuildAll
from boiler_functions.modes.release import VARIABLE, Release
from tests.torture.emulator_app import PERIOD, KeptView, app
from tests.torture.emulator_comparison import Result, all_of, compared, untold
from tests.torture.emulator_faults import KILLS, NOTES, SKEW
from tests.torture.emulator_patience import Patience
from tests.torture.emulator_proxy import Proxy
from tests.torture.emulator_receiver import SECRET, URL, Receiver
from tests.torture.emulator_traffic import (
    LEDGERS,
    SHORT,
    SKEWS,
    Disturber,
    Schedule,
    Volume,
    Watch,
    Workers,
    Writer,
    chance_of,
)
from tests.torture.figures import Figure

ROOT = Path(__file__).parents[2]
WORKER = Path(__file__).parent / "emulator_worker.py"

RELEASE = Release(1)
"""The deployment of the workers; without a number, no change would be left alone."""

SENDERS = 12
EVENTS_PER_WRITE = 5.0
AHEAD = 120
"""By how many events the writer may be ahead of the functions: enough to reorder and merge events, but not a burst."""


def torture(volume: Volume) -> Result:
    """Returns the result of a run."""
    with ExitStack() as opened:
        notes = Path(opened.enter_context(TemporaryDirectory())) / "notes"
        notes.touch()
        server = opened.enter_context(EventServer())
        emulator = opened.enter_context(FirestoreEmulator(functions=server.host))
        proxy = opened.enter_context(Proxy(emulator.host))
        project = f"demo-torture-{volume.seed}"
        receiver = opened.enter_context(Receiver(chance_of(volume, "receiver")).serving())
        environment = _environment(proxy, project, notes, receiver)
        processes = [
            opened.enter_context(FunctionsProcess(WORKER, "dispatch", env={**environment, SKEW: str(skew)}))
            for skew in SKEWS
        ]
        started = time.monotonic()
        database = FirestoreDatabase(project, emulator=emulator.host)
        watch = Watch(project)
        workers = Workers(processes, chance_of(volume, "faults"), volume.kills, lambda: _kills(_noted(notes)))
        harness = opened.enter_context(_harness(server, emulator, project, workers, watch, volume))
        patience = Patience(harness, processes, started + volume.timeout)
        writer = Writer(database, volume)
        disturber = Disturber(volume, proxy, processes)
        disturber.start()
        schedule = Schedule(volume, workers)
        schedule.start()
        _write(writer, workers, watch, volume, started)
        disturber.finish()
        patience.drain()
        letters = all_of(database, [dead_letter.COLLECTION])
        writer.repair()
        workers.healing = receiver.healing = True
        patience.drain()
        for number in range(3):
            writer.hurry(number)
            patience.drain()
        schedule.finish()
        _wake(database, writer.last_due)
        patience.drain()
        result = compared(volume, database, writer, watch, letters)
        result.wrong |= untold(database, receiver, workers.accepted)
        result.wrong["unacked_success"] = [*patience.undrained, *map(str, harness.discarded)]
        result.wrong["unclassified_errors"] += schedule.unclassified
        result.injected = _noted(notes) + disturber.injected + watch.injected + receiver.injected + schedule.injected
    result.injected["delivered_again"] = max(0, workers.deliveries - len(workers.accepted))
    result.volume |= _volume(workers, writer, receiver, watch, time.monotonic() - started)
    return result


def _environment(proxy: Proxy, project: str, notes: Path, receiver: Receiver) -> dict[str, str]:
    return {
        EMULATOR_HOST: proxy.host,
        PROJECT: project,
        "PYTHONPATH": str(ROOT),
        NOTES: str(notes),
        URL: receiver.url,
        SECRET: "whsec_dG9ydHVyZQ==",
        VARIABLE: RELEASE.to_json(),
    }


def _harness(
    server: EventServer, emulator: FirestoreEmulator, project: str, workers: Workers, watch: Watch, volume: Volume
) -> DeliveryHarness:
    ledgers = LocalTrigger(LEDGERS, f"{ledger.COLLECTION}/{{id}}", watch.ledger)
    return DeliveryHarness(
        server,
        emulator,
        project,
        [*_triggers(app.compiled, workers), ledgers],
        observer=watch.delivery,
        workers=SENDERS,
        retries=Retries(first=0.05, longest=1.0, attempts=400),
        faults=DeliveryFaults(volume.seed, duplicate=0.5, copies=5, shuffle=0.5, drop=0.03, crash=0.03),
    )


def _volume(workers: Workers, writer: Writer, receiver: Receiver, watch: Watch, seconds: float) -> dict[str, float]:
    return {
        "events": len(workers.accepted),
        "deliveries": workers.deliveries,
        "source_writes": writer.written,
        "notifications": len(receiver.told),
        "messages_received": receiver.messages,
        "seconds": round(seconds),
        "p50_milliseconds": round(_percentile(watch.latencies, 0.5)),
        "p99_milliseconds": round(_percentile(watch.latencies, 0.99)),
    }


def _write(writer: Writer, workers: Workers, watch: Watch, volume: Volume, started: float) -> None:
    """Writes until so many events have come, without getting far ahead of the functions."""
    writer.begin()
    _fill(writer.database)
    while len(workers.accepted) < volume.events:
        if time.monotonic() - started > volume.timeout * 0.8:
            break
        if writer.written * EVENTS_PER_WRITE - len(watch.acknowledged) < AHEAD:
            writer.step()
            time.sleep(0.002)
        else:
            time.sleep(0.02)


def _fill(database: Database) -> None:
    """Fills the kept totals while events are handled."""
    for _ in RebuildAll(app.name, KeptView, database, REAL._replace(release=RELEASE)).run():
        pass


def _wake(database: Database, last_due: datetime) -> None:
    """Runs upkeep once all deadlines and the periods of all quiet views are over."""
    left = (last_due - datetime.now(UTC)).total_seconds()
    time.sleep(max(left, PERIOD.total_seconds() + 1))
    declarations = app.compiled.declarations
    invocation = Invocation(declarations.app, "upkeep", Metered(database), REAL._replace(release=RELEASE))
    for mode in declarations.modes:
        mode.look_after(declarations, invocation, invocation.now())


def _triggers(compiled: Compiled, workers: Workers) -> Iterator[LocalTrigger]:
    for record in compiled.manifest.functions:
        if isinstance(on := record.trigger, EventTrigger):
            yield LocalTrigger(record.entry_point, on.document, workers.target(record.entry_point), on.event_type)


def _noted(notes: Path) -> Counter[str]:
    return Counter(notes.read_text().split())


def _kills(noted: Mapping[str, int]) -> int:
    return sum(noted.get(kill, 0) for kill in KILLS)


def _percentile(samples: list[float], share: float) -> float:
    return sorted(samples)[int(share * (len(samples) - 1))] if samples else 0.0


def run(short: bool, seed: int) -> Iterator[Figure]:
    """Yields the figures of a run on the emulator."""
    yield from torture(replace(SHORT if short else Volume(), seed=seed)).figures(short)
