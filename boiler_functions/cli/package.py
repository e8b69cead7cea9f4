"""This package as it is installed: its name, and where its documentation is published."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, metadata

PACKAGE = "boiler-functions"


def documentation() -> str | None:
    """Returns the address under `Documentation` of pyproject's `[project.urls]`; None if it names none."""
    try:
        urls = metadata(PACKAGE).get_all("Project-URL") or []
    except PackageNotFoundError:
        return None
    named = dict(each.split(", ", 1) for each in urls)
    return named["Documentation"].rstrip("/") if "Documentation" in named else None
