"""What a build by hand sends, and what it does not."""

import pytest

from boiler_functions.database import Delete, Put
from boiler_functions.modes.query.rebuild_all import RebuildAll
from boiler_functions.testing import MemoryApp
from tests.unit.modes.cities import put
from tests.unit.modes.on_change.outbox.scene import CityView, Receiver


def built_by_hand(testing: MemoryApp) -> None:
    declared = testing.compiled.declarations
    list(RebuildAll(declared.app, CityView, testing.database, testing.surroundings, declared.recipients).run())


def test_a_build_by_hand_tells_of_nothing_that_was_there_before(testing: MemoryApp, receiver: Receiver) -> None:
    put(testing, "cities/TOK", name="Tokyo")
    testing.take()
    built_by_hand(testing)
    testing.deliver()
    assert receiver.told == []


def test_a_build_by_hand_tells_of_no_change_of_the_code(
    testing: MemoryApp, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(testing, "cities/TOK", name="Tokyo")
    testing.deliver()
    monkeypatch.setattr(CityView, "suffix", "!")
    built_by_hand(testing)
    testing.deliver()
    assert receiver.titles == [(None, "TOKYO")]
    assert (testing.fields("cityViews/TOK") or {})["title"] == "TOKYO!"


def test_what_was_there_before_a_build_by_hand_is_known_to_the_next_change(
    testing: MemoryApp, receiver: Receiver
) -> None:
    put(testing, "cities/TOK", name="Tokyo")
    testing.take()
    built_by_hand(testing)
    put(testing, "cities/TOK", name="Edo")
    testing.deliver()
    assert receiver.titles == [("TOKYO", "EDO")]


@pytest.mark.parametrize("after", ["Edo", None])
def test_a_change_that_a_build_by_hand_includes_before_its_event_comes_is_delivered(
    testing: MemoryApp, receiver: Receiver, after: str | None
) -> None:
    put(testing, "cities/TOK", name="Tokyo")
    testing.deliver()
    testing.database.commit([Put("cities/TOK", {"name": after}) if after else Delete("cities/TOK")])
    late = testing.take()
    built_by_hand(testing)
    testing.pending += late
    testing.deliver(duplicates=1)
    assert receiver.titles == [(None, "TOKYO"), ("TOKYO", after and after.upper())]
