"""An app in memory: its documents, its pending events, and their delivery."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import NamedTuple

from boiler_functions.app import Boiler
from boiler_functions.compile.compiler import Compiled
from boiler_functions.database import Database, Delete, Document, Put
from boiler_functions.database.change import Change
from boiler_functions.database.faults import Faults
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.database.metered import Metered
from boiler_functions.models.session import use
from boiler_functions.modes.invocation import Invocation, Outcome, Surroundings
from boiler_functions.modes.ledger import LONGEST_PAUSE
from boiler_functions.modes.release import Release
from boiler_functions.modes.run import Report
from boiler_functions.modes.stored_copies import Staging
from boiler_functions.testing.simulation import Delivery, Simulation, Weather
from boiler_functions.types import Fields, Instant
from boiler_functions.views.totals import kept_totals

SOURCE = "//firestore.googleapis.com/projects/demo-memory/databases/(default)"

NO_FAULTS = Faults()


class VirtualClock:
    """A clock that stands still until `sleep` is called; `Surroundings` take its `now` and `sleep`.

    clock = VirtualClock()
    with memory_app(app, Surroundings(clock.now, clock.sleep, Random(7))) as testing:
        clock.sleep(24 * 3600)
    """

    def __init__(self, start: Instant = 1_800_000_000_000_000_000) -> None:
        self._now = start

    def now(self) -> Instant:
        return self._now

    def sleep(self, seconds: float) -> None:
        self._now += int(seconds * 1_000_000_000)


class MemoryApp:
    """An app on its own database in memory; every commit adds its events to `pending`.

    Functions use the database `through`; set it to a wrapper of `database` to watch or disturb them.
    """

    def __init__(self, app: Boiler, surroundings: Surroundings) -> None:
        self.compiled: Compiled = app.compiled
        self.release = Release(deployment=1)
        self._advanced: Instant = 0
        self.surroundings = surroundings._replace(clock=lambda: surroundings.clock() + self._advanced)
        self.database = MemoryDatabase(self.surroundings.clock)
        self.through: Database = self.database
        self.pending: list[Delivery] = []
        self.seeds: list[int] = []
        self.injected: Counter[str] = Counter()
        self._paths: dict[str, None] = {}
        self._changes = 0
        self._staged: tuple[Compiled, Release] | None = None
        # An empty database has all documents that kept totals are over.
        totals = kept_totals(view.store_class for view in self.compiled.declarations.views)
        for total, keeping in totals:
            self.database.commit([Put(keeping.head, {"app": app.name, "total": repr(total)})])
        self.database.subscribe(self._collect)

    def fields(self, path: str) -> Fields | None:
        """Returns the fields of a stored document, or None: `testing.fields("cityView/TOK")`."""
        return self.database.read([path]).documents[0].fields

    def write(self, path: str, fields: Fields | None) -> None:
        """Writes a whole document as a client does, for example a form; deletes it if `fields` is None."""
        self.database.commit([Delete(path) if fields is None else Put(path, fields)])

    def documents(self) -> dict[str, Document]:
        """Returns every document that exists, by path."""
        return {each.path: each for each in self.database.read(list(self._paths)).documents if each.exists}

    def deploy(self, app: Boiler, *, pending_to_old: bool = False) -> None:
        """Replaces the code of the app, as a deployment does: documents stay, and the new code handles new events.

        The new code handles pending events, too, unless `pending_to_old` is set: then the old code does, as it may
        during a roll-out.
        """
        self.compiled = app.compiled
        self.release = Release.begun(self.release.deployment + 1, self.surroundings.clock(), {})
        if not pending_to_old:
            self.pending = [new for each in self.pending if (new := self._readdressed(each))]

    def stage(self, app: Boiler, view: str) -> StagedApp:
        """Deploys the code of a staged version of the view beside the app: from now on, each event goes to both.

        `pending` has the events of either. What is on the shelf is built, promoted and so on by what it returns.
        """
        release = Release(self.release.deployment + 1, staged=view)
        self._staged = app.compiled, release
        return StagedApp(self, app.compiled, release)

    def unstage(self) -> None:
        """Removes the code of the staged version, and the events that wait for it."""
        self._staged = None
        self.pending = [each for each in self.pending if not each.release.staged]

    def upkeep(self, through: Database | None = None, *, rolling_out: bool = False) -> Counter[Outcome]:
        """Builds the views that are owed a build, as the app's upkeep does once all roll-outs and pauses are over.

        With `rolling_out`, the code before may still handle events, so that what it cannot find is looked for again
        later. Returns how many views had each outcome.
        """
        database = Metered(through or self.through)
        release = self.release if rolling_out else self.release._replace(settled_at=0)
        surroundings = self.surroundings._replace(release=release)
        declarations = self.compiled.declarations
        invocation = Invocation(declarations.app, "upkeep", database, surroundings)
        for mode in declarations.modes:
            mode.look_after(declarations, invocation, invocation.now() + LONGEST_PAUSE * 1_000_000_000)
            mode.go_on(declarations, invocation, None)
        return invocation.outcomes

    def advance(self, **duration: float) -> Counter[Outcome]:
        """Moves the clock of the app and its database forward, and runs upkeep once: `testing.advance(hours=2)`.

        Takes what `timedelta` takes. Upkeep builds the views whose getters asked for the time and whose moment has
        come. Returns how many views had each outcome; their events are `pending`, as those of any commit.
        """
        if (moved := timedelta(**duration)) < timedelta():
            raise ValueError(f"testing.advance({duration}): time only moves forward; give a positive duration.")
        self._advanced += moved // timedelta(microseconds=1) * 1000
        surroundings = self.surroundings._replace(release=self.release)
        declarations = self.compiled.declarations
        invocation = Invocation(declarations.app, "upkeep", Metered(self.through), surroundings)
        for mode in declarations.modes:
            mode.look_after(declarations, invocation, invocation.now())
            mode.go_on(declarations, invocation, None)
        return invocation.outcomes

    def _readdressed(self, delivery: Delivery) -> Delivery | None:
        function = self.compiled.functions.get(delivery.function.entry_point)
        return replace(delivery, function=function, release=self.release) if function else None

    def take(self) -> list[Delivery]:
        """Returns the pending events and removes them from `pending`; `handle` delivers one."""
        taken, self.pending = self.pending, []
        return taken

    def handle(self, delivery: Delivery, through: Database | None = None) -> Report:
        """Delivers one event and returns the function's report; raises a Transient error if it must be redelivered."""
        surroundings = self.surroundings._replace(release=delivery.release)
        return delivery.function.handle(delivery.change, through or self.through, surroundings)

    def deliver(
        self,
        *,
        duplicates: int = 0,
        shuffle: int | None = None,
        at_once: int = 1,
        crashes: float = 0.0,
        drops: float = 0.0,
        faults: Faults = NO_FAULTS,
        meanwhile: Iterable[Callable[[], object]] = (),
        drain: bool = True,
    ) -> list[Report]:
        """Delivers the pending events, and those that they cause, until none is left; redelivers what failed.

        Returns the reports of the functions.

        duplicates    how many more times each event comes, after the others.
        shuffle       a seed, which makes the order random, and from which everything below is drawn, so that the same
                      seed repeats the run; a failing test names it.
        at_once       handlers that run side by side, and take turns at every call of the database.
        crashes       the likelihood that a handler ends at a turn: 0.05 is one turn in twenty.
        drops         the likelihood that a delivery is lost, and comes again later.
        faults        the likelihood of each fault of a call of the database.
        meanwhile     what clients do: functions to call, each at a random moment.
        drain         whether to deliver the events that are caused, too; if not, they stay pending.

        After ten failures, an event meets no more injected faults, so that an error which reaches the test is the
        app's own.
        """
        if shuffle is None and (at_once > 1 or crashes or drops or faults != NO_FAULTS):
            raise ValueError("Faults are random; give a seed, as in deliver(shuffle=7, crashes=0.05).")
        if not (0 <= crashes < 1 and 0 <= drops < 1):
            raise ValueError(
                f"crashes and drops must be at least 0 and below 1, or no event ever arrives; found crashes={crashes}, "
                f"drops={drops}."
            )
        self.seeds += [] if shuffle is None else [shuffle]
        weather = Weather(duplicates, at_once, crashes, drops, faults)
        return Simulation(self, weather, None if shuffle is None else Random(shuffle), meanwhile).run(drain=drain)

    def _collect(self, before: Document, after: Document) -> None:
        self._changes += 1
        self._paths[after.path] = None
        # One event id for all functions, as in production; the emulator does not always do so.
        change = Change(f"event-{self._changes}", SOURCE, after.path, before, after, self.surroundings.clock())
        for compiled, release in ((self.compiled, self.release), *([self._staged] if self._staged else ())):
            self.pending += [
                Delivery(function, change, release=release)
                for function in compiled.functions.values()
                if function.is_triggered_by(before, after) and (not release.staged or release.staged in function.serves)
            ]


class StagedApp(NamedTuple):
    """The code of a staged version of one view, beside an app in memory."""

    testing: MemoryApp
    compiled: Compiled
    release: Release

    @property
    def staging(self) -> Staging:
        """The work on the shelf, as the commands of an operator do it; its calls go `through` the app's database."""
        declared = self.compiled.declarations
        view = next(each for each in declared.stored if each.__name__ == self.release.staged)
        surroundings = self.testing.surroundings._replace(release=self.release)
        return declared.storing().staging(declared, view, self.testing.through, surroundings)

    def upkeep(self) -> Report:
        """Runs the upkeep of the staged version once, and returns its report."""
        (upkeep,) = self.compiled.scheduled.values()
        surroundings = self.testing.surroundings._replace(release=self.release)
        return upkeep.attempt(self.testing.through, surroundings).or_raise()


@contextmanager
def memory_app(app: Boiler, surroundings: Surroundings | None = None) -> Iterator[MemoryApp]:
    """Runs the app in memory; inside the block, models read and write its database.

    `surroundings` are the clock and the randomness of the functions; by default, retries follow at once and the
    randomness is the same in every run.
    """
    testing = MemoryApp(app, surroundings or Surroundings(time.time_ns, _no_pause, Random(0)))
    with use(testing.database):
        try:
            yield testing
        except BaseException as error:
            for seed in testing.seeds:
                error.add_note(f"The events came in the random order of deliver(shuffle={seed}).")
            raise


def _no_pause(seconds: float) -> None:
    """Does not pause, so that retries follow at once."""
