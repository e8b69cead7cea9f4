"""The database in memory keeps the contract, whatever its clock does."""

import itertools
from collections.abc import Callable

import pytest

from boiler_functions.database import Database
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.types import Instant
from tests.contract.contract import DatabaseContract


class TestMemory(DatabaseContract):
    @pytest.fixture
    def database(self) -> Database:
        return MemoryDatabase()


class TestMemoryWithAClockThatStandsOrGoesBack(DatabaseContract):
    @pytest.fixture(params=["stands", "goes back"])
    def database(self, request: pytest.FixtureRequest) -> Database:
        clocks: dict[str, Callable[[], Instant]] = {
            "stands": lambda: 10**18,
            "goes back": itertools.count(10**18, -1_000_000).__next__,
        }
        return MemoryDatabase(clocks[request.param])
