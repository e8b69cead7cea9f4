"""A mode is known by name in its own folder, in the list of modes, and where Boiler has its decorator."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from boiler_functions.modes.all import MODES

PACKAGE = Path(__file__).parents[2] / "boiler_functions"
ROOMS = tuple(sorted(path.parent.name for path in (PACKAGE / "modes").glob("*/mode.py")))

# Who else may know modes, and why. A new mode adds nothing here.
KNOWN = {
    "__init__": "the front page has the names of modes that users import",
    "app": "has the decorators",
    "modes.all": "is the list of modes",
}

# Who may know one mode, and why.
KNOWN_ONE = {
    ("modes.websocket", "rest"): "a change over a socket is the change that a PATCH makes",
}


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


def strangers(room: str) -> Iterator[Path]:
    """The files that must not know the mode."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name = name_of(path)
        known = KNOWN.keys() | {f"modes.{room}"} | {one for one, mode in KNOWN_ONE if mode == room}
        if not any(name == each or name.startswith(f"{each}.") for each in known):
            yield path


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [f"{node.module}.{alias.name}" for alias in node.names] if isinstance(node, ast.ImportFrom) else []


def compared(node: ast.AST) -> list[str]:
    """The texts that something called `mode` is compared with."""
    if not isinstance(node, ast.Compare | ast.MatchValue) or "mode" not in ast.unparse(node):
        return []
    return [each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str)]


@cache
def namings(path: Path) -> list[tuple[str, list[str], list[str]]]:
    """Each place of the file that imports something, or compares a mode: the place, and what it names in either way."""
    places = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.expr | ast.stmt)]
    found = [(node, imported(node), compared(node)) for node in places]
    return [(f"{node.lineno}: {ast.unparse(node)}", names, texts) for node, names, texts in found if names or texts]


@pytest.mark.parametrize("room", ROOMS)
def test_no_file_outside_a_modes_room_names_the_mode(room: str) -> None:
    found = [
        f"{name_of(path)} names {room} in line {place}"
        for path in strangers(room)
        for place, names, texts in namings(path)
        if any(f"{each}.".startswith(f"boiler_functions.modes.{room}.") for each in names) or room in texts
    ]
    assert found == []


def test_every_exception_is_in_use() -> None:
    files = {name_of(path): path.read_text("utf-8") for path in PACKAGE.rglob("*.py")}
    for one, mode in KNOWN_ONE:
        texts = [text for name, text in files.items() if name == one or name.startswith(f"{one}.")]
        assert any(f"boiler_functions.modes.{mode}" in text for text in texts), f"{one} does not name {mode} any more"


def test_every_room_has_its_mode_in_the_list() -> None:
    assert sorted(mode.name for mode in MODES) == list(ROOMS)


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: str(mode.name))
def test_every_mode_stands_in_its_room_behind_a_door_of_the_same_name(mode: object) -> None:
    assert type(mode).__module__ == f"boiler_functions.modes.{getattr(mode, 'name', '')}.mode"
