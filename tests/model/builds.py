"""The protocol of builds in the cloud, as `boiler_functions.modes.query.build_ranges` implements it.

A build has one range of a few roots here, each a batch of its own. A task builds batch after batch, and commits the
position and the count of the range after each. Whoever finds the range done closes the build: one commit adds its count
and deletes the range. Upkeep makes a task for a range that nobody works on, and closes what nobody closed. Building is
one step: that it converges, beside events and other builds, is what `tests/model/query.py` shows.
"""

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

DEVICES = ("range_precondition", "built_before_counted", "upkeep_hands_again", "closed_once")

Act = Literal["pause", "resume", "cancel"]


class Build(NamedTuple):
    state: str = "running"
    counted: int = 0
    is_open: bool = True
    version: int = 1


class Range(NamedTuple):
    position: int = 0
    counted: int = 0
    version: int = 1


class Worker(NamedTuple):
    """A task in work, or upkeep, which has none."""

    has_task: bool
    phase: str = "read"
    build: Build = Build()
    range: Range = Range()

    def __str__(self) -> str:
        return "task" if self.has_task else "upkeep"


class Flying(NamedTuple):
    """A commit of a range whose answer was lost; it is applied at any later time, or never."""

    seen: int
    position: int
    counted: int


class World(NamedTuple):
    build: Build
    range: Range | None
    built: frozenset[int] = frozenset()
    passed: int = 0
    """How many roots the range had passed when it was deleted."""
    tasks: int = 0
    workers: tuple[Worker, ...] = ()
    flying: tuple[Flying, ...] = ()
    now: int = 1
    done: int = 0
    """How much of the script a person has done."""
    faults: int = 0
    hasty: int = 0
    """How often upkeep may take a range that moves for one that stands still."""


class Scenario(NamedTuple):
    roots: int = 2
    script: tuple[Act, ...] = ()
    faults: int = 0
    hasty: int = 0


class BuildProtocol:
    """The protocol under one scenario, with some of its devices switched off."""

    def __init__(self, scenario: Scenario, off: Iterable[str] = ()) -> None:
        self.scenario = scenario
        self.off = frozenset(off)

    def start(self) -> World:
        return World(Build(), Range(), tasks=1, faults=self.scenario.faults, hasty=self.scenario.hasty)

    def fault(self, world: World, *, is_final: bool) -> str | None:
        if not is_final:
            return None
        if world.build.is_open:
            return f"STUCK: the build is {world.build.state}, and nobody goes on with it"
        if world.build.state == "done" and world.passed != self.scenario.roots:
            return f"INCOMPLETE: {world.passed} roots are passed"
        if not world.built.issuperset(range(world.passed)):
            return f"NOT BUILT: {sorted(set(range(world.passed)) - world.built)} counts as built"
        if world.build.counted != world.passed:
            return f"WRONG COUNT: {world.build.counted} of {world.passed}"
        return None

    def steps(self, world: World) -> Iterator[tuple[str, World]]:
        for label, following in self._steps(world):
            yield label, following._replace(workers=tuple(sorted(following.workers)))

    def _steps(self, world: World) -> Iterator[tuple[str, World]]:
        yield from self._person(world)
        if world.tasks:
            yield "a task comes", _with(world._replace(tasks=world.tasks - 1), Worker(True))
            if world.faults:
                faulty = world._replace(faults=world.faults - 1)
                yield "a task comes twice", _with(faulty, Worker(True))
                yield "a task is lost", faulty._replace(tasks=world.tasks - 1)
        is_idle = not (world.tasks or world.workers or world.flying)
        if self._upkeep_can_help(world) and (is_idle or world.hasty):
            yield "upkeep looks", _with(world._replace(hasty=world.hasty - (not is_idle)), Worker(False, "finish"))
        for place, worker in enumerate(world.workers):
            if worker not in world.workers[:place]:
                left = world._replace(workers=world.workers[:place] + world.workers[place + 1 :])
                yield from self._work(worker, left)
        for place, commit in enumerate(world.flying):
            left = world._replace(flying=world.flying[:place] + world.flying[place + 1 :])
            yield "a commit without answer is never applied", left
            if (applied := self._applied(commit, left)) is not None:
                yield "a commit without answer is applied late", applied

    def _upkeep_can_help(self, world: World) -> bool:
        if not world.build.is_open or world.build.state == "paused" or world.range is None:
            return False
        is_to_be_closed = world.build.state == "cancelled" or world.range.position == self.scenario.roots
        return is_to_be_closed or "upkeep_hands_again" not in self.off

    def _person(self, world: World) -> Iterator[tuple[str, World]]:
        if world.done == len(self.scenario.script) or not world.build.is_open:
            return
        act = self.scenario.script[world.done]
        state = {"pause": "paused", "resume": "running", "cancel": "cancelled"}[act]
        build = world.build._replace(state=state, version=world.now + 1)
        yield f"a person says {act}", world._replace(build=build, now=world.now + 1, done=world.done + 1)

    def _work(self, worker: Worker, world: World) -> Iterator[tuple[str, World]]:
        """Yields the next steps of a worker, taken out of the world; puts it back unless it is done."""
        if world.faults:
            # A task whose worker dies comes again.
            killed = world._replace(faults=world.faults - 1, tasks=world.tasks + worker.has_task)
            yield f"{worker}: is killed", killed
        match worker.phase:
            case "read":
                yield self._read(worker, world)
            case "build":
                yield self._build(worker, world)
            case "commit":
                yield from self._commit(worker, world)
            case "finish":
                yield self._look(worker, world)
            case "close":
                yield self._close(worker, world)

    def _read(self, worker: Worker, world: World) -> tuple[str, World]:
        if world.range is None or world.build.state != "running":
            return f"{worker}: finds nothing to do", world
        if world.range.position == self.scenario.roots:
            return f"{worker}: finds the range done", _with(world, Worker(worker.has_task, "finish"))
        first = "build" if "built_before_counted" not in self.off else "commit"
        found = worker._replace(phase=first, build=world.build, range=world.range)
        return f"{worker}: reads {world.range}", _with(world, found)

    def _build(self, worker: Worker, world: World) -> tuple[str, World]:
        built = world._replace(built=world.built | {worker.range.position})
        phase = "commit" if "built_before_counted" not in self.off else "read"
        return f"{worker}: builds root {worker.range.position}", _with(built, worker._replace(phase=phase))

    def _commit(self, worker: Worker, world: World) -> Iterator[tuple[str, World]]:
        commit = Flying(worker.range.version, worker.range.position + 1, worker.range.counted + 1)
        following = worker._replace(phase="read" if "built_before_counted" not in self.off else "build")
        if (applied := self._applied(commit, world)) is None:
            yield f"{worker}: meets a conflict, and leaves the range to the other", world
            return
        yield f"{worker}: commits position {commit.position}", _with(applied, following)
        if world.faults:
            lost = world._replace(faults=world.faults - 1, flying=(*world.flying, commit))
            yield f"{worker}: has no answer to its commit", _with(lost, Worker(worker.has_task))

    def _applied(self, commit: Flying, world: World) -> World | None:
        """Returns the world after the commit of a position, or None after a conflict."""
        if world.range is None or (world.range.version != commit.seen and "range_precondition" not in self.off):
            return None
        counted = commit.counted if "range_precondition" not in self.off else world.range.counted + 1
        now = world.now + 1
        return world._replace(range=Range(commit.position, counted, now), now=now)

    def _look(self, worker: Worker, world: World) -> tuple[str, World]:
        """Looks at what is to be done next of the build, as upkeep and the last task do."""
        build, part = world.build, world.range
        if not build.is_open or build.state == "paused" or part is None:
            return f"{worker}: finds nothing to do", world
        if build.state == "cancelled" or part.position == self.scenario.roots:
            closing = worker._replace(phase="close", build=build, range=part)
            return f"{worker}: finds what is to be closed", _with(world, closing)
        if "upkeep_hands_again" in self.off:
            return f"{worker}: leaves the range alone", world
        handed = part._replace(version=world.now + 1)
        return f"{worker}: makes a task", world._replace(range=handed, now=world.now + 1, tasks=world.tasks + 1)

    def _close(self, worker: Worker, world: World) -> tuple[str, World]:
        is_as_read = world.build == worker.build and world.range == worker.range
        if not is_as_read and "closed_once" not in self.off:
            return f"{worker}: meets a conflict", world
        state = "done" if worker.build.state == "running" else "cancelled"
        counted = world.build.counted + worker.range.counted
        build = Build(state, counted, False, world.now + 1)
        passed = world.passed if world.range is None else world.range.position
        return f"{worker}: closes the build", world._replace(build=build, range=None, passed=passed, now=world.now + 1)


def _with(world: World, worker: Worker) -> World:
    return world._replace(workers=(*world.workers, worker))
