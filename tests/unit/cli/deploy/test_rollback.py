"""`boiler rollback` gives the traffic of functions back to their former revisions, where these can do the work."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from boiler_functions.cli.commands import boiler
from boiler_functions.cli.context import Context
from boiler_functions.modes.release import Release
from boiler_functions.modes.source_code import code_fingerprints
from tests.pages import shown
from tests.unit.cli.conftest import APP, FOLLOWED, Run
from tests.unit.cli.deploy.standin import Standin

LOUD = APP.replace("return self.store.city.name", "return self.store.city.name.upper()")
MOVED = APP.replace("users/{user_id}/cityForms", "users/{user_id}/townForms")

VIEW, FORM, UPKEEP = "towns-city-view-on-cities", "towns-city-form-task", "towns-upkeep"


class Cloud:
    """The revisions in Cloud Run of what is deployed, as gcloud lists them."""

    def __init__(self, standin: Standin, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        self.standin, self.run, self._monkeypatch = standin, run, monkeypatch
        self.revisions: dict[str, list[dict[str, Any]]] = {}
        self.serving: dict[str, str] = {}

    def deploy(self, number: int, *arguments: str) -> None:
        """Deploys as the deployment of that number; each function that changes gets one more revision."""
        release = property(lambda context: Release(number, code_fingerprints(context.app.declarations.stored)))
        self._monkeypatch.setattr(Context, "release", release)
        self.standin.works()
        result = self.run("deploy", *arguments)
        assert result.exit_code == 0, result.output
        before = {each["name"]: each for each in self.standin.functions}
        self.standin.remember()
        after = {each["name"]: each for each in self.standin.functions}
        self.standin.answers("functions list", list({**before, **after}.values()))
        for line in self.standin.commands:
            if line.startswith(("functions deploy ", "run deploy ")):
                self._add(line.split()[2], line.partition("--set-env-vars=")[2].split()[0])
        self.show()

    def _add(self, name: str, variables: str) -> None:
        found = self.revisions.setdefault(name, [])
        env = [dict(zip(("name", "value"), each.split("=", 1), strict=True)) for each in variables.split(",")]
        about = {"name": f"{name}-{len(found) + 1:05}-abc", "creationTimestamp": f"2026-11-2{len(found)}"}
        ready = {"conditions": [{"type": "Ready", "status": "True"}]}
        found.append({"metadata": about, "spec": {"containers": [{"env": env}]}, "status": ready})
        self.serving[name] = about["name"]

    def show(self) -> None:
        for name, found in self.revisions.items():
            self.standin.answers(f"run revisions list --service={name} ", found)
        services = [
            {
                "metadata": {"name": name, "labels": {"cloud.googleapis.com/location": "us-central1"}},
                "status": {"traffic": [self._share(name, revision)]},
            }
            for name, revision in self.serving.items()
        ]
        self.standin.answers("run services list --filter=metadata.labels.boiler-app=", services)

    def _share(self, name: str, revision: str) -> dict[str, Any]:
        is_latest = revision == self.revisions[name][-1]["metadata"]["name"]
        return {"revisionName": revision, "percent": 100, **({"latestRevision": True} if is_latest else {})}

    def rollback(self, *arguments: str) -> Any:
        """Rolls back, moves the traffic as it was said, and returns the result."""
        self.standin.works()
        answer = self.run("rollback", "--yes", "--json", *arguments)
        assert answer.exit_code == 0, answer.output
        for line in self.standin.changes:
            found = re.fullmatch(
                r"run services update-traffic (\S+) --to-revisions=(\S+)=100 --region=us-central1 --project=my-project",
                line,
            )
            assert found, line
            self.serving[found[1]] = found[2]
        self.show()
        return json.loads(answer.stdout)["result"]


@pytest.fixture
def edit(folder: Path, app: None) -> Callable[[str], None]:
    """Writes the module with the views, which keeps its name."""
    (path,) = (folder / "functions").glob("app_*.py")

    def edit(text: str) -> None:
        path.write_text(text)
        sys.modules.pop(path.stem, None)

    return edit


@pytest.fixture
def serve(folder: Path, app: None) -> Callable[[int], None]:
    """Writes another main.py, of which no view's code makes use."""
    main = folder / "functions" / "main.py"
    first = main.read_text()

    def serve(number: int) -> None:
        main.write_text(f"{first}NUMBER = {number}\n")

    return serve


@pytest.fixture
def cloud(standin: Standin, run: Run, monkeypatch: pytest.MonkeyPatch) -> Cloud:
    return Cloud(standin, run, monkeypatch)


def test_what_the_latest_deployment_replaced_gets_its_former_revision_back(
    cloud: Cloud, serve: Callable[[int], None]
) -> None:
    cloud.deploy(1)
    serve(2)
    cloud.deploy(2)
    moved = {each["name"]: each for each in cloud.rollback()["functions"]}
    assert VIEW in moved
    assert moved[VIEW] == {
        "name": VIEW,
        "region": "us-central1",
        "from": {"revision": f"{VIEW}-00002-abc", "deployment": 2},
        "to": {"revision": f"{VIEW}-00001-abc", "deployment": 1},
    }


def test_the_page_shows_what_a_rollback_prints(cloud: Cloud, run: Run, serve: Callable[[int], None]) -> None:
    cloud.deploy(1)
    serve(2)
    cloud.deploy(2)
    (command,) = shown("rollback.txt")
    result = run(*command.arguments)
    assert command.prints(result.stdout), result.stdout


def test_deploy_says_that_functions_are_rolled_back_and_gives_the_traffic_to_the_checkout_again(
    cloud: Cloud, standin: Standin, run: Run, serve: Callable[[int], None]
) -> None:
    cloud.deploy(1)
    serve(2)
    cloud.deploy(2)
    cloud.rollback()
    found = json.loads(run("status", "--functions", "--json").stdout)["result"]["functions"]
    (standing,) = [each for each in found if each["name"] == VIEW]
    assert (standing["state"], standing["why"]) == (
        "stale code",
        "a former revision has its traffic; `boiler deploy` gives it to this checkout's code",
    )
    standin.works()
    result = run("deploy")
    assert re.search(rf"no longer rolled back +{VIEW}", result.stdout)
    assert standin.deployed == set()
    forward = f"run services update-traffic {VIEW} --to-latest --region=us-central1 --project=my-project"
    assert forward in standin.commands


@pytest.mark.parametrize(("newer", "name"), [(LOUD, VIEW), (MOVED, FORM)], ids=("view", "trigger"))
def test_a_rollback_to_other_code_of_views_or_another_trigger_is_refused_before_anything_changes(
    cloud: Cloud, standin: Standin, run: Run, edit: Callable[[str], None], newer: str, name: str
) -> None:
    cloud.deploy(1)
    edit(newer)
    cloud.deploy(2)
    standin.works()
    result = run("rollback", "--yes")
    assert (result.exit_code, result.stdout, standin.changes) == (2, "", [])
    assert f"{name}: it has built views by other code since, or has another trigger" in result.stderr
    assert "`boiler deploy --build`" in result.stderr


def test_a_rollback_across_other_code_is_refused_although_both_ends_are_the_same(
    cloud: Cloud, run: Run, edit: Callable[[str], None]
) -> None:
    for number, text in enumerate((APP, LOUD, APP), 1):
        edit(text)
        cloud.deploy(number)
    assert run("rollback", "--to", "1", "--yes").exit_code == 2


def test_it_goes_back_by_one_deployment_at_a_time_or_to_the_one_that_is_named(
    cloud: Cloud, standin: Standin, run: Run, serve: Callable[[int], None]
) -> None:
    for number in (1, 2, 3):
        serve(number)
        cloud.deploy(number)
    assert {each["to"]["deployment"] for each in cloud.rollback()["functions"]} == {2}
    assert {each["to"]["deployment"] for each in cloud.rollback()["functions"]} == {1}
    standin.works()
    result = run("rollback", "--yes")
    assert result.exit_code == 2
    assert "No function or service of towns in my-project has a former revision" in result.stderr


def test_to_a_named_deployment(cloud: Cloud, serve: Callable[[int], None]) -> None:
    for number in (1, 2, 3):
        serve(number)
        cloud.deploy(number)
    assert {each["to"]["deployment"] for each in cloud.rollback("--to", "1")["functions"]} == {1}


def test_a_broken_revision_is_passed_over(cloud: Cloud, serve: Callable[[int], None]) -> None:
    for number in (1, 2, 3):
        serve(number)
        cloud.deploy(number)
    for found in cloud.revisions.values():
        if len(found) == 3:
            found[1]["status"]["conditions"][0]["status"] = "False"
    cloud.show()
    assert {each["to"]["deployment"] for each in cloud.rollback()["functions"]} == {1}


def test_what_is_new_since_stays_and_is_named(cloud: Cloud, serve: Callable[[int], None]) -> None:
    cloud.deploy(1)
    serve(2)
    cloud.deploy(2)
    del cloud.revisions[FORM][0]
    cloud.show()
    assert cloud.rollback()["new"] == [FORM]


def test_it_asks_and_names_the_project_and_what_it_moves(
    cloud: Cloud, standin: Standin, serve: Callable[[int], None]
) -> None:
    cloud.deploy(1)
    serve(2)
    cloud.deploy(2)
    standin.works()
    result = CliRunner().invoke(boiler, ["rollback"], input="n\n")
    assert (result.exit_code, standin.changes) == (1, [])
    assert f"{VIEW}-00002-abc to {VIEW}-00001-abc" in result.stderr
    assert "to these former revisions in project my-project, database (default)?" in result.stderr


def test_revisions_that_say_nothing_and_shared_traffic_are_refused(
    cloud: Cloud, run: Run, serve: Callable[[int], None]
) -> None:
    assert run("rollback", "--yes").exit_code == 2
    cloud.deploy(1)
    serve(2)
    cloud.deploy(2)
    for found in cloud.revisions.values():
        found[0]["spec"]["containers"] = [{}]
    cloud.show()
    assert "does not say what it was deployed from" in run("rollback", "--yes").stderr
    shares = [{"revisionName": each["metadata"]["name"], "percent": 50} for each in cloud.revisions[VIEW]]
    about = {"name": VIEW, "labels": {"cloud.googleapis.com/location": "us-central1"}}
    cloud.standin.answers(
        "run services list --filter=metadata.labels.boiler-app=",
        [{"metadata": about, "status": {"traffic": shares}}],
    )
    assert f"The traffic of {VIEW} is shared by" in run("rollback", "--yes").stderr


def test_a_view_has_no_deployment_to_go_back_to_and_emulators_have_no_revisions(standin: Standin, run: Run) -> None:
    assert run("rollback", "CityView", "--to", "1").exit_code == 2
    assert "demo-x is a project of emulators" in run("rollback", "--project", "demo-x", "--yes").stderr
    assert standin.commands == []


def test_the_service_of_sockets_gets_its_traffic_again_by_a_deployment(
    standin: Standin, run: Run, edit: Callable[[str], None]
) -> None:
    edit(APP + FOLLOWED)
    about = {"name": "towns-websocket", "labels": {"cloud.googleapis.com/location": "us-central1"}}
    traffic = [{"revisionName": "towns-websocket-00001-abc", "percent": 100}]
    standin.answers(
        "run services list --filter=metadata.labels.boiler-service=",
        [{"metadata": about, "status": {"traffic": traffic}}],
    )
    run("deploy")
    lines = [line for line in standin.commands if "towns-websocket" in line and line.startswith("run ")]
    assert [line.split(" towns-websocket ")[0] for line in lines] == ["run deploy", "run services update-traffic"]
