"""Plays the scenarios of `live/browser/scenarios.mjs` in Chromium."""

import json
import subprocess
from pathlib import Path
from typing import Any, Self

from emulator.live import LIVE

_END_SECONDS = 60.0


class ScenarioFailed(Exception):
    """A page did not do its part."""


class Scenarios:
    """One browser, in which scenarios are played one after the other, each in pages of its own, until it is closed.

    with Scenarios() as scenarios:
        scenarios.play("follows", room.url)
    """

    def __init__(self) -> None:
        self._node = subprocess.Popen(
            ["node", "browser/run.mjs"], cwd=LIVE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def play(self, scenario: str, url: str, *, folder: Path | None = None, times: int = 0) -> Any:
        """Returns what the scenario found; stores screenshots in the folder, if there is one."""
        asked = {"scenario": scenario, "url": url, "folder": str(folder or ""), "times": times}
        assert self._node.stdin
        assert self._node.stdout
        self._node.stdin.write(f"{json.dumps(asked)}\n")
        self._node.stdin.flush()
        if not (line := self._node.stdout.readline()):
            raise ScenarioFailed(f"The browser ended while it played {scenario}; what it printed says why.")
        answer = json.loads(line)
        if "error" in answer:
            raise ScenarioFailed(answer["error"])
        return answer["result"]

    def close(self) -> None:
        """Ends the browser."""
        self._node.communicate(timeout=_END_SECONDS)
