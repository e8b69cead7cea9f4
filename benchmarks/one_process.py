"""The cost of a function's process: the time of its import, and its memory when warm."""

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.results import Row, at_most, ratio_at_most
from benchmarks.stage import Stage
from boiler_functions.database.variables import EMULATOR_HOST, PROJECT
from boiler_functions.local.delivery import DeliveryHarness, LocalTrigger
from boiler_functions.local.events import EventServer
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from boiler_functions.local.functions_process import FunctionsProcess
from emulator import geonames

ROOT = Path(__file__).parents[1]
SERVED = Path(__file__).parent / "served"
TARGET = "city_view_on_cities"
BARE = "functions_framework + google.cloud.firestore"

IMPORTS = 31
EVENTS = 300

HEAVY = ("flask_smorest", "apispec", "webargs", "google.cloud.tasks", "firebase_admin")

# Time of the processor, which other work on the machine changes less than the time of the clock.
_IMPORT = "import time; started = time.process_time(); import {}; print(time.process_time() - started)"
_MODULES = "import sys, {}; print(*sys.modules)"


def cold_start(_: Stage) -> Iterator[Row]:
    """Starts processes in turns that import an event function and end."""
    milliseconds: dict[str, list[float]] = {"ours": [], "bare": []}
    with TemporaryDirectory() as bytecode:
        for turn in range(1 + IMPORTS):
            for module in milliseconds if turn % 2 else reversed(milliseconds):
                taken = float(_python(_IMPORT.format(f"benchmarks.served.{module}"), bytecode)) * 1000
                # The first run compiles the sources, as Google's build does before it deploys them.
                if turn:
                    milliseconds[module].append(taken)
        loaded = set(_python(_MODULES.format("benchmarks.served.ours"), bytecode).split())
    ours, bare = map(statistics.median, milliseconds.values())
    yield Row("import of an event function", ours, bare, BARE, "ms", ratio_at_most(0.8))
    yield Row("import of an event function", len(loaded.intersection(HEAVY)), None, None, "heavy modules", at_most(0))


def memory(_: Stage) -> Iterator[Row]:
    """Compares two processes of functions-framework, which get the same events, each from its own emulator."""
    with ExitStack() as stack:
        server = stack.enter_context(EventServer())
        emulator = stack.enter_context(FirestoreEmulator(functions=server.host))
        stage = Stage(emulator)
        environment = {"PYTHONPATH": str(ROOT), PROJECT: stage.project, EMULATOR_HOST: emulator.host}
        functions = {
            name: stack.enter_context(FunctionsProcess(SERVED / f"{name}.py", TARGET, env=environment))
            for name in ("ours", "bare")
        }
        triggers = [LocalTrigger(name, "cities/{city_id}", each.post) for name, each in functions.items()]
        harness = stack.enter_context(DeliveryHarness(server, emulator, stage.project, triggers))
        stage.save(geonames.countries())
        stage.save(geonames.cities(EVENTS))
        harness.drain()
        ours, bare = (resident_mib(functions[name].pid) for name in ("ours", "bare"))
    yield Row(f"memory after {EVENTS} events", ours, bare, BARE, "MiB", ratio_at_most(0.85))


def resident_mib(group: int) -> float:
    """Returns the resident memory of the largest process of a group: the worker that serves the function."""
    listed = subprocess.run(["ps", "-A", "-o", "pgid=,rss="], capture_output=True, text=True, check=True).stdout
    sizes = [int(rss) for pgid, rss in map(str.split, listed.splitlines()) if int(pgid) == group]
    return max(sizes) / 1024


def _python(code: str, bytecode: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": bytecode, "FUNCTION_TARGET": TARGET}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    return done.stdout
