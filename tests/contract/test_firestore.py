"""The Firestore emulator keeps the contract behind `FirestoreDatabase`, and answers as the database in memory does."""

import math
from random import Random, SystemRandom
from typing import Any

import pytest

from boiler_functions.database import Database, Put, Query
from boiler_functions.database.firestore import FirestoreDatabase
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.exceptions import InvalidRequest
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from tests.contract.contract import DatabaseContract
from tests.contract.random_queries import random_put, random_query

QUERIES = 400


class TestFirestore(DatabaseContract):
    @pytest.fixture
    def database(self, firestore_emulator: FirestoreEmulator, project: str) -> Database:
        return FirestoreDatabase(project, emulator=firestore_emulator.host)


def answer(database: Database, query: Query) -> list[str] | str:
    """Returns the paths that a query finds, or that it is refused."""
    try:
        return [each.path for each in database.query(query).documents]
    except InvalidRequest:
        return "refused"


def content(database: Database, query: Query) -> list[Any]:
    def comparable(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: comparable(each) for name, each in value.items()}
        if isinstance(value, list):
            return [comparable(each) for each in value]
        return "NaN" if isinstance(value, float) and math.isnan(value) else value

    return [comparable(each.fields) for each in database.query(query).documents]


def test_random_documents_and_queries_are_answered_alike_by_both(
    firestore_emulator: FirestoreEmulator, project: str
) -> None:
    seed = SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    random = Random(seed)
    memory, firestore = MemoryDatabase(), FirestoreDatabase(project, emulator=firestore_emulator.host)
    stored: dict[str, Put] = {}
    for _ in range(80):
        written = random_put(random)
        stored[written.path] = written
    for database in (memory, firestore):
        database.commit(list(stored.values()))
    assert content(memory, Query("rooms", group=True)) == content(firestore, Query("rooms", group=True))
    matched = 0
    for number in range(QUERIES):
        query = random_query(random)
        expected = answer(firestore, query)
        assert answer(memory, query) == expected, f"query {number} of seed {seed}: {query}"
        matched += bool(expected) and expected != "refused"
    assert matched > QUERIES // 10, "too few of the queries found anything"
