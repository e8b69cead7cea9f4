"""`boiler types`: makes TypeScript types of the views from the OpenAPI document, with openapi-typescript."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from boiler_functions.exceptions import ConfigurationError
from boiler_functions.local.node_modules import npm_command

_TOOL = "openapi-typescript"

# `export type MeetingSession = components["schemas"]["MeetingSession"]`, so that a client can use the name of the view.
_OPTIONS = ("--root-types", "--root-types-no-schema-prefix")

_HEADER = "// Written by `boiler types` from what the app declares.\n"


def typescript(document: str, folder: Path) -> str:
    """Returns the text of a .ts file; raises ConfigurationError if the tool is missing or fails."""
    tool = _tool(folder)
    with tempfile.TemporaryDirectory(prefix="boiler-types-") as scratch:
        source, result = Path(scratch, "openapi.json"), Path(scratch, "types.ts")
        source.write_text(document, "utf-8")
        command = [tool, str(source), "--output", str(result), *_OPTIONS]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if done.returncode or not result.is_file():
            raise ConfigurationError(f"{tool} ended with status {done.returncode}:\n{done.stdout}{done.stderr}".strip())
        return _HEADER + result.read_text("utf-8")


def _tool(folder: Path) -> str:
    """Returns the tool of the nearest node_modules, or the one on PATH."""
    found = npm_command(_TOOL, [folder])
    if found is None:
        raise ConfigurationError(
            f"{_TOOL} was not found in node_modules of {folder} or above, nor on PATH. "
            f"Run: npm install --save-dev {_TOOL} typescript@5"
        )
    return str(found)
