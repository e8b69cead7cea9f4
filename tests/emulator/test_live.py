"""The live meeting room in real browsers: Chromium, the web SDK, the generated rules, the Auth emulator."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from boiler_functions.plan.security_rules import documents, firestore_rules
from emulator.live import ROOT, RULES, live_app
from emulator.scenarios import Scenarios
from tests.emulator.chromium import chromium
from tests.emulator.running import Running

pytestmark = [pytest.mark.xdist_group("live"), pytest.mark.timeout(1200)]

FOLLOWING = ("follows", "sideBySide", "organises", "refused")
STARTS = 600.0


class Live:
    """The room that `make live` serves: begun where a test needs it first, and anew where one has ended it."""

    def __init__(self, *options: str) -> None:
        self._options = options
        self._running: Running | None = None
        self._url = ""

    @property
    def url(self) -> str:
        if self._running is None:
            self._running = Running([sys.executable, "-m", "emulator.live", *self._options], ROOT, dict(os.environ))
            self._url = self._running.line(r"^The live meeting room is at (http://127\.0\.0\.1:\d+) ", STARTS)[1]
        return self._url

    def end(self) -> tuple[int, list[str]]:
        """Ends it with SIGTERM; its status, and what it printed since its address."""
        assert self._running
        with self._running as running:
            self._running = None
            return running.end(signal.SIGTERM), running.lines

    def close(self) -> None:
        if self._running:
            self.end()


@pytest.fixture(scope="module")
def live(request: pytest.FixtureRequest) -> Iterator[Live]:
    """The room with these options; only one runs at a time, as pytest puts the tests with the same ones together."""
    live = Live(*request.param)
    yield live
    live.close()


@pytest.fixture(scope="module")
def scenarios() -> Iterator[Scenarios]:
    chromium()
    with Scenarios() as scenarios:
        yield scenarios


local = pytest.mark.parametrize("live", [()], indirect=True, ids=["local"])


@local
@pytest.mark.parametrize("scenario", [*FOLLOWING, "polls", "offline"])
def test_participants_in_three_browsers(scenario: str, live: Live, scenarios: Scenarios, tmp_path: Path) -> None:
    """A click changes all panes; the organiser closes; a poll counts and closes; the rules refuse; offline and back."""
    scenarios.play(scenario, live.url, folder=tmp_path)


@pytest.mark.parametrize("live", [("--firebase",)], indirect=True, ids=["firebase"])
@pytest.mark.parametrize("scenario", FOLLOWING)
def test_participants_with_functions_that_firebase_tools_runs(
    scenario: str, live: Live, scenarios: Scenarios, tmp_path: Path
) -> None:
    """The same, with the generated functions.yaml and rules in `firebase emulators:exec`."""
    scenarios.play(scenario, live.url, folder=tmp_path)


def test_the_rules_of_the_page_are_generated_but_for_the_tickets() -> None:
    text = RULES.read_text()
    assert firestore_rules(documents(live_app().compiled.declarations), text) == text


@local
def test_make_live_prints_the_address_and_stops_cleanly(live: Live) -> None:
    assert live.url.startswith("http://127.0.0.1:")
    status, printed = live.end()
    assert (status, printed[-1]) == (0, "Stopped.")
