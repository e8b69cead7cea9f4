"""`boiler deploy` by the real gcloud, whose requests a recorder on loopback answers; nothing leaves the machine."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from boiler_functions.cli.rollback import list_revisions, list_services
from boiler_functions.cli.traffic import LATEST, move_traffic, to_revision
from boiler_functions.plan.indexes import BOOKKEEPING_OVERRIDES
from tests.emulator.forked_gcloud import ForkedGcloud
from tests.emulator.recorder import Call, Recorder

pytestmark = [
    pytest.mark.skipif(
        shutil.which("gcloud") is None,
        reason="gcloud is not on PATH, so that NOTHING is shown of what `boiler deploy` asks of Google Cloud; "
        "install the Google Cloud SDK",
    ),
    # One recorder, and one account of gcloud, for all of them.
    pytest.mark.xdist_group("gcloud"),
    # Some hundred and forty calls of gcloud.
    pytest.mark.timeout(900),
]

BOILER = (sys.executable, "-c", "from boiler_functions.cli import main; main()")
SECONDS = 240.0

APP = """
from boiler_functions import Boiler, DomainModel, Store, ViewModel, attrs, reference

app = Boiler("towns", region="us-east1", service_account="runner@my-project.iam.gserviceaccount.com", database="towns")

class City(DomainModel):
    class Meta:
        collection_name = "countries/{country}/cities"
    name = attrs.string(required=True)

class CityStore(Store):
    city = reference(City)

@app.query(memory="1Gi", labels={"team": "maps"})
class CityView(ViewModel[CityStore]):
    class Meta:
        path = "countries/{city.country}/views/{city.doc_id}"

    @attrs.computed
    def title(self) -> str:
        return self.store.city.name

@app.query
class CityLabel(ViewModel[CityStore]):
    class Meta:
        path = "countries/{city.country}/labels/{city.doc_id}"

    @attrs.computed
    def label(self) -> str:
        return "* " + self.store.city.name
"""

VIEW, LABEL, REST = "towns-city-view-on-countries-cities", "towns-city-label-on-countries-cities", "towns-continuations"
UPKEEP = "towns-upkeep"
INDEXES = "/v1/projects/my-project/databases/towns/collectionGroups/-"


class Project:
    """A folder with an app, deployed to the recorder's project with the forked gcloud."""

    def __init__(self, folder: Path, recorder: Recorder, forked: ForkedGcloud) -> None:
        self.folder, self.recorder = folder, recorder
        self.environ = forked.environment
        (folder / "functions").mkdir()
        (folder / "pyproject.toml").write_text('[tool.boiler_functions]\napp = "towns:app"\n')
        self.module = folder / "functions" / "towns.py"
        self.module.write_text(APP)
        (folder / "functions" / "main.py").write_text("from towns import app\n\napp.export(globals())\n")
        (folder / "functions" / "requirements.txt").write_text("boiler-functions[tasks]>=0.1,<1\n")

    def start(self, *arguments: str, **environ: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*BOILER, *arguments],
            cwd=self.folder,
            env={**self.environ, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **environ: str) -> tuple[int, str, str]:
        """The exit status of `boiler`, and what it printed."""
        process = self.start(*arguments, **environ)
        output, errors = process.communicate(timeout=SECONDS)
        return process.returncode, output, errors

    def deploy(self, *arguments: str) -> str:
        status, output, errors = self.run("deploy", "--no-rules", "--project=my-project", *arguments)
        assert status == 0, output + errors
        return output


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorder]:
    with Recorder(tmp_path_factory.mktemp("gcloud")) as recorder:
        yield recorder


@pytest.fixture(scope="module")
def forked(recorder: Recorder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkedGcloud]:
    with ForkedGcloud(tmp_path_factory.mktemp("forked"), recorder.environment) as forked:
        yield forked


@pytest.fixture(scope="module")
def interrupted(
    recorder: Recorder, forked: ForkedGcloud, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Project, int, str]:
    """A project whose first deployment was stopped by Ctrl-C once a function was created."""
    project = Project(tmp_path_factory.mktemp("towns"), recorder, forked)
    process = project.start("deploy", "--no-rules", "--project=my-project")
    deadline = time.monotonic() + SECONDS
    while not recorder.deployed() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=SECONDS)
    return project, process.returncode, output + errors


@pytest.fixture(scope="module")
def deployed(interrupted: tuple[Project, int, str]) -> tuple[Project, list[Call]]:
    """The project once a second run has ended, and every call of both."""
    project, *_ = interrupted
    project.deploy()
    calls = list(project.recorder.calls)
    project.recorder.forget()
    return project, calls


def requested(calls: list[Call], name: str) -> Any:
    """The last request that created or changed the function."""
    return [
        call.body
        for call in calls
        if call.query.get("functionId") == [name] or (call.method == "PATCH" and call.path.endswith(f"/{name}"))
    ][-1]


@pytest.mark.parametrize(
    "command",
    [
        "projects describe my-project --format=json",
        "functions describe no-such-function --v2 --region=us-east1 --project=my-project",
        "functions deploy towns --no-such-flag",
    ],
)
def test_a_fork_of_gcloud_asks_prints_and_exits_as_one_that_is_started(
    recorder: Recorder, forked: ForkedGcloud, command: str
) -> None:
    seen = []
    for environ in (recorder.environment, forked.environment):
        recorder.forget()
        program = shutil.which("gcloud", path=environ["PATH"])
        assert program
        done = subprocess.run(
            [program, *command.split()], env=environ, capture_output=True, text=True, timeout=SECONDS, check=False
        )
        seen.append((done.returncode, done.stdout, done.stderr, list(recorder.calls)))
    started, fork = seen
    assert started == fork
    assert started[1] or started[2]
    recorder.forget()


def test_a_fork_of_gcloud_ends_with_the_command_that_was_called(recorder: Recorder, forked: ForkedGcloud) -> None:
    asked, over = threading.Event(), threading.Event()

    def hang(_: Call) -> None:
        asked.set()
        over.wait(SECONDS)

    recorder.refuse = hang
    process = subprocess.Popen(
        ["gcloud", "projects", "describe", "my-project"],
        env=forked.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        assert asked.wait(SECONDS)
        os.killpg(process.pid, signal.SIGTERM)
        # The output ends with the fork, which has it, too.
        output, _ = process.communicate(timeout=SECONDS)
    finally:
        over.set()
        recorder.refuse = lambda call: None
    assert (process.returncode, output) == (-signal.SIGTERM, b"")


def test_ctrl_c_ends_with_how_to_go_on(interrupted: tuple[Project, int, str]) -> None:
    _, status, printed = interrupted
    assert status == 130
    assert "Stopped; `boiler deploy` continues from here." in printed


def test_the_next_run_finishes_what_ctrl_c_left(deployed: tuple[Project, list[Call]]) -> None:
    project, calls = deployed
    functions = {key.rpartition("/")[2] for key in project.recorder.resources if "/functions/" in key}
    assert functions == {VIEW, LABEL, REST, UPKEEP}
    finished = {key for key, each in project.recorder.resources.items() if "deadLetterPolicy" in each}
    assert {key.rpartition("/")[2] for key in finished} == {f"eventarc-nam5-{name}-1-sub-9" for name in (VIEW, LABEL)}
    accounts = [call for call in calls if call.method == "POST" and call.path.endswith("/serviceAccounts")]
    # The functions have an account of their own choice.
    assert len(accounts) == 1


def test_the_request_says_all_that_was_declared(deployed: tuple[Project, list[Call]]) -> None:
    _, calls = deployed
    request = requested(calls, VIEW)
    trigger, service = request["eventTrigger"], request["serviceConfig"]
    assert request["name"] == f"projects/my-project/locations/us-east1/functions/{VIEW}"
    assert request["buildConfig"]["entryPoint"] == "city_view_on_countries_cities"
    assert request["buildConfig"]["runtime"] == "python313"
    assert trigger["retryPolicy"] == "RETRY_POLICY_RETRY"
    assert trigger["eventType"] == "google.cloud.firestore.document.v1.written"
    assert trigger["triggerRegion"] == "nam5"
    assert trigger["serviceAccountEmail"] == "towns-invoke@my-project.iam.gserviceaccount.com"
    assert trigger["eventFilters"] == [
        {"attribute": "database", "value": "towns"},
        {"attribute": "namespace", "value": "(default)"},
        {"attribute": "document", "operator": "match-path-pattern", "value": "countries/{country}/cities/{doc_id}"},
    ]
    assert service["serviceAccountEmail"] == "runner@my-project.iam.gserviceaccount.com"
    assert (service["availableMemory"], service["availableCpu"]) == ("1024Mi", "1")
    assert (service["maxInstanceRequestConcurrency"], service["timeoutSeconds"]) == (80, 300)
    assert service["allTrafficOnLatestRevision"] is True
    assert re.fullmatch(r"\d+\.[\w-]{24}", service["environmentVariables"].pop("BOILER_DEPLOYED"))
    assert service["environmentVariables"] == {
        "GOOGLE_CLOUD_PROJECT": "my-project",
        "BOILER_QUEUE": f"projects/my-project/locations/us-east1/queues/{REST}",
        "BOILER_CONTINUATIONS_URL": f"https://us-east1-my-project.cloudfunctions.net/{REST}",
        "BOILER_TASKS_SERVICE_ACCOUNT": "towns-invoke@my-project.iam.gserviceaccount.com",
    }
    assert request["labels"]["team"] == "maps"
    assert request["labels"]["boiler-app"] == "towns"
    assert re.fullmatch(r"[0-9a-f]{40}", request["labels"]["boiler-hash"])


def test_only_the_invoker_account_may_invoke(deployed: tuple[Project, list[Call]]) -> None:
    project, _ = deployed
    member = "serviceAccount:towns-invoke@my-project.iam.gserviceaccount.com"
    for name in (VIEW, LABEL, REST, UPKEEP):
        (binding,) = project.recorder.members[f"projects/my-project/locations/us-east1/services/{name}"]
        assert (binding["role"], binding["members"]) == ("roles/run.invoker", [member])
    roles = {
        (each["role"], member) for each in project.recorder.members["projects/my-project"] for member in each["members"]
    }
    assert roles == {
        ("roles/eventarc.eventReceiver", member),
    }


def test_the_database_receives_indexes_and_time_to_live_policies(deployed: tuple[Project, list[Call]]) -> None:
    project, _ = deployed
    fields = {
        "/".join(key.split("/")[5:]): each for key, each in project.recorder.resources.items() if "/fields/" in key
    }
    assert set(fields) == {f"{each.collection}/fields/{each.field}" for each in BOOKKEEPING_OVERRIDES}
    assert "ttlConfig" in fields["boilerMarkers/fields/expire_at"]
    assert fields["boilerLedgers/fields/*"]["indexConfig"] == {}


def test_the_app_is_watched_by_metrics_a_dashboard_and_alerts(deployed: tuple[Project, list[Call]]) -> None:
    project, _ = deployed
    found = project.recorder.resources
    metrics = {key.rpartition("/")[2] for key in found if "/metrics/" in key}
    assert metrics == {
        f"towns_{each}" for each in ("conflicts", "drift", "lag", "letters", "outcomes", "reads", "writes")
    }
    (dashboard,) = [each for key, each in found.items() if "/dashboards/" in key]
    assert dashboard["displayName"] == "towns: views"
    alerts = {each["userLabels"]["boiler-alert"] for key, each in found.items() if "/alertPolicies/" in key}
    assert alerts == {"undelivered", "letters", "lag", "drift", "silent"}


def test_a_change_of_one_view_deploys_its_functions_alone(deployed: tuple[Project, list[Call]]) -> None:
    project, _ = deployed
    project.module.write_text(APP.replace('"* "', '"+ "'))
    project.recorder.forget()
    project.deploy()
    assert project.recorder.deployed() == [LABEL, REST, UPKEEP]


def test_without_a_change_nothing_is_asked_for_but_what_is_there(deployed: tuple[Project, list[Call]]) -> None:
    project, _ = deployed
    project.recorder.forget()
    assert "no changes" in project.deploy()
    assert {call.method for call in project.recorder.calls if not call.path.endswith(":getIamPolicy")} == {"GET"}
    # They are listed once more only after a change, or where one was being built.
    assert [call.path for call in project.recorder.calls].count(f"{INDEXES}/indexes") == 1


def test_a_project_that_does_not_exist_is_refused_before_anything_is_changed(
    deployed: tuple[Project, list[Call]],
) -> None:
    project, _ = deployed
    project.recorder.forget()
    status, _, errors = project.run("deploy", "--project=nowhere-at-all")
    assert (status, errors.split()[:2]) == (2, ["error", "BF205"])
    assert [str(call) for call in project.recorder.calls] == ["GET /v1/projects/nowhere-at-all"]


def test_a_missing_sign_in_is_reported_with_the_command_for_it(deployed: tuple[Project, list[Call]]) -> None:
    project, _ = deployed
    project.recorder.forget()
    # An empty token is none; the configuration of this gcloud holds no account.
    status, _, errors = project.run("deploy", "--project=my-project", CLOUDSDK_AUTH_ACCESS_TOKEN="")
    assert (status, errors.split()[:2]) == (2, ["error", "BF204"])
    assert "Run: gcloud auth login" in errors
    assert project.recorder.calls == []


def test_every_command_that_is_printed_passes_the_linter_of_the_sdk(
    recorder: Recorder, forked: ForkedGcloud, tmp_path: Path
) -> None:
    project = Project(tmp_path, recorder, forked)
    project.module.write_text(_WITH_EVERYTHING)
    (tmp_path / "functions" / "requirements.txt").write_text("boiler-functions[rest,tasks,websocket]>=0.1,<1\n")
    status, printed, errors = project.run("deploy", "--dry-run", "--project=my-project")
    assert status == 0, errors
    commands = [line for line in printed.splitlines() if line and not line.startswith("#")]
    commands += map(str, ROLLBACK)
    for flag in (
        "--trigger-location=",
        "--retry",
        "--set-secrets=",
        "--vpc-connector=",
        "run deploy",
        "firestore indexes composite",
        "logging metrics create",
        "monitoring dashboards create",
        "alpha monitoring policies create",
    ):
        assert any(flag in command for command in commands), flag
    inner = [found for command in commands for found in nested(command)]
    assert len(inner) > len(commands)
    file = tmp_path / "commands.json"
    file.write_text(json.dumps([{"command_string": each} for each in dict.fromkeys(inner)]))
    linted = subprocess.run(
        ["gcloud", "meta", "lint-gcloud-commands", f"--commands-file={file}"],
        env=recorder.environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    results = json.loads(linted.stdout)
    assert len(results) == len(set(inner))
    assert [(each["command_string"], each["error_message"]) for each in results if not each["success"]] == []


ROLLBACK = (
    list_services("my-project", "towns"),
    list_revisions("my-project", "towns-api", "us-east1"),
    move_traffic("my-project", "towns-api", "us-east1", to_revision("towns-api-00001-abc")),
    move_traffic("my-project", "towns-api", "us-east1", LATEST),
)
"""What `boiler rollback` runs, and `boiler deploy` after it."""


def nested(command: str) -> list[str]:
    """The command with `value` for each of the commands in it, and these by themselves."""
    found: list[str] = []
    while inner := re.search(r'"\$\(([^()]*(?:\([a-zA-Z.]+\)[^()]*)*)\)"', command):
        found.append(inner[1])
        command = command.replace(inner[0], "value")
    return [command, *found]


_WITH_EVERYTHING = """
from boiler_functions import Boiler, DomainModel, Store, ViewModel, access, attrs, matching, reference

app = Boiler("towns", vpc_connector="inner", vpc_connector_egress_settings="ALL_TRAFFIC", secrets=["API_KEY"])

class City(DomainModel):
    class Meta:
        collection_name = "cities"
    name = attrs.string(required=True)
    capital = attrs.boolean()
    population = attrs.integer()

class CityStore(Store):
    city = reference(City)

class Capitals(Store):
    capitals = matching((City.capital == True), City.population > 5)

@app.rest("/cities", invoker="caller@my-project.iam.gserviceaccount.com")
@app.query(min_instances=1, max_instances=9, ingress="ALLOW_INTERNAL_ONLY", labels={"team": "maps"})
class CityView(ViewModel[CityStore]):
    class Meta:
        path = "cityView/{city.doc_id}"
        read = access.public

    @attrs.computed
    def title(self) -> str:
        return self.store.city.name

@app.websocket("/cities")
class CityFollowed(ViewModel[CityStore]):
    class Meta:
        read = access.public

    @attrs.computed
    def title(self) -> str:
        return self.store.city.name

@app.query
class World(ViewModel[Capitals]):
    class Meta:
        path = "world/capitals"

    @attrs.computed
    def names(self) -> list[str]:
        return [each.name for each in self.store.capitals]

@app.task("users/{user_id}/cityForms/{city_id}", writes=[City], retry=False)
class CityForm(ViewModel):
    name = attrs.string(required=True)

    def propagate_change(self) -> None:
        City.new(doc_id=self.params["city_id"], name=self.name).save()
"""
