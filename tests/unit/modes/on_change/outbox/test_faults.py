"""The outbox under faults."""

from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

import pytest

from boiler_functions import Boiler, Changed
from boiler_functions.database import Database, Delete, Document, Put, Write
from boiler_functions.database.faults import Faults
from boiler_functions.exceptions import Conflict, Transient, Unavailable, UnknownOutcome
from boiler_functions.testing import MemoryApp, assert_views_equal_rebuild, memory_app
from tests.unit.modes.hooked import raises
from tests.unit.modes.on_change.outbox.scene import City, CityView, Receiver, letters


class Faulty:
    """A database whose calls fail at times: before, as a crash or an outage, or after, as an answer that is lost."""

    def __init__(self, database: Database, chance: Random) -> None:
        self.database = database
        self.chance = chance
        self.injected: dict[str, int] = {"before": 0, "lost": 0, "conflict": 0}

    def read(self, *args: Any, **kwargs: Any) -> Any:
        self._perhaps("before", Unavailable("down"), 0.05)
        return self.database.read(*args, **kwargs)

    def query(self, *args: Any, **kwargs: Any) -> Any:
        self._perhaps("before", Unavailable("down"), 0.05)
        return self.database.query(*args, **kwargs)

    def aggregate(self, *args: Any, **kwargs: Any) -> Any:
        self._perhaps("before", Unavailable("down"), 0.05)
        return self.database.aggregate(*args, **kwargs)

    def commit(self, *args: Any, **kwargs: Any) -> Any:
        self._perhaps("before", Unavailable("down"), 0.1)
        self._perhaps("conflict", Conflict("contended"), 0.1)
        committed = self.database.commit(*args, **kwargs)
        self._perhaps("lost", UnknownOutcome("lost"), 0.15)
        return committed

    def _perhaps(self, kind: str, error: Exception, chance: float) -> None:
        if self.chance.random() < chance:
            self.injected[kind] += 1
            raise error


@pytest.mark.parametrize("seed", range(8))
def test_under_any_faults_every_change_is_delivered_under_one_key(seed: int) -> None:
    chance = Random(seed)
    failures = [raises(OSError("no route")) if chance.random() < 0.2 else lambda: None for _ in range(2000)]
    of_view, of_model = Receiver(*failures), Receiver(*failures)
    app = Boiler("demo")
    app.query(CityView)

    @app.on_change(CityView)
    def tell(change: Changed[CityView]) -> None:
        of_view(change)

    @app.on_change(City)
    def mail(change: Changed[City]) -> None:
        of_model(change)

    with memory_app(app) as testing:
        happened = changes_of(testing)
        faulty = Faulty(testing.database, chance)
        testing.through = faulty
        for step in range(60):
            testing.database.commit([random_write(chance, step)])
            if chance.random() < 0.3:
                deliver_some(testing, chance)
        for _ in range(200):
            deliver_some(testing, chance)
        assert testing.pending == []
        testing.through = testing.database
        assert letters(testing) == []
        assert_views_equal_rebuild(testing)
    assert all(count > 5 for count in faulty.injected.values()), faulty.injected
    assert told_of(of_view, "title") == happened("cityViews", "title")
    assert told_of(of_model, "name") == happened("cities", "name")


@pytest.mark.parametrize("seed", range(6))
def test_under_any_crashes_every_change_is_delivered_under_one_key(seed: int) -> None:
    of_view, of_model = Receiver(), Receiver()
    app = Boiler("demo")
    app.query(CityView)

    @app.on_change(CityView)
    def tell(change: Changed[CityView]) -> None:
        of_view(change)

    @app.on_change(City)
    def mail(change: Changed[City]) -> None:
        of_model(change)

    chance = Random(seed)
    with memory_app(app) as testing:
        happened = changes_of(testing)
        acts = [partial(testing.database.commit, [random_write(chance, step)]) for step in range(40)]
        weather = Faults(before=0.02, after=0.03, torn=0.02)
        testing.deliver(duplicates=1, shuffle=seed, at_once=4, crashes=0.01, drops=0.05, faults=weather, meanwhile=acts)
        assert testing.injected["handler crashed"]
        assert_views_equal_rebuild(testing)
    assert told_of(of_view, "title") == happened("cityViews", "title")
    assert told_of(of_model, "name") == happened("cities", "name")


def random_write(chance: Random, step: int) -> Write:
    path = f"cities/{chance.choice('ABC')}"
    return Delete(path) if chance.random() < 0.1 else Put(path, {"name": f"name {step}"})


def deliver_some(testing: MemoryApp, chance: Random) -> None:
    """Delivers the pending events once, some twice, in any order; those that fail are pending again."""
    events = testing.take()
    events += [each for each in events if chance.random() < 0.3]
    chance.shuffle(events)
    for event in events:
        try:
            testing.handle(event)
        except Transient:
            testing.pending.append(event)


def changes_of(testing: MemoryApp) -> Callable[[str, str], list[tuple[str | None, str | None]]]:
    """What changed in a collection: the field before and after, in order of the values."""
    seen: list[tuple[Document, Document]] = []
    testing.database.subscribe(lambda before, after: seen.append((before, after)))

    def happened(collection: str, field: str) -> list[tuple[str | None, str | None]]:
        pairs = [
            ((before.fields or {}).get(field), (after.fields or {}).get(field))
            for before, after in seen
            if after.path.startswith(f"{collection}/")
        ]
        return sorted((pair for pair in pairs if pair[0] != pair[1]), key=str)

    return happened


def told_of(receiver: Receiver, attribute: str) -> list[tuple[str | None, str | None]]:
    """Returns the changes of a receiver, one for each key; asserts that repetitions are equal."""
    by_key: dict[str, tuple[str | None, str | None]] = {}
    for change in receiver.told:
        pair = (change.before and getattr(change.before, attribute), change.after and getattr(change.after, attribute))
        assert by_key.setdefault(change.key, pair) == pair
    return sorted(by_key.values(), key=str)
