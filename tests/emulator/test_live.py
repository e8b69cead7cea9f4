"""The live meeting room in real browsers: Chromium, the web SDK, the generated rules, the Auth emulator."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from boiler_functions.plan.security_rules import documents, firestore_rules
from emulator.live import LIVE, ROOT, RULES, LiveRoom, build_page, live_app
from tests.emulator.chromium import chromium

pytestmark = [pytest.mark.xdist_group("live"), pytest.mark.timeout(1200)]

FOLLOWING = ("follows", "sideBySide", "organises", "refused")


@pytest.fixture(scope="module")
def page() -> None:
    build_page()


@pytest.fixture(scope="module")
def room(page: None) -> Iterator[LiveRoom]:
    with LiveRoom() as room:
        yield room


@pytest.fixture(scope="module")
def firebase_room(page: None) -> Iterator[LiveRoom]:
    with LiveRoom(firebase=True) as room:
        yield room


def play(scenario: str, room: LiveRoom, folder: Path) -> None:
    """Plays a scenario in Chromium; fails with what it says."""
    chromium()
    command = ["node", "browser/run.mjs", scenario, room.url, str(folder)]
    done = subprocess.run(command, cwd=LIVE, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("scenario", [*FOLLOWING, "polls", "offline"])
def test_participants_in_three_browsers(scenario: str, room: LiveRoom, tmp_path: Path) -> None:
    """A click changes all panes; the organiser closes; a poll counts and closes; the rules refuse; offline and back."""
    play(scenario, room, tmp_path)


@pytest.mark.parametrize("scenario", FOLLOWING)
def test_participants_with_functions_that_firebase_tools_runs(
    scenario: str, firebase_room: LiveRoom, tmp_path: Path
) -> None:
    """The same, with the generated functions.yaml and rules in `firebase emulators:exec`."""
    play(scenario, firebase_room, tmp_path)


def test_the_rules_of_the_page_are_generated_but_for_the_tickets() -> None:
    text = RULES.read_text()
    assert firestore_rules(documents(live_app().compiled.declarations), text) == text


def test_make_live_prints_the_address_and_stops_cleanly(page: None) -> None:
    command = [sys.executable, "-m", "emulator.live"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout
        lines = [process.stdout.readline(), process.stdout.readline()]
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
    assert "The live meeting room is at http://127.0.0.1:" in lines[1]
    assert (process.returncode, rest.splitlines()[-1]) == (0, "Stopped.")
