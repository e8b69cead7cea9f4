"""A form whose event comes twice takes effect once."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any

import pytest

from boiler_functions.database import Delete
from boiler_functions.database.metered import Usage
from boiler_functions.modes.forms.task import Completion
from boiler_functions.testing import memory_app
from tests.unit.modes.hooked import Hooked
from tests.unit.modes.task.forms.scene import COMPLETIONS, FORM, Account, balance, deposits, only, sent


@pytest.mark.parametrize("on_completion", COMPLETIONS)
def test_an_event_delivered_five_times_takes_effect_once(on_completion: Completion) -> None:
    with memory_app(deposits(on_completion=on_completion)) as testing:
        delivery = sent(testing)
        testing.handle(delivery)
        repeats = [testing.handle(delivery) for _ in range(4)]
        assert balance(testing) == 10
        assert [dict(each.outcomes) for each in repeats] == [{"duplicate": 1}] * 4
        assert {(each.usage.rpcs, each.usage.writes) for each in repeats} == {(1, 0)}


@pytest.mark.parametrize("on_completion", COMPLETIONS)
@pytest.mark.parametrize("copies", [2, 8, 32])
def test_copies_at_one_instant_take_effect_once_and_are_all_acknowledged(
    copies: int, on_completion: Completion
) -> None:
    with memory_app(deposits(on_completion=on_completion)) as testing:
        delivery = sent(testing)
        barrier = Barrier(copies)

        def handle(_: int) -> str:
            barrier.wait()
            return next(iter(testing.handle(delivery).outcomes))

        with ThreadPoolExecutor(copies) as threads:
            outcomes = list(threads.map(handle, range(copies)))
        assert balance(testing) == 10
        assert sorted(outcomes) == ["done"] + ["duplicate"] * (copies - 1)


@pytest.mark.parametrize("on_completion", COMPLETIONS)
def test_a_second_copy_that_has_read_no_marker_yet_does_not_commit(on_completion: Completion) -> None:
    """The blind write of a new document has no precondition of its own: the marker alone stands in the way."""

    def blind(form: Any) -> None:
        Account.new(doc_id=f"new{next(numbers)}", balance=1).save()

    numbers = itertools.count()
    with memory_app(deposits(on_completion=on_completion, body=blind)) as testing:
        delivery = sent(testing)
        hooked = Hooked(testing.database).before("commit", 1, lambda: testing.handle(delivery, testing.database))
        assert testing.handle(delivery, hooked).outcomes == {"duplicate": 1}
        assert len([path for path in testing.documents() if path.startswith("accounts/")]) == 1


def test_the_stamps_own_event_is_ignored_without_an_rpc() -> None:
    with memory_app(deposits()) as testing:
        testing.handle(sent(testing))
        report = testing.handle(only(testing))
        assert (report.outcomes, report.usage) == ({"ignored": 1}, Usage())


@pytest.mark.parametrize("on_completion", COMPLETIONS)
def test_the_event_of_a_deleted_form_is_ignored_without_an_rpc(on_completion: Completion) -> None:
    with memory_app(deposits(on_completion=on_completion)) as testing:
        sent(testing)
        testing.database.commit([Delete(FORM)])
        report = testing.handle(only(testing))
        assert (report.outcomes, report.usage) == ({"ignored": 1}, Usage())


@pytest.mark.parametrize("on_completion", COMPLETIONS)
def test_a_write_that_changes_nothing_is_ignored_without_an_rpc(on_completion: Completion) -> None:
    """The emulator sends events of equal writes, and a task's check of a kept form is one."""
    with memory_app(deposits(on_completion=on_completion)) as testing:
        delivery = sent(testing)
        equal = replace(delivery, change=delivery.change._replace(before=delivery.change.after))
        report = testing.handle(equal)
        assert (report.outcomes, report.usage) == ({"ignored": 1}, Usage())


def test_a_task_costs_one_read_and_one_commit() -> None:
    with memory_app(deposits(body=lambda form: Account.new(doc_id="ann", balance=1).save())) as testing:
        report = testing.handle(sent(testing))
        # Reads: marker, form, settings. Writes: marker, stamp, account, and the check of the settings.
        assert report.usage == Usage(rpcs=2, reads=3, writes=4)
