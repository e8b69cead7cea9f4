"""`boiler init` writes a project that works, and overwrites nothing."""

import ast
import json
import keyword
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from click.testing import CliRunner

from boiler_functions.cli.commands import boiler
from boiler_functions.cli.init import module_of
from boiler_functions.cli.jsonc import loads
from boiler_functions.cli.project import Project
from tests.unit.cli.conftest import APP, Run, Write

FILES = {
    ".gitignore",
    "README.md",
    "firebase.json",
    "firestore.rules",
    "functions/book_club.py",
    "functions/main.py",
    "functions/requirements.txt",
    "pyproject.toml",
    "seed.py",
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
            assert not {"{name}", "{module}", "{python}", "{version}", "{next}"} & set(path.read_text().split('"')), (
                path
            )
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


def test_what_init_writes_says_one_python_everywhere_and_its_rules_are_those_of_the_app(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("init", "shelf-rules")
    monkeypatch.chdir(place := folder / "shelf-rules")
    assert run("rules", "--check").exit_code == 0
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    (codebase,) = json.loads((place / "firebase.json").read_text())["functions"]
    assert codebase["runtime"] == f"python{here.replace('.', '')}"
    project = Project.find(start=place)
    assert project.python == here
    assert f'requires-python = ">={here}"' in (place / "pyproject.toml").read_text()
    commands = run("deploy", "--dry-run", "--project=my-project").stdout
    assert commands.count(f"--runtime={codebase['runtime']}") == commands.count("gcloud functions deploy") > 0


FIREBASE = """{
  // The functions of the shop.
  "functions": {"source": "functions", "runtime": "python312"}, /* deployed
  since 2023 */
  "hosting": {"public": "web",},
}
"""


@pytest.fixture
def shop(folder: Path) -> Path:
    """A project with functions of its own."""
    (folder / "firebase.json").write_text(FIREBASE)
    (folder / "firestore.rules").write_text("rules_version = '2';")
    (folder / "functions" / "main.py").write_text("from firebase_functions import https_fn\n")
    return folder


def test_beside_functions_that_are_there_the_project_is_one_more_codebase(run: Run, shop: Path) -> None:
    before = {path: path.read_bytes() for path in shop.rglob("*") if path.is_file()}
    assert run("init", "views").exit_code == 0
    assert files(shop / "views") == {path.replace("book_club", "views") for path in FILES} - {
        "firebase.json",
        "firestore.rules",
    }
    assert {path: path.read_bytes() for path in before if path.name != "firebase.json"} == {
        path: content for path, content in before.items() if path.name != "firebase.json"
    }
    text = (shop / "firebase.json").read_text()
    assert "// The functions of the shop." in text
    assert "/* deployed\n  since 2023 */" in text
    assert loads(text)["hosting"] == {"public": "web"}
    first, second = loads(text)["functions"]
    assert first == {"source": "functions", "runtime": "python312"}
    assert (second["codebase"], second["source"]) == ("views", "views/.boiler/firebase")
    assert second["predeploy"] == ["cd views && boiler compile"]


def test_the_commands_of_a_codebase_find_the_files_above(run: Run, shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("init", "cellar")
    monkeypatch.chdir(shop / "cellar")
    result = run("compile")
    assert f"{shop / 'firestore.indexes.json'} is written" in result.stdout
    assert f"{shop / 'cellar' / '.boiler' / 'firebase'} is staged" in result.stdout
    assert not (shop / "cellar" / "firebase.json").exists()
    assert "names no rules and indexes" in result.stderr
    # Rules that somebody wrote by hand are not overwritten.
    assert run("rules").exit_code == 2
    assert (shop / "firestore.rules").read_text() == "rules_version = '2';"


def test_a_second_codebase_has_a_name_and_a_folder_of_its_own(run: Run, shop: Path) -> None:
    result = run("init")
    assert result.exit_code == 2
    assert "Give a name: boiler init NAME" in result.stderr
    result = run("init", "default")
    assert result.exit_code == 2
    assert "has a codebase 'default' already" in result.stderr
    assert not (shop / "default").exists()
    assert (shop / "firebase.json").read_text() == FIREBASE


def test_an_app_in_a_folder_with_functions_of_ones_own_hides_none_of_them(run: Run, shop: Path, module: Write) -> None:
    name = module(APP)
    main = shop / "functions" / "main.py"
    main.write_text(
        "import firebase_functions.https_fn\n"
        "from firebase_functions.firestore_fn import on_document_created as created\n"
        f"from {name} import app\n\n"
        "app.export(globals())\n\n"
        "@firebase_functions.https_fn.on_request(region='europe-west1')\n"
        "def hello(request):\n    return 'hi'\n\n"
        "@created(document='users/{user}')\n"
        "def welcome(event):\n    pass\n"
    )
    (shop / "functions" / "requirements.txt").write_text("firebase-functions\nboiler-functions[tasks]\n")
    result = run("compile")
    assert "would no longer find hello, welcome there" in result.stderr
    assert "has no codebase for towns. Run `boiler init`, which adds it." in result.stderr
    assert not (shop / "functions" / "functions.yaml").exists()

    before = files(shop)
    assert run("init").exit_code == 0
    assert files(shop) == before
    assert [each["source"] for each in loads((shop / "firebase.json").read_text())["functions"]] == [
        "functions",
        ".boiler/firebase",
    ]
    result = run("compile")
    assert result.exit_code == 0
    assert "has no codebase" not in result.stderr
    assert (shop / ".boiler" / "firebase" / "functions.yaml").is_file()
    assert not (shop / "functions" / "functions.yaml").exists()
    assert "there is nothing to do" in run("init").stderr

    (shop / "functions" / "functions.yaml").write_text("specVersion: v1alpha1\n")
    assert "hides functions from firebase-tools: hello, welcome. Delete it." in run("compile").stderr


def test_a_functions_yaml_of_somebody_else_is_not_overwritten(run: Run, shop: Path, module: Write) -> None:
    module(APP)
    theirs = shop / "functions" / "functions.yaml"
    theirs.write_text("specVersion: v1alpha1\nendpoints: {}\n")
    result = run("compile")
    assert result.exit_code == 2
    assert f"{theirs} is not one that `boiler compile` wrote" in result.stderr
    assert theirs.read_text() == "specVersion: v1alpha1\nendpoints: {}\n"
