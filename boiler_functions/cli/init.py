"""`boiler init`: a new project, of the template's files beside this one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from boiler_functions.app import Boiler
from boiler_functions.cli.upload import PACKAGE
from boiler_functions.exceptions import ConfigurationError

# Without it, tools would take the template's files for modules and projects of this package.
_SUFFIX = ".txt"
_MODULE = "app"

# Names that a module of the functions' folder would hide from the functions.
_TAKEN = frozenset({"main", "app", "boiler_functions", "emulator", "functions", "google", "flask", "tests", "test"})


def init(folder: Path, name: str | None) -> list[Path]:
    """The files of a new project, which are written; raises ConfigurationError rather than overwrite one."""
    name = name or _name_of(folder)
    Boiler(name)
    module = name.lower().replace("-", "_")
    module = f"{module}_app" if module in _TAKEN else module
    written = {folder / path.replace(_MODULE, module): text for path, text in _template()}
    if taken := [path for path in written if path.exists()]:
        raise ConfigurationError(
            f"{taken[0]} is there already, and nothing is overwritten. Run `boiler init` in an empty folder, or give "
            f"another name: boiler init NAME"
        )
    for path, text in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_filled(text, name=name, module=module, **_versions()))
    return list(written)


def _template() -> Iterator[tuple[str, str]]:
    yield from _below(files("boiler_functions.cli") / "template", "")


def _below(folder: Traversable, path: str) -> Iterator[tuple[str, str]]:
    for each in sorted(folder.iterdir(), key=lambda each: each.name):
        if each.is_dir():
            yield from _below(each, f"{path}{each.name}/")
        elif each.name.endswith(_SUFFIX):
            yield path + each.name.removesuffix(_SUFFIX), each.read_text()


def _filled(text: str, **values: str) -> str:
    # Not `format`: braces are code in these files.
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _versions() -> dict[str, str]:
    major, minor, *_ = version(PACKAGE).split(".")
    return {"version": f"{major}.{minor}", "next": f"{major}.{int(minor) + 1}"}


def _name_of(folder: Path) -> str:
    name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")
    if not re.match(r"[a-z]", name):
        raise ConfigurationError(f"The name of the folder {folder} makes no name of an app; give one: boiler init NAME")
    return name
