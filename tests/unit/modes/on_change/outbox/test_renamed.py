"""A receiver that gets a new name."""

from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from boiler_functions import Boiler, Changed
from boiler_functions.exceptions import DeclarationError, Undeliverable, Undelivered
from boiler_functions.modes.dead_letter import letters_of
from boiler_functions.modes.letters import Retry
from boiler_functions.testing import memory_app
from tests.unit.modes.cities import put
from tests.unit.modes.hooked import raises
from tests.unit.modes.on_change.outbox.scene import City, CityView, Receiver, outcomes, records, sent, telling


def renamed(receiver: Receiver, target: type[Any]) -> Boiler:
    """The app of `telling` after its function got another name."""
    app = Boiler("demo", max_event_age=timedelta(hours=23))
    app.query(CityView)

    @app.on_change(target, name="tell")
    def notify(change: Changed[Any]) -> None:
        receiver(change)

    return app


@pytest.mark.parametrize("target", [CityView, City])
@pytest.mark.parametrize("fails", [False, True])
def test_a_renamed_function_with_its_former_name_goes_on_where_that_stopped(target: type[Any], fails: bool) -> None:
    before, after = Receiver(*[raises(OSError("busy"))] * fails), Receiver()
    with memory_app(telling(before, target)) as testing:
        put(testing, "cities/TOK", name="Tokyo")
        event = sent(testing)
        with pytest.raises(Undelivered) if fails else nullcontext():
            testing.handle(event)
        testing.deploy(renamed(after, target))
        again = replace(event, function=testing.compiled.functions[event.function.entry_point])
        assert outcomes([testing.handle(again)]) == ["delivered" if fails else "duplicate"]
        assert [change.attempt for change in after.told] == [2] * fails
        assert len(records(testing)) == 1


@pytest.mark.parametrize("target", [CityView, City])
def test_a_letter_is_delivered_again_by_the_renamed_function(target: type[Any]) -> None:
    after = Receiver()
    with memory_app(telling(Receiver(raises(Undeliverable("gone"))), target)) as testing:
        put(testing, "cities/TOK", name="Tokyo")
        testing.deliver()
        testing.deploy(renamed(after, target))
        (letter,) = letters_of(testing.database, "demo")
        Retry("demo", letter).run(testing.compiled.declarations, testing.database, testing.surroundings)
        assert len(after.told) == 1


@pytest.mark.parametrize("name", ["", "tell me", "a/b", 5])
def test_a_name_that_no_function_can_have_is_refused(name: Any) -> None:
    with pytest.raises(DeclarationError, match=r"@app\.on_change\(City\): name must be the name of a function; found"):
        Boiler("demo").on_change(City, name=name)
