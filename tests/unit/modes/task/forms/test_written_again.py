"""A form that is written again."""

import itertools

import pytest

from boiler_functions.database import Delete, Put
from boiler_functions.modes.forms.task import Completion
from boiler_functions.testing import memory_app
from tests.unit.modes.cities import put
from tests.unit.modes.hooked import Hooked
from tests.unit.modes.task.forms.scene import COMPLETIONS, FORM, balance, deposits, only, outcome, sent


@pytest.mark.parametrize("on_completion", COMPLETIONS)
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_of_a_form_that_is_written_again_before_its_event_the_last_version_takes_effect_once(
    order: tuple[int, ...], on_completion: Completion
) -> None:
    with memory_app(deposits(on_completion=on_completion)) as testing:
        deliveries = [sent(testing, amount) for amount in (1, 20, 300)]
        for position in (*order, *order):
            testing.handle(deliveries[position])
        testing.deliver()
        assert balance(testing) == 300


@pytest.mark.parametrize("on_completion", COMPLETIONS)
def test_a_form_that_is_written_again_while_it_is_handled_takes_effect_as_the_last_version(
    on_completion: Completion,
) -> None:
    with memory_app(deposits(on_completion=on_completion)) as testing:
        first = sent(testing, 1)
        hooked = Hooked(testing.database).before("commit", 1, lambda: put(testing, FORM, amount=20))
        assert testing.handle(first, hooked).outcomes == {"superseded": 1}
        testing.deliver(duplicates=1)
        assert balance(testing) == 20


@pytest.mark.parametrize("on_completion", COMPLETIONS)
def test_a_form_that_is_sent_again_after_it_was_done_takes_effect_again(on_completion: Completion) -> None:
    with memory_app(deposits(on_completion=on_completion)) as testing:
        put(testing, FORM, amount=1)
        testing.deliver()
        put(testing, FORM, amount=20)
        testing.deliver(duplicates=2)
        assert balance(testing) == 21


def test_a_field_that_a_client_changes_beside_the_stamp_sends_the_form_anew() -> None:
    with memory_app(deposits()) as testing:
        put(testing, FORM, amount=1)
        testing.deliver()
        testing.database.commit([Put(FORM, {"amount": 20}, mask=("amount",))])
        testing.deliver(duplicates=1)
        assert balance(testing) == 21
        assert outcome(testing)["status"] == "done"


def test_a_form_that_is_deleted_and_sent_again_with_the_same_words_takes_effect_once() -> None:
    with memory_app(deposits()) as testing:
        first = sent(testing, 1)
        testing.database.commit([Delete(FORM)])
        gone = only(testing)
        second = sent(testing, 1)
        for delivery in (second, first, gone, first, second):
            testing.handle(delivery)
        assert balance(testing) == 1
