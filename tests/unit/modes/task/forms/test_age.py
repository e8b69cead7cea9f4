"""An event that is too old for its marker."""

from random import Random

import pytest

from boiler_functions.database import Delete
from boiler_functions.modes.forms.task import Completion
from boiler_functions.modes.invocation import Surroundings
from boiler_functions.modes.marker import COLLECTION as MARKERS
from boiler_functions.testing import memory_app
from tests.unit.modes.task.forms.scene import COMPLETIONS, balance, deposits, letters, sent


def aged(clock: list[int]) -> Surroundings:
    return Surroundings(lambda: clock[0], lambda seconds: None, Random(0))


HOUR = 3_600_000_000_000


def test_an_event_older_than_max_event_age_is_a_dead_letter_and_has_no_effect() -> None:
    clock = [10 * HOUR]
    with memory_app(deposits(), aged(clock)) as testing:
        delivery = sent(testing)
        clock[0] += 23 * HOUR + 1_000_000
        assert testing.handle(delivery).outcomes == {"dead letter": 1}
        assert letters(testing)[0]["code"] == "BF508"
        assert balance(testing) is None


def test_an_event_as_old_as_max_event_age_takes_effect() -> None:
    clock = [10 * HOUR]
    with memory_app(deposits(), aged(clock)) as testing:
        delivery = sent(testing)
        clock[0] += 23 * HOUR
        assert testing.handle(delivery).outcomes == {"done": 1}


@pytest.mark.parametrize("on_completion", COMPLETIONS)
def test_no_effect_is_doubled_once_the_marker_has_expired(on_completion: Completion) -> None:
    clock = [10 * HOUR]
    with memory_app(deposits(on_completion=on_completion), aged(clock)) as testing:
        delivery = sent(testing)
        testing.handle(delivery)
        markers = [each for each in testing.documents().values() if each.collection == MARKERS]
        first = min((marker.fields or {})["expire_at"].timestamp() for marker in markers)
        assert first * 1e9 >= delivery.change.time + 24 * HOUR
        clock[0] += 25 * HOUR
        testing.database.commit([Delete(marker.path) for marker in markers])
        testing.handle(delivery)
        assert balance(testing) == 10
