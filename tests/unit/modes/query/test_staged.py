"""A staged version is built beside what is shown, takes its place without a gap, and gives it back."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest

from boiler_functions import Boiler, Store, ViewModel, attrs, reference
from boiler_functions.database import Document, Filter, Query, Reading
from boiler_functions.database.faults import Faults, Faulty
from boiler_functions.exceptions import Transient
from boiler_functions.modes.invocation import Surroundings
from boiler_functions.modes.ledger import COLLECTION, COPIES, Debt, Ledger
from boiler_functions.modes.staged import StagedProgress, StagedVersion
from boiler_functions.modes.stored_copies import Moved
from boiler_functions.testing import MemoryApp, VirtualClock, memory_app
from boiler_functions.testing.app import StagedApp
from tests.unit.modes.cities import City, Country, app_of
from tests.unit.modes.hooked import Hooked, Kind, T


class PlaceStore(Store):
    city = reference(City)
    country = reference(City.country)


def app(says: str) -> Boiler:
    """A version of one view, which begins with what it says."""

    class PlaceView(ViewModel[PlaceStore]):
        class Meta:
            path = "placeViews/{city.doc_id}"

        @attrs.computed
        def place(self) -> str:
            names = [each.name for each in (self.store.city, self.store.country) if each]
            return f"{says} {', '.join(names)}"

    return app_of(PlaceView)


def shown(testing: MemoryApp) -> dict[str, Any]:
    found = testing.database.query(Query("placeViews")).documents
    return {each.id: (each.fields or {})["place"] for each in found}


def on_shelf(testing: MemoryApp) -> list[str]:
    return sorted((each.fields or {})["place"] for each in testing.database.query(Query(COPIES)).documents)


@contextmanager
def staged(cities: int = 2) -> Iterator[tuple[MemoryApp, StagedApp]]:
    """Some cities, whose view is staged in another version, and built."""
    clock = VirtualClock()
    with memory_app(app("old"), Surroundings(clock.now, clock.sleep, Random(1))) as testing:
        Country.new(doc_id="JP", name="Japan").save()
        for number in range(cities):
            City.new(doc_id=f"C{number}", name=f"City {number}", country="JP").save()
        testing.deliver()
        begun = testing.stage(app("new"), "PlaceView")
        StagedVersion.of(testing.database, "demo", "PlaceView").write(testing.database, deployment=2, production=1)
        assert sum((page.outcomes for page in begun.staging.build()), Counter()) == {"built": cities}
        yield testing, begun


def version(testing: MemoryApp) -> StagedVersion:
    return StagedVersion.of(testing.database, "demo", "PlaceView")


def promote(testing: MemoryApp, begun: StagedApp) -> Counter[Moved]:
    return sum(begun.staging.promote(version(testing)), Counter[Moved]())


def roll_back(testing: MemoryApp, begun: StagedApp) -> Counter[Moved]:
    return sum(begun.staging.roll_back(version(testing)), Counter[Moved]())


def rename(name: str, country: str = "JP") -> None:
    Country.new(doc_id=country, name=name).save()


def test_a_staged_version_is_built_where_nobody_sees_it() -> None:
    with staged() as (testing, begun):
        assert shown(testing) == {"C0": "old City 0, Japan", "C1": "old City 1, Japan"}
        assert on_shelf(testing) == ["new City 0, Japan", "new City 1, Japan"]
        assert begun.staging.on_shelf()[:2] == (2, 0)
        found = sorted((each.root, each.differing) for each in begun.staging.differences())
        assert found == [(f"cities/C{n}", ((f"placeViews/C{n}", ("place",)),)) for n in (0, 1)]


def test_what_is_on_the_shelf_is_counted_and_only_what_is_owed_is_read() -> None:
    with staged(cities=3) as (testing, begun):
        testing.write("countries/JP", {"obj_type": "Country", "doc_id": "JP"})
        testing.deliver()
        read: list[str] = []
        query = testing.database.query

        def noted(asked: Query) -> Reading:
            read.extend(each.field for each in asked.filters)
            return query(asked)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(testing.database, "query", noted)
            staged_ones, former, owed = begun.staging.on_shelf()
        assert (staged_ones, former, [why for _, why in owed]) == (3, 0, ["InvalidDocument"] * 3)
        assert {*read} == {"due"}


def test_both_versions_follow_each_event() -> None:
    with staged() as (testing, _):
        rename("Nippon")
        testing.deliver()
        assert shown(testing) == {"C0": "old City 0, Nippon", "C1": "old City 1, Nippon"}
        assert on_shelf(testing) == ["new City 0, Nippon", "new City 1, Nippon"]


def test_a_promotion_swaps_the_two_and_both_versions_follow_on() -> None:
    with staged() as (testing, begun):
        assert promote(testing, begun) == {Moved.MOVED: 2}
        assert version(testing).progress is StagedProgress.PROMOTED
        assert shown(testing) == {"C0": "new City 0, Japan", "C1": "new City 1, Japan"}
        assert on_shelf(testing) == ["old City 0, Japan", "old City 1, Japan"]
        rename("Nippon")
        testing.deliver()
        assert shown(testing) == {"C0": "new City 0, Nippon", "C1": "new City 1, Nippon"}
        assert on_shelf(testing) == ["old City 0, Nippon", "old City 1, Nippon"]


def test_a_rollback_puts_the_former_version_back_as_it_is_now() -> None:
    with staged() as (testing, begun):
        promote(testing, begun)
        rename("Nippon")
        testing.deliver()
        assert roll_back(testing, begun) == {Moved.MOVED: 2}
        assert shown(testing) == {"C0": "old City 0, Nippon", "C1": "old City 1, Nippon"}
        rename("Japan")
        testing.deliver()
        assert (shown(testing)["C0"], on_shelf(testing)[0]) == ("old City 0, Japan", "new City 0, Japan")


def plain(says: str) -> Boiler:
    """A version that reads no field of the city."""

    class CityStore(Store):
        city = reference(City)

    class PlaceView(ViewModel[CityStore]):
        class Meta:
            path = "placeViews/{city.doc_id}"

        @attrs.computed
        def place(self) -> str:
            return f"{says} {self.store.city.doc_id}"

    return app_of(PlaceView)


def test_a_rollback_asks_for_what_the_former_code_has_left_alone() -> None:
    clock = VirtualClock()
    with memory_app(plain("old"), Surroundings(clock.now, clock.sleep, Random(1))) as testing:
        City.new(doc_id="C0", name="City").save()
        testing.deliver()
        begun = testing.stage(app("new"), "PlaceView")
        version(testing).write(testing.database, deployment=2, production=1)
        list(begun.staging.build())
        promote(testing, begun)
        City.new(doc_id="C0", name="Town").save()
        assert sorted(str(each) for report in testing.deliver() for each in report.outcomes) == ["built", "unaffected"]
        assert roll_back(testing, begun)[Moved.BEHIND] == 1
        assert shown(testing) == {"C0": "new Town"}
        assert testing.upkeep() == {"unchanged": 1}
        assert roll_back(testing, begun) == {Moved.MOVED: 1}
        assert (shown(testing), on_shelf(testing)) == ({"C0": "old C0"}, ["new Town"])


def test_a_rollback_asks_for_what_was_owed_a_build_before_the_promotion() -> None:
    with staged(1) as (testing, begun):
        (ledger,) = testing.database.query(Query(COLLECTION, filters=(Filter("deployment", "==", 1),))).documents
        debt = Debt.of("demo", "nobody knows", testing.surroundings.clock())
        testing.database.commit([Ledger(ledger).put_debt(debt, "test")])
        assert promote(testing, begun) == {Moved.MOVED: 1}
        assert roll_back(testing, begun)[Moved.BEHIND] == 1
        assert testing.upkeep() == {"unchanged": 1}
        assert roll_back(testing, begun) == {Moved.MOVED: 1}
        assert shown(testing) == {"C0": "old City 0, Japan"}


def test_a_root_that_was_deleted_before_the_rollback_and_comes_back_is_shown_by_the_former_version() -> None:
    with staged(1) as (testing, begun):
        promote(testing, begun)
        testing.write("cities/C0", None)
        testing.deliver()
        assert roll_back(testing, begun) == {}
        City.new(doc_id="C0", name="City", country="JP").save()
        testing.pending.reverse()  # The staged version's event comes first.
        testing.deliver()
        assert (shown(testing), on_shelf(testing)) == ({"C0": "old City, Japan"}, ["new City, Japan"])


def test_a_rollback_leaves_nothing_of_a_root_that_is_deleted() -> None:
    with staged(1) as (testing, begun):
        promote(testing, begun)
        testing.write("cities/C0", None)
        former, new = testing.take()
        testing.handle(new)
        assert roll_back(testing, begun) == {}
        testing.handle(former)
        assert not testing.database.query(Query(COLLECTION)).documents
        assert not on_shelf(testing)


def test_a_rollback_waits_for_the_event_of_a_root_that_came_back() -> None:
    with staged(1) as (testing, begun):
        promote(testing, begun)
        testing.write("cities/C0", None)
        testing.deliver()
        City.new(doc_id="C0", name="City", country="JP").save()
        assert roll_back(testing, begun)[Moved.BEHIND] == 1
        testing.pending.reverse()
        testing.deliver()
        assert roll_back(testing, begun) == {Moved.MOVED: 1}
        assert shown(testing) == {"C0": "old City, Japan"}


def test_a_rollback_deletes_nothing_of_a_root_that_came_back_before_the_former_version_has_it() -> None:
    with staged(1) as (testing, begun):
        promote(testing, begun)
        testing.write("cities/C0", None)
        testing.deliver()
        City.new(doc_id="C0", name="City", country="JP").save()
        former, new = testing.take()
        testing.handle(new)
        assert roll_back(testing, begun)[Moved.BEHIND] == 1
        assert shown(testing) == {"C0": "new City, Japan"}
        testing.handle(former)
        assert roll_back(testing, begun) == {Moved.MOVED: 1}
        assert shown(testing) == {"C0": "old City, Japan"}


def test_a_rollback_deletes_nothing_that_the_former_version_was_never_asked_to_build() -> None:
    with staged(1) as (testing, begun):
        promote(testing, begun)
        City.new(doc_id="C9", name="City", country="JP").save()
        former, new = testing.take()
        testing.handle(new)
        assert begun.upkeep().outcomes == {"built": 1}
        assert roll_back(testing, begun) == {Moved.MOVED: 1, Moved.BEHIND: 1}
        assert shown(testing)["C9"] == "new City, Japan"
        testing.handle(former)
        assert roll_back(testing, begun) == {Moved.MOVED: 1}
        assert shown(testing)["C9"] == "old City, Japan"


def test_new_code_that_saw_the_shelf_taken_builds_nothing_where_it_is_shown_after_a_rollback() -> None:
    with staged(1) as (testing, begun):
        promote(testing, begun)
        testing.write("cities/C0", None)
        former, new = testing.take()

        def roll_back_and_come_back() -> None:
            roll_back(testing, begun)
            testing.handle(former)
            City.new(doc_id="C0", name="City", country="JP").save()

        testing.handle(new, Hooked(testing.database).after("read", 1, roll_back_and_come_back))
        testing.pending.reverse()
        testing.deliver()
        assert (shown(testing), on_shelf(testing)) == ({"C0": "old City, Japan"}, ["new City, Japan"])


def test_a_root_that_comes_after_the_promotion_is_promoted_by_upkeep() -> None:
    with staged() as (testing, begun):
        promote(testing, begun)
        City.new(doc_id="C9", name="City 9", country="JP").save()
        testing.deliver()
        assert begun.upkeep().outcomes == {"built": 1}
        assert shown(testing)["C9"] == "new City 9, Japan"
        assert begun.upkeep().outcomes == {}
        rename("Nippon")
        testing.deliver()
        assert shown(testing)["C9"] == "new City 9, Nippon"


def test_a_root_that_is_deleted_after_the_promotion_leaves_nothing() -> None:
    with staged(1) as (testing, begun):
        promote(testing, begun)
        found = City.get("C0")
        assert found
        found.delete()
        testing.deliver()
        assert (shown(testing), on_shelf(testing)) == ({}, [])
        sum(begun.staging.clear())
        assert testing.database.query(Query(COLLECTION)).documents == ()


def test_what_is_behind_on_the_shelf_is_built_before_it_is_promoted() -> None:
    with staged() as (testing, begun):
        rename("Nippon")
        testing.pending = [each for each in testing.take() if not each.release.staged]
        testing.deliver()
        assert on_shelf(testing)[0] == "new City 0, Japan"
        assert promote(testing, begun) == {Moved.MOVED: 2}
        assert set(shown(testing).values()) == {"new City 0, Nippon", "new City 1, Nippon"}


def test_a_former_version_that_is_behind_is_not_put_back() -> None:
    with staged(1) as (testing, begun):
        promote(testing, begun)
        rename("Nippon")
        late = [each for each in testing.pending if not each.release.staged]
        testing.pending = [each for each in testing.take() if each.release.staged]
        testing.deliver()
        assert roll_back(testing, begun)[Moved.MOVED] == 0
        assert shown(testing) == {"C0": "new City 0, Nippon"}
        testing.pending = late
        testing.deliver()
        assert roll_back(testing, begun) == {Moved.MOVED: 1}
        assert shown(testing) == {"C0": "old City 0, Nippon"}


def test_clearing_the_shelf_leaves_what_is_shown_and_deletes_the_rest() -> None:
    with staged() as (testing, begun):
        promote(testing, begun)
        testing.unstage()
        assert sum(begun.staging.clear()) == 2
        assert on_shelf(testing) == []
        assert len(testing.database.query(Query(COLLECTION)).documents) == 2
        assert set(shown(testing).values()) == {"new City 0, Japan", "new City 1, Japan"}


def test_what_is_shown_is_productions_once_the_shelf_is_cleared_whatever_comes_between() -> None:
    with staged() as (testing, begun):
        promote(testing, begun)
        testing.unstage()
        testing.deploy(app("new"))

        def meanwhile() -> None:
            rename("Nippon")
            testing.deliver()

        testing.through = Hooked(testing.database).before("commit", 1, meanwhile)
        assert sum(begun.staging.finish()) == 2
        testing.through = testing.database
        ledgers = testing.database.query(Query(COLLECTION)).documents
        assert [(each.fields or {}).get("staged", False) for each in ledgers] == [False, False]
        assert shown(testing) == {"C0": "new City 0, Nippon", "C1": "new City 1, Nippon"}
        again = testing.stage(app("newer"), "PlaceView")
        StagedVersion.of(testing.database, "demo", "PlaceView").write(testing.database, deployment=4, production=3)
        sum((page.outcomes for page in again.staging.build()), Counter())
        assert promote(testing, again) == {Moved.MOVED: 2}
        assert shown(testing)["C0"] == "newer City 0, Nippon"


def test_the_next_deployment_takes_over_what_was_promoted() -> None:
    with staged() as (testing, begun):
        promote(testing, begun)
        testing.release = testing.release._replace(deployment=2)
        testing.deploy(app("new"))
        rename("Nippon")
        testing.pending = [each for each in testing.take() if not each.release.staged]
        testing.deliver()
        assert set(shown(testing).values()) == {"new City 0, Nippon", "new City 1, Nippon"}


def test_a_root_that_came_after_the_promotion_is_built_by_the_promoted_code_after_the_finish() -> None:
    with staged(1) as (testing, begun):
        promote(testing, begun)
        City.new(doc_id="C9", name="City 9", country="JP").save()
        testing.deliver()
        assert shown(testing)["C9"] == "old City 9, Japan"
        testing.release = testing.release._replace(deployment=2)
        testing.deploy(app("new"))
        testing.unstage()
        assert sum(begun.staging.finish()) == 2
        assert testing.upkeep() == {"built": 1}
        assert (shown(testing), on_shelf(testing)) == ({"C0": "new City 0, Japan", "C9": "new City 9, Japan"}, [])


SEEDS = range(30)


class Listener:
    """Watches the copies, and says what a reader must never see."""

    def __init__(self, testing: MemoryApp) -> None:
        self.seen: dict[str, int] = {}
        self.faults: list[str] = []
        testing.database.subscribe(self.look)

    def look(self, before: Document, after: Document) -> None:
        if not after.path.startswith("placeViews/"):
            return
        if after.fields is None:
            self.faults.append(f"{after.path} was gone")
            return
        _, _, number = after.fields["place"].rpartition(" ")
        if int(number) < self.seen.get(after.path, 0):
            self.faults.append(f"{after.path} went back to {number}")
        self.seen[after.path] = int(number)


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_goes_wrong_no_listener_sees_a_gap_or_an_old_value_and_the_versions_are_right_in_the_end(
    seed: int,
) -> None:
    random = Random(seed)
    with staged(3) as (testing, begun):
        rename("1")
        testing.deliver()
        listener = Listener(testing)
        names = iter(range(2, 100))
        commands = [promote, roll_back, promote][: random.randint(1, 3)]

        def write() -> None:
            rename(str(next(names)))

        def command() -> None:
            """Runs the next command, which is killed at any moment, and then run again."""
            which = commands.pop(0)
            for _ in range(3):
                testing.through = Faulty(testing.database, Faults(before=0.05, after=0.05), random)
                try:
                    which(testing, begun)
                except Transient:
                    continue
                finally:
                    testing.through = testing.database
                break

        acts: list[Callable[[], object]] = [write] * random.randint(2, 6)
        for number in range(len(commands)):
            acts.insert(random.randint(number, len(acts)), command)
        promoted = len(commands) % 2 == 1
        testing.deliver(shuffle=seed, at_once=4, duplicates=1, crashes=0.02, meanwhile=acts)
        for _ in range(3):
            (promote if promoted else roll_back)(testing, begun)
            begun.upkeep()
            testing.deliver()
        last = next(names) - 1
        said = "new" if promoted else "old"
        assert listener.faults == [], f"seed {seed}"
        assert shown(testing) == {f"C{n}": f"{said} City {n}, {last}" for n in range(3)}, f"seed {seed}"


class Killed(BaseException):
    """Ends a command at once, like the end of its process."""


class Busy(Hooked):
    """Lets clients write and functions work between any two calls of a command, which it kills at one of them."""

    def __init__(self, testing: MemoryApp, random: Random, names: Iterator[int]) -> None:
        super().__init__(testing.database)
        self.testing, self.random, self.names = testing, random, names
        self.left = random.randint(1, 50)

    def _hooked(self, kind: Kind, call: Callable[[], T]) -> T:
        self._disturb()
        result = call()
        self._disturb()
        return result

    def _disturb(self) -> None:
        if self.random.random() < 0.4:
            rename(str(next(self.names)))
        while self.testing.pending and self.random.random() < 0.6:
            chosen = self.testing.pending.pop(self.random.randrange(len(self.testing.pending)))
            self.testing.handle(chosen, self.testing.database)
        self.left -= 1
        if not self.left:
            raise Killed


@pytest.mark.parametrize("seed", SEEDS)
def test_a_command_that_is_killed_between_any_two_calls_goes_on_where_it_stopped(seed: int) -> None:
    random = Random(seed)
    with staged(3) as (testing, begun):
        rename("1")
        testing.deliver()
        listener, names = Listener(testing), iter(range(2, 1000))
        for command in (promote, roll_back, promote):
            done = False
            while not done:
                testing.through = Busy(testing, random, names)
                try:
                    command(testing, begun)
                    done = True
                except Killed:
                    done = random.random() < 0.3
                finally:
                    testing.through = testing.database
            testing.deliver(shuffle=random.randrange(1000), at_once=3)
        promote(testing, begun)
        last = next(names) - 1
        assert listener.faults == [], f"seed {seed}"
        assert shown(testing) == {f"C{n}": f"new City {n}, {last}" for n in range(3)}, f"seed {seed}"
        assert on_shelf(testing) == [f"old City {n}, {last}" for n in range(3)], f"seed {seed}"
