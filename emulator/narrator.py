"""Prints the demo: headings, functions and their cost, documents before and after, and claims that are checked."""

import json
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence

from boiler_functions.database.metered import Usage
from boiler_functions.local.stack import Handled
from boiler_functions.types import Fields

WIDTH = 110
PROGRESS = 500


class ClaimFailed(Exception):
    """A claim of the demo does not hold."""


class Claims:
    """Checks the claims of the demo, and prints and counts those that hold."""

    def __init__(self) -> None:
        self.held = 0

    def check(self, claim: str, seen: object, expected: object = True) -> None:
        """Prints the claim; raises ClaimFailed unless `seen` equals `expected`."""
        if seen != expected:
            raise ClaimFailed(f"'{claim}' does not hold: expected {shortened(expected)}, found {shortened(seen)}.")
        self.held += 1
        say(f"  ✓ {claim}")


class Journal:
    """Records deliveries until they are taken; prints the progress every 500 events."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._handled: list[Handled] = []

    def note(self, handled: Handled) -> None:
        """Records a delivery; it is an Observer."""
        with self._lock:
            self._handled.append(handled)
            if len(self._handled) % PROGRESS == 0:
                say(f"  … {len(self._handled):,} events handled")

    def take(self) -> list[Handled]:
        """Returns the recorded deliveries, and forgets them."""
        with self._lock:
            taken, self._handled = self._handled, []
            return taken


def say(text: str = "") -> None:
    """Prints the text without buffering, also into a pipe."""
    print(text, flush=True)


def heading(text: str) -> None:
    """Begins a scene."""
    say(f"\n{text}\n{'─' * len(text)}")


def shortened(value: object) -> str:
    """Returns the value as JSON, cut to the width of the output."""
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"


def priced(usage: Usage) -> str:
    """Describes the usage of the database."""
    return f"{usage.reads} reads, {usage.writes} writes, {usage.rpcs} RPCs"


def cost_of(handled: Iterable[Handled]) -> Usage:
    """Adds up the usage of the functions."""
    return sum((each.report.usage for each in handled if each.report), Usage())


def tell_functions(handled: Sequence[Handled]) -> None:
    """Prints which functions ran, with their outcomes and cost."""
    say("  functions")
    for each in handled:
        say(f"    {each}")
    say(f"    together {priced(cost_of(handled))}")


def tell_documents(before: Mapping[str, Fields | None], after: Mapping[str, Fields | None]) -> None:
    """Prints what changed in the documents, grouped by equal changes."""
    say("  view documents, before → after")
    alike: dict[tuple[str, ...], list[str]] = {}
    for path in before:
        alike.setdefault(tuple(differences(before[path], after[path])), []).append(path)
    unchanged = alike.pop((), [])
    for lines, paths in alike.items():
        for path in paths:
            say(f"    {path}")
        for line in lines:
            say(f"      {line}")
    say(f"    {len(unchanged)} of {len(before)} unchanged")


def differences(before: Fields | None, after: Fields | None) -> Iterator[str]:
    """Yields a line for each attribute that changed; of a list, a line for each item removed or added."""
    old, new = before or {}, after or {}
    for name in dict.fromkeys((*old, *new)):
        match old.get(name), new.get(name):
            case one, other if one == other:
                continue
            case list(one), list(other):
                yield from (f"{name}: - {shortened(item)}" for item in one if item not in other)
                yield from (f"{name}: + {shortened(item)}" for item in other if item not in one)
            case one, other:
                yield f"{name}: {shortened(one)} → {shortened(other)}"
