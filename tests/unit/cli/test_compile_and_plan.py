"""`boiler check` and `compile` say what the app deploys; a build and `dev` refuse what they cannot do."""

from pathlib import Path

import pytest

from tests.unit.cli.conftest import APP, Run, Write

YAML = """\
# Written by `boiler compile` from what the app declares; `boiler compile --check` tells when it is stale.
specVersion: v1alpha1
requiredAPIs:
  - api: firestore.googleapis.com
    reason: Stores the models and views.
"""

ENDPOINT = """\
  towns-city-view-on-cities:
    entryPoint: city_view_on_cities
    platform: gcfv2
    region:
      - us-central1
    availableMemoryMb: 512
    cpu: 1
    concurrency: 80
    timeoutSeconds: 300
    eventTrigger:
      eventType: google.cloud.firestore.document.v1.written
      eventFilters:
        database: "(default)"
        namespace: "(default)"
      eventFilterPathPatterns:
        document: "cities/{doc_id}"
      retry: true
"""


@pytest.fixture(autouse=True)
def app(module: Write) -> str:
    return module(APP)


def test_check_counts_what_is_declared(run: Run) -> None:
    assert run("check").stdout == (
        "towns is fine: stored views 1, tasks 1; functions 4 (query 1, task 1, continuation 1, upkeep 1)\n"
    )


def test_compile_writes_readable_yaml_beside_main_py(run: Run, folder: Path) -> None:
    path = folder / "functions" / "functions.yaml"
    assert f"{path} is written\n" in run("compile").stdout
    assert path.read_text().startswith(YAML)
    assert ENDPOINT in path.read_text()


def test_compile_writes_the_same_again(run: Run, folder: Path) -> None:
    path = folder / "functions" / "functions.yaml"
    run("compile")
    first = path.read_text()
    path.unlink()
    run("compile")
    assert path.read_text() == first
    assert f"{path} is up to date\n" in run("compile").stdout


def test_compile_check_fails_for_a_missing_and_for_a_stale_file_and_writes_nothing(run: Run, folder: Path) -> None:
    path = folder / "functions" / "functions.yaml"
    missing = run("compile", "--check")
    assert (missing.exit_code, path.exists()) == (1, False)
    run("compile")
    assert run("compile", "--check").exit_code == 0
    path.write_text(path.read_text() + "# by hand\n")
    stale = run("compile", "--check")
    assert (stale.exit_code, stale.stderr) == (1, f"{path} is not what the app declares. Run `boiler compile`.\n")
    assert path.read_text().endswith("# by hand\n")


def test_build_of_a_view_that_is_not_stored_names_those_that_are(run: Run) -> None:
    result = run("build", "CityForm")
    assert result.exit_code == 2
    assert result.stderr == (
        "error BF200 towns stores no view 'CityForm'; it stores CityView. `@app.query` stores a view.\n"
        "see: boiler check --explain BF200\n"
    )


@pytest.mark.parametrize("root", ["towns/LA", "cities/LA/streets/1", ""])
def test_build_of_something_that_is_no_root_names_the_pattern(root: str, run: Run) -> None:
    result = run("build", "CityView", "--root", root)
    assert result.exit_code == 2
    assert "cities/{doc_id}" in result.stderr or "is not a document id" in result.stderr


def test_resume_without_an_unfinished_build_is_refused(run: Run) -> None:
    result = run("build", "CityView", "--resume")
    assert result.exit_code == 2
    assert "There is no build to resume" in result.stderr


def test_dev_refuses_a_project_that_could_be_real(run: Run) -> None:
    result = run("dev", "--project", "my-company")
    assert result.exit_code == 2
    assert result.stderr.startswith("error BF200 The project 'my-company' could be a real one.")
