"""The release: a small file beside main.py, in which a deployment records its number and its code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from boiler_functions.exceptions import ConfigurationError
from boiler_functions.types import Instant, to_datetime, to_instant

FILE = "boiler_release.json"
"""The file's name; a deployment writes it into what it uploads."""

ROLL_OUT = timedelta(minutes=30)
"""How long the previous code may still receive events: functions are deployed one by one, and finish their work."""

VARIABLE = "BOILER_RELEASE"
"""The environment variable with the same JSON, which takes precedence over the file."""


class Release(NamedTuple):
    """One deployment of an app: its number, and the fingerprint of the code that computes each view.

    The numbers rise with every deployment, a rollback included, so that code which meets a ledger knows whether a later
    deployment wrote it. Without a file nothing is known: the number is 0, and each view's class stands for its code.
    """

    deployment: int = 0
    codes: Mapping[str, str] = {}
    settled_at: Instant = 0
    """The time from which the previous code receives no more events; 0 if the fetch plans are the same.

    The previous code finds views by its own fetch plan, so it may have missed views that this code built. Those are
    built again at this time.
    """
    staged: str = ""
    """The view of which these functions build a staged version, beside production; empty for production."""

    @classmethod
    def begun(cls, deployment: int, now: Instant, codes: Mapping[str, str]) -> Release:
        """Returns a deployment that begins now."""
        return cls(deployment, codes, now + int(ROLL_OUT.total_seconds()) * 1_000_000_000)

    @classmethod
    def of(cls, folder: Path, environ: Mapping[str, str]) -> Release:
        """Returns the release in a folder, empty without a file; raises ConfigurationError for an invalid file."""
        path = folder / FILE
        text = environ.get(VARIABLE) or (path.read_text("utf-8") if path.is_file() else "")
        return cls._parsed(text, VARIABLE if environ.get(VARIABLE) else str(path)) if text else cls()

    def write(self, folder: Path) -> Path:
        """Writes the file into the folder, and returns its path."""
        path = folder / FILE
        path.write_text(f"{self.to_json()}\n", "utf-8")
        return path

    def to_json(self) -> str:
        """What the file, or the environment variable, holds."""
        fields = {**self._asdict(), "settled_at": to_datetime(self.settled_at).isoformat()}
        if not self.staged:
            del fields["staged"]
        return json.dumps(fields, indent=2, sort_keys=True)

    @classmethod
    def _parsed(cls, text: str, where: str) -> Release:
        try:
            found = json.loads(text)
            codes = {str(view): str(code) for view, code in found["codes"].items()}
            settled_at = to_instant(datetime.fromisoformat(found["settled_at"])) if "settled_at" in found else 0
            return cls(int(found["deployment"]), codes, settled_at, str(found.get("staged", "")))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigurationError(
                f'{where} is not a release: {error!r}. It holds {{"deployment": 7, "codes": {{"CityView": "…"}}}}; '
                f"deploy again, or remove it."
            ) from error
