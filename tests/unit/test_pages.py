"""The pages about this code: what they name is there, and their links lead somewhere."""

import re
from pathlib import Path
from typing import get_args

import pytest

from boiler_functions.exceptions import Kind
from boiler_functions.modes.all import MODES
from tests.pages import blocks
from tests.unit.test_layers import LAYERS

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "boiler_functions"
# A page of `docs/reference/` has links to pages that only the site has; `test_site` follows them.
PAGES = [
    *(ROOT / "ARCHITECTURE.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", ROOT / "SECURITY.md"),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs" / "decisions").glob("*.md")),
]

_LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
_FILE = re.compile(r"`((?:[a-z_]+/)*[a-z_]+(?:/|\.py|\.md))`")
_MODULE = re.compile(r"python -m (tests\.\w+|benchmarks(?:\.\w+)?)")


def anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_of_a_page_leads_to_a_file_and_a_title(page: Path) -> None:
    for link in _LINK.findall(page.read_text("utf-8")):
        if not link.startswith("http"):
            name, _, anchor = link.partition("#")
            target = page.parent / name if name else page
            assert target.is_file(), link
            assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_file_and_command_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text("utf-8")
    names = {*_FILE.findall(text)} - {
        "functions/",
        "venv/",
        "main.py",
        *(block.name for block in blocks(page) if block.name),
    }
    rest = PACKAGE / "modes" / "rest"
    places = (ROOT, PACKAGE, rest, PACKAGE / "database", PACKAGE / "modes" / "query")
    assert [name for name in sorted(names) if not any((place / name).exists() for place in places)] == []
    modules = {f"{module.replace('.', '/')}" for module in _MODULE.findall(text)}
    assert [each for each in sorted(modules) if not ((ROOT / each).is_dir() or (ROOT / f"{each}.py").is_file())] == []


def test_the_architecture_lists_every_room_in_the_order_of_the_layers() -> None:
    table = (ROOT / "ARCHITECTURE.md").read_text("utf-8").partition("| room |")[2].partition("\n\n")[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    rooms = [room for cell in cells for room in re.findall(r"`(\w+)/?`", cell)]
    assert sorted(rooms) == sorted(LAYERS)
    assert [room for room in rooms if room not in ("types", "exceptions", "attrs")] == [
        room for room in LAYERS if room not in ("types", "exceptions", "attrs")
    ]


def test_the_architecture_names_every_mode() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    assert [mode.name for mode in MODES if f"`{mode.name}`" not in text] == []


def test_the_runbook_says_what_to_do_about_every_kind_of_letter() -> None:
    table = (ROOT / "docs" / "runbook.md").read_text("utf-8").partition("| kind |")[2].partition("\n\n")[0]
    kinds = [kind for line in table.splitlines()[2:] for kind in re.findall(r"`(\w+)`", line.split("|")[1])]
    assert sorted(kinds) == sorted(get_args(Kind))


def test_every_decision_is_in_their_index() -> None:
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text("utf-8")
    assert [each.name for each in folder.glob("*.md") if each.name != "README.md" and each.name not in index] == []
