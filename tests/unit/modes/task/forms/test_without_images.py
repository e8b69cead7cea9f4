"""Events that are too large to hold images."""

import pytest

from boiler_functions.modes.forms.task import Completion
from boiler_functions.testing import memory_app
from tests.unit.modes.hooked import Hooked
from tests.unit.modes.task.forms.scene import COMPLETIONS, balance, deposits, sent


@pytest.mark.parametrize("on_completion", COMPLETIONS)
def test_an_event_without_images_takes_effect_once(on_completion: Completion) -> None:
    with memory_app(deposits(on_completion=on_completion)) as testing:
        delivery = sent(testing).without_images()
        for _ in range(3):
            testing.handle(delivery)
        testing.deliver()
        assert balance(testing) == 10


@pytest.mark.parametrize("on_completion", COMPLETIONS)
@pytest.mark.parametrize("bare", [(True, True), (True, False), (False, True)])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_events_of_two_versions_of_which_some_have_no_images_take_effect_once(
    order: tuple[int, int], bare: tuple[bool, bool], on_completion: Completion
) -> None:
    """The first, without an image, cannot know that the form was written again: it does the work of the second."""
    with memory_app(deposits(on_completion=on_completion)) as testing:
        events = [sent(testing, 1), sent(testing, 20)]
        events = [each.without_images() if without else each for each, without in zip(events, bare, strict=True)]
        for position in (*order, *order):
            testing.handle(events[position])
        testing.deliver()
        assert balance(testing) == 20


def test_two_events_without_images_that_are_handled_at_once_take_effect_once() -> None:
    with memory_app(deposits(on_completion="keep")) as testing:
        first, second = sent(testing, 1).without_images(), sent(testing, 20).without_images()
        hooked = Hooked(testing.database).before("commit", 1, lambda: testing.handle(second, testing.database))
        testing.handle(first, hooked)
        assert balance(testing) == 20
