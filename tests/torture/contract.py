"""Compares the emulator and the database in memory by programs of commits, reads and queries."""

from collections.abc import Iterator

from boiler_functions.database.firestore import FirestoreDatabase
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from tests.contract.programs import STEPS, differences
from tests.torture.figures import Figure

PROGRAMS = 500
SHORT_PROGRAMS = 20


def run(short: bool, seed: int) -> Iterator[Figure]:
    """Yields the figures of the contract."""
    programs = SHORT_PROGRAMS if short else PROGRAMS
    found = 0
    with FirestoreEmulator() as emulator:
        for each in range(seed, seed + programs):
            firestore = FirestoreDatabase(f"demo-contract-{each}", emulator=emulator.host)
            for difference in differences(each, firestore, MemoryDatabase()):
                print(f"    {difference}")
                found += 1
    yield Figure("programs", programs, note=f" of {STEPS} steps")
    yield Figure("answers_that_differ", found, "=", 0)
