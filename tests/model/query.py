"""The Query protocol as `boiler_functions.modes.query` implements it: each step is a call, or part of a torn read.

Two views, `A` of the root `a` and `B` of the root `c`, that read by what the value of their root says:

    ALONE   the root alone                  QUERY   all of `x`, `y` that match (their value ends in 1)
    LINK    the root, and `b`               CHAIN   the root and `b`, and `y` when `b` is 3
    COPIED  the root, and `b`, whose value is the path that the view is stored at: none without `b`
    TIMED   the root, and `b`, and whether a moment has passed, which it asks the time
    OWNED   as COPIED, and `y`, of which a getter raises when it is FAILS
    SPREAD  the root, and `b`, which says both the content and the two paths that the view is stored at
    COUNTED the root, and how many of `x`, `y` match and their sum: numbers, which bring no versions
    BOTH    as COUNTED, and `y`, which it reads too
    FOUND   as QUERY, and `y`, which it reads by its name too
    NARROW  the root, and of `b` and of all that match the tens alone; `y` as well when the ones of `b` are 3
    WHOLE   as NARROW, and `y` whole

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
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")

ALONE, LINK, QUERY, CHAIN, COPIED = range(5)
OWNED = 6, 7
"""Two values that mean the same, so that a root can change while its view does not."""
SPREAD = 5
REFUSED, FAILS = 8, 9
TIMED = 12
COUNTED, BOTH = 13, 14
FOUND = 15
NARROW, WHOLE = 16, 17
"""The first reads one field of each document, the tens of its value; by the ones it follows and finds."""
INITIAL = 1
"""The version of all documents that exist before the script."""
LINKED = (LINK, CHAIN, COPIED, SPREAD, TIMED, NARROW, WHOLE, *OWNED)
FOLLOW = "follow "
UPKEEP = "upkeep"
NOW = "now"
"""The time, kept among the documents: 1 once the moment has come. What a handler reads first fixes it."""
PASSED = ("passed", 1)
PERIOD = 100
"""The time between two writes of a quiet view, longer than a script."""
UNTAKEN = -1
"""The deployment of a handler that no process runs yet."""

OWED = (
    "registered_owed",
    "debt",
    "upkeep",
    "other_plan",
    "later_stays",
    "debt_to_later",
    "debt_always_written",
    "reread_owed",
    "once_more",
    "once_more_as_read",
)
"""The devices for builds that are owed and code that changes; only scenarios with upkeep need them."""

WOKEN = ("wake", "wake_with_content", "read_time", "reread_older_answer")
"""The devices for views that change because time passes; only scenarios with a moment need them."""

PARTS = ("part_ledger", "part_copies", "part_content", "part_cause")
"""The devices for copies that are too large for one commit; only scenarios with parts need them."""

COUNTS = ("margin", "deletions_counted", "counted_alone")
"""The devices for views that count documents which they do not read; only scenarios with settling need them."""

QUIET = (
    "quiet",
    "postponed",
    "postponed_in_time",
    "postponed_until_read",
    "postponed_margin",
    "reread_postponed",
    "withdrawn_at_once",
)
"""The devices for views that are written once in a period; only scenarios with quiet views need them."""

FIELDS = ("images_agree", "conditions_matter", "leads_matter", "all_references_matter")
"""The devices for changes that matter to no view; only scenarios with fields need them."""

DEVICES = (
    "register",
    "versions",
    "precondition",
    "always_ledger",
    "before_image",
    "restart",
    "reread_behind",
    "reread_registered",
    "reread",
    "reread_all",
    "tombstones",
    "miss_tokens",
    "page_fallback",
    "next_page",
    "withdrawal",
    *OWED,
    *WOKEN,
    *PARTS,
    *COUNTS,
    *QUIET,
    *FIELDS,
)


class Document(NamedTuple):
    """A document at one time; its version is the number of the write."""

    value: int | None
    version: int


MISSING = Document(None, 0)


class Change(NamedTuple):
    """What an event tells. One without images (`tells` is False) tells the path alone; a build by hand has no path.

    That of upkeep has the path UPKEEP.
    """

    path: str
    number: int
    before: Document
    after: Document
    tells: bool

    @property
    def over(self) -> int:
        """The version that this deletion ended, 0 if the document exists."""
        return self.before.version if self.tells and self.after.value is None else 0

    def covered_by(self, known: int | None) -> bool:
        if known is None or not self.tells:
            return False
        return known > self.over or -known >= self.over if self.over else known >= self.after.version

    def __str__(self) -> str:
        return f"{self.path}@{self.number}" if self.path else "build"


class View(NamedTuple):
    """A view of one root, or of none; it reads what is `fixed` whatever the root says, by code 2 what is `added`."""

    name: str
    root: str
    fixed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    widened: bool = False
    """Whether code 2 reads the documents whole."""
    whole: bool = False

    def by(self, code: int) -> "View":
        """Returns the view as this code declares it."""
        return self if code == 1 else self._replace(fixed=(*self.fixed, *self.added), whole=self.widened)

    def shown(self, document: Document) -> int | None:
        """Returns what a view that is NARROW reads of the document."""
        return document.value if self.whole or document.value is None else document.value // 10 % 10


class Ledger(NamedTuple):
    """`versions`: of a missing document the negated version that is over, as far as any is known.

    `edition` is the deployment that built it; it is `owed` a build that could not be done. One that was built during
    a roll-out is built `once_more` after it. It `wakes` when the moment comes, and `now` is the time at which it was
    built. It had counted every write up to `as_of`, if it counts at all. Its view was `written_at` a time, and changes
    are postponed until `postponed_until`. It was `registered` and not built since.
    """

    tokens: frozenset[str]
    versions: tuple[tuple[str, int], ...] = ()
    content: tuple[object, ...] | None = None
    destinations: tuple[int, ...] = ()
    as_of: int = 0
    edition: int = 0
    owed: bool = False
    wakes: bool = False
    now: int = 0
    once_more: bool = False
    written_at: int = 0
    postponed_until: int = 0
    registered: bool = False

    def version(self, path: str) -> int | None:
        return dict(self.versions).get(path)


class Known(NamedTuple):
    """A ledger as a handler read it; `fresh` until another commit changes it, which stands for its version."""

    ledger: Ledger | None
    fresh: bool = True


class Resolution(NamedTuple):
    """What a view reads, as far as is known: documents by name, and whether it queries or counts."""

    exists: bool
    named: tuple[str, ...] = ()
    queries: bool = False
    counts: bool = False


class Built(NamedTuple):
    """`failed`: a getter raised, and the destinations are right all the same."""

    content: tuple[object, ...] | None
    destinations: tuple[int, ...]
    ledger: Ledger
    failed: bool = False


Stored = tuple[tuple[str, int], tuple[object, ...] | None]
"""A copy of a view by name and destination, and its content, None to delete it."""


class Commit(NamedTuple):
    """Ledgers with their preconditions, and the view documents; committed together."""

    ledgers: tuple[tuple[str, Known, Ledger | None], ...]
    stored: tuple[Stored, ...] = ()
    refused: bool = False

    def __str__(self) -> str:
        ledgers = (f"ledger {view} {_shown(ledger)}" for view, _, ledger in self.ledgers)
        stored = (f"{view}/{to} = {content}" for (view, to), content in self.stored)
        return ", ".join((*ledgers, *stored))


class Handler(NamedTuple):
    """One delivery of an event; `todo` is what is left, and the rest is the attempt going on.

    What is left is a view, or to `follow`: to look up by tokens the ledgers after the one that is named, if any.
    """

    change: Change
    todo: tuple[str, ...]
    phase: str = "start"
    views: tuple[str, ...] = ()
    ledgers: tuple[tuple[str, Known], ...] = ()
    awaited: frozenset[str] = frozenset()
    seen: tuple[tuple[str, Document], ...] = ()
    hits: tuple[tuple[str, Document], ...] | None = None
    total: tuple[int, int] | None = None
    as_of: int = 0
    read_at: int = 0
    """When its attempt read something first, in scenarios with quiet views."""
    edition: int = 0
    owes: bool = False
    """Whether its attempt failed permanently, so that it only commits the debt."""
    is_early: bool = False
    """Whether it read something before the roll-out of its code was over."""
    parts: tuple[tuple[Ledger | None, tuple[Stored, ...]], ...] = ()
    """What is left of a commit in parts: each ledger, and the copies that go with it."""


class World(NamedTuple):
    docs: tuple[tuple[str, Document], ...]
    written: int
    ledgers: tuple[tuple[str, Ledger | None], ...]
    stored: tuple[tuple[tuple[str, int], tuple[object, ...]], ...]
    handlers: tuple[Handler, ...] = ()
    flying: tuple[Commit, ...] = ()
    """Commits whose answer was lost; each is applied at any later time, or never."""
    faults: int = 0
    """The number of crashes and lost answers that may still happen."""
    deployed: int = 0
    """The last deployment."""
    settled: int = 0
    """The last deployment whose roll-out is over, so that code before it takes no more events."""
    is_indexed: bool = True
    passed: int = 0
    """The time that passed besides that of the writes."""
    unshown: bool = False
    """Whether the next write of the script has its time already, and does not show yet."""
    went_wrong: str = ""
    """What older code stored over newer, an older answer about the time over a newer, or what was written too often."""

    @property
    def time(self) -> int:
        return INITIAL + self.written + self.passed


class Scenario(NamedTuple):
    """A script of writes, and the faults that may happen."""

    script: tuple[tuple[str, int | None], ...]
    views: tuple[View, ...] = (View("A", "a"),)
    initial: tuple[tuple[str, int], ...] = ()
    deliveries: int = 1
    faults: int = 0
    imageless: bool = False
    builds: int = 0
    """Forced builds by hand may run at any time."""
    page: int = 0
    """The number of ledgers that one query of the look-up returns; without it, all of them."""
    at_once: bool = False
    """The views that a look-up finds are pages of their own, in work at once, as is the look-up after it."""
    upkeep: bool = False
    """Upkeep may run at any time."""
    unindexed: bool = False
    """The index of queries may become ready at any time."""
    deployments: tuple[int, ...] = ()
    """The codes that are deployed after code 1, each at any time."""
    unbuilt: bool = False
    """No view is built before the script."""
    moment: bool = False
    """The moment that TIMED views ask for comes at any time."""
    parts: bool = False
    """Each copy of a view that has several to write is committed by itself."""
    quiet: bool = False
    """The views are written once in a PERIOD."""
    fields: int = 0
    """The views are NARROW or WHOLE, and a change of what they do not read is acknowledged at once."""
    places: tuple[str, ...] = ("a",)
    """The documents that decide where a quiet view is stored."""
    settling: bool = False
    """A write shows some time after its own time."""
    live: bool = False
    """Deeper levels are read at their own times, torn, instead of at the time of the first."""


class QueryProtocol:
    """The protocol under one scenario, with some of its devices switched off."""

    def __init__(self, scenario: Scenario, off: Iterable[str] = ()) -> None:
        self.scenario = scenario
        self.off = frozenset(off)
        self.views = {view.name: view for view in scenario.views}
        self.paths = sorted({path for path, _ in (*scenario.script, *scenario.initial)} | {"a", "b", "c", "x", "y"})
        self.last_write = {path: number for number, (path, _) in enumerate(scenario.script, 1)}

    def start(self) -> World:
        """Returns the world in which the initial documents exist and every view is built from them."""
        docs = dict.fromkeys(self.paths, MISSING)
        docs.update({path: Document(value, INITIAL) for path, value in self.scenario.initial})
        if self.scenario.moment:
            docs[NOW] = Document(0, 0)
        ledgers: dict[str, Ledger | None] = {}
        stored = {}
        for view in () if self.scenario.unbuilt else self.views.values():
            built = _rebuild(view, docs)
            ledgers[view.name] = None if built is None or built.content is None else built.ledger
            if built and built.content is not None:
                stored.update({(view.name, to): built.content for to in built.destinations})
        builds = (self._delivered(Change("", 0, MISSING, MISSING, False)),) * self.scenario.builds
        return self._settled(
            World(
                _pairs(docs),
                0,
                _pairs({**dict.fromkeys(self.views), **ledgers}),
                _pairs(stored),
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
            built = _rebuild(view, docs)
            if built is None or _is_refused(view, docs) or (not view.root and dict(world.ledgers)[view.name] is None):
                continue
            found = {to: content for (name, to), content in world.stored if name == view.name}
            if built.failed:
                if reads_on := found.keys() - set(built.destinations):
                    return f"READS ON: {view.name} cannot be built, and is still stored at {min(reads_on)}"
                continue
            wanted = dict.fromkeys(built.destinations, built.content)
            if wanted != found:
                return f"DIVERGED: {view.name} is stored as {found}, a rebuild makes {wanted}"
        return None

    def _delayed(self, world: World, docs: Mapping[str, Document]) -> str | None:
        """Returns a fault if a quiet view is still stored where it does not belong, and nobody is at work on it."""
        if not self.scenario.quiet or world.handlers or world.flying:
            return None
        for name, view in self.views.items():
            built = _rebuild(view, docs)
            reads_on = {to for (each, to), _ in world.stored if each == name}
            if built and (reads_on := reads_on - set(built.destinations if built.content or built.failed else ())):
                return f"READS ON: {name} is postponed, and is still stored at {min(reads_on)}"
        return None

    def _code(self, edition: int) -> int:
        return (1, *self.scenario.deployments)[edition]

    def _declared(self, edition: int) -> list[View]:
        """Returns the views as the code of a deployment declares them."""
        return [view.by(self._code(edition)) for view in self.views.values()]

    def _view(self, name: str, handler: Handler) -> View:
        return self.views[name].by(self._code(handler.edition))

    def _is_later(self, ledger: Ledger | None, edition: int) -> bool:
        """Returns whether a later deployment of other code built the view."""
        if ledger is None or "later_stays" in self.off:
            return False
        return ledger.edition > edition and self._code(ledger.edition) != self._code(edition)

    def _is_owed(self, ledger: Ledger | None, edition: int) -> bool:
        """Returns whether the code of a deployment must build the view, whatever the event says."""
        if ledger is None or self._is_later(ledger, edition):
            return False
        unbuilt = ledger.content is None and "registered_owed" not in self.off
        other = self._code(ledger.edition) != self._code(edition) and "other_plan" not in self.off
        return ledger.owed or unbuilt or other

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
            yield "the moment comes", world._replace(docs=_pairs({**dict(world.docs), NOW: Document(1, 0)}))
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
            and not (self._is_over(world) and (_rebuild(view, docs) is None or _is_refused(view, docs)))
        ]
        is_running = any(handler.change.path == UPKEEP for handler in world.handlers)
        if due and not is_running:
            change = Change(UPKEEP, 0, MISSING, MISSING, False)
            handler = Handler(change, tuple(due), edition=world.deployed)
            yield f"upkeep finds {', '.join(due)} owed", _with(world, handler)

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
        following = world._replace(docs=_pairs({**docs, path: after}), written=world.written + 1, unshown=False)
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
                taken = _with(world, self._taken(handler.change, edition))
                yield f"{who}: is taken by code {self._code(edition)} of deployment {edition}", taken
            return
        if world.faults and handler.phase != "start":
            again = self._delivered(handler.change)
            left = tuple(each for each in world.handlers if not self._is_beside(handler, each))
            crashed = world._replace(faults=world.faults - 1, handlers=left)
            yield f"{who}: crashes, is delivered again", _with(crashed, again)
        match handler.phase:
            case "start":
                yield from self._follow(handler, world, who)
            case "look-up" | "read" | "check":
                for item in sorted(handler.awaited):
                    yield self._read(handler, item, world, who)
            case "deeper":
                yield self._read_deeper(handler, world, who)
            case "owe":
                (name,) = handler.views
                known = Known(dict(world.ledgers)[name])
                after = handler._replace(phase="commit", ledgers=((name, known),), owes=True)
                yield f"{who}: fails for good, reads the ledger of {name} once more", _with(world, after)
            case "wake":
                yield from self._woken_later(handler, world, who)
            case _:
                yield from self._commit(handler, world, who)

    def _is_beside(self, handler: Handler, other: Handler) -> bool:
        """Returns whether the other works on another page of the same delivery, and so ends with it."""
        return self.scenario.at_once and other.change == handler.change

    def _delivered(self, change: Change) -> Handler:
        """Starts a handler, which the code of a deployment takes at once if there is only one."""
        is_untaken = self.scenario.deployments and change.path
        return Handler(change, (), edition=UNTAKEN) if is_untaken else self._taken(change, 0)

    def _taken(self, change: Change, edition: int) -> Handler:
        """Returns the handler of a deployment: it finds views by key, then by token."""
        if self._matters_to_none(change, edition):
            return Handler(change, (), edition=edition)
        tokens = self._tokens(change, edition)
        named = tuple(
            view.name for view in self.views.values() if change.path in ("", view.root) or (not view.root and tokens)
        )
        return Handler(change, (*named, FOLLOW) if tokens else named, edition=edition)

    def _matters_to_none(self, change: Change, edition: int) -> bool:
        """Returns whether the two images of the change agree in all that a view reads of the document."""
        if not self.scenario.fields or change.path in ("", "a", UPKEEP):
            return False
        before, after = change.before, change.after
        if not change.tells or None in (before.value, after.value):
            return "images_agree" in self.off
        parts = [[view.shown(each) for view in self._declared(edition)] for each in (before, after)]
        if ("leads_matter" if change.path == "b" else "conditions_matter") not in self.off:
            parts = [[*each, (image.value or 0) % 10] for each, image in zip(parts, (before, after), strict=True)]
        is_read_whole = change.path == "y" and self.scenario.fields == WHOLE and "all_references_matter" not in self.off
        return parts[0] == parts[1] and not is_read_whole

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
            or not (self._is_covered(handler.change, ledger) or self._is_postponed(handler.change, ledger, world.time))
        }
        label = f"{who}: finds the ledgers of {', '.join(found) or 'no view'} by {', '.join(sorted(tokens))}"
        done = handler._replace(todo=(*following, *handler.todo[1:]))
        if not concerned:
            yield f"{label}; nothing to do", _with(world, _fresh(done))
            return
        known = {
            path
            for name, each in concerned.items()
            if each.ledger
            for path in (self.views[name].root, *(p for p, _ in each.ledger.versions if p in each.ledger.tokens))
        }
        attempt = done._replace(
            phase="read", views=tuple(concerned), ledgers=_pairs(concerned), awaited=frozenset(known), read_at=0
        )
        if not self.scenario.at_once:
            yield label, _with(world, attempt)
            return
        begun = _with(world, _fresh(done))
        for name, each in concerned.items():
            begun = _with(begun, attempt._replace(todo=(), views=(name,), ledgers=((name, each),)))
        yield label, begun

    def _read(self, handler: Handler, item: str, world: World, who: str) -> tuple[str, World]:
        """Reads one document of a BatchGet, each at its own time: the read may be torn in any order."""
        is_early = handler.is_early or self._is_unsettled(handler, world)
        read_at = (handler.read_at or world.time) if self.scenario.quiet else 0
        handler = handler._replace(awaited=handler.awaited - {item}, is_early=is_early, read_at=read_at)
        if self.scenario.moment and NOW not in dict(handler.seen):
            # Without the device, by a clock of the process that is ahead.
            now = Document(1, 0) if "read_time" in self.off else dict(world.docs)[NOW]
            handler = handler._replace(seen=_pairs({**dict(handler.seen), NOW: now}))
        if item in self.views:
            ledger = dict(world.ledgers)[item]
            after = handler._replace(ledgers=((item, Known(ledger)),))
            return f"{who}: reads the ledger of {item}: {_shown(ledger)}", _with(world, after)
        if item == "query":
            if not world.is_indexed:
                return f"{who}: has no index for its query", _with(world, self._refused(handler))
            hits = _hits(dict(world.docs))
            found = self._found_again(handler, hits) if handler.phase == "check" else self._found(handler, hits)
            return f"{who}: queries: {_values(hits)}", _with(world, found)
        document = dict(world.docs)[item]
        if handler.phase == "check":
            again = self._read_again(handler, item, document)
            return f"{who}: reads {item} = {document.value} once more", _with(world, again)
        after = handler._replace(seen=_pairs({**dict(handler.seen), item: document}))
        return f"{who}: reads {item} = {document.value}", _with(world, after)

    def _is_unsettled(self, handler: Handler, world: World) -> bool:
        return world.settled < handler.edition

    def _found(self, handler: Handler, hits: tuple[tuple[str, Document], ...]) -> Handler:
        return handler._replace(hits=hits, seen=_pairs({**dict(hits), **dict(handler.seen)}))

    def _read_deeper(self, handler: Handler, world: World, who: str) -> tuple[str, World]:
        """Reads all deeper levels at the time of the first, so that they are one step."""
        docs = dict(world.docs)
        while missing := self._missing(handler):
            for item in missing:
                if item == "query" and not world.is_indexed:
                    return f"{who}: has no index for its query", _with(world, self._refused(handler))
                if item == "query":
                    handler = self._found(handler, _hits(docs))
                elif item == "total":
                    # The time of the answer may be after that of a write which does not show.
                    late = world.unshown and "margin" in self.off
                    handler = handler._replace(total=_total(docs), as_of=world.time + late)
                else:
                    handler = handler._replace(seen=_pairs({**dict(handler.seen), item: docs[item]}))
        counted = "" if handler.total is None else f", a total of {handler.total} as of @{handler.as_of}"
        read = f"{who}: reads the deeper levels: {_values(handler.seen)}{counted}"
        return read, _with(world, handler._replace(phase="read"))

    def _missing(self, handler: Handler) -> list[str]:
        seen = dict(handler.seen)
        resolved = [resolve(self._view(name, handler), seen) for name in self._mine(handler)]
        missing = {path for each in resolved for path in each.named if path not in seen}
        if handler.hits is None and any(each.queries for each in resolved):
            missing.add("query")
        if handler.total is None and any(each.counts for each in resolved):
            missing.add("total")
        return sorted(missing)

    def _mine(self, handler: Handler) -> list[str]:
        """Returns the views that it builds; the others, of a later deployment, get a debt."""
        ledgers = {name: known.ledger for name, known in handler.ledgers}
        return [name for name in handler.views if not self._is_later(ledgers.get(name), handler.edition)]

    # What a handler does between two calls is no step of its own, as no other handler can see it.

    def _settled(self, world: World) -> World:
        """Returns the world with every handler moved to its next call that others can interfere with."""
        handlers = (self._advanced(handler, world) for handler in world.handlers)
        going_on = sorted((handler for handler in handlers if handler), key=hash)
        flying = (each for each in world.flying if "precondition" in self.off or _is_fresh(each))
        return world._replace(handlers=tuple(going_on), flying=tuple(sorted(flying, key=hash)))

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
            case "look-up" | "read" | "check":
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

    def _look_up(self, handler: Handler) -> Handler:
        """Reads the ledger, and the documents that the view needs by the event's image, in one BatchGet."""
        view = self._view(handler.todo[0], handler)
        change = handler.change
        hint = {change.path: change.after} if change.after.value is not None else {}
        awaited = frozenset((view.name, *_named(view, hint)))
        return handler._replace(todo=handler.todo[1:], phase="look-up", views=(view.name,), awaited=awaited)

    def _looked_up(self, handler: Handler) -> Handler:
        ledger = handler.ledgers[0][1].ledger
        if self._is_later(ledger, handler.edition):
            if handler.change.path == UPKEEP or self._is_covered(handler.change, ledger):
                return _fresh(handler)
            return handler._replace(phase="commit") if self._commit_of(handler) else _fresh(handler)
        is_known = self._is_covered(handler.change, ledger) or self._is_unaffected(handler, ledger)
        is_known |= self._is_postponed(handler.change, ledger, handler.read_at)
        if is_known and not self._is_owed(ledger, handler.edition):
            return _fresh(handler)
        is_owed = ledger and (
            (ledger.owed and "reread_owed" not in self.off)
            or (ledger.postponed_until and "reread_postponed" not in self.off)
        )
        if ledger and (self._is_behind(handler, ledger) or is_owed):
            return handler._replace(phase="read", awaited=frozenset(dict(handler.seen)) - {NOW}, seen=(), read_at=0)
        return handler._replace(phase="read")

    def _is_unaffected(self, handler: Handler, ledger: Ledger | None) -> bool:
        """Returns whether a view without root depends on no document of the change."""
        (name,) = handler.views
        if ledger is None or self.views[name].root or handler.change.path in ("", UPKEEP):
            return False
        return not self._tokens(handler.change, handler.edition) & ledger.tokens

    def _is_covered(self, change: Change, ledger: Ledger | None) -> bool:
        if ledger is None or change.path in ("", UPKEEP):
            return False
        if self._is_counted(change, ledger):
            return True
        if "versions" in self.off:
            return change.tells and ledger.as_of >= change.number
        known = ledger.version(change.path)
        if "tombstones" in self.off and known is not None and known <= MISSING.version:
            return change.over > 0
        return change.covered_by(known)

    def _is_counted(self, change: Change, ledger: Ledger) -> bool:
        """Returns whether the change concerns only the total of the view, which was asked for after it.

        An event of a deletion does not say when that was, and one without images says nothing.
        """
        if not ledger.as_of or not change.tells or change.path not in ("x", "y") or "versions" in self.off:
            return False
        if ledger.version(change.path) is not None and "counted_alone" not in self.off:
            return False
        is_dated = change.after.value is not None or "deletions_counted" in self.off
        return is_dated and change.after.version <= ledger.as_of

    def _is_postponed(self, change: Change, ledger: Ledger | None, read_at: int) -> bool:
        """Returns whether a build is to come, from a reading after that of the ledger, and so after the change."""
        if not self.scenario.quiet or ledger is None or change.path in ("", UPKEEP) or self._may_withdraw(change):
            return False
        if "postponed" in self.off:
            return read_at < ledger.written_at + PERIOD
        return read_at < ledger.postponed_until or (bool(ledger.postponed_until) and "postponed_in_time" in self.off)

    def _may_withdraw(self, change: Change) -> bool:
        """Returns whether the change may take a copy away: of a root that comes, goes, or places the view elsewhere."""
        if change.path not in self.scenario.places or "withdrawn_at_once" in self.off:
            return False
        if change.path != "a" or not change.tells:
            return True
        before, after = change.before.value, change.after.value
        return None in (before, after) or (before in (COPIED, *OWNED)) != (after in (COPIED, *OWNED))

    def _is_behind(self, handler: Handler, ledger: Ledger) -> bool:
        if ledger.registered and "reread_registered" not in self.off:
            return True  # What was read may be older than the registration.
        if "reread_older_answer" not in self.off and ledger.now > (dict(handler.seen).get(NOW, MISSING).value or 0):
            return True
        return any(self._is_older(handler.change, path, read, ledger) for path, read in handler.seen if path != NOW)

    def _is_older(self, change: Change, path: str, read: Document, ledger: Ledger) -> bool:
        known = ledger.version(path)
        if known is None or "reread_behind" in self.off:
            return False
        if read.value is None:
            return known > (change.over if change.path == path else 0)
        return known <= 0 or read.version < known

    def _decided(self, handler: Handler) -> Handler:
        """Continues after a read: with more levels, a registration or the commit."""
        if missing := self._missing(handler):
            return (
                handler._replace(awaited=frozenset(missing)) if self.scenario.live else handler._replace(phase="deeper")
            )
        if self._unregistered(handler):
            return handler._replace(phase="register")
        return handler._replace(phase="commit") if self._commit_of(handler) else _fresh(handler)

    def _unregistered(self, handler: Handler) -> dict[str, frozenset[str]]:
        """Returns the views that a change could miss now, with their tokens: with new ones, or without a ledger."""
        if "register" in self.off:
            return {}
        seen = dict(handler.seen)
        found = {}
        for name, known in handler.ledgers:
            if name not in self._mine(handler):
                continue
            resolution = resolve(self._view(name, handler), seen)
            tokens = self._tokens_of(self._view(name, handler), resolution, seen)
            if resolution.exists and (known.ledger is None or tokens - known.ledger.tokens):
                found[name] = tokens
        return found

    def _registration(self, handler: Handler) -> Commit:
        ledgers = dict(handler.ledgers)
        return Commit(
            tuple(
                (
                    name,
                    ledgers[name],
                    (old or Ledger(frozenset(), edition=handler.edition))._replace(
                        tokens=old.tokens | tokens if old else tokens, registered=True
                    ),
                )
                for name, tokens in self._unregistered(handler).items()
                for old in (ledgers[name].ledger,)
            )
        )

    def _registered(self, handler: Handler) -> Handler:
        """Reads what was new once more, with the ledgers as this commit left them; with a total, all of it."""
        written = {name: Known(ledger) for name, _, ledger in self._registration(handler).ledgers}
        new = self._new(handler)
        handler = handler._replace(phase="check", ledgers=_pairs({**dict(handler.ledgers), **written}), awaited=new)
        if "reread" in self.off:
            return handler._replace(awaited=frozenset())
        return handler if handler.total is None else self._all_again(handler)

    def _new(self, handler: Handler) -> frozenset[str]:
        """Returns what was read of which a change would have found no view by the ledgers as they were."""
        seen = dict(handler.seen)
        new: set[str] = set()
        for name, known in handler.ledgers:
            if name in self._mine(handler):
                view = self._view(name, handler)
                resolution = resolve(view, seen)
                tokens = known.ledger.tokens | {view.root} if known.ledger else frozenset()
                new |= {path for path in resolution.named if path not in tokens}
                new |= {"query"} if resolution.queries and "xy:1" not in tokens else set()
        return frozenset(new)

    def _all_again(self, handler: Handler) -> Handler:
        seen = dict(handler.seen)
        named = {path for name in self._mine(handler) for path in resolve(self._view(name, handler), seen).named}
        return handler._replace(phase="read", awaited=frozenset(named), seen=(), hits=None, total=None, read_at=0)

    def _read_again(self, handler: Handler, path: str, document: Document) -> Handler:
        if dict(handler.seen)[path] == document:
            return handler
        if "reread_all" in self.off:
            return handler._replace(seen=_pairs({**dict(handler.seen), path: document}))
        return self._all_again(handler)

    def _found_again(self, handler: Handler, hits: tuple[tuple[str, Document], ...]) -> Handler:
        # A document may have been read before the query, by the event's image, in an older version.
        if handler.hits == hits and all(dict(handler.seen)[path] == document for path, document in hits):
            return handler
        return self._found(handler, hits) if "reread_all" in self.off else self._all_again(handler)

    def _commit_of(self, handler: Handler) -> Commit | None:
        """Returns the writes for the views; the debt for one that cannot be built, or is of later code."""
        seen = dict(handler.seen)
        ledgers: list[tuple[str, Known, Ledger | None]] = []
        stored: dict[tuple[str, int], tuple[object, ...] | None] = {}
        refused = False
        for name, known in handler.ledgers:
            old = known.ledger
            view = self._view(name, handler)
            if self._is_later(old, handler.edition):
                assert old is not None
                if "debt_to_later" not in self.off and not (old.owed and "debt_always_written" in self.off):
                    ledgers.append((name, known, old._replace(owed=True, once_more=False)))
                continue
            built = None if handler.owes else build(view, seen, handler.hits or (), handler.total)
            if built is None or built.failed:
                kept = built.destinations if built and "withdrawal" not in self.off else None
                ledgers += self._debt(name, known, handler, kept)
                gone = {to for to in old.destinations if kept is not None and to not in kept} if old else set()
                stored.update({(name, to): None for to in gone})
                continue
            if built.content is None:
                if old:
                    ledgers.append((name, known, None))
                    stored.update({(name, to): None for to in old.destinations})
                continue
            tokens = self._tokens_of(view, resolve(view, seen), seen)
            same = bool(old and old.content == built.content and handler.change.path)
            read_at = handler.read_at
            if self._is_quiet(old, read_at) and handler.change.path:
                ledgers += self._postponed(name, known, built.destinations, read_at)
                gone = set(old.destinations if old else ()) - set(built.destinations)
                if "withdrawn_at_once" not in self.off:
                    stored.update({(name, to): None for to in gone})
                continue
            wanted = {to for to in built.destinations if not (same and old and to in old.destinations)}
            gone = {to for to in (old.destinations if old else ()) if to not in built.destinations}
            if not ("always_ledger" in self.off and old and old.tokens == tokens and not wanted | gone):
                versions = _with_tombstones(built.ledger, old, handler.change)
                edition = max(handler.edition, old.edition if old and "later_stays" not in self.off else 0)
                new = built.ledger._replace(tokens=tokens, versions=versions, as_of=handler.as_of, edition=edition)
                new = new._replace(once_more=handler.is_early and "once_more" not in self.off)
                if self.scenario.quiet:
                    written_at = read_at if wanted or old is None else old.written_at
                    new = new._replace(written_at=written_at, postponed_until=self._still_postponed(old, read_at))
                if "wake_with_content" in self.off:
                    new = new._replace(wakes=False)
                ledgers.append((name, known, new))
            stored.update({(name, to): built.content for to in wanted})
            stored.update({(name, to): None for to in gone})
            refused |= bool(wanted) and _is_refused(view, seen)
        return Commit(tuple(ledgers), _pairs(stored), refused) if ledgers else None

    def _is_quiet(self, old: Ledger | None, read_at: int) -> bool:
        if not self.scenario.quiet or old is None or old.content is None or "quiet" in self.off:
            return False
        return read_at < old.written_at + PERIOD

    def _postponed(
        self, name: str, known: Known, kept: tuple[int, ...], read_at: int
    ) -> list[tuple[str, Known, Ledger | None]]:
        """Returns the ledger of a view that is not written yet, if it must say more: of a withdrawal, or until when."""
        old = known.ledger
        assert old
        destinations = tuple(to for to in old.destinations if to in kept or "withdrawn_at_once" in self.off)
        until = old.postponed_until
        if read_at >= until and "postponed" not in self.off:
            until = old.written_at + PERIOD
        new = old._replace(destinations=destinations, postponed_until=until)
        return [] if new == old else [(name, known, new)]

    def _still_postponed(self, old: Ledger | None, read_at: int) -> int:
        """Returns until when changes are still postponed after a build: those that came after its reading may be."""
        if old is None or read_at >= old.postponed_until or "postponed_until_read" in self.off:
            return 0
        return max(old.postponed_until, read_at + PERIOD)

    def _debt(
        self, name: str, known: Known, handler: Handler, kept: tuple[int, ...] | None = None
    ) -> list[tuple[str, Known, Ledger | None]]:
        """Returns the ledger that is owed a build: old and new tokens, as far as was read, and the rest unchanged.

        Of its copies only those are `kept` that still belong there, where that is known.
        """
        seen = dict(handler.seen)
        view = self._view(name, handler)
        resolution = resolve(view, seen)
        if "debt" in self.off or (known.ledger is None and not resolution.exists):
            return []
        old = known.ledger or Ledger(frozenset(), edition=handler.edition)
        reached = frozenset({path for path in resolution.named if path and path != view.root})
        tokens = (
            old.tokens
            | reached
            | (tokens_of(view, resolution) if resolution.queries or resolution.counts else frozenset())
        )
        destinations = tuple(to for to in old.destinations if kept is None or to in kept)
        owing = old._replace(tokens=tokens, owed=True, once_more=False, wakes=False, destinations=destinations)
        return [(name, known, owing)]

    def _in_parts(self, commit: Commit) -> tuple[tuple[Ledger | None, tuple[Stored, ...]], ...]:
        """Returns the parts of a commit with several copies: first the deletes, last the ledger that describes all."""
        ((_, known, final),) = commit.ledgers
        assert known.ledger
        assert final
        copies = known.ledger.destinations
        if "part_copies" not in self.off:
            copies = tuple(dict.fromkeys((*copies, *final.destinations)))
        owing = known.ledger._replace(
            tokens=known.ledger.tokens | final.tokens, owed=True, once_more=False, wakes=False, destinations=copies
        )
        unfinished = owing if "part_content" in self.off else owing._replace(content=())
        first = [(unfinished, (each,)) for each in sorted(commit.stored, key=lambda each: each[1] is not None)]
        return (*first, (final, ()))

    def _is_in_parts(self, commit: Commit) -> bool:
        if not self.scenario.parts or len(commit.ledgers) != 1 or len(commit.stored) < 2:
            return False
        (_, known, final) = commit.ledgers[0]
        return bool(known.ledger and final and not final.owed)

    def _divided(self, handler: Handler) -> Handler:
        """Returns the handler with the parts of its commit, if it is to have any."""
        if handler.phase == "register" or handler.parts:
            return handler
        commit = self._commit_of(handler)
        return handler._replace(parts=self._in_parts(commit)) if commit and self._is_in_parts(commit) else handler

    def _next_commit(self, handler: Handler) -> Commit | None:
        if handler.phase == "register":
            return self._registration(handler)
        if not handler.parts:
            return self._commit_of(handler)
        ((name, known),) = handler.ledgers
        (ledger, stored), *rest = handler.parts
        return Commit((((name, known, ledger),) if not rest or "part_ledger" not in self.off else ()), stored)

    def _after_commit(self, handler: Handler) -> Handler:
        if handler.phase == "register":
            return self._registered(handler)
        if len(handler.parts) < 2:
            return self._committed(handler)
        ((name, known),) = handler.ledgers
        if "part_ledger" not in self.off:
            known = Known(handler.parts[0][0])
        return handler._replace(ledgers=((name, known),), parts=handler.parts[1:])

    def _commit(self, handler: Handler, world: World, who: str) -> Iterator[tuple[str, World]]:
        if "once_more_as_read" in self.off:
            handler = handler._replace(is_early=self._is_unsettled(handler, world))
        if "postponed_margin" in self.off:
            handler = handler._replace(read_at=world.time)
        handler = self._divided(handler)
        commit = self._next_commit(handler)
        if commit is None:
            yield f"{who}: leaves nothing behind", _with(world, _fresh(handler))
            return
        what = "registers" if handler.phase == "register" else "commits"
        if commit.refused:
            yield f"{who}: its commit is refused for good", _with(world, self._refused(handler))
            return
        if applied := self._applied(commit, world):
            yield f"{who}: {what} {commit}", _with(applied, self._after_commit(handler))
            yield from self._without_answer(handler, commit, world, who)
        else:
            yield f"{who}: meets a conflict", _with(world, self._conflicted(handler))

    def _committed(self, handler: Handler) -> Handler:
        """Returns the handler after its commit; without the device, another commit is to say when the views wake."""
        is_timed = self.scenario.moment and dict(handler.seen).get(NOW) == Document(0, 0)
        if "wake_with_content" in self.off and is_timed:
            return handler._replace(phase="wake", ledgers=(), seen=())
        return _fresh(handler)

    def _woken_later(self, handler: Handler, world: World, who: str) -> Iterator[tuple[str, World]]:
        found = ((name, Known(ledger), ledger._replace(wakes=True)) for name, ledger in world.ledgers if ledger)
        applied = self._applied(Commit(tuple(each for each in found if each[0] in handler.views)), world)
        assert applied is not None
        yield f"{who}: says when to wake {', '.join(handler.views)}", _with(applied, _fresh(handler))

    def _without_answer(self, handler: Handler, commit: Commit, world: World, who: str) -> Iterator[tuple[str, World]]:
        if not world.faults:
            return
        flying = world._replace(flying=(*world.flying, commit), faults=world.faults - 1)
        yield f"{who}: has no answer to its commit", _with(flying, self._conflicted(handler))
        yield f"{who}: crashes in its commit, is delivered again", _with(flying, self._delivered(handler.change))

    def _conflicted(self, handler: Handler) -> Handler:
        """Starts again at the look-up; the views of a page one by one."""
        if "restart" in self.off:
            return _fresh(handler)
        return _fresh(handler, handler.views)

    def _refused(self, handler: Handler) -> Handler:
        """Continues view by view after a page failed, so that only the failing view gets a dead letter."""
        if len(handler.views) == 1:
            return handler._replace(phase="owe", awaited=frozenset())
        return _fresh(handler) if "page_fallback" in self.off else _fresh(handler, handler.views)

    def _applied(self, commit: Commit, world: World) -> World | None:
        """Returns the world after the commit; None if a ledger is not as it was read."""
        if "precondition" not in self.off and not _is_fresh(commit):
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
        ledgers = _pairs({**dict(world.ledgers), **{name: ledger for name, _, ledger in commit.ledgers}})
        kept = {**dict(world.stored), **dict(commit.stored)}
        stored = {path: content for path, content in kept.items() if content is not None}
        handlers = tuple(
            each._replace(ledgers=tuple((name, _aged(known, name in changed)) for name, known in each.ledgers))
            for each in world.handlers
        )
        flying = tuple(
            each._replace(ledgers=tuple((name, _aged(known, name in changed), to) for name, known, to in each.ledgers))
            for each in world.flying
        )
        return world._replace(
            ledgers=ledgers,
            stored=_pairs(stored),
            handlers=handlers,
            flying=flying,
            went_wrong=world.went_wrong or ", ".join(back),
        )

    def _tokens_of(self, view: View, resolution: Resolution, seen: Mapping[str, Document]) -> frozenset[str]:
        tokens = tokens_of(view, resolution)
        if "miss_tokens" in self.off:
            return tokens - {path for path in resolution.named if seen[path].value is None}
        return tokens

    def _tokens(self, change: Change, edition: int) -> frozenset[str]:
        """Returns the tokens of a change: of its two images; without images, of the document and its collection.

        Code has none of what only later code reads.
        """
        added = {path for view in self.views.values() for path in view.added}
        if change.path in ("", "a", "c", UPKEEP) or (change.path in added and self._code(edition) == 1):
            return frozenset()
        tokens = {change.path} if change.path in ("b", "y") else set()
        images = (change.after,) if "before_image" in self.off else (change.before, change.after)
        if change.path in ("x", "y"):
            if not change.tells:
                tokens.add("xy")
            elif any(map(_matches, images)):
                tokens.add("xy:1")
        return frozenset(tokens)


def _named(view: View, seen: Mapping[str, Document]) -> Iterator[str]:
    if view.root:
        yield view.root
    yield from view.fixed
    root = seen.get(view.root, MISSING).value
    if root in LINKED:
        yield "b"
    if root in OWNED or root in (BOTH, FOUND):
        yield "y"
    if (root == CHAIN or not view.root) and seen.get("b", MISSING).value == CHAIN:
        yield "y"
    if root == WHOLE or (root == NARROW and (seen.get("b", MISSING).value or 0) % 10 == CHAIN):
        yield "y"


def resolve(view: View, seen: Mapping[str, Document]) -> Resolution:
    """Returns what the view needs, given what was read; nothing if its root was read as missing."""
    if view.root in seen and seen[view.root].value is None:
        return Resolution(False)
    root = seen.get(view.root, MISSING).value
    return Resolution(True, tuple(_named(view, seen)), root in (QUERY, FOUND, NARROW, WHOLE), root in (COUNTED, BOTH))


def tokens_of(view: View, resolution: Resolution) -> frozenset[str]:
    named = frozenset(path for path in resolution.named if path != view.root)
    return named | {"xy", "xy:1"} if resolution.queries or resolution.counts else named


def _rebuild(view: View, docs: Mapping[str, Document]) -> Built | None:
    return build(view, docs, _hits(docs), _total(docs))


def build(
    view: View, seen: Mapping[str, Document], hits: tuple[tuple[str, Document], ...], total: tuple[int, int] | None
) -> Built | None:
    """Returns the view of what was read, None if a getter raises; uses the older state of a document read twice."""
    resolution = resolve(view, seen)
    if not resolution.exists:
        return Built(None, (), Ledger(frozenset()))
    if "b" in resolution.named and seen["b"].value == FAILS:
        return None
    versions = {path: seen[path].version for path in resolution.named}
    root = seen[view.root].value if view.root else None
    read = {path: view.shown(each) if root in (NARROW, WHOLE) else each.value for path, each in seen.items()}
    whole = {view.root, *(("y",) if root == WHOLE else ())}
    content: tuple[object, ...] = tuple(seen[path].value if path in whole else read[path] for path in resolution.named)
    if resolution.queries:
        versions.update({path: min(hit.version, seen[path].version) for path, hit in hits})
        content += tuple((path, read[path]) for path, _ in hits)
    if resolution.counts:
        content += (total,)
    now = seen.get(NOW, MISSING).value or 0
    wakes = view.root != "" and seen[view.root].value == TIMED
    if wakes:
        content += (("passed", now),)
    destinations: tuple[int, ...] = (0,)
    if view.root and seen[view.root].value == SPREAD:
        first = seen["b"].value
        destinations = () if first is None else (first // 2, first // 2 + 1)
    if view.root and seen[view.root].value in (COPIED, *OWNED):
        destinations = () if seen["b"].value is None else (seen["b"].value,)
        if "y" in resolution.named and seen["y"].value == FAILS:
            return Built(None, destinations, Ledger(tokens_of(view, resolution)), failed=True)
    ledger = Ledger(tokens_of(view, resolution), _pairs(versions), content, destinations)
    return Built(content, destinations, ledger._replace(wakes=wakes and not now, now=now))


def _matches(document: Document) -> bool:
    return document.value is not None and document.value % 10 == 1


def _with_tombstones(new: Ledger, old: Ledger | None, change: Change) -> tuple[tuple[str, int], ...]:
    """Returns the versions; of a missing document the one that ended, as far as the old ledger or the event tells."""
    over = {path: abs(at) for path, at in old.versions} if old else {}
    over[change.path] = max(over.get(change.path, 0), change.over)
    return tuple((path, version or -over.get(path, 0)) for path, version in new.versions)


def _is_refused(view: View, seen: Mapping[str, Document]) -> bool:
    return view.root != "" and seen[view.root].value == LINK and seen["b"].value == REFUSED


def _hits(docs: Mapping[str, Document]) -> tuple[tuple[str, Document], ...]:
    return tuple((path, docs[path]) for path in ("x", "y") if path in docs and _matches(docs[path]))


def _total(docs: Mapping[str, Document]) -> tuple[int, int]:
    """Returns how many documents match, and the sum of their values."""
    values = [each.value or 0 for _, each in _hits(docs)]
    return len(values), sum(values)


def _fresh(handler: Handler, first: tuple[str, ...] = ()) -> Handler:
    """Returns the handler before its next attempt, without anything of the last."""
    return Handler(handler.change, (*first, *handler.todo), edition=handler.edition)


def _with(world: World, handler: Handler) -> World:
    return world._replace(handlers=(*world.handlers, handler))


def _is_fresh(commit: Commit) -> bool:
    return all(known.fresh for _, known, _ in commit.ledgers)


def _aged(known: Known, changed: bool) -> Known:
    return known._replace(fresh=False) if changed else known


def _pairs(mapping: Mapping[Key, Value]) -> tuple[tuple[Key, Value], ...]:
    return tuple(sorted(mapping.items(), key=_first))


def _first(pair: tuple[Any, object]) -> Any:
    return pair[0]


def _values(documents: Iterable[tuple[str, Document]]) -> str:
    return ", ".join(f"{path} = {document.value}" for path, document in documents) or "nothing"


def _shown(ledger: Ledger | None) -> str:
    if ledger is None:
        return "none"
    counted = f", counted as of @{ledger.as_of}" if ledger.as_of else ""
    return f"(tokens {sorted(ledger.tokens)}, versions {dict(ledger.versions)}{counted})"
