"""The folder `.boiler` of a project: what commands keep there, and no one commits."""

from __future__ import annotations

from pathlib import Path

FOLDER = ".boiler"
LOG = "log.jsonl"
"""The log of `boiler dev`, in that folder."""


def own_folder(project: Path) -> Path:
    """Creates and returns the project's folder for generated files, which git ignores."""
    folder = project / FOLDER
    folder.mkdir(exist_ok=True)
    (folder / ".gitignore").write_text("*\n")
    return folder
