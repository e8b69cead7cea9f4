"""`python -m tests.torture [PART …] [--short] [--seed N]` prints every figure; exits with 1 if one is off target."""

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module

from tests.torture.figures import Figure

Part = Callable[[bool, int], Iterable[Figure]]
"""Receives whether the run is short, and the first seed; yields figures, which are printed at once."""

PARTS: Mapping[str, str] = {
    "simulator": "tests.torture.simulator",
    "emulator": "tests.torture.emulator",
    "devices": "tests.torture.devices",
    "http": "tests.torture.http",
    "family": "tests.torture.family",
    "transfers": "tests.torture.transfers",
    "deployments": "tests.torture.deployments",
    "clubs": "tests.torture.clubs",
    "quiet": "tests.torture.quiet",
    "chains": "tests.torture.chains",
    "participants": "tests.torture.participants",
    "stages": "tests.torture.stages",
    "builds": "tests.torture.builds",
    "contract": "tests.torture.contract",
    "beside": "tests.torture.beside",
    "story": "tests.torture.story",
}
"""The parts by name: the module of each, with a function `run` that is a Part. Imported only when it runs."""


def run(name: str, *, short: bool, seed: int) -> list[Figure]:
    """Runs one part, prints its figures and returns them."""
    part: Part = import_module(PARTS[name]).run
    print(f"\n{name}, seed {seed}{', short' if short else ''}", flush=True)
    started = time.monotonic()
    figures = []
    for figure in part(short, seed):
        print(f"  {figure}", flush=True)
        figures.append(figure)
    print(f"  {time.monotonic() - started:.0f} s", flush=True)
    return figures


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.torture", description="Injects faults and counts what broke."
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"one of {', '.join(PARTS)}; all of them by default")
    parser.add_argument("--short", action="store_true", help="a small part of the volume")
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    options = parser.parse_args(arguments)
    if unknown := set(options.parts) - PARTS.keys():
        parser.error(f"{', '.join(sorted(unknown))}: unknown part; choose from {', '.join(PARTS)}")
    figures = [
        figure for name in options.parts or PARTS for figure in run(name, short=options.short, seed=options.seed)
    ]
    off = [figure for figure in figures if not figure.holds]
    print(f"\n{len(figures)} figures, {len(off)} off target")
    for figure in off:
        print(f"  {figure}")
    return int(bool(off) or not figures)


if __name__ == "__main__":
    sys.exit(main())
