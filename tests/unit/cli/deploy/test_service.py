"""`boiler deploy` deploys the service that holds sockets to Cloud Run."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.cli.conftest import APP, FOLLOWED, Run
from tests.unit.cli.deploy.standin import Standin

SOCKETS = APP + FOLLOWED
SERVICE = "run deploy towns-websocket "


@pytest.fixture
def with_service(standin: Standin, run: Run, write: Callable[[str], None]) -> str:
    """The command that deployed the service; all is there from now on."""
    write(SOCKETS)
    assert run("deploy").exit_code == 0
    (command,) = (line for line in standin.commands if line.startswith(SERVICE))
    labels = dict(each.split("=") for each in command.partition("--update-labels=")[2].split()[0].split(","))
    about = {
        "name": "towns-websocket",
        "labels": {**labels, "cloud.googleapis.com/location": "us-central1"},
    }
    conditions = {"conditions": [{"type": "Ready", "status": "True"}]}
    standin.answers("run services list", [{"metadata": about, "status": conditions}])
    standin.remember()
    standin.works()
    return command


def test_the_service_of_sockets_is_deployed_to_cloud_run_with_what_a_socket_needs(with_service: str) -> None:
    for flag in (
        "--region=us-central1",
        "--timeout=3600s",
        "--concurrency=1000",
        "--cpu=1",
        "--ingress=all",
        "--allow-unauthenticated",
        "--no-session-affinity",
        "--service-account=towns-web@my-project.iam.gserviceaccount.com",
    ):
        assert flag in with_service.split()
    assert re.search(r" --set-env-vars=BOILER_DEPLOYED=\d+\.[\w-]{24},GOOGLE_CLOUD_PROJECT=my-project ", with_service)
    started = r"--set-build-env-vars=GOOGLE_ENTRYPOINT=python -m boiler_functions\.websocket app_\w+:app,"
    assert re.search(started, with_service)


def changed(standin: Standin) -> set[str]:
    return standin.deployed | {line.split()[2] for line in standin.commands if line.startswith("run deploy ")}


def test_a_second_run_leaves_the_service_as_it_is(with_service: str, standin: Standin, run: Run) -> None:
    assert run("deploy").exit_code == 0
    assert changed(standin) == set()


def test_a_service_that_is_not_declared_any_more_is_removed_with_prune(
    with_service: str, standin: Standin, run: Run, write: Callable[[str], None]
) -> None:
    write(APP)
    assert "no longer declares towns-websocket (us-central1); --prune removes" in run("deploy").stdout
    assert run("deploy", "--prune", "--yes").exit_code == 0
    assert any(line.startswith("run services delete towns-websocket --region=us-central1") for line in standin.commands)


def test_only_deploys_the_service_by_its_entry_point(standin: Standin, run: Run, write: Callable[[str], None]) -> None:
    write(SOCKETS)
    assert run("deploy", "--only", "websocket").exit_code == 0
    assert changed(standin) == {"towns-websocket"}


def test_a_service_without_its_extra_is_refused(run: Run, write: Callable[[str], None], folder: Path) -> None:
    write(SOCKETS)
    (folder / "functions" / "requirements.txt").write_text("boiler-functions[tasks]\n")
    result = run("deploy", "--dry-run")
    assert result.exit_code == 2
    assert "the functions need [websocket] too" in result.stderr


def test_the_plan_shows_the_service_and_that_firebase_tools_has_none(run: Run, write: Callable[[str], None]) -> None:
    write(SOCKETS)
    assert run("check").stdout.endswith("; service websocket (1)\n")
    printed = run("plan").stdout
    assert "Cloud Run services, which `boiler deploy` deploys and firebase-tools cannot" in printed
    assert "Socket.IO at /labels" in printed
    (service,) = json.loads(run("plan", "--json").stdout)["result"]["services"]
    assert (service["name"], service["namespaces"], service["views"]) == (
        "towns-websocket",
        ["/labels"],
        ["CityFollowed"],
    )


def test_the_service_takes_options_by_its_entry_point(run: Run, write: Callable[[str], None]) -> None:
    named = 'Boiler("towns", cpu=0.5, functions={"websocket": {"min_instances": 1, "max_instances": 3}})'
    write(SOCKETS.replace('Boiler("towns")', named))
    (command,) = (line for line in run("deploy", "--dry-run").stdout.splitlines() if SERVICE in line)
    assert {"--min-instances=1", "--max-instances=3", "--cpu=1"} <= set(command.split())
