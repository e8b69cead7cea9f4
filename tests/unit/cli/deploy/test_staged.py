"""`boiler stage` deploys functions that follow changes for a staged version; `boiler abort` removes them."""

import json
from pathlib import Path

from boiler_functions.database import Query
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.modes.staged import COLLECTION
from tests.unit.cli.conftest import Run
from tests.unit.cli.deploy.standin import Standin

STAGED = {
    "towns-city-view-staged-city-view-on-cities",
    "towns-city-view-staged-continuations",
    "towns-city-view-staged-upkeep",
}


def begun(standin: Standin, run: Run) -> None:
    """Deploys the app, and stages its view."""
    assert run("deploy").exit_code == 0
    standin.remember()
    standin.answers("functions list", [])
    standin.works()
    result = run("stage", "CityView", "--yes")
    assert result.exit_code == 0, result.output


def test_functions_of_the_view_are_deployed_by_names_and_a_label_of_their_own(standin: Standin, run: Run) -> None:
    begun(standin, run)
    assert standin.deployed == STAGED
    deploys = [line for line in standin.commands if line.startswith("functions deploy ")]
    assert all("boiler-app=staged-" in line and "boiler-app=towns" not in line for line in deploys)
    assert all("--service-account=towns-run@" in line for line in deploys)
    (queue,) = [line for line in standin.commands if line.startswith("tasks queues create")]
    assert queue.startswith("tasks queues create towns-city-view-staged-continuations ")


def test_the_release_that_is_uploaded_says_which_view_it_builds(standin: Standin, run: Run, folder: Path) -> None:
    begun(standin, run)
    release = json.loads((folder / ".boiler" / "staged" / "boiler_release.json").read_text())
    assert (release["staged"], list(release["codes"])) == ("CityView", ["CityView"])
    assert "staged" not in json.loads((folder / ".boiler" / "upload" / "boiler_release.json").read_text())


def test_a_deployment_of_production_leaves_them_alone_and_abort_removes_them(
    standin: Standin, run: Run, database: MemoryDatabase
) -> None:
    begun(standin, run)
    standin.remember()
    standin.works()
    result = run("abort", "CityView", "--yes")
    assert result.exit_code == 0, result.output
    removed = {line.split()[2] for line in standin.commands if line.startswith("functions delete ")}
    assert removed == STAGED
    assert database.query(Query(COLLECTION)).documents == ()


def test_a_view_that_was_never_deployed_is_refused_before_anything_is_done(
    standin: Standin, run: Run, database: MemoryDatabase
) -> None:
    result = run("stage", "CityView", "--yes")
    assert (result.exit_code, standin.commands) == (2, [])
