"""The live room: the form with which its organiser asks everybody."""

from collections.abc import Iterator
from typing import Any

import pytest

from boiler_functions.testing import MemoryApp, assert_views_equal_rebuild, memory_app
from emulator.live import live_app


@pytest.fixture
def testing() -> Iterator[MemoryApp]:
    with memory_app(live_app()) as memory:
        yield memory


def asked(testing: MemoryApp, **fields: object) -> Any:
    """Returns the outcome of a form."""
    path = "users/ada/pollForms/soup"
    testing.write(path, {"question": "Soup?", "seconds": 60, **fields})
    testing.deliver(duplicates=1)
    return (testing.fields(path) or {})["outcome"]


def shown(testing: MemoryApp) -> Any:
    """Returns what everybody sees of the poll."""
    found = testing.fields("owners/ada/polls/soup")
    return found and (found["question"], found["open"], found["votes"])


def test_a_poll_shows_its_votes_and_closes_after_its_seconds(testing: MemoryApp) -> None:
    assert asked(testing)["status"] == "done"
    assert shown(testing) == ("Soup?", True, {})
    for voter, answer in (("ada", "Yes"), ("grace", "No"), ("alan", "Yes")):
        testing.write(f"polls/soup/votes/{voter}", {"answer": answer})
    testing.deliver(shuffle=1)
    assert shown(testing) == ("Soup?", True, {"No": 1, "Yes": 2})
    testing.advance(seconds=61)
    assert shown(testing) == ("Soup?", False, {"No": 1, "Yes": 2})
    assert_views_equal_rebuild(testing)


@pytest.mark.parametrize(("fields", "marked"), [({"question": " ? "}, "question"), ({"seconds": 0}, "seconds")])
def test_a_question_or_a_time_that_does_not_fit_is_rejected(
    testing: MemoryApp, fields: dict[str, object], marked: str
) -> None:
    outcome = asked(testing, **fields)
    assert (outcome["status"], list(outcome["errors"])) == ("rejected", [marked])
    assert shown(testing) is None


def test_a_poll_of_somebody_else_is_not_replaced(testing: MemoryApp) -> None:
    testing.write("polls/soup", {"question": "Salad?", "owner": "grace"})
    assert asked(testing)["status"] == "rejected"
    assert (testing.fields("polls/soup") or {})["question"] == "Salad?"
