"""The Chromium that tests look at pages with: an installed one, else that of npm's package."""

import json
import subprocess
from functools import cache
from typing import NamedTuple

import pytest

from emulator.live import LIVE


class Chromium(NamedTuple):
    """A program, and the environment that it needs."""

    path: str
    env: dict[str, str]


@cache
def _found() -> Chromium | None:
    command = ["node", "browser/chromium.mjs"]
    printed = subprocess.run(command, cwd=LIVE, capture_output=True, text=True, timeout=120, check=True).stdout
    found = json.loads(printed)
    return Chromium(**found) if found else None


def chromium() -> Chromium:
    """The Chromium of this machine; skips the test where there is none."""
    if (found := _found()) is None:
        pytest.skip("No Chrome or Chromium was found, so that no page is looked at; install one, or set CHROMIUM")
    return found
