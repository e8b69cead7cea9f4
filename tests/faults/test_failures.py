"""Processes that die, commits whose answers are lost, a database that refuses, aborts or is down."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from boiler_functions.database import ABSENT, Put
from boiler_functions.exceptions import BoilerError, Conflict, Unavailable, UnknownOutcome
from boiler_functions.modes import marker
from boiler_functions.modes.query.rebuild import MAX_ATTEMPTS
from boiler_functions.testing import Delivery, Faults, MemoryApp, assert_views_equal_rebuild
from boiler_functions.testing.steps import Crashed
from tests.faults.scenes import (
    FORM,
    JAPAN,
    effects,
    fresh_seeds,
    place,
    send,
    stored_tokyo,
    the_one,
    tokyo,
    world,
)
from tests.torture.simulator import Watched
from tests.unit.modes.cities import put
from tests.unit.modes.hooked import Hooked

RETRIES = 8


def renamed(testing: MemoryApp) -> Delivery:
    """Renames Japan, which Tokyo's view shows, and returns the event."""
    stored_tokyo(testing)
    put(testing, JAPAN.path, name="Nippon")
    return the_one(testing, JAPAN.path, "place_view")


def raising(error: BaseException) -> Callable[[], None]:
    def hook() -> None:
        raise error

    return hook


def handled(testing: MemoryApp, delivery: Delivery, moment: str, error: BaseException, times: int = 1) -> Any:
    """Handles the event with an error at the first commits, and returns the outcome."""
    hooked = Hooked(testing.database)
    for nth in range(1, times + 1):
        getattr(hooked, moment)("commit", nth, raising(error))
    return testing.handle(delivery, hooked)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_worker_that_dies_before_or_after_its_commit_is_made_good_by_the_redelivery(moment: str) -> None:
    for event, is_done in ((renamed, lambda testing: place(testing) == "Tokyo, Nippon"), (send, effects)):
        with world() as testing:
            delivery = event(testing)
            with pytest.raises(Crashed):
                handled(testing, delivery, moment, Crashed())
            assert bool(is_done(testing)) is (moment == "after")
            again = testing.handle(delivery)
            if moment == "after":
                assert again.usage.writes == 0
            assert is_done(testing)
            assert_views_equal_rebuild(testing)
            assert effects(testing) in ([], [1])


def test_a_worker_that_dies_anywhere_is_made_good_by_redeliveries() -> None:
    injected: Counter[str] = Counter()
    for seed in fresh_seeds(30):
        with world() as testing:
            stored_tokyo(testing)
            put(testing, JAPAN.path, name="Nippon")
            for number in range(4):
                put(testing, f"users/ann/kept/{number}", amount=number)
            testing.deliver(shuffle=seed, crashes=0.2, at_once=3)
            assert sorted(effects(testing)) == [0, 1, 2, 3], f"seed {seed}"
            assert_views_equal_rebuild(testing)
            injected.update(testing.injected)
    assert injected["handler crashed"]


def test_a_commit_that_was_applied_and_whose_answer_was_lost_is_reported_as_done() -> None:
    with world() as testing:
        report = handled(testing, send(testing), "after", UnknownOutcome("connection reset"))
        assert (report.outcomes, report.attempts) == ({"done": 1}, 1)
        assert effects(testing) == [1]
    with world() as testing:
        handled(testing, renamed(testing), "after", UnknownOutcome("connection reset"))
        assert place(testing) == "Tokyo, Nippon"


def test_a_commit_that_was_lost_on_its_way_is_tried_again() -> None:
    with world() as testing:
        report = handled(testing, send(testing), "before", UnknownOutcome("connection reset"))
        assert (report.outcomes, report.attempts) == ({"done": 1}, 2)
        assert effects(testing) == [1]


@pytest.mark.parametrize("times", [1, 3, RETRIES])
def test_a_commit_that_is_aborted_is_tried_again_with_growing_pauses(times: int) -> None:
    with world() as testing:
        started = testing.surroundings.clock()
        report = handled(testing, send(testing), "before", Conflict("ABORTED"), times)
        assert (report.outcomes, report.attempts) == ({"done": 1}, times + 1)
        pause = (testing.surroundings.clock() - started) / 1e9
        assert 0 < pause <= 0.01 * 2**times
        assert effects(testing) == [1]


def test_a_commit_that_is_aborted_too_often_is_not_acknowledged() -> None:
    with world() as testing:
        delivery = send(testing)
        with pytest.raises(Conflict):
            handled(testing, delivery, "before", Conflict("ABORTED"), RETRIES + 1)
        assert effects(testing) == []
        testing.handle(delivery)
        assert effects(testing) == [1]
    with world() as testing:
        delivery = renamed(testing)
        with pytest.raises(Conflict):
            # The page of one view: its commits are all aborted.
            handled(testing, delivery, "before", Conflict("ABORTED"), MAX_ATTEMPTS)
        testing.handle(delivery)
        assert place(testing) == "Tokyo, Nippon"


@pytest.mark.parametrize("kind", ["read", "query"])
@pytest.mark.parametrize("nth", [1, 2])
def test_a_read_that_is_aborted_is_not_acknowledged_or_tried_again(kind: Any, nth: int) -> None:
    for event in (renamed, send):
        with world() as testing:
            testing.through = Hooked(testing.database).before(kind, nth, raising(Unavailable("ABORTED")))
            testing.pending = [event(testing)]
            testing.deliver()
            assert place(testing) in (None, "Tokyo, Nippon")
            assert effects(testing) in ([], [1])
            assert_views_equal_rebuild(testing)


def test_a_stale_precondition_is_tried_again_and_another_ones_marker_is_a_duplicate() -> None:
    with world() as testing:
        stale = Hooked(testing.database).before(
            "commit", 1, lambda: put(testing, "accounts/ann", balance=0, applied=[])
        )
        assert testing.handle(send(testing), stale).outcomes == {"done": 1}
    with world() as testing:
        delivery = send(testing)
        faster = Hooked(testing.database).before("commit", 1, lambda: testing.handle(delivery, testing.database))
        assert testing.handle(delivery, faster).outcomes == {"duplicate": 1}
        assert effects(testing) == [1]


def test_a_document_that_exists_against_a_precondition_is_no_duplicate() -> None:
    """AlreadyExists of something else than the marker must not be taken for one."""
    with world() as testing:
        delivery = send(testing)
        # What the handler read as missing, and therefore creates, is there when it commits.
        created = [Put("accounts/ann", {"balance": 0, "applied": []}, precondition=ABSENT)]
        hooked = Hooked(testing.database).before("commit", 1, lambda: testing.database.commit(created))
        report = testing.handle(delivery, hooked)
        assert (report.outcomes, report.attempts) == ({"done": 1}, 2)
        assert effects(testing) == [1]


@pytest.mark.parametrize("error", [Unavailable("down"), Conflict("contended"), UnknownOutcome("lost")])
def test_nothing_that_may_pass_is_ever_acknowledged(error: BoilerError) -> None:
    for event in (renamed, send):
        with world() as testing:
            delivery = event(testing)
            with pytest.raises(type(error)):
                handled(testing, delivery, "before", error, 10 * MAX_ATTEMPTS)
            assert not [path for path in testing.documents() if path.startswith(marker.COLLECTION)]


def test_a_database_that_is_down_for_a_while_again_and_again_loses_nothing() -> None:
    injected: Counter[str] = Counter()
    for seed in fresh_seeds(10):
        with world() as testing:
            testing.through = watched = Watched(testing.database, testing.injected)
            stored_tokyo(testing)
            acts: list[Callable[[], object]] = []
            for number in range(4):
                acts += [
                    partial(tokyo, testing, f"City{number}"),
                    partial(setattr, watched, "down", 12),
                    partial(put, testing, f"users/ann/kept/{number}", amount=number),
                    partial(put, testing, JAPAN.path, name=f"Land{number}"),
                ]
            testing.deliver(shuffle=seed, at_once=4, meanwhile=acts)
            assert sorted(effects(testing)) == [0, 1, 2, 3]
            assert place(testing) == "City3, Land3"
            assert_views_equal_rebuild(testing)
            injected.update(testing.injected)
    assert injected["database down"]


def test_a_handler_that_outlives_its_deadline_while_its_redelivery_runs_has_no_second_effect() -> None:
    for event in (renamed, send):
        with world() as testing:
            delivery = event(testing)

            def redelivered(testing: MemoryApp = testing, delivery: Delivery = delivery) -> None:
                testing.surroundings.sleep(600)
                testing.handle(delivery, testing.database)

            late = testing.handle(delivery, Hooked(testing.database).before("commit", 1, redelivered))
            assert late.outcomes in ({"covered": 1}, {"duplicate": 1})
            assert effects(testing) in ([], [1])
            assert_views_equal_rebuild(testing)


def test_everything_at_once_converges() -> None:
    for seed in fresh_seeds(20):
        with world() as testing:
            stored_tokyo(testing)
            put(testing, FORM, amount=1)
            acts = [partial(tokyo, testing, f"City{number}") for number in range(6)]
            faults = Faults(before=0.08, after=0.08, delay=0.05, torn=0.3)
            testing.deliver(
                duplicates=2, shuffle=seed, at_once=5, crashes=0.05, drops=0.1, faults=faults, meanwhile=acts
            )
            assert effects(testing) == [1], f"seed {seed}"
            assert place(testing) == "City5, Japan"
            assert_views_equal_rebuild(testing)
