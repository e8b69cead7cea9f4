"""Commits that fail, or whose answer is lost."""

from random import Random
from typing import Any

import pytest

from boiler_functions.exceptions import Conflict, Unavailable, UnknownOutcome
from boiler_functions.modes.forms.task import Completion
from boiler_functions.modes.invocation import Surroundings
from boiler_functions.testing import memory_app
from tests.unit.modes.hooked import Hooked, raises
from tests.unit.modes.task.forms.scene import COMPLETIONS, Account, Settings, balance, deposits, sent


@pytest.mark.parametrize("on_completion", COMPLETIONS)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_commit_whose_answer_is_lost_is_resolved_by_reading_the_marker(
    moment: Any, on_completion: Completion
) -> None:
    with memory_app(deposits(on_completion=on_completion)) as testing:
        delivery = sent(testing)
        hooked = Hooked(testing.database)
        getattr(hooked, moment)("commit", 1, raises(UnknownOutcome("the connection was lost")))
        report = testing.handle(delivery, hooked)
        assert report.outcomes == {"done": 1}
        assert report.attempts == (2 if moment == "before" else 1)
        assert hooked.calls["commit"] == report.attempts
        assert balance(testing) == 10


def test_a_lost_answer_of_a_rejection_is_reported_as_a_rejection() -> None:
    with memory_app(deposits()) as testing:
        Settings.new(doc_id="main", most=5).save()
        hooked = Hooked(testing.database).after("commit", 1, raises(UnknownOutcome("lost")))
        assert testing.handle(sent(testing), hooked).outcomes == {"rejected": 1}


def test_a_lost_answer_behind_which_another_copy_was_faster_is_a_duplicate() -> None:
    with memory_app(deposits()) as testing:
        delivery = sent(testing)

        def faster() -> None:
            testing.handle(delivery, testing.database)
            raise UnknownOutcome("lost")

        hooked = Hooked(testing.database).before("commit", 1, faster)
        assert testing.handle(delivery, hooked).outcomes == {"duplicate": 1}
        assert balance(testing) == 10


def test_a_lost_answer_whose_marker_cannot_be_read_is_not_acknowledged_and_takes_effect_once() -> None:
    with memory_app(deposits()) as testing:
        delivery = sent(testing)
        hooked = Hooked(testing.database)

        def lose_the_answer_and_go_down() -> None:
            hooked.before("read", hooked.calls["read"] + 1, raises(Unavailable("down")))
            raise UnknownOutcome("lost")

        hooked.after("commit", 1, lose_the_answer_and_go_down)
        with pytest.raises(Unavailable, match="down"):
            testing.handle(delivery, hooked)
        assert testing.handle(delivery).outcomes == {"duplicate": 1}
        assert balance(testing) == 10


def test_conflicts_are_tried_again_up_to_max_retries() -> None:
    with memory_app(deposits(max_retries=3)) as testing:
        hooked = Hooked(testing.database)
        for nth in (1, 2, 3):
            hooked.before("commit", nth, raises(Conflict("contended")))
        report = testing.handle(sent(testing), hooked)
        assert (report.outcomes, report.attempts) == ({"done": 1}, 4)


def test_more_conflicts_than_max_retries_are_not_acknowledged_and_a_redelivery_takes_effect() -> None:
    with memory_app(deposits(max_retries=3)) as testing:
        delivery = sent(testing)
        hooked = Hooked(testing.database)
        for nth in (1, 2, 3, 4):
            hooked.before("commit", nth, raises(Conflict("contended")))
        with pytest.raises(Conflict, match="contended"):
            testing.handle(delivery, hooked)
        assert hooked.calls["commit"] == 4
        assert balance(testing) is None
        testing.handle(delivery)
        assert balance(testing) == 10


def test_retries_pause_with_full_jitter_under_a_bound_that_doubles() -> None:
    pauses: list[float] = []
    surroundings = Surroundings(sleep=pauses.append, random=Random(1))
    with memory_app(deposits(max_retries=5), surroundings) as testing:
        hooked = Hooked(testing.database)
        for nth in range(1, 6):
            hooked.before("commit", nth, raises(Conflict("contended")))
        testing.handle(sent(testing), hooked)
    assert len(pauses) == 5
    assert all(0 <= pause <= 0.01 * 2**attempt for attempt, pause in enumerate(pauses))
    assert len(set(pauses)) == 5


def test_a_blind_create_over_an_existing_document_is_an_effect_and_no_duplicate() -> None:
    with memory_app(deposits(body=lambda form: Account.new(doc_id="ann", balance=3).save())) as testing:
        Account.new(doc_id="ann", balance=1).save()
        assert testing.handle(sent(testing)).outcomes == {"done": 1}
        assert balance(testing) == 3
