"""`boiler deploy` refuses what it can before anything is changed, and says of every failure what to do.

A gcloud stands in that answers as it is told; tests/emulator/test_deploy.py runs the real one.
"""

import json
import re
import shlex
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from boiler_functions.cli.commands import boiler
from boiler_functions.cli.context import Context
from boiler_functions.cli.deployment import Phase, Step
from boiler_functions.cli.gcloud import SYMPTOMS, Gcloud, diagnosed, gcloud
from boiler_functions.cli.perform import perform
from boiler_functions.database import Put
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.exceptions import DeploymentFailed, Unavailable
from boiler_functions.modes.release import Release
from tests.unit.cli.conftest import APP, FOLLOWED, LABEL, Run, Write

# A shell starts in a millisecond, and a deployment runs forty commands.
STANDIN = """\
#!/bin/sh
echo "$*" >>{log}
case "$*" in
{cases}
*--format=json*) echo [] ;;
esac
"""

APIS = (
    "artifactregistry",
    "cloudbuild",
    "cloudfunctions",
    "cloudscheduler",
    "cloudtasks",
    "eventarc",
    "firestore",
    "iam",
    "pubsub",
    "run",
)


def _printing(text: str) -> str:
    return f'printf %s "{text}"' if text.startswith("as $") else f"printf %s {shlex.quote(text)}"


class Standin:
    """A gcloud that answers a command by what it begins with, and notes every command."""

    def __init__(self, folder: Path) -> None:
        self._program, self._log = folder / "gcloud", folder / "commands.log"
        self._told: dict[str, tuple[int, str]] = {}
        self.answers("services list", [{"config": {"name": f"{api}.googleapis.com"}} for api in APIS])
        self.answers("firestore databases describe", {"locationId": "nam5"})
        self.answers("billing projects describe", {"billingEnabled": True})
        self.answers("projects describe", {"projectNumber": "123"})
        self.answers("projects get-iam-policy", {"bindings": []})
        self._program.chmod(0o755)
        self.firebase = folder / "firebase"
        self.firebase.write_text(f"#!/bin/sh\necho firebase $* >>{shlex.quote(str(self._log))}\n")
        self.firebase.chmod(0o755)

    def answers(self, beginning: str, content: Any) -> None:
        self._tell(beginning, 0, json.dumps(content))

    def fails(self, beginning: str, said: str) -> None:
        self._tell(beginning, 1, said)

    def _tell(self, beginning: str, status: int, text: str) -> None:
        self._told[beginning] = (status, text)
        self._write()

    def _write(self) -> None:
        cases = [
            f"{shlex.quote(beginning)}*) {_printing(text)} {'>&2; exit 1' if status else ''} ;;"
            for beginning, (status, text) in sorted(self._told.items(), key=lambda told: -len(told[0]))
        ]
        self._program.write_text(STANDIN.format(log=shlex.quote(str(self._log)), cases="\n".join(cases)))

    def works(self) -> None:
        """Forgets what fails, and the commands."""
        self._told = {beginning: told for beginning, told in self._told.items() if told[0] == 0}
        self._write()
        self._log.write_text("")

    @property
    def functions(self) -> list[dict[str, Any]]:
        """The functions that it lists."""
        functions: list[dict[str, Any]] = json.loads(self._told["functions list"][1])
        return functions

    @property
    def commands(self) -> list[str]:
        return self._log.read_text().splitlines() if self._log.exists() else []

    @property
    def changes(self) -> list[str]:
        """The commands that change something."""
        reading = (" list ", " describe ", " get-iam-policy ")
        return [line for line in self.commands if not any(word in line for word in reading)]

    @property
    def deployed(self) -> set[str]:
        return {line.split()[2] for line in self.commands if line.startswith("functions deploy ")}

    def remember(self) -> None:
        """What was deployed is there from now on, as it was labelled, with its dead letters."""
        functions: list[dict[str, Any]] = []
        names: list[str] = []
        for line in self.commands:
            if line.startswith("functions deploy "):
                name = line.split()[2]
                labels = dict(each.split("=") for each in line.partition("--update-labels=")[2].split()[0].split(","))
                trigger = {"trigger": f"projects/p/locations/nam5/triggers/{name}-1"}
                content = {"name": f"projects/p/locations/us-central1/functions/{name}", "state": "ACTIVE"}
                names.append(name)
                functions.append({**content, "labels": labels, "eventTrigger": trigger})
        self.answers("functions list", functions)
        jobs = [line.split()[4] for line in self.commands if line.startswith("scheduler jobs create http ")]
        self.answers(
            "scheduler jobs list", [{"name": f"projects/p/locations/us-central1/jobs/{name}"} for name in jobs]
        )
        self.answers(
            "pubsub subscriptions list",
            [
                {"name": f"projects/p/subscriptions/eventarc-nam5-{name}-1-sub-9", "deadLetterPolicy": {}}
                for name in names
            ],
        )


@pytest.fixture
def standin(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Standin:
    folder = tmp_path_factory.mktemp("bin")
    monkeypatch.setenv("PATH", str(folder))
    return Standin(folder)


@pytest.fixture
def write(module: Write, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Writes the app with all that is uploaded, as a release would be."""
    monkeypatch.setattr("boiler_functions.cli.upload._origin", lambda package: None)
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "my-project")

    def write(text: str) -> None:
        name = module(text)
        (folder / "functions" / "main.py").write_text(f"from {name} import app\n\napp.export(globals())\n")
        (folder / "functions" / "requirements.txt").write_text("boiler-functions[rest,tasks,websocket]\n")
        (folder / "firebase.json").write_text("{}")

    return write


@pytest.fixture(autouse=True)
def database(monkeypatch: pytest.MonkeyPatch) -> MemoryDatabase:
    """The project's database."""
    database = MemoryDatabase()
    monkeypatch.setattr(Context, "database", database)
    return database


@pytest.fixture(autouse=True)
def app(write: Callable[[str], None]) -> None:
    write(APP)


FUNCTIONS = {"towns-city-view-on-cities", "towns-city-form-task", "towns-continuations", "towns-upkeep"}


def test_all_is_deployed_where_nothing_is(standin: Standin, run: Run) -> None:
    result = run("deploy")
    assert result.exit_code == 0
    assert re.search(r"towns is deployed to my-project: \d+ changes\.\n$", result.stdout)
    assert standin.deployed == FUNCTIONS


def test_apis_that_are_missing_are_enabled_before_anything_else(standin: Standin, run: Run) -> None:
    standin.answers("services list", [])
    run("deploy")
    assert standin.changes[0].startswith("services enable artifactregistry.googleapis.com cloudbuild.googleapis.com")


def test_what_is_there_is_left_alone(standin: Standin, run: Run) -> None:
    run("deploy")
    standin.remember()
    standin.works()
    assert run("deploy").exit_code == 0
    assert standin.deployed == set()


@pytest.mark.parametrize("state", ["FAILED", "DEPLOYING"])
def test_a_function_whose_deployment_did_not_end_well_is_deployed_again(state: str, standin: Standin, run: Run) -> None:
    run("deploy")
    standin.remember()
    functions = standin.functions
    standin.answers("functions list", [{**functions[0], "state": state}, *functions[1:]])
    standin.works()
    run("deploy")
    assert standin.deployed == {functions[0]["name"].rpartition("/")[2]}


def test_what_ctrl_c_left_undone_behind_a_function_is_done_by_the_next_run(standin: Standin, run: Run) -> None:
    run("deploy")
    standin.remember()
    standin.answers("pubsub subscriptions list", [])
    standin.works()
    run("deploy")
    assert standin.deployed == set()
    granted = [line.split()[2] for line in standin.commands if line.startswith("functions add-invoker")]
    assert sorted(granted) == sorted(FUNCTIONS)
    assert len([line for line in standin.commands if "--dead-letter-topic=towns-undelivered" in line]) == 2


def test_an_invoker_that_is_known_is_not_asked_for_again(standin: Standin, run: Run) -> None:
    run("deploy")
    standin.remember()
    member = "serviceAccount:towns-invoke@my-project.iam.gserviceaccount.com"
    bindings = [{"role": "roles/run.invoker", "members": [member]}]
    for name in ("continuations", "upkeep"):
        standin.answers(f"run services get-iam-policy towns-{name}", {"bindings": bindings})
    standin.works()
    run("deploy")
    assert not any(line.startswith("functions add-invoker") for line in standin.commands)


def test_upkeep_has_one_job_that_calls_it_as_the_invoker_once_a_minute(standin: Standin, run: Run) -> None:
    run("deploy")
    (job,) = (line for line in standin.commands if line.startswith("scheduler jobs create http "))
    url = "https://us-central1-my-project.cloudfunctions.net/towns-upkeep"
    account = "towns-invoke@my-project.iam.gserviceaccount.com"
    assert job.startswith("scheduler jobs create http towns-upkeep --location=us-central1 --schedule=* * * * * ")
    assert {f"--uri={url}", f"--oidc-token-audience={url}", f"--oidc-service-account-email={account}"} < {*job.split()}
    standin.remember()
    standin.works()
    run("deploy")
    assert not any(line.startswith("scheduler jobs create") for line in standin.commands)


def test_the_job_of_an_upkeep_that_is_switched_off_is_removed_with_it(
    standin: Standin, run: Run, write: Callable[[str], None]
) -> None:
    run("deploy")
    standin.remember()
    standin.works()
    write(APP.replace('Boiler("towns"', 'Boiler("towns", upkeep=False'))
    run("deploy", "--prune", "--yes")
    removed = [line for line in standin.commands if "towns-upkeep" in line and " delete " in line]
    assert [line.split(" delete ")[0] for line in removed] == ["scheduler jobs", "functions"]


def test_an_option_of_one_view_concerns_its_functions_alone(
    standin: Standin, run: Run, write: Callable[[str], None], folder: Path
) -> None:
    (name,) = (path for path in (folder / "functions").glob("app_*.py"))
    run("deploy")
    standin.remember()
    standin.works()
    text = APP.replace("@app.query", "@app.query(memory=1024)")
    name.unlink()
    write(text)
    (renamed,) = (path for path in (folder / "functions").glob("app_*.py"))
    renamed.rename(name)
    (folder / "functions" / "main.py").write_text(f"from {name.stem} import app\n\napp.export(globals())\n")
    (folder / "pyproject.toml").write_text(f'[tool.boiler_functions]\napp = "{name.stem}:app"\n')
    sys.modules.pop(name.stem)
    run("deploy")
    assert "towns-city-form-task" not in standin.deployed
    assert "towns-city-view-on-cities" in standin.deployed


@pytest.mark.parametrize("only", ["CityForm", "*task", "city_form_task", "towns-city-form-task"])
def test_only_these_are_deployed(only: str, standin: Standin, run: Run) -> None:
    run("deploy", "--only", only)
    assert standin.deployed == {"towns-city-form-task"}


def test_only_of_nothing_names_what_there_is(standin: Standin, run: Run) -> None:
    result = run("deploy", "--only", "Town")
    assert result.exit_code == 2
    assert (
        "--only Town matches no function and no view of the app. Use one of its functions: city_view_on_cities"
        in result.stderr
    )
    assert standin.commands == []


OLD = {"name": "projects/p/locations/us-central1/functions/towns-old", "state": "ACTIVE", "labels": {}}


def test_a_function_that_is_no_longer_declared_is_named_and_stays(standin: Standin, run: Run) -> None:
    standin.answers("functions list", [OLD])
    assert "towns no longer declares towns-old (us-central1); --prune removes" in run("deploy").stdout
    assert not any(line.startswith("functions delete") for line in standin.commands)


@pytest.mark.parametrize(("answer", "is_removed"), [("y\n", True), ("n\n", False)])
def test_prune_asks_before_it_removes(answer: str, is_removed: bool, standin: Standin) -> None:
    standin.answers("functions list", [OLD])
    result = CliRunner().invoke(boiler, ["deploy", "--prune"], input=answer)
    assert "Remove towns-old (us-central1), which towns no longer declares?" in result.stdout
    assert any(line.startswith("functions delete towns-old") for line in standin.commands) is is_removed


def test_prune_asks_nothing_with_yes(standin: Standin, run: Run) -> None:
    standin.answers("functions list", [OLD])
    run("deploy", "--prune", "--yes")
    assert any(line.startswith("functions delete towns-old") for line in standin.commands)


# What gcloud cannot do, and as whom it does the rest


RULES = "firebase deploy --only=firestore:rules --project=my-project --non-interactive"


def test_security_rules_are_deployed_by_firebase(standin: Standin, run: Run) -> None:
    assert run("deploy").exit_code == 0
    assert RULES in standin.commands


@pytest.mark.parametrize("lacks", ["firebase", "firebase.json"])
def test_undeployed_security_rules_are_named_last_and_give_an_exit_status_of_1(
    lacks: str, standin: Standin, run: Run, folder: Path
) -> None:
    (standin.firebase if lacks == "firebase" else folder / "firebase.json").unlink()
    result = run("deploy")
    assert result.exit_code == 1
    assert standin.deployed == FUNCTIONS
    assert result.stderr.startswith("Security rules are not deployed: ")
    assert result.stderr.endswith("run: npx firebase-tools deploy --only firestore --project my-project.\n")
    assert ("`boiler compile` and `boiler rules` write" in result.stderr) is (lacks == "firebase.json")


def test_security_rules_can_be_left_to_others(standin: Standin, run: Run) -> None:
    assert run("deploy", "--no-rules").exit_code == 0
    assert RULES not in standin.commands


# Indexes


GROUPED = """
class Street(DomainModel):
    class Meta:
        collection_name = "cities/{city}/streets"
    kind = attrs.string(required=True)
    length = attrs.integer(required=True)

class StreetStore(Store):
    streets = matching(Street.kind == "road", Street.length > 7)

@app.query
class Roads(ViewModel[StreetStore]):
    class Meta:
        path = "roads/all"

    @attrs.computed
    def count(self) -> int:
        return len(self.store.streets)
"""
INDEX = "firestore indexes composite create --collection-group=streets --query-scope=collection-group"


@pytest.fixture
def indexed(write: Callable[[str], None]) -> None:
    write(APP.replace("import Boiler", "import matching, Boiler") + GROUPED)


def _listed(state: str) -> list[Any]:
    paths = ("kind", "length")
    fields = [{"fieldPath": path, "order": "ASCENDING"} for path in paths]
    name = "projects/p/databases/d/collectionGroups/streets/indexes/1"
    return [{"name": name, "queryScope": "COLLECTION_GROUP", "fields": fields, "state": state}]


@pytest.mark.usefixtures("indexed")
def test_an_index_is_created_to_its_end_before_the_functions_that_need_it(standin: Standin, run: Run) -> None:
    assert run("deploy").exit_code == 0
    (created,) = (at for at, line in enumerate(standin.commands) if line.startswith(INDEX))
    assert "--async" not in standin.commands[created].split()
    assert all(at > created for at, line in enumerate(standin.commands) if line.startswith("functions deploy"))


@pytest.mark.usefixtures("indexed")
def test_an_index_that_is_being_built_is_waited_for(
    standin: Standin, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    standin.answers("firestore indexes composite list", _listed("CREATING"))
    deployed: list[set[str]] = []

    def wait(cloud: Gcloud) -> None:
        deployed.append(standin.deployed)
        if len(deployed) == 2:
            standin.answers("firestore indexes composite list", _listed("READY"))

    monkeypatch.setattr(Gcloud, "wait", wait)
    result = run("deploy")
    assert result.exit_code == 0
    assert deployed == [set(), set()]
    assert result.stdout.count("database: waits for the index streets (kind asc, length asc)\n") == 2
    assert not any(line.startswith(INDEX) for line in standin.commands)
    assert len(standin.deployed) == 5


SINGLE = GROUPED.replace(", Street.length > 7", "")


def test_an_index_over_all_collections_of_a_name_is_waited_for_and_refused_without_firebase(
    standin: Standin, run: Run, write: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(APP.replace("import Boiler", "import matching, Boiler") + SINGLE)
    standin.firebase.rename(standin.firebase.with_suffix(".gone"))
    refused = run("deploy")
    assert refused.exit_code == 2
    assert "error BF210 Functions need indexes over all collections of one name (streets.kind)" in refused.stderr
    assert "run: npx firebase-tools deploy --only firestore --project my-project." in refused.stderr
    assert standin.deployed == set()

    standin.firebase.with_suffix(".gone").rename(standin.firebase)
    index = {"queryScope": "COLLECTION_GROUP", "state": "CREATING"}
    field = {"name": "projects/p/databases/d/collectionGroups/streets/fields/kind"}
    standin.answers("firestore indexes fields list", [{**field, "indexConfig": {"indexes": [index]}}])

    def wait(cloud: Gcloud) -> None:
        assert standin.deployed == set()
        ready = {**index, "state": "READY"}
        standin.answers("firestore indexes fields list", [{**field, "indexConfig": {"indexes": [ready]}}])

    monkeypatch.setattr(Gcloud, "wait", wait)
    assert run("deploy").exit_code == 0
    assert "firestore:rules,firestore:indexes" in "".join(standin.commands)
    assert len(standin.deployed) == 5


# Rights

PUBLIC = """
@app.rest("/cities", secrets=["PUBLIC_KEY"])
class CityPage(ViewModel[CityStore]):
    class Meta:
        read = access.public

    @attrs.computed
    def title(self) -> str:
        return self.store.city.name
"""
RUN, WEB, INVOKE = (f"towns-{each}@my-project.iam.gserviceaccount.com" for each in ("run", "web", "invoke"))


@pytest.fixture
def public(standin: Standin, write: Callable[[str], None]) -> None:
    """An app with an API that uses a secret, and a task that uses another."""
    text = APP.replace("writes=[City])", 'writes=[City], secrets=["TASK_KEY"])')
    write(text + PUBLIC)
    standin.answers(
        "services list", [{"config": {"name": f"{api}.googleapis.com"}} for api in (*APIS, "secretmanager")]
    )


def _with_flag(lines: list[str], name: str) -> str:
    (line,) = (each for each in lines if each.startswith(f"functions deploy {name} "))
    return line.partition("--service-account=")[2].split()[0]


@pytest.mark.usefixtures("public")
def test_what_strangers_reach_runs_as_an_account_of_its_own(standin: Standin, run: Run) -> None:
    assert run("deploy").exit_code == 0
    assert _with_flag(standin.commands, "towns-api") == WEB
    assert _with_flag(standin.commands, "towns-city-form-task") == RUN
    assert _with_flag(standin.commands, "towns-continuations") == RUN
    roles = {tuple(re.findall(r"--(?:member=serviceAccount:|role=)(\S+)", each)) for each in standin.commands}
    assert (WEB, "roles/datastore.user") in roles
    assert not {(WEB, "roles/cloudtasks.enqueuer"), (WEB, "roles/iam.serviceAccountUser")} & roles


@pytest.mark.usefixtures("public")
def test_a_secret_is_granted_to_the_account_that_uses_it_alone(standin: Standin, run: Run) -> None:
    role = "roles/secretmanager.secretAccessor"
    both = [f"serviceAccount:{RUN}", f"serviceAccount:{WEB}", "user:ada@example.org"]
    standin.answers("secrets get-iam-policy TASK_KEY", {"bindings": [{"role": role, "members": both}]})
    assert run("deploy").exit_code == 0
    changed = [line for line in standin.changes if line.startswith("secrets ")]
    assert [line.split()[1:4] for line in changed] == [
        ["add-iam-policy-binding", "PUBLIC_KEY", f"--member=serviceAccount:{WEB}"],
        ["remove-iam-policy-binding", "TASK_KEY", f"--member=serviceAccount:{WEB}"],
    ]


def test_an_invoker_that_is_no_longer_declared_loses_the_right(standin: Standin, run: Run) -> None:
    run("deploy")
    standin.remember()
    standin.works()
    members = [f"serviceAccount:{INVOKE}", "serviceAccount:old@my-project.iam.gserviceaccount.com", "allUsers"]
    for name in FUNCTIONS:
        policy = {"bindings": [{"role": "roles/run.invoker", "members": members}]}
        standin.answers(f"run services get-iam-policy {name}", policy)
    assert run("deploy").exit_code == 0
    revoked = {
        (line.split()[2], line.split("--member=")[1].split()[0]) for line in standin.commands if "remove-inv" in line
    }
    assert revoked == {(name, member) for name in FUNCTIONS for member in members[1:]}
    assert not any(line.startswith("functions add-invoker") for line in standin.commands)


@pytest.mark.usefixtures("public")
def test_an_api_that_is_private_now_is_open_to_nobody_and_a_public_one_stays(
    standin: Standin, run: Run, write: Callable[[str], None]
) -> None:
    run("deploy")
    standin.remember()
    policy = {"bindings": [{"role": "roles/run.invoker", "members": ["allUsers"]}]}
    standin.answers("run services get-iam-policy towns-api", policy)
    standin.works()
    run("deploy")
    revoke = "functions remove-invoker-policy-binding towns-api --region=us-central1 --member=allUsers"
    assert not any(line.startswith(revoke) for line in standin.commands)
    write(APP + PUBLIC.replace('secrets=["PUBLIC_KEY"]', 'invoker="private"'))
    run("deploy")
    assert any(line.startswith(revoke) for line in standin.commands)


def test_the_credentials_of_a_stage_are_those_of_gcloud(
    standin: Standin, run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT")
    (folder / "key.json").write_text("{}")
    pyproject = folder / "pyproject.toml"
    pyproject.write_text(
        pyproject.read_text() + '[tool.boiler_functions.env.prod]\nproject = "prod-1"\ncredentials = "key.json"\n'
    )
    standin.fails("projects describe prod-1", "as $CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE")
    assert f"as {folder / 'key.json'}" in run("deploy", "--env", "prod").stderr


# Refused before anything is changed


def test_without_gcloud_nothing_is_deployed(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    result = run("deploy")
    assert result.exit_code == 2
    assert result.stderr.startswith("error BF203 gcloud is not on PATH.")
    assert run("deploy", "--dry-run").exit_code == 0


def test_without_a_project_nothing_is_deployed(standin: Standin, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT")
    result = run("deploy")
    assert result.exit_code == 2
    assert result.stderr.startswith("error BF205 No project is named. Give --project")
    assert standin.commands == []


@pytest.mark.parametrize(
    ("asked", "said", "code", "step"),
    [
        (
            "projects describe",
            "ERROR: (gcloud.projects.describe) You do not currently have an active account selected.",
            "BF204",
            "Run: gcloud auth login",
        ),
        (
            "projects describe",
            "ERROR: [a@b.c] does not have permission to access projects instance [my-project] (or it may not exist)",
            "BF205",
            "gcloud projects list",
        ),
        (
            "firestore databases describe",
            "ERROR: NOT_FOUND: The database (default) does not exist for project my-project",
            "BF200",
            "gcloud firestore databases create",
        ),
        (
            "services list",
            "ERROR: PERMISSION_DENIED: Service Usage API has not been used in project 123 before or it is disabled.",
            "BF207",
            "gcloud services enable",
        ),
        ("pubsub topics list", "ERROR: PERMISSION_DENIED: missing pubsub.topics.list", "BF209", "owner"),
    ],
)
def test_what_cannot_be_deployed_to_is_refused_before_anything_is_changed(
    asked: str, said: str, code: str, step: str, standin: Standin, run: Run
) -> None:
    standin.fails(asked, said)
    result = run("deploy")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error {code} ")
    assert said in result.stderr
    assert step in result.stderr
    assert standin.changes == []


def test_a_project_without_billing_is_refused(standin: Standin, run: Run) -> None:
    standin.answers("billing projects describe", {"billingEnabled": False})
    result = run("deploy")
    assert (result.exit_code, result.stderr.split()[:2]) == (2, ["error", "BF208"])
    assert standin.changes == []


def test_an_account_without_access_to_billing_may_deploy(standin: Standin, run: Run) -> None:
    standin.fails("billing projects describe", "PERMISSION_DENIED")
    assert run("deploy").exit_code == 0


def test_a_trigger_that_is_not_where_the_database_is_is_refused(
    standin: Standin, run: Run, write: Callable[[str], None], folder: Path
) -> None:
    write(APP.replace('Boiler("towns")', 'Boiler("towns", trigger_location="eur3")'))
    result = run("deploy")
    assert (result.exit_code, result.stderr.split()[:2]) == (2, ["error", "BF206"])
    assert "has the location 'eur3', and the database '(default)' of my-project is in 'nam5'" in result.stderr
    assert standin.changes == []


def test_missing_requirements_are_refused(standin: Standin, run: Run, folder: Path) -> None:
    (folder / "functions" / "requirements.txt").unlink()
    result = run("deploy")
    assert (result.exit_code, result.stderr.split()[:2]) == (2, ["error", "BF202"])
    assert standin.commands == []


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('Boiler("towns")', 'Boiler("towns", region="us-centrl1")', "BF105"),
        ('path = "cityView/', 'path = "cities/', "BF109"),
        ("from boiler_functions import", "import nowhere_at_all\nfrom boiler_functions import", "BF201"),
    ],
)
def test_an_app_that_cannot_work_is_refused(
    old: str, new: str, code: str, standin: Standin, run: Run, write: Callable[[str], None]
) -> None:
    write(APP.replace(old, new))
    result = run("deploy")
    assert result.exit_code == 2
    assert f"error {code} " in result.stderr
    assert standin.commands == []


# What an app leaves to its next deployment, and to other apps

STORED = {"CityView": "cityView/{city.doc_id}"}


def _registered(database: MemoryDatabase, app: str = "towns") -> Any:
    return database.read([f"boilerApps/{app}"]).documents[0].fields


def test_a_deployment_writes_down_what_the_app_stores_and_takes(
    standin: Standin, run: Run, database: MemoryDatabase
) -> None:
    run("deploy")
    registered = _registered(database)
    assert registered.pop("deployment") > 1_700_000_000
    assert registered == {
        "views": STORED,
        "tasks": {"CityForm": "users/{user_id}/cityForms/{city_id}"},
        "sources": {"CityView": ["cities/{doc_id}"]},
        "dropped": {},
    }


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda text: text, "CityView of the app 'cities' has documents at 'cityView/{city.doc_id}'"),
        (lambda text: text.replace("cityView/{", "cityViews/{"), "CityForm of the app 'cities' has documents at"),
    ],
)
def test_an_app_whose_paths_are_another_ones_is_refused_before_anything_is_changed(
    change: Callable[[str], str], told: str, standin: Standin, run: Run, write: Callable[[str], None]
) -> None:
    run("deploy")
    standin.works()
    write(change(APP.replace('Boiler("towns")', 'Boiler("cities")')))
    result = run("deploy")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"error BF108 {told}")
    assert "of the app 'towns' has its own" in result.stderr
    assert "run `boiler withdraw --former towns`." in result.stderr
    assert standin.changes == []


def test_an_app_with_paths_of_its_own_is_deployed_beside_others(
    standin: Standin, run: Run, write: Callable[[str], None]
) -> None:
    run("deploy")
    apart = APP.replace('Boiler("towns")', 'Boiler("cities")').replace("cityView/{", "cityViews/{")
    write(apart.replace("cityForms/{", "cityWishes/{"))
    assert run("deploy").exit_code == 0


def test_an_unreachable_database_is_reported_and_stops_nothing(
    standin: Standin, run: Run, database: MemoryDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    def query(*_: object) -> None:
        raise Unavailable("It is away.")

    monkeypatch.setattr(database, "query", query)
    result = run("deploy")
    assert result.exit_code == 0
    assert "Whether another app stores views at the same paths is not known: It is away." in result.stdout


def test_what_a_new_view_or_source_lacks_is_named_or_built(
    standin: Standin, run: Run, write: Callable[[str], None], database: MemoryDatabase
) -> None:
    lacks = "is new or has new sources; `boiler build"
    assert f"CityView {lacks} CityView`" in run("deploy").stdout
    assert lacks not in run("deploy").stdout
    write(APP + LABEL)
    database.commit([Put("cities/TOK", {"name": "Tokyo", "obj_type": "City", "doc_id": "TOK"})])
    printed = run("deploy", "--build").stdout
    assert "CityLabel: 1 built" in printed
    assert "CityView: " not in printed
    assert database.read(["cityLabels/TOK"]).documents[0].exists


def test_a_view_of_which_other_code_built_copies_is_named_or_built(
    standin: Standin, run: Run, folder: Path, database: MemoryDatabase, write: Callable[[str], None]
) -> None:
    next((folder / "functions").glob("app_*.py")).unlink()
    write(APP + LABEL)
    database.commit([Put("cities/TOK", {"name": "Tokyo", "obj_type": "City", "doc_id": "TOK"})])
    run("deploy", "--build")
    told = "has copies that other code built"
    assert told not in run("deploy").stdout
    (module,) = (folder / "functions").glob("app_*.py")
    module.write_text(APP + LABEL.replace("* ", "a city: "))
    sys.modules.pop(module.stem)
    printed = run("deploy").stdout
    assert f"CityLabel {told}; `boiler build CityLabel`" in printed
    assert f"CityView {told}" not in printed
    run("deploy", "--build")
    assert (database.read(["cityLabels/TOK"]).documents[0].fields or {})["label"] == "a city: Tokyo"
    assert told not in run("deploy").stdout


def test_every_deployment_has_a_number_and_says_which_code_computes_a_view(
    standin: Standin, run: Run, folder: Path, database: MemoryDatabase
) -> None:
    run("deploy")
    (folder / "firebase.json").unlink()
    run("compile")
    for staged in ("upload", "firebase"):
        release = Release.of(folder / ".boiler" / staged, {})
        assert release.deployment > 1_700_000_000
        assert set(release.codes) == {"CityView"}
    assert _registered(database)["deployment"] <= release.deployment


def test_a_view_that_is_dropped_is_named_until_it_is_withdrawn(
    standin: Standin, run: Run, write: Callable[[str], None]
) -> None:
    write(APP + LABEL)
    run("deploy")
    write(APP)
    left = "No function updates the copies of CityLabel (cityLabels/{city.doc_id}) any more; `boiler withdraw"
    assert left in run("deploy").stdout
    assert left in run("deploy").stdout
    assert run("withdraw", "--dropped").exit_code == 0
    assert "No function updates" not in run("deploy").stdout


def test_an_app_that_declares_nothing_any_more_is_removed(
    standin: Standin, run: Run, write: Callable[[str], None]
) -> None:
    run("deploy")
    standin.remember()
    standin.works()
    write('from boiler_functions import Boiler\n\napp = Boiler("towns")\n')
    assert "towns no longer declares towns-city-form-task" in run("deploy").stdout
    result = run("deploy", "--prune", "--yes")
    assert result.exit_code == 0
    assert len([line for line in standin.commands if line.startswith("functions delete")]) == 4
    assert standin.deployed == set()
    assert "No function updates the copies of CityView" in result.stdout


# The service that holds sockets

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
        "--set-env-vars=GOOGLE_CLOUD_PROJECT=my-project",
    ):
        assert flag in with_service.split()
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
    (service,) = json.loads(run("plan", "--json").stdout)["services"]
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


# Failures on the way


def test_a_failure_names_the_function_and_what_gcloud_said_and_the_others_go_on(standin: Standin, run: Run) -> None:
    standin.fails("functions deploy towns-city-form-task", "ERROR: Build failed: no matching distribution for x")
    result = run("deploy")
    assert result.exit_code == 2
    assert result.stderr.startswith("error BF210 Deploying the function towns-city-form-task failed. gcloud says:")
    assert "no matching distribution for x" in result.stderr
    assert standin.deployed == FUNCTIONS


def test_the_next_run_does_only_what_failed(standin: Standin, run: Run) -> None:
    standin.fails("functions deploy towns-city-form-task", "ERROR: Build failed")
    run("deploy")
    standin.remember()
    functions = standin.functions
    standin.answers("functions list", [each for each in functions if not each["name"].endswith("task")])
    standin.works()
    assert run("deploy").exit_code == 0
    assert standin.deployed == {"towns-city-form-task"}


def test_two_failures_are_reported_together(standin: Standin, run: Run) -> None:
    standin.fails("functions deploy towns-city", "ERROR: PERMISSION_DENIED: cloudfunctions.functions.create")
    result = run("deploy")
    assert result.stderr.startswith("error BF209 2 of 4 steps failed; completed steps are not repeated.")
    assert result.stderr.count("BF209 Deploying the function towns-city-") == 2


EVENTARC = (
    "ERROR: (gcloud.functions.deploy) FAILED_PRECONDITION: Validation failed for trigger: Permission denied while "
    "using the Eventarc Service Agent. If you recently started to use Eventarc, it may take a few minutes"
)


def test_a_service_agent_that_is_new_is_waited_for(standin: Standin) -> None:
    standin.fails("functions deploy", EVENTARC)
    told: list[str] = []

    def tell(text: str) -> None:
        told.append(text)
        if len(told) == 2:
            standin.works()

    Gcloud(pause=0.01).run(gcloud("functions", "deploy", "towns"), told=tell)
    assert len(told) == 2
    assert "The service agent of Eventarc is new in the project" in told[0]


def test_waiting_has_an_end(standin: Standin) -> None:
    standin.fails("functions deploy", EVENTARC)
    with pytest.raises(DeploymentFailed, match="takes some minutes to get its rights"):
        Gcloud(pause=0.01, attempts=3).run(gcloud("functions", "deploy", "towns"))
    assert len(standin.commands) == 3


def test_what_exists_already_is_created(standin: Standin) -> None:
    standin.fails("pubsub topics create", "ERROR: the resource in projects [p] already exists")
    assert Gcloud().run(gcloud("pubsub", "topics", "create", "t")) == ""


def test_nothing_is_started_once_it_was_stopped(standin: Standin) -> None:
    cloud = Gcloud()
    cloud.stop()
    phase = Phase("functions", (Step("towns", (gcloud("functions", "deploy"),), True),))
    with pytest.raises(DeploymentFailed, match="stopped before this step started"):
        perform(cloud, phase, Console(quiet=True))
    assert standin.commands == []


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("Cloud Functions API has not been used in project 1 before or it is disabled", "ApiDisabled"),
        ("This API method requires billing to be enabled. Please enable billing on project #1", "BillingDisabled"),
        (
            "Database '(default)' does not exist in region 'us-central1'. Did you mean the region 'nam5'?",
            "WrongLocation",
        ),
        ("The trigger location us-central1 does not match the database", "WrongLocation"),
        ("Permission 'cloudfunctions.functions.create' denied: PERMISSION_DENIED", "NotPermitted"),
        ("Reauthentication failed. cannot prompt during non-interactive execution.", "NotSignedIn"),
        ("Project 'nowhere' not found or permission denied.", "NoSuchProject"),
        ("Build failed with status: FAILURE", "DeploymentFailed"),
    ],
)
def test_the_output_of_gcloud_becomes_an_error(said: str, error: str) -> None:
    found = diagnosed(gcloud("functions", "deploy"), f"ERROR: (gcloud.functions.deploy) {said}")
    assert type(found).__name__ == error
    assert said in str(found)


def test_every_symptom_says_what_to_do() -> None:
    assert all(symptom.step.rstrip(".") for symptom in SYMPTOMS)


@pytest.mark.parametrize("is_terminal", [True, False])
def test_progress_names_each_step_and_how_it_ended(is_terminal: bool, standin: Standin) -> None:
    standin.fails("functions deploy b", "ERROR: Build failed")
    printed = StringIO()
    steps = tuple(Step(name, (gcloud("functions", "deploy", name),), True) for name in "ab")
    with pytest.raises(DeploymentFailed):
        perform(Gcloud(), Phase("functions", steps), Console(file=printed, force_terminal=is_terminal, width=100))
    assert re.search(r"\ba\b.*done", printed.getvalue())
    assert re.search(r"\bb\b.*failed", printed.getvalue())


# The commands as they are printed


def test_accounts_of_an_app_with_a_long_name_are_ones_that_google_takes(run: Run, write: Callable[[str], None]) -> None:
    write(APP.replace('"towns"', f'"{"long-" * 9}towns"'))
    printed = run("deploy", "--dry-run").stdout
    accounts = re.findall(r"service-accounts create (\S+)", printed)
    assert len(set(accounts)) == 2
    assert all(re.fullmatch(r"[a-z][a-z0-9-]{4,28}[a-z0-9]", each) for each in accounts)


def test_a_command_within_a_command_is_printed_for_a_shell_and_run_for_what_it_prints() -> None:
    inner = gcloud("projects", "describe", "p", "--format=value(projectNumber)")
    outer = gcloud("x", inner.within("--member=service-", "@y"), "--filter=a b")
    assert str(outer) == (
        """gcloud x --member=service-"$(gcloud projects describe p --format='value(projectNumber)')"@y --filter='a b'"""
    )
    assert outer.filled(lambda command: "123\n") == ["gcloud", "x", "--member=service-123@y", "--filter=a b"]


def test_dry_run_asks_nothing_and_says_what_to_put_in(
    standin: Standin, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT")
    result = run("deploy", "--dry-run")
    assert result.exit_code == 0
    assert result.stdout.startswith("# No project is configured: pass --project, or replace PROJECT_ID with yours.\n")
    assert "gcloud functions deploy towns-city-view-on-cities --gen2 --region=us-central1" in result.stdout
    assert standin.commands == []
