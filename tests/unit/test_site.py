"""The site of the documentation: it builds strictly, shows every public name, and fetches nothing when it is viewed."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from boiler_functions import exceptions
from boiler_functions.cli.codes import address_of, explanations
from boiler_functions.cli.commands import boiler
from tests.public_api import RECORD

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


def shown(page: Path) -> set[str]:
    """The names of the package that a page of the site documents."""
    return set(re.findall(r'id="(boiler_functions[^"]*)"', page.read_text("utf-8")))


def test_the_reference_shows_every_public_name(site: Path) -> None:
    # The names that a program may import. Members without a docstring are in the signature, or need no words.
    names = r"^(?:class )?(boiler_functions(?:\.(?:access|attrs|exceptions|testing))?\.\w+)(?=[(:]|$)"
    recorded = re.findall(names, RECORD.read_text("utf-8"), re.MULTILINE)
    assert {"boiler_functions.Undeliverable", "boiler_functions.attrs.string"} <= {*recorded}
    pages = [site / "reference" / "python.html", *(site / "reference" / "errors").glob("*.html")]
    assert sorted(set(recorded) - set().union(*map(shown, pages))) == []


def test_each_error_code_has_a_page_that_says_what_it_means(site: Path) -> None:
    index = (site / "reference" / "errors.html").read_text("utf-8")
    for name in exceptions.__all__:
        code = getattr(exceptions, name).code
        page = site / "reference" / "errors" / f"{code}.html"
        assert f"{code} {name}" in page.read_text("utf-8")
        assert f"boiler_functions.exceptions.{name}" in shown(page)
        assert f'href="errors/{code}.html"' in index


def test_the_link_of_a_message_leads_to_a_page(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("boiler_functions.cli.codes.documentation", site.as_uri)
    for code in explanations():
        assert Path((address_of(code) or "").removeprefix("file://")).is_file()


def test_a_code_in_a_sentence_is_a_link_to_its_page(site: Path) -> None:
    assert 'href="reference/errors/BF513.html"' in (site / "failures.html").read_text("utf-8")


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
