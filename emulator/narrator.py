"""What the demo says: headings, what ran and what it cost, documents before and after, and claims that it checks."""

import json
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence

from boiler_functions.database.metered import Usage
from boiler_functions.local.stack import Handled
from boiler_functions.types import Fields

WIDTH = 110
PROGRESS = 500


class ClaimFailed(Exception):
    """The demo claims what does not hold."""


class Claims:
    """What the demo says is true, checked as it is said."""

    def __init__(self) -> None:
        self.held = 0

    def check(self, claim: str, seen: object, expected: object = True) -> None:
        """Says the claim; raises ClaimFailed unless what was seen is as expected."""
        if seen != expected:
            raise ClaimFailed(f"'{claim}' does not hold: expected {shortened(expected)}, found {shortened(seen)}.")
        self.held += 1
        say(f"  ✓ {claim}")


class Journal:
    """What was delivered since it was last taken; it tells of its progress while much is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._handled: list[Handled] = []

    def note(self, handled: Handled) -> None:
        """Takes a delivery down; it is an Observer."""
        with self._lock:
            self._handled.append(handled)
            if len(self._handled) % PROGRESS == 0:
                say(f"  … {len(self._handled):,} events handled")

    def take(self) -> list[Handled]:
        """The deliveries so far; the next begin a new page."""
        with self._lock:
            taken, self._handled = self._handled, []
            return taken


def say(text: str = "") -> None:
    """Prints at once, also into a pipe."""
    print(text, flush=True)


def heading(text: str) -> None:
    """Begins a scene."""
    say(f"\n{text}\n{'─' * len(text)}")


def shortened(value: object) -> str:
    """The value as JSON, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"


def priced(usage: Usage) -> str:
    """What was asked of the database, in words."""
    return f"{usage.reads} reads, {usage.writes} writes, {usage.rpcs} RPCs"


def cost_of(handled: Iterable[Handled]) -> Usage:
    """What the functions asked of the database together."""
    return sum((each.report.usage for each in handled if each.report), Usage())


def tell_functions(handled: Sequence[Handled]) -> None:
    """Says which functions ran, what each came to and what it cost."""
    say("  functions")
    for each in handled:
        say(f"    {each}")
    say(f"    together {priced(cost_of(handled))}")


def tell_documents(before: Mapping[str, Fields | None], after: Mapping[str, Fields | None]) -> None:
    """Says what changed in the documents; those that changed alike together."""
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
    """A line for each attribute that changed; of a list, for each item that went or came."""
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
