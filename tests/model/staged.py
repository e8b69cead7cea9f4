"""The protocol of staged versions as `boiler_functions.modes.query` implements it: each step is a call, or part of it.

A view of one root has a ledger that is *shown*, with its copy, and one on the *shelf*, whose copy nobody sees. Each
belongs to a *side*: OLD, which production's functions build, or NEW, which those of the stage build. `promote` swaps
the two, `roll back` swaps them again. Each event goes to one function of either side. A builder looks first where its
side begins, and then in the other place; each of its reads is a step of its own, as is each read of an operator, who
may be stopped at any time and run again. Reading the sources is one step: `tests/model/query.py` has the rest.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

DEVICES = (
    "own_side",
    "shown_condition",
    "shelf_condition",
    "state_condition",
    "as_new",
    "former_followed",
    "debt_condition",
    "covered_by_own",
    "former_tombstone",
    "later_promoted",
    "tombstone_as_new",
    "asked_for",
    "left_over_removed",
    "gone_before_removed",
    "taken_condition",
)

OLD, NEW = 0, 1

Place = Literal["shown", "shelf"]

Change = Literal["written", "deleted", "written for new code"]
"""What happens to the root; the last changes a field that only new code reads, so that old code leaves its event."""


class Ledger(NamedTuple):
    """What a ledger says: whose it is, the version of the root that was read, and its own version.

    The version of the root is 0 before any build, and negative if that found the root deleted.
    """

    side: int
    seen: int
    version: int
    is_owed: bool = False
    """Whether a rollback has asked the functions of its side for a build."""

    def __str__(self) -> str:
        return f"{'new' if self.side else 'old'} as of @{self.seen}{', owed a build' if self.is_owed else ''}"


class Builder(NamedTuple):
    """A function of one side with an event; the build that begins a stage has the event 0."""

    side: int
    event: int
    place: Place | None = None
    """Where its ledger is; None until that is decided."""
    first: Ledger | None = None
    """The ledger in the place where its side begins, as it was read, if it is the other's."""
    phase: Literal["first", "second", "source", "commit"] = "first"
    ledger: Ledger | None = None
    read: int = 0

    def __str__(self) -> str:
        work = f"the event @{self.event}" if self.event else "a build" if self.side else "a debt"
        return f"{'new' if self.side else 'old'} code with {work}"


class Operator(NamedTuple):
    """A command that moves the view: to NEW it promotes, to OLD it rolls back."""

    to: int
    phase: Literal["state", "shown", "shelf", "commit", "root", "remove", "end"] = "state"
    is_upkeep: bool = False
    state: int = 0
    """The version of the stage's document, as it was read."""
    shown: Ledger | None = None
    shelf: Ledger | None = None

    def __str__(self) -> str:
        return "upkeep" if self.is_upkeep else "promote" if self.to else "rollback"


class World(NamedTuple):
    root: int
    """When the root was written last, negative if that deleted it; 0 before it is created."""
    shown: Ledger | None
    shelf: Ledger | None
    read_by_old: int
    """When the root was last changed in what old code reads."""
    state: tuple[int, int] = (OLD, 0)
    """To which side the stage's document says that the view belongs, and the document's version."""
    now: int = 1
    writes: tuple[Change, ...] = ()
    builders: tuple[Builder, ...] = ()
    operators: tuple[Operator, ...] = ()
    commands: tuple[int, ...] = ()
    faults: int = 0
    went_wrong: str = ""


class Scenario(NamedTuple):
    writes: tuple[Change, ...]
    commands: tuple[int, ...]
    """Where each command moves the view; one may begin before the one before has ended, if it was stopped."""
    exists: bool = True
    """Whether the root, and its view, are there from the start; after a promotion, they were."""
    deliveries: int = 1
    faults: int = 0
    is_promoted: bool = False
    """Whether the new version is shown from the start."""
    is_deleting: bool = False
    """Whether it starts with a promoted view whose root is deleted, which both sides are about to find."""


class StagedProtocol:
    """The protocol under one scenario, with some of its devices switched off."""

    def __init__(self, scenario: Scenario, off: Iterable[str] = ()) -> None:
        self.scenario = scenario
        self.off = frozenset(off)

    def start(self) -> World:
        of = self.scenario
        if of.is_deleting:
            new, old = Ledger(NEW, 1, 1), Ledger(OLD, 1, 1)
            late = Builder(OLD, 2, "shelf", phase="source", ledger=old)
            faster = Builder(NEW, 2, "shown", phase="commit", ledger=new, read=-2)
            operator = Operator(OLD, "shown", state=2)
            return World(-2, new, old, -2, (OLD, 2), 2, of.writes, (late, faster), (operator,))
        shown = Ledger(NEW if of.is_promoted else OLD, 1, 1) if of.exists else None
        root = 1 if of.exists else -1 if of.is_promoted else 0
        begun = World(root, shown, None, root, writes=of.writes, commands=of.commands, faults=of.faults)
        if of.is_promoted:
            return begun._replace(shelf=Ledger(OLD, root, 1), state=(NEW, 1))
        return begun._replace(builders=(Builder(NEW, 0),) if of.exists else ())

    def fault(self, world: World, *, is_final: bool) -> str | None:
        if world.went_wrong or not is_final:
            return world.went_wrong or None
        if not self._is_current(world.shown, world):
            return f"STALE: what is shown is {world.shown}, and the root is @{world.root}"
        if world.shown and world.shown.side != world.state[0]:
            return f"MIXED: what is shown is {world.shown}, and the stage says {world.state[0]}"
        is_unfollowed = not (world.shelf and world.shown) or "former_followed" in self.off
        if not (is_unfollowed or self._is_current(world.shelf, world)):
            return f"STALE: what is on the shelf is {world.shelf}, and the root is @{world.root}"
        return None

    def _is_current(self, ledger: Ledger | None, world: World) -> bool:
        """Whether a ledger has all changes of the root that its side reads."""
        if world.root <= 0 or ledger is None:
            return world.root <= 0 and (ledger is None or ledger.seen <= 0)
        return ledger.seen >= (world.root if ledger.side == NEW else world.read_by_old)

    def steps(self, world: World) -> Iterator[tuple[str, World]]:
        for label, following in self._steps(world):
            yield (
                label,
                following._replace(
                    builders=tuple(sorted(following.builders, key=repr)),
                    operators=tuple(sorted(following.operators, key=repr)),
                ),
            )

    def _steps(self, world: World) -> Iterator[tuple[str, World]]:
        if world.writes:
            now = world.now + 1
            change, *rest_of_writes = world.writes
            is_for_new = change == "written for new code"
            builders = (*(() if is_for_new else (Builder(OLD, now),)), Builder(NEW, now)) * self.scenario.deliveries
            root = -now if change == "deleted" else now
            written = world._replace(
                root=root,
                read_by_old=world.read_by_old if is_for_new else root,
                now=now,
                writes=tuple(rest_of_writes),
                builders=world.builders + builders,
            )
            yield f"the root is {change} @{now}", written
        if world.commands and not any(not each.is_upkeep for each in world.operators):
            # A view is promoted once its stage is built.
            to, *rest = world.commands
            if not (to == NEW and any(each.side == NEW and not each.event for each in world.builders)):
                begun = world._replace(commands=tuple(rest), operators=(*world.operators, Operator(to)))
                yield f"{Operator(to)} begins", begun
        is_left = world.shelf is not None and world.shelf.side == NEW and world.shelf.seen > 0
        is_busy = any(each.is_upkeep for each in world.operators)
        if world.state[0] == NEW and is_left and not is_busy and "later_promoted" not in self.off:
            upkeep = Operator(NEW, "shown", is_upkeep=True, state=world.state[1])
            yield f"{upkeep} finds a view on the shelf", world._replace(operators=(*world.operators, upkeep))
        if world.shelf is not None and world.shelf.is_owed and Builder(OLD, 0) not in map(_begun, world.builders):
            yield "production's upkeep finds a debt", world._replace(builders=(*world.builders, Builder(OLD, 0)))
        for place, builder in enumerate(world.builders):
            if builder not in world.builders[:place]:
                rest_of = world.builders[:place] + world.builders[place + 1 :]
                yield from self._build(builder, world._replace(builders=rest_of))
        for place, operator in enumerate(world.operators):
            rest_of_all = world.operators[:place] + world.operators[place + 1 :]
            yield from self._operate(operator, world._replace(operators=rest_of_all))

    def _build(self, builder: Builder, world: World) -> Iterator[tuple[str, World]]:
        def going_on(following: Builder) -> World:
            return world._replace(builders=(*world.builders, following))

        primary: Place = "shelf" if builder.side else "shown"
        match builder.phase:
            case "first":
                found = getattr(world, primary)
                is_mine = found is None or found.side == builder.side or "own_side" in self.off
                if is_mine:
                    yield f"{builder}: reads {primary}: {found}", going_on(self._at(builder, primary, found))
                else:
                    following = builder._replace(phase="second", first=found)
                    yield f"{builder}: reads {primary}: {found}, which is the other's", going_on(following)
            case "second":
                yield from self._look_elsewhere(builder, world)
            case "source":
                if self._is_covered(builder):
                    yield f"{builder}: is covered", world
                    return
                if builder.ledger is None:
                    yield self._register(builder, world)
                    return
                following = builder._replace(phase="commit", read=world.root)
                yield f"{builder}: reads the root @{world.root}", going_on(following)
            case "commit":
                assert builder.place
                if getattr(world, builder.place) != builder.ledger:
                    yield f"{builder}: meets a conflict", going_on(Builder(builder.side, builder.event))
                    return
                now = world.now + 1
                # A former version of which nothing is left stays as a ledger: without it, new code would begin anew.
                is_kept = builder.place == "shelf" and builder.side == OLD and "former_tombstone" not in self.off
                built = Ledger(builder.side, builder.read, now) if builder.read > 0 or is_kept else None
                put = self._put(world, builder.place, built, now, read=builder.read)
                yield f"{builder}: commits {builder.place}: {built}", put

    def _register(self, builder: Builder, world: World) -> tuple[str, World]:
        """Commits a ledger without a build, so that a slow builder, which read before a deletion, meets a conflict."""
        assert builder.place
        if world.root <= 0:
            return f"{builder}: finds no root", world
        is_taken = builder.first is None or world.shelf == builder.first or "taken_condition" in self.off
        if getattr(world, builder.place) is not None or not is_taken:
            again = Builder(builder.side, builder.event)
            return f"{builder}: meets a conflict", world._replace(builders=(*world.builders, again))
        now = world.now + 1
        registered = Ledger(builder.side, 0, now)
        following = builder._replace(ledger=registered, first=None)
        label = f"{builder}: registers {builder.place}"
        going_on = world._replace(builders=(*world.builders, following))
        return label, self._put(going_on, builder.place, registered, now, read=0)

    def _look_elsewhere(self, builder: Builder, world: World) -> Iterator[tuple[str, World]]:
        other: Place = "shown" if builder.side else "shelf"
        primary: Place = "shelf" if builder.side else "shown"
        found = getattr(world, other)
        label = f"{builder}: reads {other}: {found}"
        if builder.side == NEW:
            # What is shown is the old side's: then what lies on the shelf is left over, and is built anew.
            place, ledger = (other, found) if found is None or found.side == NEW else (primary, builder.first)
            following = self._at(builder, place, ledger)
            if found is None:
                # It registers on the condition that the shelf is taken still: otherwise, its place is there.
                following = following._replace(first=builder.first)
            yield label, world._replace(builders=(*world.builders, following))
        elif found is not None and found.side == OLD and "former_followed" not in self.off:
            yield label, world._replace(builders=(*world.builders, self._at(builder, other, found)))
        elif world.shown != builder.first and "debt_condition" not in self.off:
            anew = Builder(builder.side, builder.event)
            yield f"{label}, and meets a conflict", world._replace(builders=(*world.builders, anew))
        else:
            # It leaves a debt in the ledger that is shown, on the condition that this is as it was read.
            yield f"{label}, and leaves the view to the other", world

    def _is_covered(self, builder: Builder) -> bool:
        """Whether its side has built the view from what the event tells; what the other side built says nothing."""
        ledger = builder.ledger
        if ledger is not None and ledger.is_owed:
            return False
        is_own = ledger is not None and (ledger.side == builder.side or "covered_by_own" in self.off)
        return ledger is not None and is_own and ledger.seen > 0 and ledger.seen >= builder.event

    def _at(self, builder: Builder, place: Place, ledger: Ledger | None) -> Builder:
        return builder._replace(phase="source", place=place, ledger=ledger, first=None)

    def _operate(self, operator: Operator, world: World) -> Iterator[tuple[str, World]]:
        def going_on(**changed: Any) -> World:
            return world._replace(operators=(*world.operators, operator._replace(**changed)))

        if world.faults:
            again = () if operator.is_upkeep else (Operator(operator.to),)
            stopped = world._replace(faults=world.faults - 1, operators=(*world.operators, *again))
            yield f"{operator}: is killed{', and run again' if again else ''}", stopped
        match operator.phase:
            case "state":
                # A rollback says so at first, a promotion at its end, so that upkeep moves nothing meanwhile.
                now = world.now + 1
                state = (world.state[0] if operator.to else OLD, now)
                noted = going_on(phase="shown", state=now)._replace(state=state, now=now)
                yield f"{operator}: begins in the stage's document", noted
            case "shown":
                yield f"{operator}: reads shown: {world.shown}", going_on(phase="shelf", shown=world.shown)
            case "shelf":
                yield f"{operator}: reads shelf: {world.shelf}", going_on(phase="commit", shelf=world.shelf)
            case "commit":
                yield from self._swap(operator, world)
            case "root" if world.root > 0 and "gone_before_removed" not in self.off:
                yield f"{operator}: finds that the root is back, and looks again", going_on(phase="shown")
            case "root":
                yield f"{operator}: reads the root @{world.root}", going_on(phase="remove")
            case "remove":
                yield self._remove(operator, world)
            case "end":
                now = world.now + 1
                if operator.to == OLD or operator.is_upkeep:
                    yield f"{operator}: ends", world
                elif world.state[1] == operator.state:
                    yield f"{operator}: says that it is done", world._replace(state=(NEW, now), now=now)
                else:
                    yield f"{operator}: finds another command's mark, and ends", world

    def _swap(self, operator: Operator, world: World) -> Iterator[tuple[str, World]]:
        def going_on(**changed: Any) -> World:
            return world._replace(operators=(*world.operators, operator._replace(**changed)))

        shown, shelf = operator.shown, operator.shelf
        is_there = shown.side != operator.to if shown else operator.to == NEW
        is_to_move = shelf is not None and shelf.side == operator.to and is_there
        is_left_over = operator.to == OLD and shown is None and shelf is not None and shelf.side == OLD
        if is_left_over and "left_over_removed" not in self.off:
            yield f"{operator}: finds what is left over", going_on(phase="root")
            return
        if not is_to_move:
            yield f"{operator}: has nothing to move", going_on(phase="end")
            return
        assert shelf is not None
        if shelf.seen == 0 and operator.to == NEW:
            yield f"{operator}: finds no build on the shelf", going_on(phase="end")
            return
        device = "as_new" if shelf.seen > 0 else "tombstone_as_new"
        is_older = shown is not None and (abs(shelf.seen) < shown.seen or shelf.is_owed)
        if is_older and device not in self.off:
            # Whoever is to build it has an event on the way, or is asked for a build.
            is_coming = any(each.side == shelf.side for each in world.builders)
            if is_coming or world.shelf != shelf or world.shown != shown:
                yield f"{operator}: finds the shelf older, and looks again", going_on(phase="shown")
            if operator.to == OLD and not shelf.is_owed and world.shelf == shelf and "asked_for" not in self.off:
                now = world.now + 1
                owed = shelf._replace(is_owed=True, version=now)
                yield f"{operator}: asks for a build", going_on(phase="shown")._replace(shelf=owed, now=now)
            return
        if "shown_condition" not in self.off and world.shown != shown:
            yield f"{operator}: meets a conflict", going_on(phase="shown")
            return
        if "shelf_condition" not in self.off and world.shelf != shelf:
            yield f"{operator}: meets a conflict", going_on(phase="shown")
            return
        if "state_condition" not in self.off and world.state[1] != operator.state:
            yield f"{operator}: finds that another command has begun, and ends", world
            return
        now = world.now + 1
        if shown is None:
            left = None if "former_tombstone" in self.off else Ledger(1 - operator.to, 0, now)
        else:
            left = shown._replace(version=now)
        moved = going_on(phase="end")._replace(shelf=left)
        into = shelf._replace(version=now) if shelf.seen > 0 else None
        yield f"{operator}: swaps {shown} for {shelf}", self._put(moved, "shown", into, now, read=shelf.seen)

    def _remove(self, operator: Operator, world: World) -> tuple[str, World]:
        """Deletes the former ledger of a root that is gone, so that new code finds no shelf taken if it comes back."""
        if world.shown is not None or world.shelf != operator.shelf:
            again = operator._replace(phase="shown")
            return f"{operator}: meets a conflict", world._replace(operators=(*world.operators, again))
        if world.state[1] != operator.state:
            return f"{operator}: finds that another command has begun, and ends", world
        ended = world._replace(operators=(*world.operators, operator._replace(phase="end")))
        return f"{operator}: removes {operator.shelf}", ended._replace(shelf=None, now=world.now + 1)

    def _put(self, world: World, place: Place, ledger: Ledger | None, now: int, *, read: int) -> World:
        """Puts a ledger in its place; `read` is the version of the root from which its copy was built, or deleted."""
        if place == "shelf":
            return world._replace(shelf=ledger, now=now)
        before = world.shown
        wrong = ""
        if before and ledger and 0 < ledger.seen < before.seen:
            wrong = f"WENT BACK: @{ledger.seen} is shown after @{before.seen}"
        if before and ledger is None and abs(read) < before.seen:
            wrong = f"GAP: @{before.seen} is gone, as of @{read}"
        return world._replace(shown=ledger, now=now, went_wrong=world.went_wrong or wrong)


def _begun(builder: Builder) -> Builder:
    """Returns the builder as it begins."""
    return Builder(builder.side, builder.event)


_W: Change = "written"
_D: Change = "deleted"
_N: Change = "written for new code"


def scenarios(*, deep: bool = False) -> Iterator[tuple[str, list[Scenario]]]:
    more = (_W,) if deep else ()
    yield "a promotion while writers write", [Scenario((_W, *more), (NEW,)), Scenario((_W,), (NEW,), deliveries=2)]
    yield "a promotion and a rollback", [Scenario((_W, *more), (NEW, OLD))]
    yield "a promotion that is killed", [Scenario((_W,), (NEW,), faults=2), Scenario((_W,), (NEW, OLD), faults=1)]
    yield "a root that is created", [Scenario((_W, *more), (NEW,), exists=False, deliveries=1 if deep else 2)]
    yield "a root that is created, and a rollback", [Scenario((_W,), (NEW, OLD), exists=False)]
    yield "a root that is deleted", [Scenario((_D, *more), (NEW,)), Scenario((_D,), (NEW, OLD))]
    left_alone = [Scenario((_N,), (NEW, OLD)), Scenario((_N, *more), (OLD,), is_promoted=True, faults=1)]
    yield "a rollback of what old code leaves alone", left_alone
    deleted = [Scenario((_W, *more), (OLD,), exists=False, is_promoted=True)]
    deleted += [Scenario((_D, _W), (OLD,), is_promoted=True) if deep else Scenario((_W,), (), is_deleting=True)]
    yield "a rollback of a root that is gone and comes back while the shelf is taken", deleted
