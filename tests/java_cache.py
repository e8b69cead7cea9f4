"""Keeps what Java has loaded and compiled of the Firestore emulator, for the dozens of emulators that the tests start.

An emulator then starts with less than half of the CPU time. Any other Java or emulator starts as without the cache.

    python -m tests.java_cache    # writes it; `make test` does, once
"""

import os
import signal
from pathlib import Path

from boiler_functions import use
from boiler_functions.local.events import EventServer
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from boiler_functions.local.stack import LocalStack

_FILE = Path(__file__).parents[1] / ".cache" / "emulator.aot"

# Java reads the variable since 9, and knows such a cache since 25.
_VARIABLE = "JDK_JAVA_OPTIONS"
_TOLERANT = "-XX:+IgnoreUnrecognizedVMOptions"


def use_cache() -> None:
    """Lets each Java that this process starts, and those of its children, use the cache if there is one."""
    if _FILE.is_file() and _FILE.stat().st_size:
        os.environ[_VARIABLE] = f"{_TOLERANT} -XX:AOTCache={_FILE}"


def write_cache() -> None:
    """Writes what an emulator has loaded when it has served an app for a moment; an empty file if Java is too old."""
    _FILE.parent.mkdir(exist_ok=True)
    written = _FILE.with_suffix(f".{os.getpid()}")
    os.environ[_VARIABLE] = f"{_TOLERANT} -XX:AOTCacheOutput={written}"
    with EventServer() as server, FirestoreEmulator(functions=server.host) as emulator:
        _serve(emulator, server)
        # Java writes when it ends by itself, and takes longer than `stop` grants.
        os.kill(emulator.pid, signal.SIGTERM)
        os.waitid(os.P_PID, emulator.pid, os.WEXITED | os.WNOWAIT)
    if not written.exists():
        written.touch()
    written.replace(_FILE)


def _serve(emulator: FirestoreEmulator, server: EventServer) -> None:
    # Late, as most tests use a cache without any sample.
    from functions.city import Municipality, app

    with LocalStack(app, "demo-cache", emulator=emulator, server=server) as stack, use(stack.database):
        for number in range(20):
            Municipality.new(doc_id=f"c{number}", city_name="Tokyo", country="Japan").save()
            stack.drain()
            list(Municipality.where(country="Japan"))


if __name__ == "__main__":
    write_cache()
