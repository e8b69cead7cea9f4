"""What was asked of the database is counted as it is billed."""

import pytest

from boiler_functions.database import PRESENT, FoundVersions, Put, Query
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.database.metered import Metered, Usage
from boiler_functions.exceptions import Conflict


@pytest.fixture
def metered() -> Metered:
    database = MemoryDatabase()
    database.commit([Put(f"users/{name}", {}) for name in "abc"])
    return Metered(database)


def test_a_read_is_one_rpc_and_bills_each_path_once_found_or_not(metered: Metered) -> None:
    metered.read(["users/a", "users/none", "users/a"])
    assert metered.usage == Usage(rpcs=1, reads=2)


def test_a_read_of_nothing_is_no_rpc(metered: Metered) -> None:
    metered.read([])
    assert metered.usage == Usage()


@pytest.mark.parametrize(("collection", "reads"), [("users", 3), ("empty", 1)])
def test_a_query_bills_what_it_returns_and_one_read_at_least(metered: Metered, collection: str, reads: int) -> None:
    metered.query(Query(collection))
    assert metered.usage == Usage(rpcs=1, reads=reads)


def test_a_commit_bills_its_writes_and_the_queries_that_it_verifies(metered: Metered) -> None:
    versions = {each.path: each.version for each in metered.query(Query("users")).documents}
    before = metered.usage
    metered.commit([Put("users/d", {}), Put("users/e", {})], verify=[FoundVersions(Query("users"), versions)])
    assert metered.usage - before == Usage(rpcs=2, reads=3, writes=2)


def test_a_commit_that_fails_is_counted(metered: Metered) -> None:
    with pytest.raises(Conflict):
        metered.commit([Put("users/none", {}, precondition=PRESENT)])
    assert metered.usage == Usage(rpcs=1, writes=1)


def test_usage_adds_up() -> None:
    assert Usage(1, 2, 3) + Usage(1, 1, 1) - Usage(0, 1, 0) == Usage(2, 2, 4)
