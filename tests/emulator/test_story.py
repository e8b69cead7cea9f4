"""The operator's story in its short form, and its page; `python -m tests.torture story` has all cities."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import SystemRandom

import pytest

from boiler_functions.local.events import EventServer
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from tests.pages import shown
from tests.torture.story import SHORT, Seen, Story
from tests.torture.story_cloud import KeptEvents


@pytest.fixture
def kept() -> Iterator[KeptEvents]:
    with KeptEvents() as kept:
        yield kept


def test_a_reader_who_sees_a_gap_a_mixture_or_an_older_value_says_so() -> None:
    seen = Seen()
    new = {"name": "City of Tokyo", "continent": "in Asia", "population": 2}
    for copy in (new, {**new, "name": "Tokyo"}, {**new, "population": 1}, None):
        seen.note("cityViews/1", copy)
    assert [len(each) for each in (seen.gaps, seen.mixtures, seen.older)] == [1, 1, 1]


def without_numbers(text: str) -> str:
    return re.sub(r"\d+([.,]\d+)*", "0", text)


@pytest.mark.timeout(600)
def test_a_getter_is_changed_without_a_gap_and_all_that_is_broken_is_named_and_healed_and_nothing_else(
    firestore_emulator: FirestoreEmulator,
    event_server: EventServer,
    kept: KeptEvents,
    project: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path / "unused"))
    seed = SystemRandom().randrange(10**6)
    story = Story(SHORT, seed, tmp_path, firestore_emulator, event_server, kept, project)
    story.happen()
    assert {name: found for name, found in story.wrong.items() if found} == {}, f"seed {seed}"
    assert {name for name, number in story.numbers.items() if not number} == set()

    printed = {without_numbers(command): without_numbers(output) for command, output in story.transcript}
    place = without_numbers(f"project {project}, database (default), emulator {firestore_emulator.host}")
    for each in shown("story.txt"):
        output = printed[without_numbers(" ".join(each.arguments))].replace(
            place, "project demo-world, database (default)"
        )
        assert replace(each, printed=without_numbers(each.printed)).prints(output), f"{each.line}\n{output}"
