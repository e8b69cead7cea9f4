"""The protocol of kept totals as `boiler_functions.modes.query.keep` implements it: each step is a call, or part of it.

A client writes one document, the member, which belongs to a group and adds a number to it. A *contribution* records
what the member adds, and a *total* of each group is changed by increments. A handler of the member's event brings the
contribution up to date, and then builds the views of the groups. Building is one step here: a total is a document that
the view reads by name, and `tests/model/query.py` has the rest. A fill is `boiler build` over members that were there
before; until it is done, views ask for the number.

With `by`, the groups are values of one total: their numbers are in one document with one version, which one view shows
as a whole. A fill first removes the values from it that have become empty.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

DEVICES = (
    "contribution_precondition",
    "contribution_reread",
    "tombstone",
    "unchanged_written",
    "covered_built",
    "left_group_built",
    "whole_first",
    "contributions_walked",
    "value_told",
    "value_recorded",
    "one_commit_for_a_move",
    "swept_unchanged",
)

FILLS = ("whole_first", "contributions_walked")
"""The devices that matter only where members were there before the total was kept."""

GROUPS = (1, 2)

ASKED = 0
"""The version of a number that was asked for: it covers no event."""


class Stored(NamedTuple):
    """The member: its value is `payload, group, number` in three digits, or None if it does not exist."""

    value: int | None = None
    version: int = 0

    def __str__(self) -> str:
        return "missing" if self.value is None else f"{self.value}@{self.version}"


class Contribution(NamedTuple):
    """What the member adds: its group and number, or nothing (a tombstone); as it was `seen`, written at `version`."""

    adds: tuple[int, int] | None
    seen: int
    version: int

    def __str__(self) -> str:
        return f"{self.adds or 'a tombstone'} as of {self.seen}"


class Number(NamedTuple):
    """A total with its version; or a number in a view, with the version of the total that it was built from."""

    number: int = 0
    version: int = 0


class Event(NamedTuple):
    id: int
    before: int | None
    after: int | None
    tells: bool = True

    def __str__(self) -> str:
        return f"@{self.id}"


class Handler(NamedTuple):
    """An event that is handled, or a part of a fill, which has no event."""

    event: Event | None
    phase: str = "read"
    awaited: frozenset[str] = frozenset({"member", "contribution"})
    member: Stored = Stored()
    read_at: int = 0
    known: Contribution | None = None
    """The contribution as it was read."""
    groups: tuple[int, ...] = ()
    """The groups whose views are still to be built."""
    kept_at: int = 0
    """When the contribution was written that has what the event tells."""

    def __str__(self) -> str:
        return f"handler of {self.event}" if self.event else "fill"


_OTHER = Handler(Event(0, None, None), "build", frozenset(), groups=(1,), kept_at=99)
"""The event of another document that the view of group 1 reads; what is kept never covers it."""


class Commit(NamedTuple):
    """The contribution to write, on the condition that it is as it was read, and what changes with it."""

    known: Contribution | None
    before: tuple[int, int] | None
    adds: tuple[int, int] | None
    seen: int


class World(NamedTuple):
    """The world; of a total by value, all `totals` are of one version, and so are all `views`."""

    member: Stored
    contribution: Contribution | None
    totals: tuple[tuple[int, Number], ...]
    views: tuple[tuple[int, Number], ...]
    is_whole: bool
    now: int
    written: int = 0
    handlers: tuple[Handler, ...] = ()
    flying: tuple[Commit, ...] = ()
    """Commits whose answer was lost; each is applied at any later time, or never."""
    faults: int = 0


class Scenario(NamedTuple):
    script: tuple[int | None, ...]
    initial: int | None = None
    deliveries: int = 1
    faults: int = 0
    imageless: bool = False
    fills: bool = False
    """Whether the member was there before the total was kept."""
    others: bool = False
    """Whether a change of another document builds the views, too."""
    left: int | None = None
    """What a contribution still says from a former time in which the total was kept."""
    by: bool = False
    """Whether the groups are values of one total, so that a fill sweeps what is empty."""


class KeptProtocol:
    """The protocol under one scenario, with some of its devices switched off."""

    def __init__(self, scenario: Scenario, off: Iterable[str] = ()) -> None:
        self.scenario = scenario
        self.off = frozenset(off)

    def start(self) -> World:
        value = self.scenario.initial
        kept = self.scenario.left if self.scenario.fills else value
        contribution = None if kept is None else Contribution(adds(kept), 1, 1)
        fills = (self._fill(),) if self.scenario.fills else ()
        others = (_OTHER,) if self.scenario.others else ()
        return World(
            Stored(value, 0 if value is None else 2 if self.scenario.fills else 1),
            contribution,
            _pairs({group: Number(_number_in(kept, group), 1) for group in GROUPS}),
            _pairs({group: Number(_number_in(value, group), 1) for group in GROUPS}),
            not self.scenario.fills or "whole_first" in self.off,
            now=2,
            handlers=(*fills, *others),
            faults=self.scenario.faults,
        )

    def fault(self, world: World, *, is_final: bool) -> str | None:
        if not is_final:
            return None
        if not world.is_whole:
            return "UNFINISHED: the fill is over and the total is not whole"
        for group in GROUPS:
            right = _number_in(world.member.value, group)
            if (found := dict(world.totals)[group].number) != right:
                return f"WRONG TOTAL: that of group {group} is {found}, and its members add {right}"
            if (shown := dict(world.views)[group].number) != right:
                return f"STALE: the view of group {group} shows {shown}, and its members add {right}"
        return None

    def steps(self, world: World) -> Iterator[tuple[str, World]]:
        for label, following in self._steps(world):
            yield label, following._replace(handlers=tuple(sorted(following.handlers, key=hash)))

    def _steps(self, world: World) -> Iterator[tuple[str, World]]:
        yield from self._write(world)
        for place, handler in enumerate(world.handlers):
            if handler not in world.handlers[:place]:
                rest = world.handlers[:place] + world.handlers[place + 1 :]
                yield from self._handle(handler, world._replace(handlers=rest))
        for place, commit in enumerate(world.flying):
            rest_flying = world._replace(flying=world.flying[:place] + world.flying[place + 1 :])
            yield "a commit without answer is never applied", rest_flying
            if applied := self._applied(commit, rest_flying):
                yield "a commit without answer is applied late", applied

    def _write(self, world: World) -> Iterator[tuple[str, World]]:
        if world.written == len(self.scenario.script):
            return
        value = self.scenario.script[world.written]
        now = world.now + 1
        member = Stored(value, 0 if value is None else now)
        written = world._replace(member=member, now=now, written=world.written + 1)
        events = [Event(now, world.member.value, value)]
        if self.scenario.imageless:
            events.append(Event(now, None, None, tells=False))
        for event in events:
            # Nothing is to be done, and no call is made, for a change of anything but group and number.
            is_needless = event.tells and self._told(event.before) == self._told(event.after)
            handlers = () if is_needless else (Handler(event),) * self.scenario.deliveries
            told = "" if event.tells else ", its event without images"
            yield f"a client writes {member}{told}", written._replace(handlers=world.handlers + handlers)

    def _handle(self, handler: Handler, world: World) -> Iterator[tuple[str, World]]:
        """Yields the next steps of the handler, taken out of the world; puts it back unless it is done."""
        again = Handler(handler.event) if handler.event else self._fill()
        if world.faults and handler not in (again, _OTHER):
            yield f"{handler}: crashes, starts again", _with(world._replace(faults=world.faults - 1), again)
        match handler.phase:
            case "read":
                for item in sorted(handler.awaited):
                    yield self._read(handler, item, world)
            case "read again":
                yield self._read(handler, "member", world)
            case "commit":
                yield from self._commit(handler, world)
            case "take away":
                yield self._take_away(handler, world)
            case "build":
                yield from self._build(handler, world)
            case "sweep":
                yield self._sweep(handler, world)
            case "remove":
                yield self._remove(handler, world)
            case "enumerate":
                yield self._enumerate(handler, world)
            case "walk":
                yield self._walk(handler, world)

    def _read(self, handler: Handler, item: str, world: World) -> tuple[str, World]:
        """Reads one document of a BatchGet, each at its own time: the read may be torn in any order."""
        handler = handler._replace(awaited=handler.awaited - {item})
        if item == "member":
            handler = handler._replace(member=world.member, read_at=world.now)
            label = f"{handler}: reads the member: {world.member}"
        else:
            handler = handler._replace(known=world.contribution)
            label = f"{handler}: reads the contribution: {world.contribution or 'none'}"
        if handler.awaited:
            return label, _with(world, handler)
        if handler.phase == "read" and self._may_be_older(handler):
            return label, _with(world, handler._replace(phase="read again"))
        return label, self._decided(handler, world)

    def _may_be_older(self, handler: Handler) -> bool:
        """Whether the member may have been read before what the contribution records."""
        if handler.known is None or "contribution_reread" in self.off:
            return False
        return handler.member.value is None or handler.member.version < handler.known.seen

    def _decided(self, handler: Handler, world: World) -> World:
        """Returns the world after the handler found out what it has to do."""
        known, now = handler.known, adds(handler.member.value)
        if known is None:
            is_done = now is None and "tombstone" in self.off
        else:
            is_recorded = handler.member.value is not None and known.seen == handler.member.version
            is_done = known.adds == now and (is_recorded or "unchanged_written" in self.off)
        if not is_done:
            return _with(world, handler._replace(phase="commit"))
        if "covered_built" in self.off and handler.event:
            return world
        return self._kept(handler, world, known.version if known else 0)

    def _commit(self, handler: Handler, world: World) -> Iterator[tuple[str, World]]:
        seen = handler.read_at if handler.member.value is None else handler.member.version
        before = handler.known.adds if handler.known else None
        if self.scenario.by and "value_recorded" in self.off and handler.event and handler.event.tells:
            before = adds(handler.event.before)
        commit = Commit(handler.known, before, adds(handler.member.value), seen)
        applied = self._applied(commit, world)
        if applied is None:
            yield f"{handler}: meets a conflict", _with(world, _anew(handler))
            return
        label = f"{handler}: commits {applied.contribution}"
        if self._moves_in_two and before and before != commit.adds:
            yield label, _with(applied, handler._replace(phase="take away", groups=before, kept_at=applied.now))
        else:
            yield label, self._kept(handler, applied, applied.now)
        if world.faults:
            flying = world._replace(flying=(*world.flying, commit), faults=world.faults - 1)
            yield f"{handler}: has no answer to its commit", _with(flying, _anew(handler))

    def _applied(self, commit: Commit, world: World) -> World | None:
        """Returns the world after the commit, or None after a conflict."""
        if world.contribution != commit.known and "contribution_precondition" not in self.off:
            return None
        now = world.now + 1
        changes: list[tuple[int, int]] = []
        if commit.before != commit.adds:
            changes += [commit.adds] if commit.adds else []
            changes += [_negative(commit.before)] if commit.before and not self._moves_in_two else []
        totals = self._changed(world, changes, now)
        return world._replace(contribution=Contribution(commit.adds, commit.seen, now), totals=totals, now=now)

    @property
    def _moves_in_two(self) -> bool:
        return self.scenario.by and "one_commit_for_a_move" in self.off

    def _changed(self, world: World, changes: Iterable[tuple[int, int]], now: int) -> tuple[tuple[int, Number], ...]:
        """Returns the totals after increments; those by value are one document, which has one version."""
        totals = dict(world.totals)
        changed: set[int] = set()
        for group, number in changes:
            totals[group] = totals[group]._replace(number=totals[group].number + number)
            changed.update(GROUPS if self.scenario.by else (group,))
        for group in changed:
            totals[group] = totals[group]._replace(version=now)
        return _pairs(totals)

    def _take_away(self, handler: Handler, world: World) -> tuple[str, World]:
        """Takes the number from the value that the member had, in a commit of its own."""
        group, number = handler.groups
        totals = self._changed(world, [(group, -number)], world.now + 1)
        following = world._replace(totals=totals, now=world.now + 1)
        return f"{handler}: takes away from {group}", self._kept(handler, following, handler.kept_at)

    def _kept(self, handler: Handler, world: World, kept_at: int) -> World:
        """Returns the world with the handler at its views, once the contribution is up to date."""
        event = handler.event
        if event is None:
            return self._next_of_fill(handler, world)
        groups = (
            set(GROUPS) if not event.tells else {each[0] for each in map(adds, (event.before, event.after)) if each}
        )
        if handler.known and handler.known.adds:
            groups.add(handler.known.adds[0])
        if "left_group_built" in self.off:
            groups = {each[0] for each in (adds(handler.member.value),) if each}
        if self.scenario.by and groups:
            groups = {1}  # One view shows the numbers of all values.
        building = handler._replace(phase="build", groups=tuple(sorted(groups)), kept_at=kept_at)
        return _with(world, building) if groups else world

    def _build(self, handler: Handler, world: World) -> Iterator[tuple[str, World]]:
        """Builds the view of one group from the total, or by asking as long as that is not whole."""
        group, *rest = handler.groups
        left = (handler._replace(groups=tuple(rest)),) if rest else ()
        if dict(world.views)[group].version >= handler.kept_at:
            covered = world._replace(handlers=(*world.handlers, *left))
            yield f"{handler}: finds its change in the view of group {group}", covered
            return
        asked = {each: Number(_number_in(world.member.value, each), ASKED) for each in GROUPS}
        read = dict(world.totals) if world.is_whole else asked
        shown = {each: read[each] for each in (GROUPS if self.scenario.by else (group,))}
        views = _pairs({**dict(world.views), **shown})
        following = world._replace(views=views, handlers=(*world.handlers, *left))
        numbers = ", ".join(str(each.number) for each in shown.values())
        yield f"{handler}: builds the view of group {group}: {numbers}", following

    def _fill(self) -> Handler:
        """Returns a fill before its first step."""
        return Handler(None, "sweep" if self.scenario.by else "enumerate", frozenset())

    def _told(self, value: int | None) -> tuple[int, ...] | None:
        """Returns what a member with this value adds, as far as an event says it."""
        told = adds(value)
        return told[1:] if told and self.scenario.by and "value_told" in self.off else told

    def _sweep(self, handler: Handler, world: World) -> tuple[str, World]:
        """Reads the total, and finds the values that no member has."""
        empty = tuple(group for group, each in world.totals if not each.number)
        found = handler._replace(phase="remove", groups=empty, kept_at=_version(world)) if empty else None
        enumerating = Handler(None, "enumerate", frozenset())
        return f"{handler}: finds the empty values {empty}", _with(world, found or enumerating)

    def _remove(self, handler: Handler, world: World) -> tuple[str, World]:
        """Removes the values, unless the total has changed since it was read."""
        enumerating = Handler(None, "enumerate", frozenset())
        if _version(world) != handler.kept_at and "swept_unchanged" not in self.off:
            return f"{handler}: finds the total changed", _with(world, enumerating)
        now = world.now + 1
        totals = {group: Number(0 if group in handler.groups else each.number, now) for group, each in world.totals}
        return f"{handler}: removes them", _with(world._replace(totals=_pairs(totals), now=now), enumerating)

    def _enumerate(self, handler: Handler, world: World) -> tuple[str, World]:
        """Finds the member by a query, unless it is missing."""
        if world.member.value is None:
            return f"{handler}: finds no member", self._next_of_fill(handler, world)
        found = handler._replace(
            phase="read", awaited=frozenset({"contribution"}), member=world.member, read_at=world.now, groups=(1,)
        )
        return f"{handler}: finds the member: {world.member}", _with(world, found)

    def _walk(self, handler: Handler, world: World) -> tuple[str, World]:
        """Goes through the contributions, whose members may be gone, and then says that the total is whole."""
        if world.contribution is None or "contributions_walked" in self.off:
            return f"{handler}: is done", world._replace(is_whole=True)
        return f"{handler}: finds a contribution", _with(world, Handler(None, groups=(2,)))

    def _next_of_fill(self, handler: Handler, world: World) -> World:
        # The groups of a fill say how far it came: 1 for the members, 2 for the contributions.
        if handler.groups == (2,):
            return world._replace(is_whole=True)
        return _with(world, Handler(None, "walk", frozenset()))


def adds(value: int | None) -> tuple[int, int] | None:
    """Returns the group of a member, and the number that it adds."""
    return None if value is None else (value // 10 % 10, value % 10)


def _negative(change: tuple[int, int]) -> tuple[int, int]:
    return change[0], -change[1]


def _version(world: World) -> int:
    """Returns the version of the document with the numbers of all values."""
    return max(each.version for _, each in world.totals)


def _number_in(value: int | None, group: int) -> int:
    found = adds(value)
    return found[1] if found and found[0] == group else 0


def _anew(handler: Handler) -> Handler:
    """Returns the handler before its reads; a fill reads what it found again."""
    return Handler(handler.event, groups=() if handler.event else handler.groups)


def _with(world: World, handler: Handler) -> World:
    return world._replace(handlers=(*world.handlers, handler))


def _pairs(mapping: Mapping[int, Number]) -> tuple[tuple[int, Number], ...]:
    return tuple(sorted(mapping.items()))
