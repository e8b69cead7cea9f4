"""Metrics, a dashboard and alerts are deployed with the app, unless that is switched off."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Run
from tests.unit.cli.deploy.standin import Standin

KINDS = ("logging metrics", "monitoring dashboards", "alpha monitoring policies")

ALERTS = {"undelivered", "letters", "lag", "drift", "silent"}


def changed(standin: Standin) -> list[str]:
    """The commands that change what watches the app, without their options."""
    return [
        " ".join(each for each in line.split() if not each.startswith("--"))
        for line in standin.changes
        if line.startswith(KINDS)
    ]


@pytest.fixture
def settings(folder: Path) -> Callable[[str], None]:
    """Adds settings to pyproject.toml."""

    def add(text: str) -> None:
        path = folder / "pyproject.toml"
        path.write_text(f"{path.read_text()}\n{text}\n")

    return add


def test_a_deployment_makes_metrics_before_the_functions_and_alerts_after_them(standin: Standin, run: Run) -> None:
    assert run("deploy").exit_code == 0
    lines = standin.changes
    metrics = [at for at, line in enumerate(lines) if line.startswith("logging metrics create towns_")]
    functions = [at for at, line in enumerate(lines) if line.startswith("functions deploy")]
    alerts = [at for at, line in enumerate(lines) if line.startswith("alpha monitoring policies create")]
    assert (len(metrics), len(alerts)) == (7, 5)
    assert max(metrics) < min(functions) < max(functions) < min(alerts)
    assert {each["userLabels"]["boiler-alert"] for each in standin.written("alpha monitoring policies")} == ALERTS
    (dashboard,) = standin.written("monitoring dashboards")
    assert dashboard["name"] == "projects/my-project/dashboards/towns-boiler"


def test_what_is_there_as_it_should_be_is_left_alone(standin: Standin, run: Run) -> None:
    run("deploy")
    standin.remember()
    standin.works()
    assert run("deploy").exit_code == 0
    assert changed(standin) == []


def test_another_limit_changes_its_alert_alone_and_keeps_the_channels_that_somebody_added(
    standin: Standin, run: Run, settings: Callable[[str], None]
) -> None:
    run("deploy")
    standin.remember()
    policies = standin.written("alpha monitoring policies")
    channel = "projects/p/notificationChannels/1"
    listed = [
        {**each, "name": f"projects/p/alertPolicies/{number}", "notificationChannels": [channel], "enabled": False}
        for number, each in enumerate(policies)
    ]
    standin.answers("alpha monitoring policies list", listed)
    standin.works()
    settings('[tool.boiler_functions.watch]\nlag = "10m"')
    assert run("deploy").exit_code == 0
    (update,) = changed(standin)
    (lag,) = [each["name"] for each in listed if each["userLabels"]["boiler-alert"] == "lag"]
    assert update == f"alpha monitoring policies update {lag}"
    (policy,) = standin.written("alpha monitoring policies")
    assert (policy["notificationChannels"], policy["enabled"]) == ([channel], False)


def test_a_changed_dashboard_names_the_state_that_it_replaces(standin: Standin, run: Run) -> None:
    place = "projects/my-project/dashboards/towns-boiler"
    standin.answers("monitoring dashboards list", [{"name": place, "etag": "abc", "labels": {"boiler-hash": "old"}}])
    assert run("deploy").exit_code == 0
    assert "monitoring dashboards update towns-boiler" in changed(standin)
    assert [each["etag"] for each in standin.written("monitoring dashboards")] == ["abc"]


def test_watching_is_switched_off_for_one_deployment_or_for_a_stage(
    standin: Standin, run: Run, settings: Callable[[str], None]
) -> None:
    assert run("deploy", "--no-watch").exit_code == 0
    settings("[tool.boiler_functions.env.dev.watch]\nenabled = false")
    assert run("deploy", "--env", "dev").exit_code == 0
    assert changed(standin) == []
    assert not any(line.startswith(KINDS) for line in standin.commands)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("limit = 3", "has 'limit'. It has enabled, channels, lag, undelivered, silent."),
        ('enabled = "no"', "enabled is 'no'. Write true or false."),
        ('lag = "30s"', "lag is '30s'. Write an age from one minute to 23 hours"),
        ("silent = 5", "silent is 5. Write an age"),
        ('channels = ["me@example.com"]', "Write a list of names, as `gcloud beta monitoring channels list`"),
    ],
)
def test_a_setting_that_cannot_work_is_refused_before_anything_is_asked(
    standin: Standin, run: Run, settings: Callable[[str], None], line: str, said: str
) -> None:
    settings(f"[tool.boiler_functions.watch]\n{line}")
    result = run("deploy")
    assert (result.exit_code, said in result.stderr) == (2, True), result.stderr
    assert standin.commands == []
