"""The figures of the torture on the emulator: each one detects the fault that it counts."""

import threading
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from unittest.mock import Mock

import pytest
from google.events.cloud.firestore_v1 import DocumentEventData

from boiler_functions.database import Put
from boiler_functions.database.codec import Codec
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.exceptions import NotDrained
from boiler_functions.local.events import Event
from boiler_functions.types import Reference
from tests.torture.emulator_app import expected_views
from tests.torture.emulator_comparison import Result, compared
from tests.torture.emulator_patience import Patience, end
from tests.torture.emulator_receiver import Receiver, broken_chains
from tests.torture.emulator_traffic import POISONED, Volume, Watch, Writer

DATABASE = "projects/demo-seen/databases/(default)"
DONE = {"status": "done"}


def seen(documents: dict[str, dict[str, Any]]) -> dict[str, int]:
    """Returns the figures that are off in a database with these documents, next to its views."""
    return {name: len(found) for name, found in result_of(documents).wrong.items() if found}


def result_of(documents: dict[str, dict[str, Any]]) -> Result:
    database = MemoryDatabase()
    database.commit([Put(path, fields) for path, fields in documents.items()])

    return compared(Volume(), database, Writer(database, Volume()), Watch("demo-seen"), {})


RIGHT: dict[str, dict[str, Any]] = {
    "counters/p0": {"total": 2},
    "people/p0/deposits/f1": {"amount": 1, "outcome": DONE},
    "people/p0/deposits/f2": {"amount": 1, "outcome": DONE},
    "totals/p0": {"total": 2, "bonus": 0, "obj_type": "TotalView", "doc_ref": "totals/p0"},
}
# No letter was written for the poisoned accounts, as there are none here.
MISSING = {"acked_failure": POISONED}


@pytest.mark.parametrize(
    ("changed", "off"),
    [
        ({}, {}),
        ({"counters/p0": {"total": 1}}, {"lost_events": 1, "view_divergence": 1}),
        ({"counters/p0": {"total": 3}}, {"duplicate_effects": 1, "view_divergence": 1}),
        ({"totals/p0": {"total": 1}}, {"view_divergence": 1}),
        ({"totals/p1": {"total": 1}}, {"ghost_views": 1}),
        ({"people/p0/deposits/f2": {"amount": 1}}, {"acked_failure": POISONED + 1}),
        ({"totals/p0/_PATCH_TotalView/m": {"bonus": 1, "outcome": DONE}}, {"lost_events": 1}),
        ({"counters/p0": {"total": 2, "bonus": 1}}, {"duplicate_effects": 1, "view_divergence": 1}),
    ],
)
def test_what_is_wrong_is_seen(changed: dict[str, dict[str, Any]], off: dict[str, int]) -> None:
    assert seen({**RIGHT, **changed}) == {**MISSING, **off}


@pytest.mark.parametrize(
    ("changes", "lost", "twice"),
    [
        ([(None, 1), (1, 2)], 0, 0),
        ([(1, 2), (None, 1)], 0, 0),
        ([(None, 1)], 1, 0),
        ([(1, 2)], 1, 0),
        ([], 1, 0),
        ([(None, 1), (1, 2), (1, 2)], 0, 1),
        ([(None, 1), (1, 2), (2, 3)], 1, 0),
    ],
)
def test_a_notification_that_is_lost_or_comes_twice_is_seen(
    changes: list[tuple[int | None, int]], lost: int, twice: int
) -> None:
    told = [("counters/p0", before, after) for before, after in changes]
    assert tuple(map(len, broken_chains(told, {"counters/p0": 2}))) == (lost, twice)


def test_a_message_that_says_something_else_under_the_same_key_is_seen() -> None:
    receiver = Receiver(Random(1))
    receiver.healing = True
    for state in (1, 1, 2):
        receiver.take("key", {"type": "Team.changed", "data": {"path": "teams/t", "before": None, "after": state}})
    assert len(receiver.contradictions) == 1
    assert (receiver.changes("Team"), receiver.messages) == ([("teams/t", None, 1)], 3)


def test_a_ledger_that_goes_back_in_time_is_seen() -> None:
    codec, message = Codec(DATABASE), DocumentEventData.pb(DocumentEventData())
    for image, version in ((message.old_value, 2), (message.value, 1)):
        image.name = codec.name("boilerLedgers/l")
        codec.encode_fields({"versions": {"accounts/a": version}}, image.fields)
    watch = Watch("demo-seen")
    watch.ledger(Event({"ce-document": "boilerLedgers/l"}, message.SerializeToString()))
    assert watch.stale == ["boilerLedgers/l goes back in accounts/a"]


NOW = datetime(2026, 1, 1, tzinfo=UTC)

SOURCES: dict[str, dict[str, Any]] = {
    "teams/t": {"name": "Red"},
    "accounts/a": {"owner": "Ada", "team": Reference("teams/t"), "points": 1},
    "accounts/b": {"owner": "Bob", "team": Reference("teams/t"), "points": 3},
    "votes/p": {"choice": "yes"},
    "deadlines/d": {"dueAt": NOW},
}

BY_HAND = {
    "teamViews/t": {"name": "Red", "members": ["Ada", "Bob"]},
    "rosters/t": {"name": "Red", "members": ["Ada", "Bob"]},
    "asked/t": {"members": 2, "points": 4},
    "kept/t": {"members": 2, "points": 4},
    "crests/t": {"isLarge": False},
    "leagues/all": {"large": [], "crests": 1},
    "rooms/t/seats/a": {"ahead": 1},
    "rooms/t/seats/b": {"ahead": 0},
    "boards/t/cards/a": {"owner": "Ada", "team": "Red"},
    "boards/t/cards/b": {"owner": "Bob", "team": "Red"},
    "dashboards/yes": {"voters": ["p"]},
    "dues/d": {"passed": True},
}


def expected(now: datetime) -> dict[str, dict[str, Any]]:
    database = MemoryDatabase()
    database.commit([Put(path, fields) for path, fields in SOURCES.items()])
    found = {each.path: each for each in database.read(list(SOURCES)).documents}
    return {path: {**fields} for path, fields in expected_views(found, now).items()}


def test_the_oracle_is_plain_python() -> None:
    bookkeeping = ("obj_type", "doc_ref")
    found = {
        path: {name: value for name, value in fields.items() if name not in bookkeeping}
        for path, fields in expected(NOW).items()
    }
    assert found == BY_HAND
    assert {fields["doc_ref"] for fields in expected(NOW).values()} == BY_HAND.keys()


def test_the_oracle_knows_what_is_still_to_come() -> None:
    assert expected(NOW - timedelta(seconds=1))["dues/d"]["passed"] is False


@pytest.mark.parametrize("path", BY_HAND)
def test_a_view_that_is_not_as_its_sources_say_is_seen(path: str) -> None:
    views = expected(NOW)
    assert seen({**SOURCES, **views}) == MISSING
    assert seen({**SOURCES, **views, path: {**views[path], "obj_type": "another"}}) == {**MISSING, "view_divergence": 1}


def test_what_is_never_handled_is_waited_for_once_and_the_workers_are_shown_and_killed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    harness, worker = Mock(), Mock(running=False, host="127.0.0.1:1")
    harness.drain.side_effect = NotDrained("Events are still under way.")
    worker.log.return_value = "the log of the worker"
    patience = Patience(harness, [worker], ends=0.0)
    for _ in range(2):
        patience.drain()
    assert patience.undrained == ["Events are still under way."]
    harness.drain.assert_called_once_with(60.0)
    worker.kill.assert_called_once_with()
    shown = capsys.readouterr().out
    assert "127.0.0.1:1 has ended. The end of its log:\nthe log of the worker" in shown
    assert "MainThread:" in shown


def test_a_thread_that_does_not_end_is_named() -> None:
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait, name="upkeep")
    thread.start()
    try:
        with pytest.raises(TimeoutError, match=r"Thread\(upkeep.*did not end within 0\.01 s"):
            end(thread, 0.01)
    finally:
        ended.set()
        thread.join()
