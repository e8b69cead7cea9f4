"""Of every failure `boiler deploy` says what to do, and the next run does what is left."""

import re
from io import StringIO

import pytest
from rich.console import Console

from boiler_functions.cli.deployment import Phase, Step
from boiler_functions.cli.gcloud import SYMPTOMS, Gcloud, diagnosed, gcloud
from boiler_functions.cli.perform import perform
from boiler_functions.exceptions import DeploymentFailed
from tests.unit.cli.conftest import Run
from tests.unit.cli.deploy.standin import FUNCTIONS, Standin


def test_a_failure_names_the_function_and_what_gcloud_said_and_the_others_go_on(standin: Standin, run: Run) -> None:
    standin.fails("functions deploy towns-city-form-task", "ERROR: Build failed: no matching distribution for x")
    result = run("deploy")
    assert result.exit_code == 2
    assert "\nerror BF210 Deploying the function towns-city-form-task failed. gcloud says:" in result.stderr
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
    assert "\nerror BF209 2 of 4 steps failed; completed steps are not repeated." in result.stderr
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
