"""Commands that build or compare many views have Python look for garbage rarely, and let threads finish their turns."""

import gc
import sys

import pytest

from boiler_functions.cli.throughput import NEW_OBJECTS, TURN, for_throughput


def settings() -> tuple[int, float]:
    return gc.get_threshold()[0], round(sys.getswitchinterval(), 6)


def test_python_works_for_throughput_while_a_command_does_and_as_before_after_it_also_after_an_error() -> None:
    before = settings()
    found = []

    @for_throughput()
    def fail() -> None:
        found.append(settings())
        raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert found == [(NEW_OBJECTS, TURN)]
    assert settings() == before
