"""The fixtures of this folder."""

import pytest

from tests.unit.modes.rest.meeting_api import Api
from tests.unit.modes.rest.notes_api import notes_api


@pytest.fixture
def api() -> Api:
    return notes_api()
