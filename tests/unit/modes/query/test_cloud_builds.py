"""A build in the cloud builds every view once, however its tasks come, and may be killed, paused and cancelled."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from random import Random
from typing import Any

import pytest

from boiler_functions import Boiler, DomainModel, Store, ViewModel, attrs, reference
from boiler_functions.compile.compiler import Compiled
from boiler_functions.database import Database, Delete, Put, Query
from boiler_functions.database.faults import Faults, Faulty
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.database.metered import Metered
from boiler_functions.exceptions import InvalidEvent, Transient, Unavailable
from boiler_functions.modes import cloud_build
from boiler_functions.modes.cloud_build import RANGES, BuildState, CloudBuild, begin
from boiler_functions.modes.event_function import Enqueue
from boiler_functions.modes.invocation import Invocation, Surroundings
from boiler_functions.modes.ledger import COLLECTION as LEDGERS
from boiler_functions.modes.query.build_ranges import BuildTask
from boiler_functions.testing import VirtualClock
from boiler_functions.testing.steps import Crashed, Stepped, Worker

CITIES = 60
BATCH = 5
MINUTE = 60


class City(DomainModel):
    class Meta:
        collection_name = "cities"

    name = attrs.string(required=True)


class CityStore(Store):
    city = reference(City)


class CityCard(ViewModel[CityStore]):
    class Meta:
        path = "cityCards/{city.doc_id}"

    @attrs.computed
    def title(self) -> str:
        return self.store.city.name


class CityLabel(ViewModel[CityStore]):
    class Meta:
        path = "cityLabels/{city.doc_id}"

    @attrs.computed
    def label(self) -> str:
        return "* " + self.store.city.name


def compiled() -> Compiled:
    app = Boiler("towns")
    app.query(CityCard)
    app.query(CityLabel)
    return app.compiled


class World:
    """An app whose tasks wait in a list, on a database in memory with some cities."""

    def __init__(self, random: Random | None = None) -> None:
        self.compiled = compiled()
        self.clock = VirtualClock()
        self.database = MemoryDatabase(self.clock.now)
        self.random = random or Random(0)
        self.surroundings = Surroundings(self.clock.now, self.clock.sleep, self.random)
        self.tasks: list[BuildTask] = []
        self.names: set[str] = set()
        for number in range(CITIES):
            self.write(number, f"Town {number}")

    def write(self, number: int, name: str | None) -> None:
        path = f"cities/{number:04}"
        fields = {"name": name, "obj_type": "City", "doc_id": f"{number:04}"}
        self.database.commit([Delete(path) if name is None else Put(path, fields)])

    def begin(self, *views: str, **options: Any) -> str:
        build = CloudBuild.new("towns", views or ("CityCard",), CITIES, self.clock.now(), **WANTED | options)
        return begin(self.database, build).id

    def build(self, build: str) -> CloudBuild:
        return cloud_build.read(self.database, build)

    def put(self, task: BuildTask) -> None:
        """Takes a task, unless it has one of this name already or had one."""
        payload = task.to_json()
        if task.name not in self.names:
            self.names.add(task.name)
            self.tasks.append(BuildTask.from_json(payload))

    def upkeep(self, through: Database | None = None, enqueue: Enqueue | None = None) -> None:
        self.clock.sleep(MINUTE)
        deadline = self.clock.now() + 30_000_000_000
        invocation = Invocation("towns", "upkeep", Metered(through or self.database), self.surroundings, deadline)
        for mode in self.compiled.declarations.modes:
            mode.go_on(self.compiled.declarations, invocation, enqueue or self.put)

    def run(self, task: BuildTask, through: Database | None = None, surroundings: Surroundings | None = None) -> None:
        (worker,) = (
            each
            for mode in self.compiled.declarations.modes
            if (each := mode.worker(self.compiled.declarations, task.function))
        )
        report = worker.attempt_rest(task, through or self.database, surroundings or self.surroundings, self.put)
        report.or_raise()

    def finish(self, build: str) -> Counter[str]:
        """Lets upkeep and tasks run until the build has ended, and returns its counts."""
        for _ in range(100):
            self.upkeep()
            while self.tasks:
                self.run(self.tasks.pop(0))
            if not self.build(build).is_open:
                assert self.documents(RANGES) == {}, "The bookkeeping of the ranges is gone."
                return Counter(self.build(build).outcomes)
        raise AssertionError(f"{self.build(build)} does not end.")

    def documents(self, collection: str) -> dict[str, Any]:
        return {each.id: dict(each.fields or {}) for each in self.database.query(Query(collection)).documents}

    def check(self) -> None:
        """Every card shows its city as it is, and there is no other card."""
        names = {key: each["name"] for key, each in self.documents("cities").items()}
        assert {key: each["title"] for key, each in self.documents("cityCards").items()} == names


WANTED: dict[str, Any] = {"only_stale": False, "withdraw": False, "max_rate": None}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes pages and ranges small, so that few cities make many of them."""
    place = "boiler_functions.modes.query.build_ranges"
    for name, value in (("PAGE", BATCH), ("NAMES", 7), ("MOST", 4), ("LEAST", 5)):
        monkeypatch.setattr(f"{place}.{name}", value)


def test_every_view_is_built_and_counted_once() -> None:
    world = World()
    assert world.finish(world.begin()) == {"built": CITIES}
    world.check()


def test_the_views_of_an_app_are_built_in_their_order() -> None:
    world = World()
    build = world.begin("CityLabel", "CityCard")
    steps = [(view, str(part)) for view, part in world.build(build).steps]
    assert steps == [
        ("CityLabel", "copies without a root"),
        ("CityLabel", "views"),
        ("CityCard", "copies without a root"),
        ("CityCard", "views"),
    ]
    assert world.finish(build) == {"built": 2 * CITIES}
    world.check()
    assert len(world.documents("cityLabels")) == CITIES


def test_roots_are_cut_into_ranges_each_of_which_is_a_task() -> None:
    world = World()
    build = world.begin(only_stale=True)
    world.upkeep()
    ranges = world.documents(RANGES).values()
    assert len(ranges) == len(world.tasks) == 5
    assert [(each["after"], each["until"]) for each in ranges] == [
        ("", "cities/0014"),
        ("cities/0014", "cities/0029"),
        ("cities/0029", "cities/0044"),
        ("cities/0044", "cities/0059"),
        ("cities/0059", ""),
    ]
    world.upkeep()
    assert len(world.tasks) == 5, "A range that waits for its task gets no second one so soon."
    assert world.build(build).is_cut


def test_copies_of_roots_that_are_gone_are_deleted() -> None:
    world = World()
    world.finish(world.begin())
    world.write(3, None)
    world.write(9, None)
    assert world.finish(world.begin()) == {"deleted": 2, "built": CITIES - 2}
    world.check()


def test_only_what_other_code_has_built_is_built_again_if_that_is_asked() -> None:
    world = World()
    world.finish(world.begin())
    for number in range(0, CITIES, 20):
        (ledger,) = (
            each
            for each in world.database.query(Query(LEDGERS)).documents
            if (each.fields or {})["root"] == f"cities/{number:04}"
        )
        world.database.commit([Put(ledger.path, {**(ledger.fields or {}), "code": "towns/CityCard/former"})])
    assert world.finish(world.begin(only_stale=True)) == {"built": 3}


def test_a_task_that_is_lost_is_made_again_once_the_range_has_stood_still() -> None:
    world = World()
    build = world.begin()
    world.upkeep()
    world.tasks.clear()
    assert world.finish(build) == {"built": CITIES}
    world.check()


def test_a_task_that_comes_twice_builds_nothing_twice() -> None:
    world = World()
    build = world.begin()
    world.upkeep()
    world.tasks *= 2
    world.tasks[1:1] = world.tasks[:1]
    assert world.finish(build) == {"built": CITIES}


def test_a_range_that_outlasts_its_invocation_goes_on_in_a_task_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("boiler_functions.modes.query.build_ranges.STILL", 10**18)
    world = World()
    build = world.begin()
    world.upkeep()
    world.run(world.tasks.pop(0))
    world.upkeep()
    # Its clock moves with each look at it, so that one batch takes up all of the time.
    now = world.clock.now()

    def hurried() -> int:
        nonlocal now
        now += 20_000_000_000
        return now

    number = 0
    while world.tasks:
        world.run(world.tasks.pop(0), surroundings=world.surroundings._replace(clock=hurried))
        number += 1
    assert number == 4 * 3 + 1, "Each range of 15 takes three batches of 5, and the last one is empty."
    assert world.finish(build)["built"] == CITIES


def test_an_app_without_a_queue_builds_in_its_upkeep() -> None:
    world = World()
    build = world.begin()
    invocation = Invocation("towns", "upkeep", Metered(world.database), world.surroundings)
    for mode in world.compiled.declarations.modes:
        mode.go_on(world.compiled.declarations, invocation, None)
    assert world.build(build).outcomes == {"built": CITIES}
    assert world.build(build).state is BuildState.DONE
    world.check()


def test_a_paused_build_begins_nothing_more_and_goes_on_at_once_when_it_is_resumed() -> None:
    world = World()
    build = world.begin()
    world.upkeep()
    world.run(world.tasks.pop(0))
    cloud_build.change(world.database, build, cloud_build.paused)
    before = world.documents("cityCards")
    while world.tasks:
        world.run(world.tasks.pop(0))
    world.upkeep()
    assert (world.tasks, world.documents("cityCards")) == ([], before)
    cloud_build.change(world.database, build, lambda each: cloud_build.resumed(each, world.clock.now()))
    world.upkeep()
    assert world.tasks
    assert world.finish(build) == {"built": CITIES}


def test_what_a_cancelled_build_has_built_stays_and_is_counted() -> None:
    world = World()
    build = world.begin(only_stale=False)
    world.upkeep()
    world.run(world.tasks.pop(0))
    world.upkeep()
    world.run(world.tasks.pop(0))
    cloud_build.change(world.database, build, cloud_build.cancelled)
    assert world.finish(build) == {"built": 15}
    assert world.build(build).state is BuildState.CANCELLED
    assert len(world.documents("cityCards")) == 15
    assert world.build(build) == cloud_build.change(world.database, build, cloud_build.cancelled)


def test_a_rate_is_kept_by_all_ranges_together() -> None:
    world = World()
    build = world.begin(max_rate=50.0)
    world.upkeep()
    world.run(world.tasks.pop(0))
    world.upkeep()
    paces = [each["pace"] for each in world.documents(RANGES).values()]
    assert sum(paces[:2]) == 50
    started = world.clock.now()
    task = world.tasks.pop(0)
    world.run(task)
    assert world.clock.now() - started >= 25 / 25 * 1e9, "30 views at 25 a second, but for the last batch."
    assert world.finish(build)["built"] == CITIES


def test_a_build_of_a_view_that_the_deployed_code_lacks_pauses_and_says_why() -> None:
    world = World()
    build = world.begin("Gone")
    world.upkeep()
    found = world.build(build)
    assert found.state is BuildState.PAUSED
    assert "stores no view 'Gone'" in found.why


def test_views_that_cannot_be_built_are_counted_and_hold_up_no_other() -> None:
    world = World()
    world.database.commit([Put("cities/0007", {"obj_type": "City", "doc_id": "0007"})])
    assert world.finish(world.begin()) == {"built": CITIES - 1, "dead letter": 1}


@pytest.mark.parametrize(
    "payload",
    [{"function": "build"}, {"function": "build", "build": "a/b", "range": "c", "after": "", "turn": 1}],
    ids=["without a range", "another path"],
)
def test_a_payload_that_is_no_range_is_refused(payload: dict[str, Any]) -> None:
    (mode,) = (each for each in compiled().declarations.modes if each.stores)
    with pytest.raises(InvalidEvent):
        mode.rest_of(payload)


def _run(world: World, task: BuildTask, through: Callable[[Callable[[], None]], Database], pause: Any) -> None:
    world.run(task, through(pause))


def _killed(work: Callable[[Callable[[], None]], None], random: Random) -> None:
    """Runs the work, and ends it at a random call of the database, or lets it end by itself."""
    worker = Worker(work)
    for _ in range(random.choice((0, 1, 2, 3, 5, 8, 13, 1000))):
        if not worker.step():
            break
    else:
        worker.crash()
    with suppress(Crashed, Transient):  # The queue, or the next minute, tries again.
        worker.result()


@pytest.mark.parametrize("seed", range(12))
def test_a_build_that_is_killed_at_any_moment_goes_on_and_tears_nothing(seed: int) -> None:
    random = Random(seed)
    world = World(random)
    build = world.begin(max_rate=random.choice((None, 40.0)))
    faults = Faults(before=0.03, after=0.03)

    def flaky(pause: Callable[[], None]) -> Database:
        return Faulty(Stepped(world.database, pause), faults, random)

    def put(task: BuildTask) -> None:
        for _ in range(random.choice((0, 1, 1, 1, 2))):  # Lost, once, or twice.
            world.names.discard(task.name)
            world.put(task)
        if random.random() < 0.1:
            raise Unavailable("The answer of the queue is lost.")

    for _ in range(400):
        if random.random() < 0.2:
            world.write(random.randrange(CITIES), random.choice((f"Town {random.random()}", None)))
        if world.tasks and random.random() < 0.8:
            task = random.choice(world.tasks)
            _killed(partial(_run, world, task, flaky), random)
            if random.random() < 0.5:
                world.tasks.remove(task)
        else:
            _killed(lambda pause: world.upkeep(flaky(pause), put), random)
        if random.random() < 0.02:
            cloud_build.change(world.database, build, cloud_build.paused)
        if random.random() < 0.2:
            cloud_build.change(world.database, build, lambda each: cloud_build.resumed(each, world.clock.now()))
        if not world.build(build).is_open:
            break
    cloud_build.change(world.database, build, lambda each: cloud_build.resumed(each, world.clock.now()))
    world.finish(build)
    # The writers' events were never delivered; a second build shows what they wrote, and the first left nothing torn.
    ledgers = {(each["root"]): each for each in world.documents(LEDGERS).values()}
    for key in world.documents("cityCards"):
        assert f"cities/{key}" in ledgers, f"seed {seed}"
    world.finish(world.begin())
    world.check()


@pytest.mark.parametrize("seed", range(8))
def test_each_view_counts_once_however_often_its_range_was_killed(seed: int) -> None:
    random = Random(seed)
    world = World(random)
    build = world.begin()
    for _ in range(200):
        if world.tasks and random.random() < 0.8:
            task = random.choice(world.tasks)
            _killed(partial(_run, world, task, partial(Stepped, world.database)), random)
        else:
            _killed(lambda pause: world.upkeep(Stepped(world.database, pause)), random)
    assert world.finish(build).total() == CITIES, f"seed {seed}"
    world.check()
