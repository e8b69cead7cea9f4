"""The short form of `python -m tests.attack`: every surface holds, and one that does not is seen."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random, SystemRandom
from types import SimpleNamespace

import pytest

from tests.attack.__main__ import main
from tests.attack.surface import SURFACES, Judge, attack

TRIES = 400


@pytest.mark.parametrize("surface", SURFACES)
def test_a_surface_holds_against_generated_inputs(surface: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL + 1)
    seed = SystemRandom().randrange(10**6)
    print(f"seed {seed}")
    assert attack(surface, seed=seed, tries=TRIES).failures == ()


def test_what_a_surface_is_attacked_with_follows_from_the_seed() -> None:
    assert attack("http", seed=3, tries=20) == attack("http", seed=3, tries=20)


def test_an_input_that_is_not_held_is_counted_and_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def inputs(random: Random) -> Iterator[int]:
        yield from iter(lambda: random.randrange(10), None)

    @contextmanager
    def judge() -> Iterator[Judge]:
        yield lambda number: "is even" if number % 2 == 0 else str(1 / (number - 5)) and None

    weak = SimpleNamespace(inputs=inputs, judge=judge)
    monkeypatch.setattr("tests.attack.surface.import_module", lambda _: weak)
    assert main(["http", "--tries", "100", "--seed", "1"]) == 1
    printed = capsys.readouterr().out
    assert "is even" in printed
    assert "raised ZeroDivisionError" in printed
