"""Explores the protocols: `python -m tests.model [--deep] [--without DEVICE]`; fails if one is violated."""

import argparse
import sys

from tests.model.explorer import explore_all
from tests.model.scenarios import DEVICES, scenarios, without


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.model", description="Explores the protocols' interleavings.")
    parser.add_argument("--deep", action="store_true", help="longer scripts, more deliveries and faults")
    parser.add_argument("--without", metavar="DEVICE", choices=DEVICES, help=f"one of {', '.join(DEVICES)}")
    options = parser.parse_args(arguments)
    if options.without:
        return int(not _show(options.without, traced=True))
    holds = _explore(deep=options.deep)
    found = [_show(device) for device in DEVICES]
    print(f"devices_shown {sum(found)}/{len(DEVICES)}")
    return int(not (holds and all(found)))


def _explore(*, deep: bool) -> bool:
    total = 0
    for name, protocols in scenarios(deep=deep):
        states, finding = explore_all(protocols)
        total += states
        print(f"{states:>11,} states  {name}", flush=True)
        if finding:
            print(finding)
            return False
    print(f"{total:>11,} states  every interleaving holds")
    return True


def _show(device: str, *, traced: bool = False) -> bool:
    """Returns whether something goes wrong without the device, as it must."""
    name, (_, finding) = without(device)
    if finding is None:
        print(f"without {device}: nothing goes wrong, so either it is not needed or the model does not see why")
        return False
    print(f"without {device} ({name}): {finding if traced else finding.fault}", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
