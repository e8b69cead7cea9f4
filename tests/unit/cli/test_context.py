"""A stage is found from what is given, else the environment, else pyproject.toml; each part when it is asked for."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from boiler_functions.cli.context import Context
from boiler_functions.exceptions import ConfigurationError, NoSuchProject
from tests.unit.cli.conftest import APP, Run, Write

STAGES = """
[tool.boiler_functions.env.prod]
project = "towns-prod"
region = "europe-west1"
database = "towns"
trigger_location = "eur3"
min_instances = 1
labels = { stage = "prod" }

[tool.boiler_functions.env.dev]
project = "towns-dev"
"""

Stages = str


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in the environment but what a test says."""
    for name in ("BOILER_ENV", "BOILER_REGION", "BOILER_DATABASE", "GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def project(module: Write, folder: Path) -> Path:
    module(APP)
    return with_stages(folder, STAGES)


def with_stages(folder: Path, text: str) -> Path:
    pyproject = folder / "pyproject.toml"
    pyproject.write_text(pyproject.read_text() + text)
    return folder


def context(environ: Mapping[str, str] | None = None, **given: str) -> Context:
    return Context(environ=environ or {}, **given)  # type: ignore[arg-type]


def test_a_stage_says_project_region_database_and_options_in_one_step(project: Path) -> None:
    prod = context(env="prod")
    assert (prod.project_id, prod.region, prod.database_id) == ("towns-prod", "europe-west1", "towns")
    options = prod.manifest.functions[0].options
    assert (options.region, options.min_instances, options.labels) == ("europe-west1", 1, {"stage": "prod"})
    assert prod.manifest.functions[0].to_wire()["eventTrigger"]["eventFilters"]["database"] == "towns"
    assert str(prod) == "stage prod, project towns-prod, region europe-west1, database towns"


def test_without_a_stage_the_app_is_as_it_is_declared(project: Path) -> None:
    plain = context()
    assert plain.compiled.manifest == plain.app.compiled.manifest
    assert (plain.region, plain.database_id, plain.named_project) == ("us-central1", "(default)", None)


def test_the_environment_names_the_stage_and_what_is_given_goes_before_it(project: Path) -> None:
    environ = {"BOILER_ENV": "prod"}
    assert context(environ).project_id == "towns-prod"
    assert context(environ, env="dev").project_id == "towns-dev"


def test_given_goes_before_the_environment_and_that_before_pyproject(project: Path) -> None:
    environ = {"GOOGLE_CLOUD_PROJECT": "towns-env", "BOILER_REGION": "us-east1", "BOILER_DATABASE": "other"}
    found = context(environ, env="prod")
    assert (found.project_id, found.region, found.database_id) == ("towns-env", "us-east1", "other")
    given = context(environ, env="prod", project="towns-given", region="us-west1", database="given")
    assert (given.project_id, given.region, given.database_id) == ("towns-given", "us-west1", "given")


def test_a_views_own_option_goes_before_the_stages(module: Write, folder: Path) -> None:
    module(APP.replace("@app.query", '@app.query(region="asia-east1")'))
    with_stages(folder, STAGES)
    regions = {each.entry_point: each.options.region for each in context(env="prod").manifest.functions}
    assert regions["city_view_on_cities"] == "asia-east1"
    assert regions["city_form_task"] == "europe-west1"


def test_the_functions_receive_a_database_that_their_code_does_not_declare(project: Path) -> None:
    assert context(env="prod").environment == {"BOILER_DATABASE": "towns"}
    assert context(env="dev").environment == {}


def test_nothing_is_read_before_it_is_asked_for(tmp_path: Path) -> None:
    nowhere = context(env="prod", project="given")
    assert nowhere.emulator is None
    with pytest.raises(ConfigurationError, match="There is no pyproject"):
        _ = Context(env="prod", environ={}, start=tmp_path).stage


def test_without_a_project_the_error_has_the_three_ways_to_name_one(project: Path) -> None:
    with pytest.raises(NoSuchProject) as raised:
        _ = context().project_id
    assert str(raised.value) == (
        'No project is named. Give --project, set GOOGLE_CLOUD_PROJECT, or write project = "…" in '
        f"[tool.boiler_functions.env.prod] of {project / 'pyproject.toml'}."
    )


@pytest.mark.parametrize(
    ("text", "env", "told"),
    [
        ("", "prod", "has no stage 'prod'; it has none. Add [tool.boiler_functions.env.prod]"),
        (STAGES, "prd", "has no stage 'prd'; it has dev, prod."),
        ('[tool.boiler_functions.env.x]\nregion = "nam5"\n', "x", "'nam5' is a location of databases"),
        ("[tool.boiler_functions.env.x]\nmemroy = 512\n", "x", "'memroy' is not an option; did you mean 'memory'?"),
        ("[tool.boiler_functions.env.x]\nproject = 7\n", "x", 'project is 7; write project = "…"'),
        ('[tool.boiler_functions.env.x]\ncredentials = "no.json"\n', "x", "no.json does not exist. Put it there"),
        ('[tool.boiler_functions.env]\nx = "prod"\n', "x", "has no stage 'x'"),
    ],
)
def test_a_stage_that_cannot_be_is_refused_by_name(
    text: str, env: str, told: str, module: Write, run: Run, folder: Path
) -> None:
    module(APP)
    with_stages(folder, text)
    result = run("plan", "--env", env)
    assert result.exit_code == 2
    assert result.stderr.startswith("error BF2")
    assert told in result.stderr
    assert str(folder / "pyproject.toml") in result.stderr


def test_a_region_that_is_given_wrongly_is_refused_as_such(project: Path, run: Run) -> None:
    result = run("plan", "--region", "us-centrall")
    assert result.exit_code == 2
    assert "the command line: region: 'us-centrall' is not a region; did you mean 'us-central1'?" in result.stderr


def test_credentials_of_a_stage_give_way_to_those_of_the_environment(project: Path) -> None:
    (project / "keys.json").write_text("{}")
    with_stages(project, '[tool.boiler_functions.env.keyed]\ncredentials = "keys.json"\n')
    assert context(env="keyed").key_file == str(project / "keys.json")
    assert context({"GOOGLE_APPLICATION_CREDENTIALS": "/other.json"}, env="keyed").key_file is None


def test_unreadable_credentials_are_refused_before_anything_is_sent(project: Path) -> None:
    (project / "keys.json").write_text("{}")
    with_stages(project, '[tool.boiler_functions.env.keyed]\nproject = "p"\ncredentials = "keys.json"\n')
    database = context(env="keyed").database
    with pytest.raises(ConfigurationError, match="No credentials for Firestore"):
        database.read(["towns/1"])


def test_plan_and_compile_follow_the_stage(project: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BOILER_ENV", "prod")
    plan = json.loads(run("plan", "--json").stdout)["result"]
    assert plan["functions"][0]["options"]["region"] == "europe-west1"
    run("compile")
    assert "- europe-west1\n" in (project / "functions" / "functions.yaml").read_text()
    assert run("compile", "--check", "--env", "dev").exit_code == 1
