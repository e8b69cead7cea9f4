"""`boiler types`: makes TypeScript of what an app declares, for clients over HTTP and for Firestore's web SDK."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from boiler_functions.app import Boiler
from boiler_functions.exceptions import ConfigurationError
from boiler_functions.local.node_modules import npm_command
from boiler_functions.plan.security_rules import documents
from boiler_functions.plan.web_client import web_client

_TOOL = "openapi-typescript"

# `export type MeetingSession = components["schemas"]["MeetingSession"]`, so that a client can use the name of the view.
_OPTIONS = ("--root-types", "--root-types-no-schema-prefix")

_HEADER = "// Written by `boiler types` from what the app declares.\n"


def firestore_module(app: Boiler) -> str:
    """Returns the text of a .ts file for clients that use Firestore's web SDK."""
    return web_client(documents(app.declarations))


def typescript(document: str, folder: Path) -> str:
    """Returns the text of a .ts file that openapi-typescript makes of an OpenAPI document.

    Raises ConfigurationError if the tool is missing or fails.
    """
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
