"""A database in memory, which models use."""

from collections.abc import Iterator

import pytest

from boiler_functions import use
from boiler_functions.database.memory import MemoryDatabase


@pytest.fixture
def database() -> Iterator[MemoryDatabase]:
    memory = MemoryDatabase()
    with use(memory):
        yield memory
