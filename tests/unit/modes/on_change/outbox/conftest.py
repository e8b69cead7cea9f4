"""The fixtures of this folder."""

import logging
from collections.abc import Iterator

import pytest

from boiler_functions.testing import MemoryApp, memory_app
from tests.unit.modes.on_change.outbox.scene import City, Receiver, telling


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "boiler_functions")


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def testing(receiver: Receiver) -> Iterator[MemoryApp]:
    with memory_app(telling(receiver)) as memory:
        yield memory


@pytest.fixture
def cities(receiver: Receiver) -> Iterator[MemoryApp]:
    with memory_app(telling(receiver, City)) as memory:
        yield memory
