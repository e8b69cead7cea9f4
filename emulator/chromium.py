"""The Chromium of this machine: an installed one, else that of npm's package."""

import json
import subprocess
from functools import cache
from typing import NamedTuple

from emulator.live import LIVE


class Chromium(NamedTuple):
    """A program, and the environment that it needs."""

    path: str
    env: dict[str, str]


@cache
def installed() -> Chromium | None:
    """Returns it; None if the machine has none."""
    command = ["node", "browser/chromium.mjs"]
    printed = subprocess.run(command, cwd=LIVE, capture_output=True, text=True, timeout=120, check=True).stdout
    found = json.loads(printed)
    return Chromium(**found) if found else None
