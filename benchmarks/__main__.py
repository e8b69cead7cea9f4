"""`python -m benchmarks [--only NAME …]`: measures, prints and stores results; exits with 1 if a target is missed."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping

from benchmarks.burst import burst
from benchmarks.comparison import comparison
from benchmarks.copies import copies
from benchmarks.desk import desk
from benchmarks.due import due
from benchmarks.fan_out import fan_out
from benchmarks.heartbeat import heartbeat
from benchmarks.hot import hot
from benchmarks.likes import likes
from benchmarks.live import live
from benchmarks.one_process import cold_start, memory
from benchmarks.one_task import task_3_sources
from benchmarks.ranges import ranges
from benchmarks.rest import rest
from benchmarks.results import FILE, Row, print_table, write_json
from benchmarks.single_view import depth_3, needless, other_source, root_1_source, root_10_sources
from benchmarks.stage import Stage
from benchmarks.unread import unread
from benchmarks.websocket import websocket
from benchmarks.whole_build import whole_build
from benchmarks.writers import writers
from boiler_functions.database.variables import EMULATOR_HOST
from boiler_functions.local.firestore_emulator import FirestoreEmulator

Benchmark = Callable[[Stage], Iterator[Row]]


BENCHMARKS: Mapping[str, Benchmark] = {
    each.__name__: each
    for each in (
        root_1_source,
        root_10_sources,
        other_source,
        depth_3,
        task_3_sources,
        needless,
        burst,
        hot,
        due,
        heartbeat,
        unread,
        likes,
        fan_out,
        ranges,
        whole_build,
        cold_start,
        memory,
        copies,
        websocket,
        live,
        writers,
        comparison,
        rest,
        desk,
    )
}


def main(arguments: list[str] | None = None) -> int:
    """Runs the benchmarks, and returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument(
        "--only", choices=BENCHMARKS, nargs="+", help="run these benchmarks; print their rows, and do not store them"
    )
    only = parser.parse_args(arguments).only
    with FirestoreEmulator() as emulator:
        os.environ[EMULATOR_HOST] = emulator.host
        rows: list[Row] = []
        try:
            for name in only or BENCHMARKS:
                rows += _run(name, emulator)
        finally:
            # Also what was measured before one of them failed.
            print_table(rows)
    if not only:
        write_json(rows)
        print(f"Written to {FILE.relative_to(FILE.parents[1])}.")
    return int(any(row.ok is False for row in rows))


def _run(name: str, emulator: FirestoreEmulator) -> list[Row]:
    started = time.perf_counter()
    print(f"{name} … ", end="", flush=True)
    stage = Stage(emulator)
    rows = list(BENCHMARKS[name](stage))
    full = stage.fullness
    print(f"{time.perf_counter() - started:.0f} s{full and f'; the project holds {full}'}")
    # So that the next benchmark has the emulator to itself.
    emulator.clear(stage.project)
    return rows


if __name__ == "__main__":
    sys.exit(main())
