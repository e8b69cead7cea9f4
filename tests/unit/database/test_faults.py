"""Faults happen as often as they are asked for, do what they say, and are the same for the same seed."""

from collections import Counter
from random import Random

import pytest

from boiler_functions.database import Database, Filter, Order, Put, Query, Select
from boiler_functions.database.faults import LONGEST_DELAY, Faults, Faulty
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.exceptions import (
    Conflict,
    IndexBuilding,
    InvalidRequest,
    Transient,
    Unavailable,
    UnknownOutcome,
)


@pytest.fixture
def memory() -> MemoryDatabase:
    database = MemoryDatabase(lambda: 10**18)
    database.commit([Put("users/a", {"n": 1}), Put("users/b", {"n": 1})])
    return database


def test_without_faults_it_is_the_database(memory: MemoryDatabase) -> None:
    faulty = Faulty(memory, Faults(), Random(1))
    assert faulty.read(["users/a"]) == memory.read(["users/a"])
    assert faulty.query(Query("users")) == memory.query(Query("users"))
    faulty.commit([Put("users/c", {})])
    assert memory.read(["users/c"]).documents[0].exists
    assert not faulty.injected


def test_a_fault_before_a_call_does_nothing(memory: MemoryDatabase) -> None:
    faulty = Faulty(memory, Faults(before=1), Random(1))
    errors = set()
    for number in range(30):
        with pytest.raises(Transient) as raised:
            faulty.commit([Put(f"new/{number}", {})])
        errors.add(raised.type)
    assert errors == {Conflict, Unavailable, UnknownOutcome}
    assert memory.query(Query("new")).documents == ()
    with pytest.raises(Unavailable, match="read failed"):
        faulty.read(["users/a"])
    with pytest.raises(Unavailable, match="query failed"):
        faulty.query(Query("users"))
    assert faulty.injected.total() == 32


def test_a_fault_after_a_commit_leaves_it_done_and_unknown(memory: MemoryDatabase) -> None:
    faulty = Faulty(memory, Faults(after=1), Random(1))
    with pytest.raises(UnknownOutcome):
        faulty.commit([Put("users/c", {})])
    assert memory.read(["users/c"]).documents[0].exists
    with pytest.raises(Unavailable):
        faulty.read(["users/a"])
    assert faulty.injected == {"commit answer lost": 1, "read answer lost": 1}


def test_a_delay_is_slept_by_the_clock_that_was_passed_in(memory: MemoryDatabase) -> None:
    slept: list[float] = []
    Faulty(memory, Faults(delay=1), Random(1), slept.append).read(["users/a"])
    assert len(slept) == 1
    assert 0 <= slept[0] <= LONGEST_DELAY


class Writing:
    """A database in which both documents are committed together before every read."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database
        self.query = database.query
        self.commit = database.commit
        self.n = 1

    def read(self, paths: list[str], *, at: int | None = None, select: Select = None) -> object:
        self.n += 1
        self._database.commit([Put("users/a", {"n": self.n}), Put("users/b", {"n": self.n})])
        return self._database.read(paths, at=at, select=select)


def test_a_torn_read_sees_documents_that_are_always_written_together_at_different_moments(
    memory: MemoryDatabase,
) -> None:
    disturbed: Database = Writing(memory)  # type: ignore[assignment]
    whole = Faulty(disturbed, Faults(), Random(1)).read(["users/a", "users/b"])
    assert len({each.version for each in whole.documents}) == 1
    torn = Faulty(disturbed, Faults(torn=1), Random(1)).read(["users/a", "users/b"])
    assert [each.path for each in torn.documents] == ["users/a", "users/b"]
    assert len({each.version for each in torn.documents}) == 2
    assert torn.read_time == max(each.version for each in torn.documents)


def test_what_is_read_at_an_earlier_time_is_never_torn(memory: MemoryDatabase) -> None:
    at = memory.read(["users/a"]).read_time
    disturbed: Database = Writing(memory)  # type: ignore[assignment]
    torn = Faulty(disturbed, Faults(torn=1), Random(1)).read(["users/a", "users/b"], at=at)
    assert [each.fields for each in torn.documents] == [{"n": 1}, {"n": 1}]


def test_a_read_of_nothing_cannot_fail(memory: MemoryDatabase) -> None:
    assert Faulty(memory, Faults(before=1), Random(1)).read([]).documents == ()


def test_the_same_seed_injects_the_same_faults_about_as_often_as_asked() -> None:
    def injected(seed: int) -> tuple[Counter[str], list[int]]:
        faulty = Faulty(MemoryDatabase(), Faults(before=0.1), Random(seed))
        failed = []
        for number in range(1000):
            try:
                faulty.read(["users/a"])
            except Unavailable:
                failed.append(number)
        return faulty.injected, failed

    assert injected(1) == injected(1)
    assert injected(1) != injected(2)
    assert 50 < injected(3)[0]["read failed"] < 150


OVER_ALL = Query("users", group=True, filters=(Filter("n", "==", 1),))


def test_an_index_is_missing_then_being_built_then_ready(memory: MemoryDatabase) -> None:
    faulty = Faulty(memory, Faults(index_missing=1, index_building=2), Random(1))
    for error in (InvalidRequest, IndexBuilding, IndexBuilding):
        with pytest.raises(error, match="requires an index"):
            faulty.query(OVER_ALL)
    assert len(faulty.query(OVER_ALL).documents) == 2
    assert faulty.injected == {"index missing": 1, "index building": 2}


@pytest.mark.parametrize(
    "query",
    [
        Query("users"),
        Query("users", group=True),
        Query("users", filters=(Filter("n", ">", 0),)),
        Query("users", filters=(Filter("n", "==", 1), Filter("m", "==", 1))),
        Query("users", orders=(Order("n"),)),
    ],
)
def test_a_query_that_firestore_has_an_index_for_is_never_refused(memory: MemoryDatabase, query: Query) -> None:
    Faulty(memory, Faults(index_missing=1), Random(1)).query(query)
