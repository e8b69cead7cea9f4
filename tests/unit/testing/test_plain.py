"""The plain reading of queries, which judges views, agrees with the database that is compared with Firestore."""

from random import Random, SystemRandom

from boiler_functions.database import Document, Put
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.exceptions import InvalidRequest
from boiler_functions.testing.plain import found
from tests.contract.random_queries import random_put, random_query


def test_a_query_by_plain_reading_finds_what_the_database_finds() -> None:
    seed = SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    random = Random(seed)
    puts: dict[str, Put] = {}
    for _ in range(80):
        written = random_put(random)
        puts[written.path] = written
    memory = MemoryDatabase()
    memory.commit(list(puts.values()))
    documents = {path: Document(path, put.fields) for path, put in puts.items()}
    matched = 0
    for number in range(2_000):
        query = random_query(random)
        try:
            expected = [each.path for each in memory.query(query).documents]
        except InvalidRequest:
            continue
        assert [each.path for each in found(query, documents)] == expected, f"query {number} of seed {seed}: {query}"
        matched += bool(expected)
    assert matched > 200
