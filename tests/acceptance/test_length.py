"""Our declarations take no more lines than the ancestor's for the same documents; blank lines are not counted."""

import inspect
from types import ModuleType

import pytest

from functions import city, meeting_room

CITY_MODELS = (city.City, city.Municipality, city.StandardCity)
MEETING_VIEW = (meeting_room.Participant, meeting_room.MeetingStore, meeting_room.MeetingSession)


def lines(text: str) -> int:
    return sum(bool(line.strip()) for line in text.splitlines())


def lines_of(*classes: type) -> int:
    return sum(lines(inspect.getsource(each)) for each in classes)


def lines_in(module: ModuleType) -> int:
    return lines(inspect.getsource(module))


@pytest.mark.parametrize(
    ("ours", "ancestors"),
    [
        pytest.param(lines_of(*CITY_MODELS), 17, id="the models of the city"),
        pytest.param(lines_in(city) - lines_of(*CITY_MODELS), 70, id="the view, the form and the app of the city"),
        pytest.param(lines_of(*MEETING_VIEW), 200, id="the session of the meeting room"),
    ],
)
def test_a_sample_takes_no_more_lines_than_the_ancestors(ours: int, ancestors: int) -> None:
    assert ours <= ancestors
