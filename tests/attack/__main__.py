"""`python -m tests.attack [SURFACE …] [--tries N] [--seed N]` prints inputs tried, held and failed by surface."""

import argparse
import logging
import sys
from random import SystemRandom

from tests.attack.surface import SURFACES, attack

SHOWN = 10
"""The most failures of a surface that are printed."""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.attack", description="Attacks each public surface.")
    parser.add_argument("surfaces", nargs="*", metavar="SURFACE", help=f"one of {', '.join(SURFACES)}; all by default")
    parser.add_argument("--tries", type=int, default=20_000, help="number of inputs for each surface")
    parser.add_argument("--seed", type=int, default=SystemRandom().randrange(10**6), help="seed of the inputs")
    options = parser.parse_args(arguments)
    if unknown := set(options.surfaces) - SURFACES.keys():
        parser.error(f"{', '.join(sorted(unknown))}: unknown surface; choose from {', '.join(SURFACES)}")
    # Every refused input is logged, in thousands of lines.
    logging.disable()
    print(f"seed {options.seed}", flush=True)
    failed = 0
    for name in options.surfaces or SURFACES:
        figures = attack(name, seed=options.seed, tries=options.tries)
        print(figures, flush=True)
        for each, wrong in figures.failures[:SHOWN]:
            print(f"    {each!r:.500}\n        {wrong}")
        failed += len(figures.failures)
    logging.disable(logging.NOTSET)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
