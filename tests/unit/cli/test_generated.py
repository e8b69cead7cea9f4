"""`boiler compile` writes what firebase-tools reads, keeps what others wrote there, and tells what is stale."""

import json
import sys
from pathlib import Path

import pytest

from boiler_functions.cli import upload
from tests.unit.cli.conftest import APP, Run, Write

ROOT = Path(__file__).parents[3]
STAGE = '\n[tool.boiler_functions.env.prod]\nproject = "towns-prod"\ndatabase = "towns"\n'


@pytest.fixture(autouse=True)
def app(module: Write) -> str:
    return module(APP)


def test_compile_writes_all_three_files_and_each_only_when_it_changed(run: Run, folder: Path) -> None:
    files = [folder / "functions" / "functions.yaml", folder / "firestore.indexes.json", folder / "firebase.json"]
    assert run("compile").stdout == "".join(f"{path} is written\n" for path in files)
    assert run("compile").stdout == "".join(f"{path} is up to date\n" for path in files[:2])


def test_check_names_every_file_that_is_stale(run: Run, folder: Path) -> None:
    told = run("compile", "--check").stderr.splitlines()
    assert [Path(line.split()[0]).name for line in told] == [
        "functions.yaml",
        "firestore.indexes.json",
        "firebase.json",
    ]
    run("compile")
    assert run("compile", "--check").exit_code == 0
    indexes = folder / "firestore.indexes.json"
    content = json.loads(indexes.read_text())
    content["fieldOverrides"] = [each for each in content["fieldOverrides"] if "ttl" not in each]
    indexes.write_text(json.dumps(content))
    stale = run("compile", "--check")
    assert (stale.exit_code, stale.stderr) == (1, f"{indexes} is not what the app declares. Run `boiler compile`.\n")


def test_an_index_that_somebody_added_stays(run: Run, folder: Path) -> None:
    run("compile")
    indexes = folder / "firestore.indexes.json"
    content = json.loads(indexes.read_text())
    added = {"collectionGroup": "x", "queryScope": "COLLECTION", "fields": [{"fieldPath": "a", "order": "ASCENDING"}]}
    content["indexes"].append(added)
    indexes.write_text(json.dumps(content))
    run("compile")
    assert json.loads(indexes.read_text())["indexes"] == [added]


@pytest.mark.parametrize("text", ["{", "[]", '{"indexes": [{}]}', '{"fieldOverrides": 7}'])
def test_an_index_file_that_cannot_be_read_is_told_and_left(text: str, run: Run, folder: Path) -> None:
    indexes = folder / "firestore.indexes.json"
    indexes.write_text(text)
    result = run("compile")
    assert result.exit_code == 2
    assert f"{indexes} cannot be read" in result.stderr
    assert indexes.read_text() == text


def test_firebase_json_leads_to_the_folder_of_functions(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "_origin", lambda package: None)
    run("compile")
    content = json.loads((folder / "firebase.json").read_text())
    assert content["functions"][0]["source"] == "functions"
    assert content["functions"][0]["runtime"] == f"python3{min(sys.version_info.minor, 14)}"
    assert content["firestore"] == {"rules": "firestore.rules", "indexes": "firestore.indexes.json"}


def test_what_is_no_release_is_staged_with_its_wheel_for_firebase_tools(run: Run, folder: Path, app: str) -> None:
    functions = folder / "functions"
    (functions / "main.py").write_text(f"from {app} import app\n\napp.export(globals())\n")
    (functions / "requirements.txt").write_text("boiler-functions[tasks]>=0.1,<1\n")
    (functions / ".env").write_text("COLOUR=red\n")
    before = {path: path.read_bytes() for path in functions.iterdir()}
    staged = folder / ".boiler" / "firebase"
    assert run("compile").stdout.endswith(f"{staged} is staged for firebase-tools\n")
    (wheel,) = staged.glob("*.whl")
    assert (staged / "requirements.txt").read_text() == f"./{wheel.name}[tasks]\n"
    assert (staged / ".env").read_text() == "COLOUR=red\n"
    assert (staged / "functions.yaml").read_bytes() == (functions / "functions.yaml").read_bytes()
    assert (staged / "venv").resolve() == Path(sys.prefix).resolve()
    assert {path: path.read_bytes() for path in before} == before
    (record,) = json.loads((folder / "firebase.json").read_text())["functions"]
    assert (record["source"], record["predeploy"]) == (".boiler/firebase", ["boiler compile"])


def test_a_firebase_json_of_ones_own_is_left_and_nothing_staged(run: Run, folder: Path, app: str) -> None:
    for name, text in (("main.py", f"from {app} import app\n\napp.export(globals())\n"), ("requirements.txt", "x\n")):
        (folder / "functions" / name).write_text(text)
    (folder / "firebase.json").write_text('{"functions": {"source": "functions"}}')
    assert run("compile").exit_code == 0
    assert not (folder / ".boiler").exists()


def test_a_stage_with_another_database_tells_its_functions_by_firebase_tools_own_file(run: Run, folder: Path) -> None:
    pyproject = folder / "pyproject.toml"
    pyproject.write_text(pyproject.read_text() + STAGE)
    variables = folder / "functions" / ".env.towns-prod"
    variables.write_text("COLOUR=red\nBOILER_DATABASE=old\n")
    run("compile", "--env", "prod")
    assert variables.read_text() == "COLOUR=red\nBOILER_DATABASE=towns\n"
    run("compile")
    assert not (folder / "functions" / ".env").exists()


def test_the_checked_in_files_are_what_the_sample_declares(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    result = run("compile", "--check")
    assert (result.exit_code, result.stderr) == (0, "")
