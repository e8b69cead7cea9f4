"""Builds in the cloud: the documents that say what is to be built again, and how far it has come.

`boilerBuilds/{id}` is the build: a person writes it, and pauses, resumes or cancels by it. `boilerBuildRanges` has a
document for each range of roots that is in work, with its position and its counts. Whoever works on a range commits
both after each batch, on the condition that the range is as it was read: so each batch counts once, however often it
was built.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from boiler_functions.database import ABSENT, Database, Delete, Document, Filter, Put, Query, Write, unchanged
from boiler_functions.exceptions import ConfigurationError, Conflict
from boiler_functions.modes.invocation import Outcome
from boiler_functions.types import Fields, Instant, to_datetime, to_instant

COLLECTION = "boilerBuilds"

RANGES = "boilerBuildRanges"

KEPT = timedelta(days=30)
"""How long a build that has ended is kept."""

MAX_ATTEMPTS = 12


class BuildState(StrEnum):
    """The state of a build. `paused` and `cancelled` are what a person asked for."""

    RUNNING = "running"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    DONE = "done"


class BuildPart(StrEnum):
    """A part of the build of one view."""

    GHOSTS = "copies without a root"
    ROOTS = "views"


class CloudBuild(NamedTuple):
    """A build of some views, one after the other, each in ranges that are built side by side."""

    document: Document
    app: str
    views: tuple[str, ...]
    instances: int
    """How many instances there were at the start, for the estimate."""
    only_stale: bool
    """Whether only what other code built is built again."""
    withdraw: bool
    max_rate: float | None
    """The most views a second."""
    started_at: Instant
    state: BuildState = BuildState.RUNNING
    why: str = ""
    """Why the build has paused by itself."""
    resumed_at: Instant = 0
    ended_at: Instant = 0
    is_open: bool = True
    """Whether ranges may be left, so that upkeep looks after it."""
    step: int = 0
    ranges: int = 0
    """How many ranges there are of this step."""
    cut: str = ""
    """The end of the last range."""
    is_cut: bool = False
    """Whether no more ranges come in this step."""
    outcomes: Mapping[str, int] = {}
    """The counts of the steps before."""

    @classmethod
    def new(cls, app: str, views: tuple[str, ...], instances: int, now: Instant, **options: Any) -> CloudBuild:
        """Returns a build that nobody has begun."""
        name = f"{to_datetime(now):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
        return cls(Document(f"{COLLECTION}/{name}"), app, views, instances, started_at=now, **options)

    @classmethod
    def of(cls, document: Document) -> CloudBuild:
        """Returns the build that a document holds."""
        fields = dict(document.fields or {})
        times: dict[str, Any] = {name: to_instant(at) for name in _TIMES if (at := fields.get(name)) is not None}
        known: dict[str, Any] = {name: fields[name] for name in cls._fields if name in fields} | times
        known |= {"views": tuple(fields["views"]), "state": BuildState(fields["state"]), "is_open": "open" in fields}
        return cls(document, **known)

    @property
    def id(self) -> str:
        return self.document.id

    @property
    def steps(self) -> list[tuple[str, BuildPart]]:
        """The steps in their order; copies without a root go first, as a living view may share their paths."""
        parts = (BuildPart.ROOTS,) if self.only_stale else (BuildPart.GHOSTS, BuildPart.ROOTS)
        return [(view, part) for view in self.views for part in parts]

    def range_paths(self) -> list[str]:
        """Returns the paths of the ranges of this step."""
        return [self.range_path(number) for number in range(self.ranges)]

    def range_path(self, number: int) -> str:
        return f"{RANGES}/{self.id}-{self.step}-{number}"

    def put(self) -> Put:
        """Returns the write of the build, on the condition that it is as it was read."""
        fields: dict[str, Any] = {name: value for name, value in self._asdict().items() if name != "document"}
        fields |= {"views": list(self.views), "outcomes": dict(self.outcomes), "state": str(self.state)}
        fields |= {name: to_datetime(at) for name in _TIMES if (at := fields.pop(name))}
        if fields.pop("is_open"):
            fields["open"] = self.app
        else:
            fields["expire_at"] = to_datetime(self.ended_at) + KEPT
        return Put(self.document.path, fields, precondition=unchanged(self.document))


_TIMES = ("started_at", "resumed_at", "ended_at")


class BuildRange(NamedTuple):
    """The roots, or ledgers, from after one position up to and including another; "" is the start, or the end."""

    document: Document
    build: str
    step: int
    after: str
    until: str
    pace: float | None = None
    """The most views a second of this range."""
    is_done: bool = False
    handed_on: int = 0
    """How often a task was made for it by somebody who found that it did not move."""
    moved_at: Instant = 0
    outcomes: Mapping[str, int] = {}

    @classmethod
    def of(cls, document: Document) -> BuildRange:
        """Returns the range that a document holds."""
        fields = dict(document.fields or {})
        moved_at = to_instant(fields.pop("moved_at")) if "moved_at" in fields else 0
        return cls(document, moved_at=moved_at, **fields)

    def put(self) -> Put:
        """Returns the write of the range, on the condition that it is as it was read."""
        fields: dict[str, Any] = {name: value for name, value in self._asdict().items() if name != "document"}
        fields["outcomes"] = dict(self.outcomes)
        if moved_at := fields.pop("moved_at"):
            fields["moved_at"] = to_datetime(moved_at)
        precondition = unchanged(self.document) if self.document.exists else ABSENT
        return Put(self.document.path, fields, precondition=precondition)

    def moved(self, after: str, outcomes: Mapping[Outcome, int], now: Instant, *, is_done: bool) -> BuildRange:
        """Returns the range after one more batch."""
        counted = Counter(self.outcomes) + Counter({str(each): number for each, number in outcomes.items()})
        return self._replace(after=after, outcomes=counted, moved_at=now, is_done=is_done)


def begin(database: Database, build: CloudBuild) -> CloudBuild:
    """Writes a build, which upkeep begins within a minute."""
    database.commit([build.put()])
    return read(database, build.id)


def read(database: Database, build: str) -> CloudBuild:
    """Returns a build; raises ConfigurationError if no build has this id."""
    path = f"{COLLECTION}/{build}"
    document = database.read([path]).documents[0] if "/" not in build and build else Document(path)
    if not document.exists:
        raise ConfigurationError(f"There is no build {build!r}; `boiler builds list` shows those that there are.")
    return CloudBuild.of(document)


def builds(database: Database, app: str) -> list[CloudBuild]:
    """Returns the builds of an app that are kept, the latest first."""
    found = map(CloudBuild.of, database.query(Query(COLLECTION)).documents)
    return sorted((each for each in found if each.app == app), key=lambda each: each.started_at, reverse=True)


def open_builds(database: Database, app: str) -> Iterator[str]:
    """Yields the ids of the builds of an app that have not ended."""
    query = Query(COLLECTION, filters=(Filter("open", "==", app),), select=())
    return (each.id for each in database.query(query).documents)


def ranges_of(database: Database, build: CloudBuild) -> list[BuildRange]:
    """Returns the ranges of the step that a build is at."""
    found = database.read(build.range_paths()).documents if build.ranges else ()
    return [BuildRange.of(each) for each in found if each.exists]


def counted(build: CloudBuild, ranges: list[BuildRange]) -> Counter[str]:
    """Returns how many views had each outcome so far."""
    total = Counter(build.outcomes)
    for each in ranges:
        total.update(each.outcomes)
    return total


def folded(build: CloudBuild, ranges: list[BuildRange]) -> tuple[CloudBuild, list[Write]]:
    """Returns the build with the counts of its ranges, and the deletes of these, if they are as they were read."""
    deletes: list[Write] = [Delete(each.document.path, unchanged(each.document)) for each in ranges]
    return build._replace(outcomes=counted(build, ranges), ranges=0, cut="", is_cut=False), deletes


def change(database: Database, build: str, changed: Callable[[CloudBuild], CloudBuild]) -> CloudBuild:
    """Changes a build as a person asks; tries again if functions change it at the same time."""
    for attempt in range(MAX_ATTEMPTS):
        found = read(database, build)
        if (wanted := changed(found)) == found:
            return found
        try:
            database.commit([wanted.put()])
            break
        except Conflict:
            if attempt == MAX_ATTEMPTS - 1:
                raise
    return read(database, build)


def paused(build: CloudBuild, why: str = "") -> CloudBuild:
    """Returns the build paused, if it runs: what is in work ends with its batch."""
    return build._replace(state=BuildState.PAUSED, why=why) if build.state is BuildState.RUNNING else build


def resumed(build: CloudBuild, now: Instant) -> CloudBuild:
    """Returns the build running again, if it was paused."""
    if build.state is not BuildState.PAUSED:
        return build
    return build._replace(state=BuildState.RUNNING, why="", resumed_at=now)


def cancelled(build: CloudBuild) -> CloudBuild:
    """Returns the build cancelled, unless it has ended; what was built stays."""
    return (
        build._replace(state=BuildState.CANCELLED) if build.state in (BuildState.RUNNING, BuildState.PAUSED) else build
    )


def to_json(build: CloudBuild, ranges: list[BuildRange]) -> Fields:
    """Returns what a command prints of a build."""
    outcomes = counted(build, ranges)
    times = {name: to_datetime(at) if (at := getattr(build, name)) else None for name in _TIMES}
    view = build.steps[build.step][0] if build.step < len(build.steps) else None
    return {
        "id": build.id,
        "views": list(build.views),
        "state": str(build.state),
        "why": build.why or None,
        "only_stale": build.only_stale,
        "max_rate": build.max_rate,
        "instances": build.instances,
        "outcomes": dict(outcomes),
        "view": view,
        "ranges": build.ranges,
        "ranges_done": sum(each.is_done for each in ranges),
        **times,
    }
