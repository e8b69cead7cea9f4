"""The work of a build in the cloud: cuts roots into ranges, and builds each in tasks of the app's queue.

Nothing rests on a task. It may come twice, late or never: what is to be done, the documents of the build say, and
upkeep makes a new task for a range that does not move. Views are built as by `boiler build`, so that events, other
builds and a second task for the same range do no harm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, NamedTuple

from boiler_functions.database import NAME, Cursor, Database, Document, Order, Query
from boiler_functions.database.change import Change
from boiler_functions.exceptions import Conflict, InvalidEvent, InvalidRequest, Permanent, UnknownOutcome
from boiler_functions.modes.cloud_build import (
    COLLECTION,
    RANGES,
    BuildPart,
    BuildRange,
    BuildState,
    CloudBuild,
    folded,
    open_builds,
    paused,
    ranges_of,
)
from boiler_functions.modes.edition import scope_of
from boiler_functions.modes.event_function import Enqueue
from boiler_functions.modes.in_order import in_order
from boiler_functions.modes.invocation import Invocation, Outcome, Surroundings
from boiler_functions.modes.ledger import edition_of, ledger_path, root_of
from boiler_functions.modes.ledgers import of_view_after, place_of
from boiler_functions.modes.outbox import Recipient
from boiler_functions.modes.query.rebuild import PAGE
from boiler_functions.modes.query.rebuild_all import NAMES, RebuildAll
from boiler_functions.modes.run import Report, nothing, run
from boiler_functions.settings.options import Options
from boiler_functions.types import Instant, Reference, digest
from boiler_functions.views.build import Instance, chunks
from boiler_functions.views.view_model import View

BUILD = "build"
"""What a task calls the work of a build; no function that an event invokes has this name."""

MOST = 16
"""The ranges of a view that are built at once: a few, as the changes of users go through the same queue."""

LEAST = 1_000
"""The fewest roots of a range, unless a view has fewer."""

LONGEST = 200_000
"""The most roots of a range, whose names one invocation can read."""

SLOWEST = 20.0
"""The fewest views a second of one range, if a rate is given: slower ones would be fewer ranges instead."""

STILL = 300_000_000_000
"""After how many nanoseconds without a move a range gets a new task; without a queue, it is upkeep that works."""

STILL_WITHOUT_QUEUE = 60_000_000_000

PACED_SECONDS = 10
"""How long a batch may take if a rate is given, so that a pause takes effect soon."""


class BuildTask(NamedTuple):
    """A range of a build, as the payload of a task."""

    function: str
    build: str
    range: str
    after: str
    turn: int

    @classmethod
    def of(cls, part: BuildRange) -> BuildTask:
        return cls(BUILD, part.build, part.document.id, part.after, part.handed_on)

    @classmethod
    def from_json(cls, payload: Mapping[str, Any]) -> BuildTask:
        """Returns the task of a payload; raises InvalidEvent for any other payload."""
        try:
            found = cls(**payload)
        except TypeError as error:
            raise InvalidEvent(f"A task's payload is not a range of a build: {error!r}.") from error
        ids: tuple[Any, ...] = (found.build, found.range)
        if not all(isinstance(each, str) and each and "/" not in each for each in ids):
            raise InvalidEvent(f"A task's payload is not a range of a build: {str(payload)[:1000]}.")
        return found

    def to_json(self) -> dict[str, Any]:
        return self._asdict()

    @property
    def id(self) -> str:
        return self.build

    @property
    def path(self) -> str:
        return f"{COLLECTION}/{self.build}"

    @property
    def name(self) -> str:
        """The name of the task: the same position of the same range is queued once, unless it did not move."""
        return digest(*self)

    def change(self) -> Change:
        return nothing(self.build)


@dataclass(frozen=True, eq=False)
class BuildWorker:
    """The part of the function `continuations` that works on builds."""

    app: str
    entry_point: str
    views: tuple[View, ...]
    recipients: tuple[Recipient, ...]
    options: Options

    hands_on = True

    @property
    def serves(self) -> tuple[str, ...]:
        return tuple(view.__name__ for view in self.views)

    @property
    def timeout_sec(self) -> int:
        return self.options.time_limit

    def attempt_rest(
        self, rest: BuildTask, database: Database, surroundings: Surroundings, enqueue: Enqueue | None
    ) -> Report:
        """Works on the range of a task, and returns a report."""

        def work(invocation: Invocation) -> None:
            Builder(invocation, self.views, self.recipients, enqueue).take_up(rest)

        return run(self, rest.change(), database, surroundings, work)


class _Batch(NamedTuple):
    after: str
    is_last: bool
    outcomes: Counter[Outcome]


class Builder(NamedTuple):
    """Goes on with builds, in one invocation."""

    invocation: Invocation
    views: tuple[View, ...]
    recipients: tuple[Recipient, ...] = ()
    enqueue: Enqueue | None = None
    """Makes a task for a range; without it, the invocation works on ranges itself."""

    def run_all(self) -> None:
        """Goes on with all builds of the app that have not ended."""
        for build in list(open_builds(self._database, self.invocation.app)):
            if self.invocation.is_out_of_time:
                return
            self.run(build)

    def take_up(self, task: BuildTask) -> None:
        """Works on a range; if it is the last of its step, begins the next."""
        if self._work(f"{COLLECTION}/{task.build}", task):
            self.run(task.build)

    def run(self, build: str) -> None:
        """Does what is next for a build, until others work on the rest or the time is over."""
        path = f"{COLLECTION}/{build}"
        try:
            while self._next(path) and not self.invocation.is_out_of_time:
                pass
        except Conflict:
            return  # Somebody else does the same.
        except UnknownOutcome:
            return  # Upkeep looks again in a minute.
        except Permanent as error:
            self._pause(path, error)

    def _next(self, path: str) -> bool:
        """Does one thing; returns whether there may be more to do at once."""
        build = self._read(path)
        if build is None or not build.is_open:
            return False
        if build.state is BuildState.CANCELLED:
            return self._close(build, BuildState.CANCELLED)
        if build.state is not BuildState.RUNNING:
            return False
        if not build.is_cut:
            return self._cut(build)
        ranges = ranges_of(self._database, build)
        if all(each.is_done for each in ranges):
            return self._finish_step(build, ranges)
        still = [each for each in ranges if not each.is_done and self._stands_still(build, each)]
        finished = [self._hand(build, each) for each in still]
        return any(finished)

    def _stands_still(self, build: CloudBuild, part: BuildRange) -> bool:
        limit = STILL if self.enqueue else STILL_WITHOUT_QUEUE
        return part.moved_at < max(build.resumed_at, self.invocation.now() - limit)

    def _hand(self, build: CloudBuild, part: BuildRange) -> bool:
        """Makes a task for a range, or works on it; returns whether it was finished."""
        handed = part._replace(handed_on=part.handed_on + 1, moved_at=self.invocation.now())
        try:
            # First, so that the name of the task is new, and that of two who find the range only one makes a task.
            self._database.commit([handed.put()])
        except (Conflict, UnknownOutcome):
            return False
        if self.enqueue is None:
            return not self.invocation.is_out_of_time and self._work(build.document.path, BuildTask.of(handed))
        self.enqueue(BuildTask.of(handed))
        return False

    def _finish_step(self, build: CloudBuild, ranges: list[BuildRange]) -> bool:
        if build.step + 1 == len(build.steps):
            return self._close(build, BuildState.DONE)
        ended, deletes = folded(build, ranges)
        # On the condition of the build and of each range, so that no count is lost or added twice.
        self._database.commit([ended._replace(step=build.step + 1).put(), *deletes])
        return True

    def _close(self, build: CloudBuild, state: BuildState) -> bool:
        ended, deletes = folded(build, ranges_of(self._database, build))
        ended = ended._replace(state=state, is_open=False, ended_at=self.invocation.now())
        self._database.commit([ended.put(), *deletes])
        return False

    def _pause(self, path: str, error: Permanent) -> None:
        """Pauses a build that would fail again, and says why."""
        build = self._read(path)
        if build is not None and build.state is BuildState.RUNNING:
            self._database.commit([paused(build, f"{error.code} {error}"[:1000]).put()])

    # Cutting.

    def _cut(self, build: CloudBuild) -> bool:
        """Cuts roots into ranges, as far as the time allows; returns whether it came to the end."""
        view, part = self._view_of(build)
        work = self._work_of(build, view)
        query = None if part is BuildPart.GHOSTS else work.root_query
        if query is None:
            self._add(build, "", None, is_last=True)
            return True
        share, pace = _share(work.number(), build.max_rate)
        after, found = build.cut, 0
        while not self.invocation.is_out_of_time:
            limit = min(NAMES, share - found)
            names = self._database.query(_page(query, after, "", limit)).documents
            if len(names) < limit:
                self._add(build, "", pace, is_last=True)
                return True
            after, found = names[-1].path, found + limit
            if found == share:
                build, found = self._add(build, after, pace, is_last=False), 0
        return False

    def _add(self, build: CloudBuild, until: str, pace: float | None, *, is_last: bool) -> CloudBuild:
        """Writes one more range, from where the last ended, together with the build."""
        added = BuildRange(Document(build.range_path(build.ranges)), build.id, build.step, build.cut, until, pace)
        cut = build._replace(ranges=build.ranges + 1, cut=until, is_cut=is_last)
        committed = self._database.commit([cut.put(), added.put()])
        return cut._replace(document=cut.document._replace(version=committed.versions[0]))

    # Building.

    def _work(self, path: str, task: BuildTask) -> bool:
        """Builds a range batch by batch, until it ends, which it returns, or until the time is over."""
        place = f"{RANGES}/{task.range}"
        while True:
            documents = self._database.read([path, place]).documents
            if not all(each.exists for each in documents):
                return False
            build, part = CloudBuild.of(documents[0]), BuildRange.of(documents[1])
            if build.state is not BuildState.RUNNING or build.step != part.step:
                return False
            if part.is_done:
                return True
            started = self.invocation.now()
            try:
                batch = self._build(build, part)
            except Permanent as error:
                self._pause(path, error)
                return False
            moved = part.moved(batch.after, batch.outcomes, self.invocation.now(), is_done=batch.is_last)
            try:
                self._database.commit([moved.put()])
            except Conflict:
                return False  # Another task builds this range; one is enough.
            except UnknownOutcome:
                if self.invocation.is_out_of_time:
                    raise
                continue  # What is stored says where to go on.
            self._note(batch.outcomes)
            if batch.is_last:
                return True
            if self.invocation.is_out_of_time:
                if self.enqueue is not None:
                    self.enqueue(BuildTask.of(moved))
                return False
            self._keep_pace(part.pace, batch.outcomes.total(), started)

    def _keep_pace(self, pace: float | None, built: int, started: Instant) -> None:
        if pace is not None:
            taken = (self.invocation.now() - started) / 1e9
            self.invocation.surroundings.sleep(max(0.0, built / pace - taken))

    def _note(self, outcomes: Counter[Outcome]) -> None:
        for outcome, number in outcomes.items():
            self.invocation.note(outcome, number)

    def _build(self, build: CloudBuild, part: BuildRange) -> _Batch:
        view, kind = self._view_of(build)
        work = self._work_of(build, view)
        if kind is BuildPart.GHOSTS:
            return self._ghosts(work, part.after)
        query = work.root_query
        if query is None:
            return _Batch("", True, self._rebuilt(work, build, [""]))
        threads = self.invocation.surroundings.threads
        limit = PAGE * threads if part.pace is None else max(1, min(PAGE * threads, int(part.pace * PACED_SECONDS)))
        found = self._database.query(_page(query, part.after, part.until, limit)).documents
        outcomes = self._rebuilt(work, build, [each.path for each in found])
        last = found[-1].path if found else part.after
        return _Batch(last, len(found) < limit or last == part.until, outcomes)

    def _rebuilt(self, work: RebuildAll, build: CloudBuild, roots: Sequence[str]) -> Counter[Outcome]:
        chosen = self._stale(work.view, roots) if build.only_stale else roots
        total: Counter[Outcome] = Counter()
        for page in in_order(work.rebuild, chunks(chosen, PAGE), self.invocation.surroundings.threads):
            total += page.outcomes
        return total

    def _stale(self, view: View, roots: Sequence[str]) -> Iterable[str]:
        """Returns the roots whose views other code has built, and no later code."""
        scope, own = scope_of(self.invocation.app, view), self.invocation.edition_of(view)
        paths = {ledger_path(scope, Instance(view, root)): root for root in roots}
        for ledger in self._database.read(list(paths)).documents:
            if ledger.exists:
                edition = edition_of(ledger.fields or {})
                if edition.code != own.code and not edition.is_later_than(own):
                    yield paths[ledger.path]

    def _ghosts(self, work: RebuildAll, after: str) -> _Batch:
        """Deletes the copies of the next ledgers whose roots are gone."""
        limit = PAGE * self.invocation.surroundings.threads
        ledgers = of_view_after(self._database, scope_of(work.app, work.view), limit, after)
        outcomes: Counter[Outcome] = Counter()
        for page in work.ghosts((), ((each.path, root_of(each)) for each in ledgers)):
            outcomes += page.outcomes
        return _Batch(place_of(ledgers[-1]) if ledgers else after, len(ledgers) < limit, outcomes)

    def _work_of(self, build: CloudBuild, view: View) -> RebuildAll:
        app, surroundings = self.invocation.app, self.invocation.surroundings
        return RebuildAll(app, view, self._database, surroundings, self.recipients, build.withdraw)

    def _view_of(self, build: CloudBuild) -> tuple[View, BuildPart]:
        name, part = build.steps[build.step]
        for view in self.views:
            if view.__name__ == name:
                return view, part
        raise InvalidRequest(
            f"The code that is deployed stores no view {name!r}. Deploy the code that does and resume the build, or "
            f"cancel it."
        )

    def _read(self, path: str) -> CloudBuild | None:
        (document,) = self._database.read([path]).documents
        return CloudBuild.of(document) if document.exists else None

    @property
    def _database(self) -> Database:
        return self.invocation.database


def _share(total: int, max_rate: float | None) -> tuple[int, float | None]:
    """Returns how many roots a range has, and the most views a second of each range."""
    most = MOST if max_rate is None else max(1, min(MOST, int(max_rate / SLOWEST)))
    share = max(1, min(LONGEST, max(LEAST, ceil(total / most))))
    return share, None if max_rate is None else max_rate / max(1, ceil(total / share))


def _page(query: Query, after: str, until: str, limit: int) -> Query:
    """Returns the query for the names of the next roots up to and including `until`."""
    start, end = (Cursor((Reference(each),), before=False) if each else None for each in (after, until))
    return query._replace(orders=(Order(NAME),), start=start, end=end, limit=limit)
