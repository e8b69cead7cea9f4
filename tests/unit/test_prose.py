"""What is written for readers: spelled as dictionaries spell, and without phrases that make one read twice."""

import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# What a reader has to turn around before it is understood. Names of variables may be these words; prose may not.
_HARD = {
    r"(?<!there )\b(is|are) none\b(?! of)": "say what it is, or that there is no …",
    r"\b(is|are|be|was|were) told (of|about)\b": "say `receives …`, or `names …`",
    r"\bcalled otherwise\b": "say `has another name`",
    r"\bcomes to be\b": "say `becomes`",
    r"\bsay otherwise\b": "name the default",
    r"\bin order to\b": "say `to`",
    r"\butili[sz]e": "say `use`",
    r"\b(simply|obviously|of course|just works)\b": "leave it out",
}

_FOLDERS = ("boiler_functions", "functions", "emulator", "benchmarks", "docs", "tests")
_PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "tests" / "README.md"])
_SOURCES = sorted(
    each for folder in ("boiler_functions", "functions", "emulator") for each in (ROOT / folder).rglob("*.py")
)


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """Yields the lines of a page that are not code, or the strings and comments of a module, each with its line."""
    text = path.read_text("utf-8")
    if path.suffix == ".py":
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type in (tokenize.STRING, tokenize.COMMENT):
                yield token.start[0], " ".join(token.string.split())
        return
    is_code = False
    for number, line in enumerate(text.splitlines(), 1):
        is_code ^= line.startswith("```")
        if not is_code:
            yield number, line


def hard(path: Path) -> list[str]:
    """Returns where the page or module has a hard phrase, and what to write instead."""
    return [
        f"{path.name}:{number}: {found.group()!r}: {better}"
        for number, line in prose(path)
        for pattern, better in _HARD.items()
        if (found := re.search(pattern, line))
    ]


def test_every_word_is_spelled_as_a_dictionary_spells_it() -> None:
    pages = [str(each.relative_to(ROOT)) for each in _PAGES if each.parent == ROOT]
    command = [sys.executable, "-m", "codespell_lib", *_FOLDERS, "live/src", "live/index.html", *pages]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


@pytest.mark.parametrize("paths", [_PAGES, _SOURCES], ids=["pages", "modules"])
def test_no_phrase_makes_one_read_twice(paths: list[Path]) -> None:
    assert [line for each in paths for line in hard(each)] == []


def test_a_hard_phrase_is_found_in_prose_and_not_in_code(tmp_path: Path) -> None:
    page, module = tmp_path / "page.md", tmp_path / "module.py"
    page.write_text("The list is none.\n```\nin order to\n```\n", "utf-8")
    module.write_text('"""It is told of\na change."""\ncalled_otherwise = None  # called otherwise\n', "utf-8")
    assert [line.partition(": ")[0] for each in (page, module) for line in hard(each)] == [
        "page.md:1",
        "module.py:1",
        "module.py:3",
    ]
