"""The part of builds in the cloud: ranges are tasks that are lost, doubled and killed, while clients write.

People begin, pause, resume and cancel builds; new code is deployed before them, and old code may still have events. In
some seeds events were lost before the build, which heals what they have left. In the end every view is built by the new
code, each range has counted its views once, and nothing of the bookkeeping is left.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache, partial
from random import Random
from typing import Any
from unittest.mock import patch

from boiler_functions import Boiler, DomainModel, Store, ViewModel, attrs, matching, reference
from boiler_functions.database import Database, Document
from boiler_functions.database.faults import Faults
from boiler_functions.database.metered import Metered
from boiler_functions.exceptions import Unavailable
from boiler_functions.modes import cloud_build
from boiler_functions.modes.cloud_build import COLLECTION, RANGES, BuildRange, BuildState, CloudBuild
from boiler_functions.modes.invocation import Invocation, Surroundings
from boiler_functions.modes.query import build_ranges
from boiler_functions.modes.query.build_ranges import BuildTask
from boiler_functions.testing import Delivery, MemoryApp, VirtualClock
from boiler_functions.types import Reference
from tests.torture.figures import Figure
from tests.torture.judged import Judged, by_two_processes, wrong_figures
from tests.torture.processes import Processes, Work
from tests.torture.unlogged import unlogged

SEEDS = 1_000
SHORT_SEEDS = 15
ACTS = 160
ROUNDS = 60
MINUTE = 60.0
VIEWS = {"cityViews": "CityView", "boards": "BoardView"}

CITIES = "abcdefghijkl"

FIGURES = (
    "views_not_built",
    "wrong_counts",
    "counts_that_went_back",
    "moved_while_paused",
    "older_code_over_newer",
    "view_divergence",
    "left_over",
    "builds_without_end",
    "unclassified_errors",
)


class Country(DomainModel):
    class Meta:
        collection_name = "countries"

    number = attrs.integer(required=True)


class City(DomainModel):
    class Meta:
        collection_name = "cities"

    number = attrs.integer(required=True)
    country = attrs.relation(Country)


class CityStore(Store):
    city = reference(City)
    country = reference(City.country)


class BoardStore(Store):
    """A view without a root, which is a range of its own."""

    countries = matching(Country.all())


@cache
def edition(number: int) -> Boiler:
    """The code of a deployment, which says its own number in every view."""

    class CityView(ViewModel[CityStore]):
        class Meta:
            path = "cityViews/{city.doc_id}"

        @attrs.computed
        def by(self) -> int:
            return number

        @attrs.computed
        def numbers(self) -> list[int]:
            return [each.number for each in (self.store.city, self.store.country) if each is not None]

    class BoardView(ViewModel[BoardStore]):
        class Meta:
            path = "boards/main"

        @attrs.computed
        def by(self) -> int:
            return number

        @attrs.computed
        def numbers(self) -> list[int]:
            return [each.number for each in self.store.countries]

    app = Boiler("towns")
    app.query(CityView)
    app.query(BoardView)
    return app


@dataclass
class Result(Judged):
    """The result of one seed."""

    processes: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    events: int = 0
    lost: int = 0
    tasks_lost: int = 0
    tasks_doubled: int = 0
    done: int = 0
    cancelled: int = 0
    counted: int = 0


class Towns(MemoryApp):
    """The app in memory with the queue of its tasks, and the people who begin builds and stop them."""

    def __init__(self, chance: Random, result: Result, surroundings: Surroundings) -> None:
        super().__init__(edition(1), surroundings)
        self.chance, self.result = chance, result
        self.is_steady = chance.random() < 0.4
        """Whether no city comes or goes, so that each build counts all of them."""
        self.loss = 0.0 if self.is_steady else chance.choice([0.0, 0.1])
        self.tasks: list[BuildTask] = []
        self.builds: dict[str, CloudBuild] = {}
        """The builds as they were begun."""
        self.counts: Counter[str] = Counter()
        self.moves_left: dict[str, int] = {}
        """How many tasks that were in work when a build was paused may still end their batch."""
        self._numbers = 0
        faults = Faults(before=chance.choice([0.0, 0.03]), after=chance.choice([0.0, 0.03]), torn=0.2)
        self.faults = faults
        self.processes = Processes(self.database, faults, chance, self.surroundings.sleep)
        self.database.subscribe(self._look)

    # What clients do, and what becomes of their events.

    def client(self) -> None:
        """Does one thing that a client does."""
        self.result.events += 1
        chance = self.chance
        self._numbers += 1
        match chance.randrange(6):
            case 0 if not self.is_steady:
                self.write(f"cities/{chance.choice(CITIES)}", None)
            case 1:
                self.write(f"countries/{chance.choice('xy')}", {"number": self._numbers})
            case _:
                self.put(chance.choice(CITIES))

    def put(self, city: str) -> None:
        self._numbers += 1
        country = self.chance.choice([None, Reference("countries/x"), Reference("countries/y")])
        self.write(f"cities/{city}", {"number": self._numbers, "country": country})

    def take(self) -> list[Delivery]:
        """Takes the pending events, some of which are lost before the builds."""
        taken = super().take()
        kept = [each for each in taken if self.chance.random() >= self.loss]
        self.result.lost += len(taken) - len(kept)
        return kept

    # What can be seen.

    def _look(self, before: Document, after: Document) -> None:
        is_view = after.collection in ("cityViews", "boards")
        if is_view and before.fields and after.fields and after.fields["by"] < before.fields["by"]:
            self.result.note("older_code_over_newer", f"{after.path}: {before.fields} became {after.fields}")
        if after.collection not in (COLLECTION, RANGES):
            return
        for build in self.builds:
            found = cloud_build.read(self.database, build)
            now = cloud_build.counted(found, cloud_build.ranges_of(self.database, found)).total()
            if now < self.counts[build]:
                self.result.note("counts_that_went_back", f"{build}: {self.counts[build]}, then {now}")
            self.counts[build] = now
        if after.collection == RANGES and before.fields and after.fields:
            self._look_at_move(BuildRange.of(before), BuildRange.of(after))

    def _look_at_move(self, before: BuildRange, after: BuildRange) -> None:
        state = cloud_build.read(self.database, after.build).state
        if state is BuildState.RUNNING or (before.after, before.is_done) == (after.after, after.is_done):
            return
        self.moves_left[after.build] -= 1
        if self.moves_left[after.build] < 0:
            self.result.note("moved_while_paused", f"{after.build}: {after.document.path}, which is {state}")

    # What people do.

    def person(self) -> None:
        """Begins a build, or pauses, resumes or cancels one."""
        chance = self.chance
        is_open = [each for each in self.builds if cloud_build.read(self.database, each).is_open]
        if not is_open and len(self.builds) < 3:
            self._begin()
            return
        build = chance.choice(list(self.builds))
        before = cloud_build.read(self.database, build)
        now = self.surroundings.clock()
        acts: list[Callable[[CloudBuild], CloudBuild]] = [
            cloud_build.paused, lambda each: cloud_build.resumed(each, now), cloud_build.cancelled,
        ]  # fmt: skip
        changed = cloud_build.change(self.database, build, chance.choices(acts, [4, 12, 1])[0])
        if before.state is BuildState.RUNNING and changed.state is not BuildState.RUNNING:
            self.moves_left[build] = sum(name in ("task", "upkeep") for name in self.processes.names)

    def _begin(self) -> None:
        views = self.chance.choice([("CityView",), ("CityView", "BoardView")])
        build = CloudBuild.new(
            "towns", views, len(CITIES), self.surroundings.clock(), only_stale=self.chance.random() < 0.3,
            withdraw=False, max_rate=self.chance.choice([None, 40.0]),
        )  # fmt: skip
        name = f"build-{len(self.builds)}"
        build = build._replace(document=Document(f"{COLLECTION}/{name}"))
        self.builds[name] = build
        cloud_build.begin(self.database, build)

    # What runs when.

    def act(self) -> None:
        """Does one thing of a client or a person, or one step of a task or of upkeep, which may be its last."""
        chance, names = self.chance, self.processes.names
        kinds = [self.client, self.person, self._begin_upkeep, self._begin_task, self.processes.step]
        is_idle = not names
        likely = [
            12,
            6,
            0 if "upkeep" in names else 8,
            24 if self.tasks and len(names) < 4 else 0,
            0 if is_idle else 50,
        ]
        chance.choices(kinds, likely)[0]()

    def _begin_upkeep(self) -> None:
        self.surroundings.sleep(self.chance.choice([1, MINUTE, MINUTE, 400]))
        self.processes.start("upkeep", self.look_after)

    def _begin_task(self) -> None:
        task = self.tasks.pop(self.chance.randrange(len(self.tasks)))

        def ended(is_done: bool) -> None:
            # The queue tries again, and may do so though the task was done.
            if not is_done or self.chance.random() < 0.05:
                self.tasks.append(task)

        self.processes.start("task", lambda through: self.run_task(task, through), ended)

    def queue(self, task: BuildTask) -> None:
        """Takes a task, which is lost or comes twice at times; the answer may be lost, too."""
        times = self.chance.choices([0, 1, 2], [1, 8, 1])[0]
        self.result.tasks_lost += not times
        self.result.tasks_doubled += times == 2
        self.tasks += [BuildTask.from_json(task.to_json())] * times
        if self.chance.random() < 0.05:
            raise Unavailable("The answer of the queue is lost.")

    def run_task(self, task: BuildTask, through: Database) -> None:
        declared = self.compiled.declarations
        worker = next(each for mode in declared.modes if (each := mode.worker(declared, task.function)))
        worker.attempt_rest(task, through, self._hurried(), self.queue).or_raise()

    def look_after(self, through: Database) -> None:
        declared, surroundings = self.compiled.declarations, self._hurried()
        deadline = surroundings.clock() + int(MINUTE * 1e9)
        invocation = Invocation("towns", "upkeep", Metered(through), surroundings, deadline)
        enqueue = self.queue if self.chance.random() < 0.8 else None
        for mode in declared.modes:
            mode.go_on(declared, invocation, enqueue)

    def _hurried(self) -> Surroundings:
        """The surroundings of a process whose time passes with each look at the clock, so that it ends early."""
        pace = self.chance.choice([0, 0, 3, 20])

        def clock() -> int:
            self.surroundings.sleep(pace)
            return self.surroundings.clock()

        return self.surroundings._replace(clock=clock, release=self.release)

    def settle(self) -> None:
        """Lets functions, tasks and upkeep go on without kills until no build is open; paused ones are resumed."""
        self.processes.kill_all()
        now = self.surroundings.clock()
        for build in self.builds:
            cloud_build.change(self.database, build, lambda each: cloud_build.resumed(each, now))
        for _ in range(ROUNDS):
            if not any(each.is_open for each in self.now()):
                break
            self.surroundings.sleep(400)
            works: list[Work] = [self.look_after, *(partial(self.run_task, each) for each in self.tasks)]
            for work in works:
                with suppress(Unavailable):
                    work(self.database)
        self.deliver()

    def now(self) -> list[CloudBuild]:
        """Returns the builds as they are."""
        return [cloud_build.read(self.database, each) for each in self.builds]

    # What must be so in the end.

    def check(self) -> None:
        """Compares what is stored with plain Python, and what the builds say with what there was to build."""
        documents, builds = self.documents(), self.now()
        for each in builds:
            self._check_build(each)
        if left := [path for path in documents if path.startswith(f"{RANGES}/")]:
            self.result.note("left_over", f"{left}")
        done = [each for each in builds if each.state is BuildState.DONE]
        views = {path: each.fields or {} for path, each in documents.items() if path.startswith(tuple(VIEWS))}
        for path, fields in views.items():
            view = VIEWS[path.partition("/")[0]]
            is_built = any(view in each.views for each in done)
            # Lost events are healed by a build of all, and by no other.
            is_right = not self.result.lost or any(view in each.views and not each.only_stale for each in done)
            if is_built and fields["by"] != 2:
                self.result.note("views_not_built", f"{path} is by {fields['by']}")
            if is_right and fields["numbers"] != (wanted := numbers(path, documents)):
                self.result.note("view_divergence", f"{path} has {fields['numbers']} instead of {wanted}")
        is_right = not self.result.lost or any("CityView" in each.views and not each.only_stale for each in done)
        cities = {path.partition("/")[2] for path in documents if path.startswith("cities/")}
        if is_right and cities != (
            found := {path.partition("/")[2] for path in views if path.startswith("cityViews/")}
        ):
            self.result.note("view_divergence", f"{sorted(found)} have views, and there are {sorted(cities)}")

    def _check_build(self, build: CloudBuild) -> None:
        total = Counter(build.outcomes).total()
        self.result.done += build.state is BuildState.DONE
        self.result.cancelled += build.state is BuildState.CANCELLED
        self.result.counted += total
        if build.is_open:
            self.result.note("builds_without_end", f"{build}")
        wanted = len(CITIES) + len(build.views) - 1
        is_whole = build.state is BuildState.DONE and not build.only_stale
        if self.is_steady and (total > wanted or (is_whole and total < wanted)):
            self.result.note("wrong_counts", f"{build.id}: {dict(build.outcomes)} of {wanted}")


def numbers(path: str, documents: dict[str, Document]) -> list[int] | None:
    """Returns what a view shows, computed from all documents in plain Python; None if there is nothing to show."""
    stored = {each: document.fields or {} for each, document in documents.items()}
    if path.startswith("boards/"):
        return [stored[each]["number"] for each in sorted(stored) if each.startswith("countries/")]
    city = stored.get(path.replace("cityViews", "cities"))
    if city is None:
        return None
    country = stored.get(city["country"].path) if city["country"] else None
    return [city["number"], *([country["number"]] if country else [])]


@unlogged()
def torture(seed: int) -> Result:
    """Runs one seed: events are lost, code is deployed, and builds go on while everything goes wrong; compares all."""
    chance, result, clock = Random(seed), Result(seed), VirtualClock()
    app = Towns(chance, result, Surroundings(clock.now, clock.sleep, Random(seed)))
    sizes: dict[str, Any] = {"PAGE": chance.choice([1, 3]), "NAMES": 3, "MOST": chance.choice([1, 3]), "LEAST": 3}
    with result.running(), patch.multiple(build_ranges, **sizes):
        for city in CITIES:
            app.put(city)
        app.write("countries/x", {"number": 0})
        app.deliver(shuffle=seed, meanwhile=[app.client] * (ACTS // 10))
        app.loss = 0.0
        if app.is_steady:
            app.client()
        app.deploy(edition(2), pending_to_old=True)
        app.deliver(
            shuffle=seed + 1, at_once=chance.randint(1, 4), crashes=chance.choice([0.0, 0.03]), faults=app.faults,
            duplicates=chance.choice([0, 0, 1]), meanwhile=[app.act] * ACTS,
        )  # fmt: skip
        app.settle()
        app.check()
    result.processes, result.kills = app.processes.started, app.processes.kills
    return result


def run(short: bool, seed: int) -> Iterator[Figure]:
    """Yields the figures of builds in the cloud."""
    seeds = range(seed, seed + (SHORT_SEEDS if short else SEEDS))
    results = list(map(torture, seeds)) if short else by_two_processes(torture, seeds)
    yield Figure("seeds", len(results), "≥", SHORT_SEEDS if short else SEEDS)
    yield Figure("events", sum(each.events for each in results), "≥", len(results) * ACTS // 15)
    yield Figure("builds_done", sum(each.done for each in results), "≥", len(results) // 5)
    yield Figure("builds_cancelled", sum(each.cancelled for each in results), "≥", len(results) // 20)
    yield Figure("views_counted", sum(each.counted for each in results), "≥", len(results))
    yield Figure("tasks", sum(each.processes["task"] for each in results), "≥", len(results))
    yield Figure("tasks_lost", sum(each.tasks_lost for each in results), "≥", len(results) // 20)
    yield Figure("tasks_doubled", sum(each.tasks_doubled for each in results), "≥", len(results) // 20)
    yield Figure("kills", sum(each.kills for each in results), "≥", len(results) // 4)
    yield Figure("events_lost", sum(each.lost for each in results), "≥", len(results) // 20)
    yield from wrong_figures(results, FIGURES)
