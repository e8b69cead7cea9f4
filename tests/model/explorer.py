"""Explicit-state search: every state that a protocol can reach, and the shortest way to one that must not be."""

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Generic, NamedTuple, Protocol, TypeVar

State = TypeVar("State", bound=Hashable)


class Step(NamedTuple, Generic[State]):
    """One thing that can happen next, and the state after it."""

    label: str
    state: State


class Protocol_(Protocol[State]):
    """What is explored: a start, the steps from each state, and what is wrong with a state."""

    def start(self) -> State: ...

    def steps(self, state: State) -> Iterator[Step[State]]:
        """The steps that are possible; none where all work is done."""
        ...

    def fault(self, state: State, *, is_final: bool) -> str | None:
        """What is wrong with the state, None when nothing is."""
        ...


class Finding(NamedTuple):
    """A state that must not be, and the steps that lead there."""

    fault: str
    trace: tuple[str, ...]

    def __str__(self) -> str:
        return "\n".join((self.fault, *(f"  {number:2}. {label}" for number, label in enumerate(self.trace, 1))))


class Explored(NamedTuple):
    states: int
    finding: Finding | None


# A link back instead of a tuple of labels: all traces together are one tree.
_Link = tuple[str, "_Link | None"]


def explore(protocol: Protocol_[State]) -> Explored:
    """Visits every reachable state, nearest first, until one is at fault; so the trace is a shortest one."""
    start = protocol.start()
    known = {start}
    waiting: deque[tuple[State, _Link | None]] = deque([(start, None)])
    while waiting:
        state, link = waiting.popleft()
        steps = list(protocol.steps(state))
        if fault := protocol.fault(state, is_final=not steps):
            return Explored(len(known), Finding(fault, _labels(link)))
        for step in steps:
            if step.state not in known:
                known.add(step.state)
                waiting.append((step.state, (step.label, link)))
    return Explored(len(known), None)


def explore_all(protocols: Iterable[Protocol_[State]], seen: Callable[[int], None] | None = None) -> Explored:
    """Explores one protocol after the other up to the first fault; the states of one are forgotten before the next."""
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
