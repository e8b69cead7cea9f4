"""Fixtures of the tests of the HTTP API."""

import pytest

from tests.unit.modes.rest.meeting_api import Api, meeting_api


@pytest.fixture
def api() -> Api:
    """The API over a database of its own."""
    return meeting_api()
