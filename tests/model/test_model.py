"""The protocols hold in every interleaving of short scenarios, and each of their devices is needed."""

import pytest

from tests.model.__main__ import main
from tests.model.explorer import explore_all
from tests.model.scenarios import DEVICES, SHOWN_BY, scenarios, without


@pytest.mark.parametrize("name", [name for name, _ in scenarios()])
def test_every_interleaving_holds(name: str) -> None:
    explored = explore_all(dict(scenarios())[name])
    assert explored.finding is None, f"{name}: {explored.finding}"
    assert explored.states > 5


@pytest.mark.parametrize("device", DEVICES)
def test_without_a_device_something_goes_wrong(device: str) -> None:
    name, explored = without(device)
    assert explored.finding is not None
    assert name == SHOWN_BY.get(device, name)
    print(f"{name}: {explored.finding}")


def test_the_command_prints_the_trace_that_a_device_prevents(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--without", "marker_create"]) == 0
    printed = capsys.readouterr().out
    assert "DUPLICATE EFFECT" in printed
    assert "1. a client writes form" in printed
