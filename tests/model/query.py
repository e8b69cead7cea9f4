"""The Query protocol as `boiler_functions.modes.query` implements it: each step is a call, or part of a torn read.

Two views, `A` of the root `a` and `B` of the root `c`, that read by what the value of their root says:

    ALONE   the root alone                  QUERY   all of `x`, `y` that match (their value ends in 1)
    LINK    the root, and `b`               CHAIN   the root and `b`, and `y` when `b` is 3
    COPIED  the root, and `b`, whose value is the path that the view is stored at: none without `b`
    TIMED   the root, and `b`, and whether a moment has passed, which it asks the time
    OWNED   as COPIED, and `y`, of which a getter raises when it is FAILS
    SPREAD  the root, and `b`, which says both the content and the two paths that the view is stored at
    EACH    the root, `b` and `y`; stored at 1 with what `b` says, and at 2 with what `y` says, each if it exists
    COUNTED the root, and how many of `x`, `y` match and their sum: numbers, which bring no versions
    BOTH    as COUNTED, and `y`, which it reads too
    FOUND   as QUERY, and `y`, which it reads by its name too
    ASKS    the root and `b`, and all that match when `b` is 3: a query that is known once `b` is read
    NARROW  the root, and of `b` and of all that match the tens alone; `y` as well when the ones of `b` are 3
    WHOLE   as NARROW, and `y` whole
    SOME    as NARROW, but the ledger alone says so    MORE    as SOME, and the hundreds, too

A view without root (its root is "") reads `b`, and `y` when `b` is 3.

A getter raises when `b` is FAILS; the commit of a LINK is refused for good when `b` is REFUSED; a query is, until its
index is ready. Code 2 of a view reads documents besides, by which code 1 finds no view. Each deployment puts a code
into place, and that before it may still take events until the roll-out is over; upkeep is of the last one.

All deliveries of an event are handlers from the write on, so that delay and reordering need no steps of their own.
A `quiet` view is written once in a PERIOD. What changes meanwhile is postponed: the ledger says until when, and whoever
builds the view from a reading at that time or later has it. Time passes with each write, and at any time to the end of
what is postponed.
With `settling`, a write has its time before it shows, and its events are sent once it shows: what is asked in between
is of a later time, and lacks it.
Reading what no write can change any more is no step either: it is the same at any later time.
"""

import itertools
from collections.abc import Hashable, Iterable, Iterator, Mapping

from tests.model.decisions import Decisions
from tests.model.views import hits_of, is_refused, rebuild, total_of
from tests.model.world import (
    FOLLOW,
    INITIAL,
    MISSING,
    NOW,
    PASSED,
    PERIOD,
    UNTAKEN,
    UPKEEP,
    Change,
    Commit,
    Document,
    Handler,
    Known,
    Ledger,
    Scenario,
    World,
    aged,
    anew,
    is_fresh,
    pairs,
    put,
    shown,
    values_of,
)


class QueryProtocol(Decisions):
    """The protocol under one scenario, with some of its devices switched off."""

    def __init__(self, scenario: Scenario, off: Iterable[str] = ()) -> None:
        super().__init__(scenario, off)
        self._moved: dict[Hashable, Handler | None] = {}

    def start(self) -> World:
        """Returns the world in which the initial documents exist and every view is built from them."""
        docs = dict.fromkeys(self.paths, MISSING)
        docs.update({path: Document(value, INITIAL) for path, value in self.scenario.initial})
        if self.scenario.moment:
            docs[NOW] = Document(0, 0)
        ledgers: dict[str, Ledger | None] = {}
        stored = {}
        for view in () if self.scenario.unbuilt else self.views.values():
            built = rebuild(view, docs)
            ledgers[view.name] = None if built is None or built.content is None else built.ledger
            if built and built.content is not None:
                stored.update({(view.name, to): built.at(to) or () for to in built.destinations})
        builds = (self._delivered(Change("", 0, MISSING, MISSING, False)),) * self.scenario.builds
        return self._settled(
            World(
                pairs(docs),
                0,
                pairs({**dict.fromkeys(self.views), **ledgers}),
                pairs(stored),
                builds,
                faults=self.scenario.faults,
                is_indexed=not self.scenario.unindexed,
            )
        )

    def fault(self, world: World, *, is_final: bool) -> str | None:
        """Returns a fault if old code overwrote new; or, once all work is done, if a view differs from its rebuild."""
        if world.went_wrong:
            return f"WRONG: {world.went_wrong}"
        if dict(world.docs).get(NOW) == Document(0, 0) and any(PASSED in content for _, content in world.stored):
            return "EARLY: a view says that the moment has passed, and it has not"
        docs = dict(world.docs)
        if not is_final:
            return self._delayed(world, docs)
        for view in self._declared(world.deployed):
            built = rebuild(view, docs)
            if built is None or is_refused(view, docs) or (not view.root and dict(world.ledgers)[view.name] is None):
                continue
            found = {to: content for (name, to), content in world.stored if name == view.name}
            if built.failed:
                if reads_on := found.keys() - set(built.destinations):
                    return f"READS ON: {view.name} cannot be built, and is still stored at {min(reads_on)}"
                continue
            wanted = {to: built.at(to) for to in built.destinations}
            if wanted != found:
                return f"DIVERGED: {view.name} is stored as {found}, a rebuild makes {wanted}"
        return None

    def _delayed(self, world: World, docs: Mapping[str, Document]) -> str | None:
        """Returns a fault if a quiet view is still stored where it does not belong, and nobody is at work on it."""
        if not self.scenario.quiet or world.handlers or world.flying:
            return None
        for name, view in self.views.items():
            built = rebuild(view, docs)
            reads_on = {to for (each, to), _ in world.stored if each == name}
            if built and (reads_on := reads_on - set(built.destinations if built.content or built.failed else ())):
                return f"READS ON: {name} is postponed, and is still stored at {min(reads_on)}"
        return None

    def _is_due(self, ledger: Ledger | None, world: World) -> bool:
        """Returns whether upkeep builds the view: it is owed one, its roll-out is over, or its moment has come."""
        if ledger is None or self._is_owed(ledger, world.deployed):
            return ledger is not None
        has_come = ledger.wakes and bool(dict(world.docs)[NOW].value) and "wake" not in self.off
        has_come |= 0 < ledger.postponed_until <= world.time
        return has_come or (ledger.once_more and ledger.edition <= world.settled)

    def steps(self, world: World) -> Iterator[tuple[str, World]]:
        for label, following in self._steps(world):
            yield label, self._settled(following)

    def _steps(self, world: World) -> Iterator[tuple[str, World]]:
        yield from self._write(world)
        if not world.is_indexed:
            yield "the index is ready", world._replace(is_indexed=True)
        if world.deployed < len(self.scenario.deployments):
            yield f"code {self._code(world.deployed + 1)} is deployed", world._replace(deployed=world.deployed + 1)
        if dict(world.docs).get(NOW) == Document(0, 0):
            yield "the moment comes", world._replace(docs=pairs({**dict(world.docs), NOW: Document(1, 0)}))
        for until in sorted({each.postponed_until for _, each in world.ledgers if each}):
            if until > world.time:
                yield f"time passes until @{until}", world._replace(passed=world.passed + until - world.time)
        if world.settled < world.deployed:
            over = world._replace(settled=world.settled + 1)
            yield f"the roll-out of deployment {over.settled} is over", over
        yield from self._upkeep(world)
        for place, handler in enumerate(world.handlers):
            if handler not in world.handlers[:place]:
                rest = world.handlers[:place] + world.handlers[place + 1 :]
                yield from self._handle(handler, world._replace(handlers=rest))
        for place, commit in enumerate(world.flying):
            rest_flying = world._replace(flying=world.flying[:place] + world.flying[place + 1 :])
            yield f"a commit without answer is never applied: {commit}", rest_flying
            if applied := self._applied(commit, rest_flying):
                yield f"a commit without answer is applied late: {commit}", applied

    def _upkeep(self, world: World) -> Iterator[tuple[str, World]]:
        """Lets upkeep find the views that are owed a build, and those of another fetch plan."""
        if not self.scenario.upkeep or "upkeep" in self.off:
            return
        docs = dict(world.docs)
        due = [
            view.name
            for view in self._declared(world.deployed)
            if self._is_due(dict(world.ledgers)[view.name], world)
            # At the end, a view that still cannot be built would be retried forever.
            and not (self._is_over(world) and (rebuild(view, docs) is None or is_refused(view, docs)))
        ]
        is_running = any(handler.change.path == UPKEEP for handler in world.handlers)
        if due and not is_running:
            change = Change(UPKEEP, 0, MISSING, MISSING, False)
            handler = Handler(change, tuple(due), edition=world.deployed)
            yield f"upkeep finds {', '.join(due)} owed", put(world, handler)

    def _write(self, world: World) -> Iterator[tuple[str, World]]:
        if world.written == len(self.scenario.script):
            return
        path, value = self.scenario.script[world.written]
        docs = dict(world.docs)
        number = world.time + 1
        if self.scenario.settling and not world.unshown:
            yield f"{path} = {value} has its time @{number}, and does not show yet", world._replace(unshown=True)
            return
        before, after = docs[path], MISSING if value is None else Document(value, number)
        label = f"{path} = {value} {'shows' if world.unshown else 'is written'} @{number}"
        following = world._replace(docs=pairs({**docs, path: after}), written=world.written + 1, unshown=False)
        changes = [Change(path, number, before, after, True)]
        if self.scenario.imageless:
            changes.append(Change(path, number, MISSING, MISSING, False))
        for change in changes:
            handlers = (self._delivered(change),) * self.scenario.deliveries
            told = "" if change.tells else ", its event without images"
            yield label + told, following._replace(handlers=world.handlers + handlers)

    def _handle(self, handler: Handler, world: World) -> Iterator[tuple[str, World]]:
        """Yields the next steps of the handler, taken out of the world; puts it back unless it is done."""
        who = f"handler of {handler.change}"
        if handler.edition == UNTAKEN:
            for edition in range(max(world.settled, world.deployed - 1), world.deployed + 1):
                taken = put(world, self._taken(handler.change, edition))
                yield f"{who}: is taken by code {self._code(edition)} of deployment {edition}", taken
            return
        if world.faults and handler.phase != "start":
            again = self._delivered(handler.change)
            left = tuple(each for each in world.handlers if not self._is_beside(handler, each))
            crashed = world._replace(faults=world.faults - 1, handlers=left)
            yield f"{who}: crashes, is delivered again", put(crashed, again)
        match handler.phase:
            case "start":
                yield from self._follow(handler, world, who)
            case "look-up" | "read" | "check" | "verify":
                for item in sorted(handler.awaited):
                    yield self._read(handler, item, world, who)
            case "deeper":
                yield self._read_deeper(handler, world, who)
            case "owe":
                (name,) = handler.views
                known = Known(dict(world.ledgers)[name])
                after = handler._replace(phase="commit", ledgers=((name, known),), owes=True)
                yield f"{who}: fails for good, reads the ledger of {name} once more", put(world, after)
            case "wake":
                yield from self._woken_later(handler, world, who)
            case _:
                yield from self._commit(handler, world, who)

    def _follow(self, handler: Handler, world: World, who: str) -> Iterator[tuple[str, World]]:
        """Looks up ledgers by tokens: a query is a snapshot, which returns all ledgers of a page at one time."""
        tokens = self._tokens(handler.change, handler.edition)
        after = handler.todo[0].removeprefix(FOLLOW)
        matching = (
            (name, each)
            for name, each in world.ledgers
            if each and each.tokens & tokens and name > after and self.views[name].root
        )
        found = dict(itertools.islice(matching, self.scenario.page or None))
        is_full = self.scenario.page and len(found) == self.scenario.page and "next_page" not in self.off
        following = (FOLLOW + max(found),) if is_full else ()
        concerned = {
            name: Known(ledger)
            for name, ledger in found.items()
            if self._is_owed(ledger, handler.edition)
            or not (
                self._is_covered(handler.change, ledger)
                or self._is_unread(handler.change, ledger)
                or self._is_postponed(handler.change, ledger, world.time)
            )
        }
        label = f"{who}: finds the ledgers of {', '.join(found) or 'no view'} by {', '.join(sorted(tokens))}"
        done = handler._replace(todo=(*following, *handler.todo[1:]))
        if not concerned:
            yield f"{label}; nothing to do", put(world, anew(done))
            return
        known = {
            path
            for name, each in concerned.items()
            if each.ledger
            for path in (self.views[name].root, *(p for p, _ in each.ledger.versions if p in each.ledger.tokens))
        }
        attempt = done._replace(
            phase="read", views=tuple(concerned), ledgers=pairs(concerned), awaited=frozenset(known), read_at=0
        )
        if not self.scenario.at_once:
            yield label, put(world, attempt)
            return
        begun = put(world, anew(done))
        for name, each in concerned.items():
            begun = put(begun, attempt._replace(todo=(), views=(name,), ledgers=((name, each),)))
        yield label, begun

    def _read(self, handler: Handler, item: str, world: World, who: str) -> tuple[str, World]:
        """Reads one document of a BatchGet, each at its own time: the read may be torn in any order."""
        is_early = handler.is_early or self._is_unsettled(handler, world)
        read_at = (handler.read_at or world.time) if self.scenario.quiet else 0
        handler = handler._replace(awaited=handler.awaited - {item}, is_early=is_early, read_at=read_at)
        if self.scenario.moment and NOW not in dict(handler.seen):
            # Without the device, by a clock of the process that is ahead.
            now = Document(1, 0) if "read_time" in self.off else dict(world.docs)[NOW]
            handler = handler._replace(seen=pairs({**dict(handler.seen), NOW: now}))
        if item in self.views:
            ledger = dict(world.ledgers)[item]
            after = handler._replace(ledgers=((item, Known(ledger)),))
            return f"{who}: reads the ledger of {item}: {shown(ledger)}", put(world, after)
        if item == "query":
            if not world.is_indexed:
                return f"{who}: has no index for its query", put(world, self._refused(handler))
            hits = hits_of(dict(world.docs))
            found = self._found_again(handler, hits) if handler.phase == "check" else self._found(handler, hits)
            return f"{who}: queries: {values_of(hits)}", put(world, found)
        document = dict(world.docs)[item]
        if handler.phase == "check":
            again = self._read_again(handler, item, document)
            return f"{who}: reads {item} = {document.value} once more", put(world, again)
        if handler.phase == "verify":
            after = self._verified(handler, item, document)
            return f"{who}: reads {item} = {document.value} once more", put(world, after)
        after = handler._replace(seen=pairs({**dict(handler.seen), item: document}))
        return f"{who}: reads {item} = {document.value}", put(world, after)

    def _is_unsettled(self, handler: Handler, world: World) -> bool:
        return world.settled < handler.edition

    def _read_deeper(self, handler: Handler, world: World, who: str) -> tuple[str, World]:
        """Reads all deeper levels at the time of the first, so that they are one step."""
        docs = dict(world.docs)
        while missing := self._missing(handler):
            for item in missing:
                if item == "query" and not world.is_indexed:
                    return f"{who}: has no index for its query", put(world, self._refused(handler))
                if item == "query":
                    handler = self._found(handler, hits_of(docs))
                elif item == "total":
                    # The time of the answer may be after that of a write which does not show.
                    late = world.unshown and "margin" in self.off
                    handler = handler._replace(total=total_of(docs), as_of=world.time + late)
                else:
                    handler = handler._replace(seen=pairs({**dict(handler.seen), item: docs[item]}))
        counted = "" if handler.total is None else f", a total of {handler.total} as of @{handler.as_of}"
        read = f"{who}: reads the deeper levels: {values_of(handler.seen)}{counted}"
        return read, put(world, handler._replace(phase="read"))

    def _settled(self, world: World) -> World:
        """Returns the world with every handler moved to its next call that others can interfere with."""
        # A handler goes on by these alone; most states differ in something else.
        around = (world.docs, world.written, world.passed, world.settled, world.is_indexed, world.unshown)
        handlers = (self._moved_on(handler, world, around) for handler in world.handlers)
        going_on = sorted((handler for handler in handlers if handler), key=hash)
        flying = (each for each in world.flying if "precondition" in self.off or is_fresh(each))
        return world._replace(handlers=tuple(going_on), flying=tuple(sorted(flying, key=hash)))

    def _moved_on(self, handler: Handler, world: World, around: Hashable) -> Handler | None:
        """Returns what `_advanced` does, which is worked out once for all worlds that are the same around."""
        key = (handler, around)
        if key not in self._moved:
            self._moved[key] = self._advanced(handler, world)
        return self._moved[key]

    def _advanced(self, handler: Handler, world: World) -> Handler | None:
        while True:
            following = self._advance(handler, world)
            if following is handler:
                return handler
            if following is None:
                return None
            handler = following

    def _advance(self, handler: Handler, world: World) -> Handler | None:
        match handler.phase:
            case "start" if handler.edition == UNTAKEN:
                return handler
            case "start":
                if not handler.todo:
                    return None
                return handler if handler.todo[0].startswith(FOLLOW) else self._look_up(handler)
            case "look-up" | "read" | "check" | "verify":
                if handler.awaited:
                    return self._read_unchanging(handler, world)
                if "versions" in self.off:
                    handler = handler._replace(as_of=world.time)
                return self._looked_up(handler) if handler.phase == "look-up" else self._decided(handler)
            case "deeper" if self._is_over(world) and world.is_indexed:
                return self._read_deeper(handler, world._replace(handlers=()), "")[1].handlers[0]
            case _:
                return handler

    def _is_over(self, world: World) -> bool:
        return world.written == len(self.scenario.script)

    def _read_unchanging(self, handler: Handler, world: World) -> Handler:
        """Reads at once what no write can change any more: the result is the same at any later time."""
        for item in handler.awaited:
            if item == "query" and not world.is_indexed:
                continue
            unchanging = item not in self.views and all(
                self.last_write.get(path, 0) <= world.written for path in (("x", "y") if item == "query" else (item,))
            )
            is_timed = self.scenario.moment and NOW not in dict(handler.seen) and not dict(world.docs)[NOW].value
            is_timed |= self.scenario.quiet and not handler.read_at
            if unchanging and not is_timed:
                return self._read(handler, item, world._replace(handlers=()), "")[1].handlers[0]
        return handler

    def _commit(self, handler: Handler, world: World, who: str) -> Iterator[tuple[str, World]]:
        if "once_more_as_read" in self.off:
            handler = handler._replace(is_early=self._is_unsettled(handler, world))
        if "postponed_margin" in self.off:
            handler = handler._replace(read_at=world.time)
        handler = self._divided(handler)
        commit = self._next_commit(handler)
        if commit is None:
            yield f"{who}: leaves nothing behind", put(world, anew(handler))
            return
        what = "registers" if handler.phase in ("register", "record") else "commits"
        if commit.refused:
            yield f"{who}: its commit is refused for good", put(world, self._refused(handler))
            return
        if applied := self._applied(commit, world):
            yield f"{who}: {what} {commit}", put(applied, self._after_commit(handler))
            yield from self._without_answer(handler, commit, world, who)
        else:
            yield f"{who}: meets a conflict", put(world, self._conflicted(handler))

    def _woken_later(self, handler: Handler, world: World, who: str) -> Iterator[tuple[str, World]]:
        found = ((name, Known(ledger), ledger._replace(wakes=True)) for name, ledger in world.ledgers if ledger)
        applied = self._applied(Commit(tuple(each for each in found if each[0] in handler.views)), world)
        assert applied is not None
        yield f"{who}: says when to wake {', '.join(handler.views)}", put(applied, anew(handler))

    def _without_answer(self, handler: Handler, commit: Commit, world: World, who: str) -> Iterator[tuple[str, World]]:
        if not world.faults:
            return
        flying = world._replace(flying=(*world.flying, commit), faults=world.faults - 1)
        yield f"{who}: has no answer to its commit", put(flying, self._conflicted(handler))
        yield f"{who}: crashes in its commit, is delivered again", put(flying, self._delivered(handler.change))

    def _applied(self, commit: Commit, world: World) -> World | None:
        """Returns the world after the commit; None if a ledger is not as it was read."""
        if "precondition" not in self.off and not is_fresh(commit):
            return None
        before = dict(world.ledgers)
        both = [(name, old, ledger) for name, _, ledger in commit.ledgers if ledger and (old := before[name])]
        # An equal write keeps the version, so each part names its builder and its number.
        changed = {name for name, _, ledger in commit.ledgers if "part_cause" not in self.off or ledger != before[name]}
        back = [
            f"older code stored {name} over newer"
            for name, old, ledger in both
            if ledger.edition < old.edition and ledger.content != old.content
        ]
        back += [
            f"an older answer about the time of {name} was stored over a newer"
            for name, old, ledger in both
            if PASSED in (old.content or ()) and ("passed", 0) in (ledger.content or ())
        ]
        written = {name for (name, _), content in commit.stored if content is not None}
        back += [
            f"{name} was written twice within a period"
            for name, old, ledger in both
            if self.scenario.quiet and not self.scenario.builds and old.content and name in written
            if ledger.written_at < old.written_at + PERIOD
        ]
        ledgers = pairs({**dict(world.ledgers), **{name: ledger for name, _, ledger in commit.ledgers}})
        kept = {**dict(world.stored), **dict(commit.stored)}
        stored = {path: content for path, content in kept.items() if content is not None}
        handlers = tuple(
            each._replace(ledgers=tuple((name, aged(known, name in changed)) for name, known in each.ledgers))
            for each in world.handlers
        )
        flying = tuple(
            each._replace(ledgers=tuple((name, aged(known, name in changed), to) for name, known, to in each.ledgers))
            for each in world.flying
        )
        return world._replace(
            ledgers=ledgers,
            stored=pairs(stored),
            handlers=handlers,
            flying=flying,
            went_wrong=world.went_wrong or ", ".join(back),
        )
