"""The site of the documentation: it builds strictly, shows every public name, and fetches nothing when it is viewed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import boiler_functions
from boiler_functions import attrs, testing
from boiler_functions.cli.commands import boiler

ROOT = Path(__file__).parents[2]

# Built once for all of them.
pytestmark = pytest.mark.xdist_group("site")

_LOADED = re.compile(r'<(?:script|img|iframe|source)\b[^>]*\bsrc="(https?:[^"]*)"|<link\b[^>]*\bhref="(https?:[^"]*)"')


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Builds the site as `make check` does; a warning is an error."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def test_the_reference_shows_every_public_name(site: Path) -> None:
    page = (site / "reference" / "python.html").read_text("utf-8")
    shown = set(re.findall(r'id="(boiler_functions[^"]*)"', page))
    public = {f"{module.__name__}.{name}" for module in (boiler_functions, attrs, testing) for name in module.__all__}
    assert sorted(public - shown) == []


def test_the_reference_shows_every_command(site: Path) -> None:
    page = (site / "reference" / "commands.html").read_text("utf-8")
    assert [name for name in boiler.commands if f"boiler {name} " not in page] == []


def test_a_page_loads_nothing_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    loaded = {page.name: _LOADED.findall(page.read_text("utf-8")) for page in pages}
    assert pages
    assert {name: found for name, found in loaded.items() if found} == {}


def test_an_index_for_programs_lists_every_page_with_what_it_is_about(site: Path) -> None:
    listed = dict(re.findall(r"^- \[[^]]+\]\(([^)]+)\): (\S.*)$", (site / "llms.txt").read_text("utf-8"), re.MULTILINE))
    pages = {str(page.relative_to(site)) for page in site.rglob("*.html")} - {"404.html"}
    assert set(listed) == pages
