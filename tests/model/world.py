"""The world that the Query protocol runs in: documents, views, ledgers, handlers, and the devices that can be off."""

from collections.abc import Iterable, Mapping
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
EACH = 18
NARROW, WHOLE = 16, 17
"""The first reads one field of each document, the tens of its value; by the ones it follows and finds."""
SOME, MORE = 20, 21
"""As NARROW, but nobody says so: the first reads the tens of each document, the second the hundreds, too."""
ASKS = 19
INITIAL = 1
"""The version of all documents that exist before the script."""
LINKED = (LINK, CHAIN, COPIED, SPREAD, TIMED, NARROW, WHOLE, EACH, ASKS, SOME, MORE, *OWNED)
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

OWN = ("digest_of_each", "part_digests", "digest_withdrawn")
"""The devices for copies that differ; only scenarios with participants need them."""

FIELDS = ("images_agree", "conditions_matter", "leads_matter", "all_references_matter")
"""The devices for changes that matter to no view; only scenarios with fields need them."""

RECORDED = ("attributes_registered", "attributes_reread")
"""The devices for changes of what no getter has read so far; only scenarios with recorded attributes need them."""

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
    *OWN,
    *FIELDS,
    *RECORDED,
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
    are postponed until `postponed_until`. It was `registered` and not built since. Its getters read the digits `reads`
    of the documents; None for all.
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
    own: tuple[tuple[int, tuple[object, ...]], ...] = ()
    """The content of each copy, for its digest, of a view whose copies differ."""
    reads: frozenset[int] | None = None

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

    def at(self, to: int) -> tuple[object, ...] | None:
        """Returns the content of the copy at a destination."""
        return dict(self.ledger.own).get(to, self.content)


Stored = tuple[tuple[str, int], tuple[object, ...] | None]
"""A copy of a view by name and destination, and its content, None to delete it."""


class Commit(NamedTuple):
    """Ledgers with their preconditions, and the view documents; committed together."""

    ledgers: tuple[tuple[str, Known, Ledger | None], ...]
    stored: tuple[Stored, ...] = ()
    refused: bool = False

    def __str__(self) -> str:
        ledgers = (f"ledger {view} {shown(ledger)}" for view, _, ledger in self.ledgers)
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
    participants: bool = False
    """The copies of some views differ."""
    fields: int = 0
    """The views are NARROW or WHOLE, and a change of what they do not read is acknowledged at once."""
    recorded: bool = False
    """The views are SOME or MORE, and a change of what their ledgers say that no getter has read is left alone."""
    places: tuple[str, ...] = ("a",)
    """The documents that decide where a quiet view is stored."""
    settling: bool = False
    """A write shows some time after its own time."""
    live: bool = False
    """Deeper levels are read at their own times, torn, instead of at the time of the first."""


def pairs(mapping: Mapping[Key, Value]) -> tuple[tuple[Key, Value], ...]:
    return tuple(sorted(mapping.items(), key=name_of))


def name_of(pair: tuple[Any, object]) -> Any:
    return pair[0]


def values_of(documents: Iterable[tuple[str, Document]]) -> str:
    return ", ".join(f"{path} = {document.value}" for path, document in documents) or "nothing"


def shown(ledger: Ledger | None) -> str:
    if ledger is None:
        return "none"
    counted = f", counted as of @{ledger.as_of}" if ledger.as_of else ""
    reads = "" if ledger.reads is None else f", reads the digits {sorted(ledger.reads)}"
    return f"(tokens {sorted(ledger.tokens)}, versions {dict(ledger.versions)}{counted}{reads})"


def anew(handler: Handler, first: tuple[str, ...] = ()) -> Handler:
    """Returns the handler before its next attempt, without anything of the last."""
    return Handler(handler.change, (*first, *handler.todo), edition=handler.edition)


def put(world: World, handler: Handler) -> World:
    return world._replace(handlers=(*world.handlers, handler))


def is_fresh(commit: Commit) -> bool:
    return all(known.fresh for _, known, _ in commit.ledgers)


def aged(known: Known, changed: bool) -> Known:
    return known._replace(fresh=False) if changed else known
