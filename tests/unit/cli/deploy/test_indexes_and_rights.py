"""`boiler deploy` sees to security rules, indexes and rights before the functions that need them."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from boiler_functions.cli.gcloud import Gcloud
from tests.unit.cli.conftest import APP, Run
from tests.unit.cli.deploy.standin import APIS, FUNCTIONS, Standin

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
    assert result.stdout.splitlines()[-1].startswith("Security rules are not deployed: ")
    assert result.stdout.endswith("run: npx firebase-tools deploy --only firestore --project my-project.\n")
    assert ("`boiler compile` and `boiler rules` write" in result.stdout) is (lacks == "firebase.json")


def test_security_rules_can_be_left_to_others(standin: Standin, run: Run) -> None:
    assert run("deploy", "--no-rules").exit_code == 0
    assert RULES not in standin.commands


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
    assert result.stderr.count("database: waits for the index streets (kind asc, length asc)\n") == 2
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
