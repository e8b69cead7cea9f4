"""Poll: it shows its votes as they come, and its owner closes it by a document, once."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from boiler_functions import Changed, Webhook
from boiler_functions.models.model import Model
from boiler_functions.testing import MemoryApp, assert_views_equal_rebuild, memory_app
from boiler_functions.types import to_datetime
from functions.poll import Poll, Vote, app

COPY = "owners/ada/polls/lunch"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Changed[Model]]:
    told: list[Changed[Model]] = []
    monkeypatch.setattr(Webhook, "notify", lambda _, change: told.append(change))
    return told


@pytest.fixture
def testing(told: list[Changed[Model]]) -> Iterator[MemoryApp]:
    with memory_app(app) as memory:
        Poll.new(doc_id="lunch", question="Soup?", owner="ada").save()
        memory.deliver()
        yield memory


def sent(testing: MemoryApp, name: str, **fields: object) -> str:
    """The status of a mutation that a client sends."""
    path = f"{COPY}/_PATCH_PollView/{name}"
    testing.write(path, fields)
    testing.deliver(duplicates=2, shuffle=3)
    return str((testing.fields(path) or {})["outcome"]["status"])


def test_its_owner_closes_it_once_and_that_is_told_once(testing: MemoryApp, told: list[Changed[Model]]) -> None:
    assert sent(testing, "m1", open=False) == "done"
    assert (testing.fields(COPY) or {})["open"] is False
    assert [change.path for change in told] == ["polls/lunch"]


def test_what_is_closed_stays_closed(testing: MemoryApp, told: list[Changed[Model]]) -> None:
    assert sent(testing, "m1", open=False) == "done"
    assert sent(testing, "m2", open=True) == "rejected"
    assert len(told) == 1


def test_who_saw_an_older_version_is_refused(testing: MemoryApp) -> None:
    seen = (testing.fields(COPY) or {})["doc_version"]
    assert sent(testing, "m1", open=False, if_version=seen) == "done"
    assert sent(testing, "m2", open=False, if_version=seen) == "rejected"


def test_it_closes_by_itself_at_its_time_and_that_is_told_once(testing: MemoryApp, told: list[Changed[Model]]) -> None:
    moment = to_datetime(testing.surroundings.clock()) + timedelta(hours=2)
    Poll.new(doc_id="lunch", question="Soup?", owner="ada", closes_at=moment).save()
    testing.deliver()
    assert testing.advance(hours=1) == {}
    assert (testing.fields(COPY) or {})["open"] is True
    assert testing.advance(hours=1) == {"built": 1}
    testing.deliver(duplicates=2, shuffle=3)
    assert (testing.fields(COPY) or {})["open"] is False
    assert [change.path for change in told] == ["polls/lunch"]
    assert sent(testing, "m1", open=True) == "rejected"
    assert_views_equal_rebuild(testing)


def test_it_shows_how_many_votes_each_answer_has_as_they_come_change_and_go(testing: MemoryApp) -> None:
    for voter, answer in (("eva", "yes"), ("leo", "no"), ("mia", "yes")):
        Vote.new(doc_id=voter, poll_id="lunch", answer=answer).save()
    testing.deliver(duplicates=1, shuffle=3)
    assert (testing.fields(COPY) or {})["votes"] == {"no": 1, "yes": 2}
    Vote.new(doc_id="leo", poll_id="lunch", answer="yes").save()
    testing.write("polls/lunch/votes/mia", None)
    testing.deliver(duplicates=1, shuffle=3)
    assert (testing.fields(COPY) or {})["votes"] == {"yes": 2}
    assert_views_equal_rebuild(testing)
