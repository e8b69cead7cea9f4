"""`boiler deploy` refuses what cannot work before anything is changed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.cli.conftest import APP, Run
from tests.unit.cli.deploy.standin import Standin


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
