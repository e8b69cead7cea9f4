"""`boiler status --functions` says of each function whether it runs this checkout's code."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from boiler_functions.database.memory import MemoryDatabase
from tests.unit.cli.conftest import APP, FOLLOWED, Run
from tests.unit.cli.deploy.standin import FUNCTIONS, Standin


def functions(run: Run) -> dict[str, Any]:
    found = json.loads(run("status", "--functions", "--json").stdout)
    return {each["name"]: each for each in found["result"]["functions"]}


def states(run: Run) -> dict[str, str]:
    return {name: each["state"] for name, each in functions(run).items()}


@pytest.fixture
def deployed(standin: Standin, run: Run) -> None:
    run("deploy")
    standin.remember()
    standin.works()


@pytest.mark.usefixtures("deployed")
def test_functions_that_were_deployed_from_here_are_ok_and_the_code_that_changed_is_stale(
    standin: Standin, run: Run, write: Callable[[str], None]
) -> None:
    assert states(run) == dict.fromkeys(FUNCTIONS, "ok")
    write(APP.replace("return self.store.city.name", "return self.store.city.name.upper()"))
    assert states(run) == dict.fromkeys(FUNCTIONS, "stale code")
    assert standin.changes == []


def test_what_is_not_deployed_is_stopped_and_never_ok(standin: Standin, run: Run) -> None:
    result = run("status", "--functions")
    assert result.exit_code == 1
    assert states(run) == dict.fromkeys(FUNCTIONS, "stopped")
    assert "towns-upkeep" in result.stdout
    assert "it is not deployed" in result.stdout


@pytest.mark.usefixtures("deployed")
@pytest.mark.parametrize(
    ("change", "state"),
    [({"state": "FAILED"}, "failing"), ({"state": "DEPLOYING"}, "unknown"), ({"labels": {}}, "unknown")],
    ids=("failed", "deploying", "foreign"),
)
def test_a_function_whose_code_is_not_known_is_not_ok(
    standin: Standin, run: Run, change: dict[str, Any], state: str
) -> None:
    standin.answers("functions list", [{**each, **change} for each in standin.functions])
    assert states(run) == dict.fromkeys(FUNCTIONS, state)


@pytest.mark.usefixtures("deployed")
def test_a_function_that_is_no_longer_declared_is_named(standin: Standin, run: Run) -> None:
    former = {"name": "projects/p/locations/us-central1/functions/towns-former", "state": "ACTIVE", "labels": {}}
    standin.answers("functions list", [*standin.functions, former])
    assert "--prune" in functions(run)["towns-former"]["why"]


def test_without_an_answer_of_gcloud_everything_is_unknown_with_the_reason(standin: Standin, run: Run) -> None:
    standin.fails("functions list", "ERROR: PERMISSION_DENIED")
    found = functions(run)
    assert {each["state"] for each in found.values()} == {"unknown"}
    assert all("BF" in each["why"] for each in found.values())


def test_a_service_is_compared_too(
    standin: Standin, run: Run, write: Callable[[str], None], database: MemoryDatabase
) -> None:
    write(APP + FOLLOWED)
    run("deploy")
    (line,) = [each for each in standin.commands if each.startswith("run deploy")]
    labels = dict(each.split("=") for each in line.partition("--update-labels=")[2].split()[0].split(","))
    about: dict[str, Any] = {
        "name": line.split()[2],
        "labels": {**labels, "cloud.googleapis.com/location": "us-central1"},
    }
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    standin.answers("run services list", [{"metadata": about, "status": ready}])
    assert states(run)[about["name"]] == "ok"
    standin.answers("run services list", [{"metadata": about, "status": {"conditions": []}}])
    assert states(run)[about["name"]] == "failing"
