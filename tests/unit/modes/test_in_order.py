"""Work on several pages at once gives the same results, in the same order, as work on one after the other."""

from collections.abc import Generator, Iterator
from contextvars import ContextVar
from threading import Barrier, Event, current_thread, main_thread
from typing import cast

import pytest

from boiler_functions.modes.in_order import in_order

THREADS = 3


@pytest.mark.parametrize("threads", [1, THREADS])
@pytest.mark.parametrize("number", [0, 1, 2, 7])
def test_results_come_in_the_order_of_the_items(threads: int, number: int) -> None:
    assert list(in_order(str, range(number), threads)) == list(map(str, range(number)))


def test_as_many_items_are_in_work_at_once_as_there_are_threads() -> None:
    together = Barrier(THREADS)
    assert list(in_order(lambda _: together.wait(10) >= 0, range(2 * THREADS), THREADS)) == [True] * 2 * THREADS


def test_a_single_item_and_all_with_one_thread_stay_in_the_callers_thread() -> None:
    assert list(in_order(lambda _: current_thread() is main_thread(), "a", THREADS)) == [True]
    assert list(in_order(lambda _: current_thread() is main_thread(), "abc", 1)) == [True, True, True]


def test_with_one_thread_an_item_is_fetched_when_the_one_before_it_is_done() -> None:
    said: list[str] = []

    def items() -> Iterator[int]:
        for number in range(2):
            said.append(f"fetch {number}")
            yield number

    list(in_order(lambda number: said.append(f"work {number}"), items(), 1))
    assert said == ["fetch 0", "work 0", "fetch 1", "work 1"]


def test_no_more_items_are_fetched_than_one_beyond_those_in_work() -> None:
    fetched: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            fetched.append(number)
            yield number

    results = in_order(str, items(), THREADS)
    next(results)
    assert len(fetched) == THREADS + 1
    assert len(list(results)) == 99


def test_the_first_error_in_the_order_of_the_items_is_raised_after_all_work_has_ended() -> None:
    later_failed, ended = Event(), []

    def work(number: int) -> None:
        try:
            if number == 1:
                later_failed.wait(10)
                raise ValueError(number)
            if number == 2:
                later_failed.set()
                raise ValueError(number)
        finally:
            ended.append(number)

    with pytest.raises(ValueError, match="1"):
        list(in_order(work, range(100), THREADS))
    assert {0, 1, 2} <= {*ended}
    assert len(ended) <= 2 * THREADS  # What was not begun when the error was seen is left.


def test_the_work_sees_the_callers_context() -> None:
    chosen: ContextVar[str] = ContextVar("chosen", default="default")
    token = chosen.set("of the caller")
    try:
        assert set(in_order(lambda _: chosen.get(), range(5), THREADS)) == {"of the caller"}
    finally:
        chosen.reset(token)


def test_who_leaves_early_waits_for_nothing_even_in_a_thread_of_the_pool() -> None:
    """After Ctrl-C the garbage collector closes the generator in whatever thread it runs."""
    left, closed = Event(), Event()

    def work(number: int) -> int:
        if number == 2:
            left.wait(10)
            results.close()
            closed.set()
        return number

    results = cast(Generator[int, None, None], in_order(work, range(100), 2))
    assert next(results) == 0
    left.set()
    assert closed.wait(10)
    assert list(results) == []
