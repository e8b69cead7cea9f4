"""`boiler deploy` deploys what is new or changed, leaves the rest alone, and prints each command."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from boiler_functions.cli.commands import boiler
from boiler_functions.cli.gcloud import gcloud
from tests.unit.cli.conftest import APP, Run
from tests.unit.cli.deploy.standin import FUNCTIONS, Standin

NAMES = ("towns-city-view-on-cities", "towns-city-form-task", "towns-continuations", "towns-upkeep")
OLD = {"name": "projects/p/locations/us-central1/functions/towns-old", "state": "ACTIVE", "labels": {}}


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


def replaced(output: str) -> list[str]:
    """What is said before anything is changed, with one space between words, and no fingerprints and numbers."""
    said = output[output.index("Functions of") :].partition("\nAPIs:")[0].partition("\naccounts")[0]
    lines = [re.sub(r"\b[0-9a-f]{8}\b|\b\d{9,}\b", "N", " ".join(line.split())) for line in said.splitlines()]
    return [line for line in lines if line.startswith(("Functions of", "new", "replaced", "no longer"))]


def test_before_anything_is_changed_it_is_said_what_is_new_replaced_and_unchanged(
    standin: Standin, run: Run, write: Callable[[str], None]
) -> None:
    first = run("deploy").stdout
    assert replaced(first) == [
        "Functions of towns in my-project, deployment N: 4 new",
        *(f"new {name} us-central1 N" for name in NAMES),
    ]
    assert first.startswith("Functions of towns")
    standin.remember()
    functions = standin.functions
    failed = {**functions[0], "state": "FAILED"}
    standin.answers("functions list", [failed, *functions[1:], OLD])
    again = run("deploy").stdout
    assert replaced(again) == [
        "Functions of towns in my-project, deployment N after N: 1 replaced, 3 unchanged, 1 no longer declared",
        f"replaced {failed['name'].rpartition('/')[2]} us-central1 N by N, as it is failed",
        "no longer declared towns-old us-central1 stays",
    ]
    write(APP.replace("return self.store.city.name", "return self.store.city.name.upper()"))
    assert "no longer declared towns-old us-central1 is removed" in replaced(run("deploy", "--prune", "--yes").stdout)


def test_only_what_is_chosen_is_said(standin: Standin, run: Run) -> None:
    standin.answers("functions list", [OLD])
    said = replaced(run("deploy", "--only", "CityForm").stdout)
    assert said[0] == "Functions of towns in my-project, deployment N: 1 new"
    assert len(said) == 2


def test_dry_run_says_what_a_deployment_would_replace_and_changes_nothing(
    standin: Standin, run: Run, write: Callable[[str], None]
) -> None:
    run("deploy")
    standin.remember()
    standin.works()
    write(APP.replace("return self.store.city.name", "return self.store.city.name.upper()"))
    lines = run("deploy", "--dry-run").stdout.splitlines()
    assert lines[0] == "# Functions of towns in my-project: 4 replaced"
    assert re.fullmatch(r"# +replaced +towns-city-view-on-cities +us-central1 +[0-9a-f]{8} by [0-9a-f]{8}", lines[1])
    assert standin.changes == []
    assert {line.split(" --")[0] for line in standin.commands} == {"functions list", "run services list"}


def test_dry_run_prints_the_commands_also_where_gcloud_does_not_answer(standin: Standin, run: Run) -> None:
    standin.fails("functions list", "ERROR: You do not currently have an active account selected.")
    result = run("deploy", "--dry-run")
    assert result.exit_code == 0
    assert result.stdout.startswith("# What this replaces in my-project is not known: BF204 ")
    assert "gcloud functions deploy towns-city-view-on-cities " in result.stdout


def test_as_json_a_deployment_says_what_it_did_and_its_lines_are_beside(standin: Standin, run: Run) -> None:
    standin.answers("functions list", [OLD])
    done = run("deploy", "--prune", "--yes", "--json")
    found = json.loads(done.stdout)
    assert (found["command"], found["project"], found["is_fine"]) == ("deploy", "my-project", True)
    result = found["result"]
    assert {each["name"]: each["change"] for each in result["functions"]} == {
        **dict.fromkeys(NAMES, "new"),
        "towns-old": "no longer declared",
    }
    assert (result["removed"], result["left"], result["built"], result["dropped"]) == (["towns-old"], None, None, {})
    assert result["due"] == {"CityView": "is new or has new sources"}
    assert result["deployment"] > 1_700_000_000
    assert result["changes"] > len(NAMES)
    assert "towns is deployed to my-project" in done.stderr
    assert re.search(r"^functions: towns-upkeep done$", done.stderr, re.MULTILINE)
    built = json.loads(run("deploy", "--build", "--json").stdout)["result"]
    assert (built["built"], built["due"]) == (None, {})


def test_as_json_a_dry_run_has_the_commands_of_each_phase(standin: Standin, run: Run) -> None:
    found = json.loads(run("deploy", "--dry-run", "--json").stdout)["result"]
    assert [each["change"] for each in found["functions"]] == ["new"] * 4
    lines = run("deploy", "--dry-run").stdout.splitlines()
    for title, commands in found["commands"].items():
        assert f"# {title}" in lines
        assert {each.partition(" --")[0] for each in commands} <= {each.partition(" --")[0] for each in lines}
    standin.fails("functions list", "ERROR: You do not currently have an active account selected.")
    assert json.loads(run("deploy", "--dry-run", "--json").stdout)["result"]["functions"] is None


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


def test_a_function_that_is_no_longer_declared_is_named_and_stays(standin: Standin, run: Run) -> None:
    standin.answers("functions list", [OLD])
    assert "towns no longer declares towns-old (us-central1); --prune removes" in run("deploy").stdout
    assert not any(line.startswith("functions delete") for line in standin.commands)


@pytest.mark.parametrize(("answer", "is_removed"), [("y\n", True), ("n\n", False)])
def test_prune_asks_before_it_removes(answer: str, is_removed: bool, standin: Standin) -> None:
    standin.answers("functions list", [OLD])
    result = CliRunner().invoke(boiler, ["deploy", "--prune"], input=answer)
    assert "Remove towns-old (us-central1), which towns no longer declares?" in result.stderr
    assert any(line.startswith("functions delete towns-old") for line in standin.commands) is is_removed


def test_prune_asks_nothing_with_yes(standin: Standin, run: Run) -> None:
    standin.answers("functions list", [OLD])
    run("deploy", "--prune", "--yes")
    assert any(line.startswith("functions delete towns-old") for line in standin.commands)


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


def test_the_extra_cli_alone_is_enough_to_deploy() -> None:
    others = ("firebase_admin", "flask_smorest", "flask_swagger_ui", "google.cloud.tasks_v2", "socketio", "uvicorn")
    script = f"import sys; sys.modules |= dict.fromkeys({others!r}); import boiler_functions.cli.deploy"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
