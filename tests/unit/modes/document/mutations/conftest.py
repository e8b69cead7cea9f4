"""The fixtures of this folder."""

import logging
from collections.abc import Iterator

import pytest

from boiler_functions.testing import MemoryApp
from tests.unit.modes.document.mutations.scene import counting, opened


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "boiler_functions")


@pytest.fixture
def testing() -> Iterator[MemoryApp]:
    with opened(counting()) as memory:
        yield memory


@pytest.fixture
def versioned() -> Iterator[MemoryApp]:
    with opened(counting(versioned=True)) as memory:
        yield memory
