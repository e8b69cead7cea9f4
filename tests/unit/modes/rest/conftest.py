"""Fixtures of the tests of the HTTP API."""

import pytest

from tests.unit.modes.rest.meeting_api import Api, meeting_api


@pytest.fixture
def api() -> Api:
    """Returns the API with its own database."""
    return meeting_api()
