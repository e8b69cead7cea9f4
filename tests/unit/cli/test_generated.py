"""`boiler compile` writes what firebase-tools reads, keeps what others wrote there, and tells what is stale."""

import json
import sys
from pathlib import Path

import pytest

from boiler_functions.cli import upload
from boiler_functions.cli.jsonc import loads
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


def test_as_json_each_file_has_its_state(run: Run, folder: Path) -> None:
    def states(*arguments: str) -> tuple[int, list[str]]:
        done = run(*arguments, "--json")
        return done.exit_code, [*json.loads(done.stdout)["result"]["files"].values()]

    assert states("compile", "--check") == (1, ["stale"] * 3)
    assert states("compile") == (0, ["written"] * 3)
    assert states("compile", "--check") == (0, ["up to date"] * 2)
    assert [states("rules", "--check"), states("rules")] == [(1, ["stale"]), (0, ["written"])]
    assert json.loads(run("rules", "--json").stdout)["result"]["files"] == {
        str(folder / "firestore.rules"): "up to date"
    }


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
def test_an_unreadable_index_file_is_reported_and_left_unchanged(text: str, run: Run, folder: Path) -> None:
    indexes = folder / "firestore.indexes.json"
    indexes.write_text(text)
    result = run("compile")
    assert result.exit_code == 2
    assert f"{indexes} cannot be read" in result.stderr
    assert indexes.read_text() == text


def test_firebase_json_leads_to_the_staged_functions_and_says_the_python_that_gcloud_gets(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "_origin", lambda package: None)
    run("compile")
    content = json.loads((folder / "firebase.json").read_text())
    assert content["functions"][0]["source"] == ".boiler/firebase"
    assert content["functions"][0]["runtime"] == "python313"
    assert content["firestore"] == {"rules": "firestore.rules", "indexes": "firestore.indexes.json"}


def test_the_emulators_of_firebase_json_verify_tokens(run: Run, folder: Path) -> None:
    run("compile")
    assert "auth" in json.loads((folder / "firebase.json").read_text())["emulators"]


COMMENTED = """{
  // "functions": "old", as it was
  "functions": [{"source": "functions", "ignore": ["*.log" /* noise */, "//x",],},],
}
"""


def test_a_firebase_json_with_comments_and_commas_is_read_and_kept(run: Run, folder: Path) -> None:
    (folder / "firebase.json").write_text(COMMENTED)
    assert run("compile").exit_code == 0
    assert (folder / "firebase.json").read_text() == COMMENTED
    assert loads(COMMENTED) == {"functions": [{"source": "functions", "ignore": ["*.log", "//x"]}]}


@pytest.mark.parametrize("text", ["{", "[]", "7"])
def test_an_unreadable_firebase_json_is_reported_before_anything_is_written(text: str, run: Run, folder: Path) -> None:
    (folder / "firebase.json").write_text(text)
    result = run("compile")
    assert result.exit_code == 2
    assert f"{folder / 'firebase.json'} cannot be read" in result.stderr
    assert not (folder / "firestore.indexes.json").exists()
    assert not (folder / "functions" / "functions.yaml").exists()


def test_an_index_file_with_comments_is_kept_where_nothing_is_missing(run: Run, folder: Path) -> None:
    run("compile")
    indexes = folder / "firestore.indexes.json"
    indexes.write_text(f"// Ours\n{indexes.read_text()}")
    assert run("compile", "--check").exit_code == 0


def test_variables_that_firebase_tools_would_upload_are_refused(run: Run, folder: Path, app: str) -> None:
    _complete(folder, app)
    (folder / "functions" / ".env").write_text("COLOUR=red\n")
    (folder / "firebase.json").write_text('{"functions": {"source": ".boiler/firebase", "ignore": ["venv"]}}')
    result = run("compile")
    assert result.exit_code == 2
    assert f'would upload {folder / "functions" / ".env"} with the functions. Add ".*" to "ignore"' in result.stderr


def test_before_a_deployment_firebase_tools_names_the_project_and_that_its_stage(
    run: Run, folder: Path, app: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _complete(folder, app)
    pyproject = folder / "pyproject.toml"
    pyproject.write_text(pyproject.read_text() + f'{STAGE}region = "europe-west1"\n')
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
    monkeypatch.setenv("GCLOUD_PROJECT", "towns-prod")
    assert run("compile").exit_code == 0
    assert "europe-west1" in (folder / ".boiler" / "firebase" / "functions.yaml").read_text()
    assert (folder / "functions" / ".env.towns-prod").read_text() == "BOILER_DATABASE=towns\n"


def test_a_project_of_two_stages_leaves_open_which_is_meant(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pyproject = folder / "pyproject.toml"
    pyproject.write_text(pyproject.read_text() + STAGE + STAGE.replace("env.prod", "env.copy"))
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "towns-prod")
    result = run("compile")
    assert "The stages prod and copy" in result.stderr
    assert "Say which: --env prod, or BOILER_ENV=prod." in result.stderr
    assert run("compile", "--env", "copy").exit_code == 0


def _complete(folder: Path, app: str) -> None:
    (folder / "functions" / "main.py").write_text(f"from {app} import app\n\napp.export(globals())\n")
    (folder / "functions" / "requirements.txt").write_text("boiler-functions[tasks]>=0.1,<1\n")


def test_functions_are_staged_for_firebase_tools_with_the_wheel_of_what_is_no_release(
    run: Run, folder: Path, app: str
) -> None:
    functions = folder / "functions"
    _complete(folder, app)
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


def test_functions_receive_the_database_of_a_stage_through_the_file_of_firebase_tools(run: Run, folder: Path) -> None:
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


def test_two_versions_of_python_are_refused(run: Run, folder: Path, app: str) -> None:
    _complete(folder, app)
    run("compile")
    pyproject = folder / "pyproject.toml"
    pyproject.write_text(pyproject.read_text() + 'python = "3.12"\n')
    result = run("compile")
    assert result.exit_code == 2
    assert "runs the functions with python313, and pyproject.toml with Python 3.12" in result.stderr
    pyproject.write_text(pyproject.read_text().replace("3.12", "3.9"))
    assert "Write one of '3.11', '3.12', '3.13', '3.14'" in run("compile").stderr


def test_another_python_than_that_of_the_emulators_is_told(run: Run, folder: Path, app: str) -> None:
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    other = "3.12" if here != "3.12" else "3.13"
    pyproject = folder / "pyproject.toml"
    table = pyproject.read_text()
    for python, is_told in ((other, True), (here, False)):
        pyproject.write_text(f'{table}python = "{python}"\n')
        (folder / "firebase.json").unlink(missing_ok=True)
        run("compile")
        assert (f"run functions with Python {other}, and this is {here}" in run("compile").stderr) is is_told
