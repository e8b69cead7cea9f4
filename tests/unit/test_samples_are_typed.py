"""The samples and the docs' examples pass mypy and pyright in strict mode outside of this checkout, as users' code."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pages import files

ROOT = Path(__file__).parents[2]

# They share what mypy has found in the package.
pytestmark = pytest.mark.xdist_group("typed")

SAMPLES = [*(ROOT / "functions").glob("*.py"), *(ROOT / "tests" / "unit" / "typed").glob("*.py")]

MYPY = ("mypy", "--strict", "--config-file=", ".")
PYRIGHT = ("pyright", "--pythonpath", sys.executable, ".")

MISTAKES = """
from boiler_functions import Boiler
from meeting_room import MeetingStore, User

def organization(user: User) -> str:
    return user.organization

def misspelt(user: User) -> str:
    return user.frist_name

def address(store: MeetingStore) -> object:
    return store.location.address

def misspelt_option() -> Boiler:
    return Boiler("x", memroy=512)

def another_kind_of_option(app: Boiler) -> object:
    return app.query(min_instances="1")
"""
MISTAKEN_LINES = {6, 9, 12, 15, 18}


@pytest.fixture(scope="module", autouse=True)
def cached(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MYPY_CACHE_DIR", str(tmp_path_factory.mktemp("mypy")))
        yield


@pytest.fixture(scope="module", params=[MYPY, PYRIGHT], ids=["mypy", "pyright"])
def complaints(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[int]]:
    """Returns the lines that a checker complains of, by file of a user's folder: the samples, and some mistakes."""
    folder = tmp_path_factory.mktemp("samples")
    for sample in SAMPLES:
        shutil.copy(sample, folder)
    (folder / "mistakes.py").write_text(MISTAKES)
    status, printed = checked(request.param, strict(folder))
    print(printed)
    assert status == 1, printed
    found = re.findall(r"^ *(?:\S*/)?(\w+\.py):(\d+).* error", printed, re.MULTILINE)
    assert f"{len(found)} errors" in printed, printed
    return {file: {int(line) for name, line in found if name == file} for file, _ in found}


@pytest.fixture
def tour(tmp_path: Path) -> Path:
    """The files of the README."""
    # What lies in a folder is beside the app, and needs packages that are not installed here.
    for name, text in files().items():
        if "/" not in name:
            (tmp_path / name).write_text(text)
    return strict(tmp_path)


def strict(folder: Path) -> Path:
    (folder / "pyrightconfig.json").write_text(json.dumps({"typeCheckingMode": "strict"}))
    return folder


def checked(checker: tuple[str, ...], project: Path) -> tuple[int, str]:
    """The exit status and the complaints of a type checker over the project."""
    environment = {**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}
    command = [sys.executable, "-m", *checker]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_there_are_samples_to_check() -> None:
    named = "city.py helpdesk.py inferred_types.py main.py meeting_room.py one_of_each.py poll.py world.py"
    assert set(named.split()) <= {sample.name for sample in SAMPLES}


def test_every_sample_passes_in_strict_mode(complaints: dict[str, set[int]]) -> None:
    assert complaints.keys() <= {"mistakes.py"}, complaints


@pytest.mark.parametrize("checker", [MYPY, PYRIGHT], ids=["mypy", "pyright"])
def test_the_files_of_the_readme_pass_in_strict_mode(checker: tuple[str, ...], tour: Path) -> None:
    status, complaints = checked(checker, tour)
    assert status == 0, complaints


def test_a_missing_value_and_a_misspelt_name_are_found(complaints: dict[str, set[int]]) -> None:
    assert complaints["mistakes.py"] == MISTAKEN_LINES
