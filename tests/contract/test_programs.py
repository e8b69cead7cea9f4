"""Programs of commits, reads and queries are answered alike by the database in memory and by the emulator."""

from collections.abc import Sequence
from random import SystemRandom

from boiler_functions.database import (
    Committed,
    Query,
    Reading,
    Verified,
    Write,
)
from boiler_functions.database.firestore import FirestoreDatabase
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from boiler_functions.types import Instant
from tests.contract.programs import differences

PROGRAMS = 10


def test_random_programs_are_answered_alike_by_both(firestore_emulator: FirestoreEmulator, project: str) -> None:
    first = SystemRandom().randrange(2**32)
    for seed in range(first, first + PROGRAMS):
        print(f"seed {seed}")
        firestore = FirestoreDatabase(f"{project}-{seed}", emulator=firestore_emulator.host)
        assert list(differences(seed, firestore, MemoryDatabase())) == []


class Unlimited(MemoryDatabase):
    def query(self, query: Query, *, at: Instant | None = None) -> Reading:
        return super().query(query._replace(limit=None), at=at)


class Unverified(MemoryDatabase):
    def commit(self, writes: Sequence[Write], *, verify: Sequence[Verified] = ()) -> Committed:
        return super().commit(writes)


class Timeless(MemoryDatabase):
    def query(self, query: Query, *, at: Instant | None = None) -> Reading:
        return super().query(query)


class Unguarded(MemoryDatabase):
    def commit(self, writes: Sequence[Write], *, verify: Sequence[Verified] = ()) -> Committed:
        return super().commit([write._replace(precondition=None) for write in writes], verify=verify)


def test_a_database_that_answers_otherwise_is_found_out() -> None:
    assert not any(list(differences(seed, MemoryDatabase(), MemoryDatabase())) for seed in range(5))
    for wrong in (Unlimited, Unverified, Timeless, Unguarded):
        assert any(list(differences(seed, wrong(), MemoryDatabase())) for seed in range(20)), wrong
