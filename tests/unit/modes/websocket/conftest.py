"""What all tests of sockets have in common."""

import pytest

from boiler_functions.modes.websocket import namespace


@pytest.fixture(autouse=True)
def refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test waits for a second at the end of each socket that is refused."""
    monkeypatch.setattr(namespace, "REFUSED_SECONDS", 0.1)
