"""The part of deployments: code that changes while events are under way, old and new side by side, and rollbacks.

Each deployment has another fetch plan or schema version, and says its own number in every view that it stores.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from boiler_functions import Boiler, DomainModel, Store, ViewModel, attrs, matching, reference, referrers
from boiler_functions.database import Document
from boiler_functions.database.faults import Faults
from boiler_functions.models.session import use
from boiler_functions.modes.invocation import Surroundings
from boiler_functions.testing import Delivery, MemoryApp, VirtualClock, assert_views_equal_rebuild
from tests.torture.figures import Figure
from tests.torture.judged import Judged, wrong_figures
from tests.torture.unlogged import unlogged

SEEDS = 300
SHORT_SEEDS = 20
ACTS = 20
DEPLOYMENTS = 3

FIGURES = ("view_divergence", "older_code_over_newer", "debts_left", "unclassified_errors")


class Region(DomainModel):
    class Meta:
        collection_name = "regions"

    name = attrs.string(required=True)


class Town(DomainModel):
    class Meta:
        collection_name = "regions/{region_id}/towns"

    name = attrs.string(required=True)
    region = attrs.relation(Region)
    twin = attrs.relation("Town")


class Alone(Store):
    region = reference(Region)


class Referring(Store):
    region = reference(Region)
    towns = referrers(Town.region)


class All(Store):
    region = reference(Region)
    towns = matching(Town.all())


class Board(Store):
    """A view without a root: any event of a town or a region may be its first."""

    home = reference(Region, doc_id="r0")
    towns = matching(Town.name == "a")


STORES: tuple[type[Store], ...] = (Alone, Referring, All)


def edition(number: int, store: Any) -> Boiler:
    """The code that one deployment puts in place."""

    class RegionView(ViewModel[store]):
        class Meta:
            path = "regionViews/{region.doc_id}"
            schema_version = number

        @attrs.computed
        def by(self) -> int:
            return number

        @attrs.computed
        def names(self) -> list[str]:
            found: Any = self.store
            return [found.region.name, *(town.name for town in getattr(found, "towns", ()))]

    class BoardView(ViewModel[Board]):
        class Meta:
            path = "boards/main"
            schema_version = number

        @attrs.computed
        def by(self) -> int:
            return number

        @attrs.computed
        def towns(self) -> list[str]:
            return [town.path for town in self.store.towns]

    app = Boiler("regions")
    app.query(RegionView)
    app.query(BoardView)
    return app


@dataclass
class Result(Judged):
    """The result of one seed."""

    events: int = 0
    deployments: int = 0


class Deployed(MemoryApp):
    """The app in memory, whose code changes: deployment `number` is its last."""

    def __init__(self, surroundings: Surroundings, chance: Random, result: Result) -> None:
        self.number = 1
        super().__init__(edition(1, chance.choice(STORES)), surroundings)
        self._before = (self.compiled, self.release)
        self._chance = chance
        self._result = result
        self.database.subscribe(self._look_back)

    def change_code(self) -> None:
        """Deploys another edition, or, as a rollback does, an earlier fetch plan under a new number."""
        self.number += 1
        self._result.deployments += 1
        self._before = (self.compiled, self.release)
        self.deploy(edition(self.number, self._chance.choice(STORES)), pending_to_old=self._chance.random() < 0.7)

    def take(self) -> list[Delivery]:
        """Delivers the pending events; as in any roll-out, some of them go to the previous code."""
        compiled, release = self._before
        return [
            replace(each, function=compiled.functions[each.function.entry_point], release=release)
            if each.function.entry_point in compiled.functions and self._chance.random() < 0.3
            else each
            for each in super().take()
        ]

    def end_roll_out(self) -> None:
        """Ends the roll-out: no event goes to the previous code from now on."""
        self._before = (self.compiled, self.release)

    def write(self, path: str, fields: Any) -> None:
        self._result.events += 1
        super().write(path, fields)

    def act(self) -> None:
        """Does one thing that a client does, or upkeep."""
        region = f"regions/r{self._chance.randrange(3)}"
        match self._chance.randrange(7):
            case 0:
                self.write(region, None)
            case 1 | 2:
                self.write(region, {"name": self._chance.choice("abc")})
            case 3:
                self.write(f"{region}/towns/t{self._chance.randrange(3)}", None)
            case 4:
                self.upkeep(rolling_out=self._before != (self.compiled, self.release))
            case _:
                self._town(region)

    def _town(self, region: str) -> None:
        town = Town.new(
            region_id=region.partition("/")[2],
            doc_id=f"t{self._chance.randrange(3)}",
            name=self._chance.choice("abc"),
            region=f"r{self._chance.randrange(3)}",
        )
        self._result.events += 1
        town.save()

    def _look_back(self, before: Document, after: Document) -> None:
        was, now = (each.fields.get("by", 0) if each.fields else 0 for each in (before, after))
        if 0 < now < was:
            self._result.note("older_code_over_newer", f"{after.path}: {before.fields} became {after.fields}")


@unlogged()
def torture(seed: int) -> Result:
    """Runs one seed: clients write and code is deployed while everything goes wrong; then upkeep; compares all."""
    chance, result, clock = Random(seed), Result(seed), VirtualClock()
    app = Deployed(Surroundings(clock.now, clock.sleep, Random(seed)), chance, result)
    acts: list[Any] = [app.act] * ACTS
    for _ in range(DEPLOYMENTS):
        acts.insert(chance.randrange(len(acts)), app.change_code)
    faults = Faults(
        before=chance.choice([0.0, 0.03]),
        after=chance.choice([0.0, 0.03]),
        torn=0.2,
        index_missing=chance.randrange(4),
        index_building=chance.randrange(4),
    )
    with result.running(), use(app.database):
        app.deliver(
            shuffle=seed, at_once=chance.randint(1, 5), crashes=chance.choice([0.0, 0.05]), faults=faults,
            duplicates=chance.choice([0, 1]), meanwhile=acts,
        )  # fmt: skip
        app.end_roll_out()
        app.upkeep()
        # Once all views are of the last edition, only debts can say what went to the code before, or failed.
        app.injected.clear()
        app.deliver(shuffle=seed + 1, at_once=2, faults=faults, meanwhile=[app.act] * (ACTS // 4))
        app.upkeep()
        if left := app.upkeep():
            result.note("debts_left", f"{dict(left)}")
        assert_views_equal_rebuild(app)
    return result


def run(short: bool, seed: int) -> Iterator[Figure]:
    """Yields the figures of deployments."""
    results = [torture(each) for each in range(seed, seed + (SHORT_SEEDS if short else SEEDS))]
    yield Figure("seeds", len(results), "≥", SHORT_SEEDS if short else SEEDS)
    yield Figure("events", sum(each.events for each in results), "≥", len(results) * ACTS // 2)
    yield Figure("deployments", sum(each.deployments for each in results), "=", len(results) * DEPLOYMENTS)
    yield from wrong_figures(results, FIGURES)
