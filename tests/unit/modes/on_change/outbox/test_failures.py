"""A receiver that fails, and the letters and records that it leaves."""

from random import Random
from typing import Any

import pytest

from boiler_functions.exceptions import Unavailable, Undeliverable, Undelivered
from boiler_functions.modes.invocation import Surroundings
from boiler_functions.testing import memory_app
from tests.unit.modes.cities import put
from tests.unit.modes.hooked import Hooked, raises
from tests.unit.modes.on_change.outbox.scene import City, CityView, Receiver, letters, outcomes, records, sent, telling


@pytest.mark.parametrize("target", [CityView, City])
def test_a_receiver_that_fails_gets_the_change_again_under_the_same_key(target: type[Any]) -> None:
    receiver = Receiver(raises(OSError("no route")), raises(Undelivered("busy")))
    keys: list[str] = []
    with memory_app(telling(receiver, target)) as testing:
        put(testing, "cities/TOK", name="Tokyo")
        event = sent(testing)
        for _ in range(2):
            with pytest.raises(Undelivered, match=r"tell failed on cities/TOK, attempt \d"):
                testing.handle(event)
            (record,) = records(testing)
            keys.append(record["status"])
        testing.handle(event)
        assert outcomes([testing.handle(event)]) == ["duplicate"]
    assert keys == ["pending", "pending"]
    assert [change.attempt for change in receiver.told] == [3]


@pytest.mark.parametrize("target", [CityView, City])
def test_a_failure_for_good_is_a_dead_letter_and_acknowledged(target: type[Any]) -> None:
    receiver = Receiver(raises(Undeliverable("gone")))
    with memory_app(telling(receiver, target)) as testing:
        put(testing, "cities/TOK", name="Tokyo")
        event = sent(testing)
        assert outcomes([testing.handle(event), testing.handle(event)]) == ["dead letter", "duplicate"]
        (letter,) = letters(testing)
        (record,) = records(testing)
    assert (letter["code"], letter["view"], letter["message"]) == ("BF512", "tell", "gone")
    assert (record["status"], record["error"]) == ("dead", "gone")
    assert receiver.told == []


@pytest.mark.parametrize("target", [CityView, City])
def test_after_max_attempts_there_is_a_dead_letter(target: type[Any]) -> None:
    receiver = Receiver(*[raises(OSError("no route"))] * 9)
    with memory_app(telling(receiver, target, max_attempts=3)) as testing:
        put(testing, "cities/TOK", name="Tokyo")
        testing.deliver()
        (letter,) = letters(testing)
    assert letter["message"] == "tell failed 3 times; at last OSError: no route"
    assert len(receiver.plan) == 6


@pytest.mark.parametrize("target", [CityView, City])
def test_before_the_platform_drops_the_event_there_is_a_dead_letter_with_the_last_error(target: type[Any]) -> None:
    receiver = Receiver(raises(OSError("no route")))
    now = [1_700_000_000_000_000_000]
    surroundings = Surroundings(lambda: now[0], lambda _: None, Random(0))
    with memory_app(telling(receiver, target), surroundings) as testing:
        put(testing, "cities/TOK", name="Tokyo")
        event = sent(testing)
        with pytest.raises(Undelivered):
            testing.handle(event)
        now[0] += 24 * 3600 * 1_000_000_000
        assert outcomes([testing.handle(event)]) == ["dead letter"]
        (letter,) = letters(testing)
    assert "1 day, 0:00:00 old, more than `max_event_age`" in letter["message"]
    assert "OSError: no route" in letter["message"]
    assert receiver.told == []


@pytest.mark.parametrize("target", [CityView, City])
def test_a_crash_before_the_stamp_repeats_the_key(target: type[Any]) -> None:
    receiver = Receiver()
    with memory_app(telling(receiver, target)) as testing:
        put(testing, "cities/TOK", name="Tokyo")
        event = sent(testing)
        with pytest.raises(Unavailable):
            testing.handle(event, Hooked(testing.database).before("commit", 1, raises(Unavailable("down"))))
        testing.handle(event)
        assert outcomes([testing.handle(event)]) == ["duplicate"]
    assert len(receiver.told) == 2
    assert len(set(receiver.keys)) == 1


@pytest.mark.parametrize("target", [CityView, City])
def test_a_receiver_may_read_models_but_not_write_them(target: type[Any]) -> None:
    seen: list[str] = []

    def write() -> None:
        city = City.get("TOK")
        assert city is not None
        seen.append(city.name)
        city.name = "Edo"
        city.save()

    with memory_app(telling(Receiver(write), target)) as testing:
        put(testing, "cities/TOK", name="Tokyo")
        testing.deliver()
        (letter,) = letters(testing)
        assert testing.fields("cities/TOK") == {"name": "Tokyo"}
    assert seen == ["Tokyo"]
    assert "tell writes cities/TOK, but a function of `@app.on_change` may only read models" in letter["message"]
