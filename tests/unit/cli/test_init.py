"""`boiler init` writes a project that works, and overwrites nothing."""

import ast
import keyword
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from click.testing import CliRunner

from boiler_functions.cli.commands import boiler
from boiler_functions.cli.init import module_of
from tests.unit.cli.conftest import Run

FILES = {
    ".gitignore",
    "README.md",
    "functions/book_club.py",
    "functions/main.py",
    "functions/requirements.txt",
    "pyproject.toml",
    "tests/test_book_club.py",
}


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_name_makes_a_folder_with_every_file(run: Run, folder: Path) -> None:
    result = run("init", "book-club")
    assert result.exit_code == 0
    assert files(folder / "book-club") == FILES
    assert result.stdout.endswith("cd book-club && boiler check\n")


def test_without_a_name_the_folder_names_the_app(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = folder / "Book Club"
    place.mkdir()
    monkeypatch.chdir(place)
    run("init")
    assert files(place) == FILES
    assert 'Boiler("book-club")' in (place / "functions" / "book_club.py").read_text()


def test_the_project_is_fine_as_it_is_written(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("init", "fresh-shelves")
    monkeypatch.chdir(folder / "fresh-shelves")
    result = run("check")
    assert result.stdout == (
        "fresh-shelves is fine: stored views 1, tasks 1, REST rules 1; "
        "functions 6 (query 2, task 1, rest 1, continuation 1, upkeep 1)\n"
    )


def test_no_placeholder_is_left_and_every_module_is_python(run: Run, folder: Path) -> None:
    run("init", "book-club")
    for path in (folder / "book-club").rglob("*"):
        if path.is_file():
            assert not {"{name}", "{module}", "{version}", "{next}"} & set(path.read_text().split('"')), path
        if path.suffix == ".py":
            ast.parse(path.read_text())


def test_nothing_is_overwritten(run: Run, folder: Path) -> None:
    (folder / "book-club").mkdir()
    (folder / "book-club" / "README.md").write_text("mine")
    result = run("init", "book-club")
    assert result.exit_code == 2
    assert "README.md is there already, and nothing is overwritten" in result.stderr
    assert files(folder / "book-club") == {"README.md"}


@pytest.mark.parametrize("name", ["1st", "a b", "ü"])
def test_a_name_that_no_app_can_have_is_refused(name: str, folder: Path) -> None:
    result = CliRunner().invoke(boiler, ["init", name])
    assert result.exit_code == 2
    assert result.stderr.startswith("error BF105 The app's name")
    assert not (folder / name).exists()


@pytest.mark.parametrize("name", ["google", "flask", "main"])
def test_a_module_hides_no_other(name: str, run: Run, folder: Path) -> None:
    run("init", name)
    assert (folder / name / "functions" / f"{name}_app.py").is_file()


TAKEN = {*sys.stdlib_module_names, *keyword.kwlist, *keyword.softkwlist, *packages_distributions()}


def test_no_module_has_a_name_of_python_or_of_what_is_installed() -> None:
    modules = {module_of(name) for name in TAKEN}
    assert not modules & TAKEN


NAMES = [
    "email",
    "queue",
    "types",
    "class",
    "calendar",
    "test",
    "main",
    "numbers",
    "match",
    "dict",
    "click",
    "api",
    "None",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_project_of_a_name_that_is_taken_is_fine(
    name: str, run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("init", name)
    monkeypatch.chdir(folder / name)
    assert run("check").stdout.startswith(f"{name} is fine: stored views 1, tasks 1, REST rules 1;")
