"""What the database in memory has beyond the contract: listeners, and a clock that is passed in."""

from boiler_functions.database import Delete, Document, Put
from boiler_functions.database.memory import MemoryDatabase


def test_listeners_are_told_of_every_change_and_of_no_equal_write() -> None:
    database = MemoryDatabase()
    told: list[tuple[object, object]] = []
    database.subscribe(lambda before, after: told.append((before.fields, after.fields)))
    database.commit([Put("users/a", {"n": 1}), Delete("users/none")])
    database.commit([Put("users/a", {"n": 1})])
    database.commit([Put("users/a", {"n": 2})])
    database.commit([Delete("users/a")])
    assert told == [(None, {"n": 1}), ({"n": 1}, {"n": 2}), ({"n": 2}, None)]


def test_a_listener_may_read_and_write() -> None:
    database = MemoryDatabase()

    def copy(before: Document, after: Document) -> None:
        if after.collection == "users":
            database.commit([Put(f"copies/{after.id}", after.fields or {})])

    database.subscribe(copy)
    database.commit([Put("users/a", {"n": 1})])
    assert database.read(["copies/a"]).documents[0].fields == {"n": 1}


def test_times_are_those_of_the_clock_in_microseconds_and_rise_while_it_stands() -> None:
    database = MemoryDatabase(lambda: 5_000_000_999)
    times = [database.commit([Put("users/a", {"n": number})]).commit_time for number in range(3)]
    assert times == [5_000_000_000, 5_000_001_000, 5_000_002_000]
    assert database.read(["users/a"]).read_time == 5_000_002_000
