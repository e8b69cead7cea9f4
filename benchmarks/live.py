"""The time from a click to all three panes, in Chromium: the live meeting room, next to functions written by hand."""

from collections.abc import Iterator
from statistics import quantiles

from benchmarks.results import Row, ratio_at_most
from benchmarks.served.live_by_hand import triggers
from benchmarks.stage import Stage
from emulator.live import LiveRoom, build_page
from emulator.scenarios import Scenarios

ROUNDS = 4
CLICKS = 25

_PEER = "functions by hand"


def live(_: Stage) -> Iterator[Row]:
    """Measures from a participant's click until all see it, in turns, so that noise affects both rooms alike."""
    build_page()
    with LiveRoom() as ours, LiveRoom(by_hand=triggers) as peer:
        rooms = (ours, peer)
        taken: dict[LiveRoom, list[float]] = {room: [] for room in rooms}
        for room in rooms:
            _clicks(room, 3)
        for _round in range(ROUNDS):
            for room in rooms:
                taken[room] += _clicks(room, CLICKS)
    for percent in (50, 99):
        mine, theirs = (quantiles(taken[room], n=100)[percent - 1] for room in rooms)
        target = ratio_at_most(1.25) if percent == 50 else None
        yield Row(f"live page, click → all three panes, p{percent}", mine, theirs, _PEER, "ms", target)


def _clicks(room: LiveRoom, times: int) -> list[float]:
    """Returns the milliseconds of so many clicks in a new browser."""
    with Scenarios() as scenarios:
        found: list[float] = scenarios.play("timed", room.url, times=times)
    return found
