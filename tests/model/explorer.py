"""Explicit-state search: visits every state of a protocol, and finds the shortest way to a wrong one."""

from collections import deque
from collections.abc import Hashable, Iterable, Iterator
from typing import NamedTuple, Protocol, TypeVar

State = TypeVar("State", bound=Hashable)


class Explorable(Protocol[State]):
    """A protocol to explore: its first state, the next steps, and the faults of a state."""

    def start(self) -> State: ...

    def steps(self, state: State) -> Iterator[tuple[str, State]]:
        """Yields each possible step, in words, and the state after it; nothing once all work is done."""
        ...

    def fault(self, state: State, *, is_final: bool) -> str | None:
        """Returns what is wrong with the state, or None."""
        ...


class Finding(NamedTuple):
    """A wrong state, and the steps that lead to it."""

    fault: str
    trace: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join((self.fault, *(f"  {number:2}. {label}" for number, label in enumerate(self.trace, 1))))


class Explored(NamedTuple):
    states: int
    finding: Finding | None


# A label and the link before it: the traces of all states share one tree, which saves a tuple for each.
_Link = tuple[str, "_Link | None"]


def explore(protocol: Explorable[State]) -> Explored:
    """Visits every state, the nearest first, until one is wrong, so that its trace is a shortest one."""
    start = protocol.start()
    known = {start}
    count = 1
    waiting: deque[tuple[State, _Link | None]] = deque([(start, None)])
    while waiting:
        state, link = waiting.popleft()
        steps = list(protocol.steps(state))
        if fault := protocol.fault(state, is_final=not steps):
            return Explored(len(known), Finding(fault, _labels(link)))
        for label, following in steps:
            known.add(following)
            # Its size says whether it was new, without a second hash of a large state.
            if len(known) > count:
                count += 1
                waiting.append((following, (label, link)))
    return Explored(len(known), None)


def explore_all(protocols: Iterable[Explorable[State]]) -> Explored:
    """Explores one protocol after the other, up to the first fault; forgets the states of each."""
    total = 0
    for protocol in protocols:
        states, finding = explore(protocol)
        total += states
        if finding:
            return Explored(total, finding)
    return Explored(total, None)


def _labels(link: _Link | None) -> tuple[str, ...]:
    labels: list[str] = []
    while link:
        label, link = link
        labels.append(label)
    return tuple(reversed(labels))
