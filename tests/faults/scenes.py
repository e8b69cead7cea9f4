"""Shared by the fault tests: the tortured app in memory, and a race at every call of a handler."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from random import Random, SystemRandom
from typing import Any, TypeVar

from boiler_functions.database import (
    Aggregated,
    Aggregation,
    Committed,
    Database,
    Query,
    Reading,
    Select,
    Verified,
    Write,
)
from boiler_functions.modes import dead_letter
from boiler_functions.modes.invocation import Surroundings
from boiler_functions.modes.run import Report
from boiler_functions.testing import Delivery, MemoryApp, VirtualClock, memory_app
from boiler_functions.types import Instant, Reference
from tests.torture.world import tortured_app
from tests.unit.modes.cities import put

T = TypeVar("T")

FORM = "users/ann/kept/one"
"""Kept forms, so that only markers show what took effect."""

TOKYO, JAPAN, KOREA = Reference("cities/TOK"), Reference("countries/JP"), Reference("countries/KR")


@contextmanager
def world() -> Iterator[MemoryApp]:
    """Yields the tortured app, empty, with a clock that stands still."""
    clock = VirtualClock()
    with memory_app(tortured_app(), Surroundings(clock.now, clock.sleep, Random(0))) as testing:
        yield testing


def fresh_seeds(count: int) -> list[int]:
    """Returns new random seeds, and prints them, so that a failure can be replayed."""
    first = SystemRandom().randrange(10**9)
    print(f"seeds {first} … {first + count - 1}")
    return [*range(first, first + count)]


def tokyo(testing: MemoryApp, name: object = "Tokyo", **fields: object) -> None:
    put(testing, TOKYO.path, name=name, country=JAPAN, **fields)


def stored_tokyo(testing: MemoryApp) -> None:
    """Stores Tokyo in Japan, with all its views."""
    put(testing, JAPAN.path, name="Japan")
    tokyo(testing)
    testing.deliver()


def content(testing: MemoryApp, path: str, field: str) -> Any:
    return (testing.fields(path) or {}).get(field)


def place(testing: MemoryApp) -> Any:
    return content(testing, "placeViews/TOK", "place")


def send(testing: MemoryApp, amount: int = 1, path: str = FORM) -> Delivery:
    """Writes a form as a client does, and returns the event."""
    testing.take()
    put(testing, path, amount=amount)
    return the_one(testing, path)


def the_one(testing: MemoryApp, path: str, view: str = "") -> Delivery:
    """Takes the pending event of the document for the view; leaves the others."""
    (found,) = [
        each for each in testing.pending if each.change.path == path and each.function.entry_point.startswith(view)
    ]
    testing.pending.remove(found)
    return found


def effects(testing: MemoryApp, user: str = "ann") -> list[int]:
    """Returns the amounts that were paid into the account, each as often as it was."""
    account = testing.fields(f"accounts/{user}") or {"applied": [], "balance": 0}
    amounts = [int(each.split()[-1]) for each in account["applied"]]
    assert account["balance"] == sum(amounts)
    return amounts


def letters(testing: MemoryApp) -> list[dict[str, Any]]:
    found = testing.documents().values()
    return [dict(each.fields or {}) for each in found if each.collection == dead_letter.COLLECTION]


class Raced:
    """The database, with something that happens before the n-th call."""

    def __init__(self, database: Database, nth: int, race: Callable[[], object]) -> None:
        self.calls = 0
        self._database = database
        self._nth = nth
        self._race = race

    def read(self, paths: Collection[str], *, at: Instant | None = None, select: Select = None) -> Reading:
        self._count()
        return self._database.read(paths, at=at, select=select)

    def query(self, query: Query, *, at: Instant | None = None) -> Reading:
        self._count()
        return self._database.query(query, at=at)

    def aggregate(self, aggregation: Aggregation, *, at: Instant | None = None) -> Aggregated:
        self._count()
        return self._database.aggregate(aggregation, at=at)

    def commit(self, writes: Sequence[Write], *, verify: Sequence[Verified] = ()) -> Committed:
        self._count()
        return self._database.commit(writes, verify=verify)

    def _count(self) -> None:
        self.calls += 1
        if self.calls == self._nth:
            self._race()


def raced_at_every_call(
    prepare: Callable[[MemoryApp], Delivery], race: Callable[[MemoryApp], object]
) -> Iterator[tuple[MemoryApp, Report]]:
    """Handles the event once for each of its calls of the database, with the race just before that call.

    What the race wrote is delivered at once, by another process so to say.
    """
    calls = 0
    nth = 0  # The first time nothing happens, and the calls are counted.
    while nth <= calls:
        with world() as testing:
            delivery = prepare(testing)
            others = testing.take()

            def happen(testing: MemoryApp = testing) -> None:
                race(testing)
                for each in testing.take():
                    testing.handle(each, testing.database)

            raced = Raced(testing.database, nth, happen)
            report = testing.handle(delivery, raced)
            testing.pending += others
            testing.deliver()
            if nth:
                yield testing, report
            else:
                calls = raced.calls
        nth += 1
    assert calls > 1
