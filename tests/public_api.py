"""Writes every public name of the package, with its signature, into `public_api.txt`: `python -m tests.public_api`.

The record shows in a review what a change adds to the public API, and what it breaks. It is read from the source by
griffe, so that nothing is imported.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import griffe

RECORD: Final = Path(__file__).with_suffix(".txt")

_ROOMS: Final = ("attrs", "access", "exceptions", "testing")
_MODULES: Final = ("boiler_functions", *(f"boiler_functions.{room}" for room in _ROOMS))


def public_api(source: Path = Path(__file__).parents[1]) -> str:
    """Returns one line for each public name of the package in a folder, sorted."""
    package = griffe.load("boiler_functions", search_paths=[source], try_relative_path=False)
    return "".join(f"{line}\n" for line in sorted(set(_lines(package))))


def _lines(package: griffe.Object | griffe.Alias) -> Iterator[str]:
    for path in _MODULES:
        module = package if path == package.path else package[path.removeprefix(f"{package.path}.")]
        for name, found in module.members.items():
            if found.is_public and not found.is_module:
                yield from _described(f"{path}.{name}", found)


def _described(name: str, found: griffe.Object | griffe.Alias) -> Iterator[str]:
    found = found.final_target if isinstance(found, griffe.Alias) else found
    if isinstance(found, griffe.Class):
        yield f"class {name}({', '.join(map(str, found.bases))})"
        for member in found.all_members.values():
            if member.name == "__init__" or not member.name.startswith("_"):
                yield from _described(f"{name}.{member.name}", member)
    elif isinstance(found, griffe.Function):
        for each in found.overloads or [found]:
            signature = each.signature()
            yield f"{name}{signature[signature.index('(') :]}"
    elif isinstance(found, griffe.Attribute):
        yield f"{name}: {found.annotation}" if found.annotation is not None else name


if __name__ == "__main__":
    RECORD.write_text(public_api(), "utf-8")
