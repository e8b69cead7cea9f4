"""What holds for every command: rights, exit statuses, one form of JSON, and nothing of what documents hold."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from boiler_functions.cli import staged
from boiler_functions.cli.commands import SECTIONS, boiler
from boiler_functions.cli.project import Project
from boiler_functions.cli.registering import Registering
from boiler_functions.cli.rights import READ, rights_of
from boiler_functions.testing import MemoryApp
from tests.unit.cli.conftest import APP, Run, Start

ROOT = Path(__file__).parents[3]

SECRET = "a-secret-of-the-owner"

STEP = """
@app.migration(City)
def touch(city):
    city.name = city.name
"""

BROKEN = APP.replace("City.new(", "raise ValueError(self.name)\n        City.new(").replace(
    "@app.query\n", '@app.rest("/cities", secrets=["API_KEY"])\n@app.query\n'
)

SERVES = {
    "dev": "runs until Ctrl-C; tests/emulator/test_dev.py",
    "desk": "runs until Ctrl-C; tests/unit/cli/test_desk.py",
    "builds watch": "runs until the build has ended; tests/unit/cli/test_cloud_builds.py",
}

RUNS: dict[str, list[list[str]]] = {
    "check": [[], ["--format", "json"], ["--format", "sarif"]],
    "compile": [[], ["--check"]],
    "rules": [[]],
    "plan": [[], ["--graph", "svg"], ["--graph", "mermaid"]],
    "openapi": [[]],
    "types": [["--firestore"]],
    "token": [["ann"]],
    "init": [["library"]],
    "build": [["CityView"], ["CityView", "--cloud", "--detach", "--yes"]],
    "builds list": [[]],
    "builds pause": [["BUILD"]],
    "builds resume": [["BUILD"]],
    "builds cancel": [["BUILD"]],
    "stage": [["CityView", "--yes"]],
    "wait": [["CityView", "--for", "1s"]],
    "promote": [["CityView", "--yes"]],
    "rollback": [["CityView", "--yes"], ["--yes"]],
    "abort": [["CityView", "--yes"]],
    "finish": [["CityView", "--yes"]],
    "withdraw": [["--dropped"]],
    "status": [[]],
    "audit": [[], ["--repair", "--yes"]],
    "diff": [[]],
    "explain": [["cityView/TOK"], ["cities/TOK"], ["users/ann/cityForms/TOK"], ["cityView/TOK", "--graph", "svg"]],
    "impact": [["cities/TOK"]],
    "insights": [["log.jsonl"]],
    "letters list": [[]],
    "letters show": [[]],
    "letters retry": [["--all"]],
    "letters drop": [["--all", "--yes"]],
    "fit": [[]],
    "model": [["cities"]],
    "migrate": [["--dry-run"], ["--yes"]],
    "deploy": [["--dry-run"]],
}
"""The arguments with which each command is run; each as it is, and with --json if it has it. BUILD is a build's id."""

_STAGE, _PROMOTE = ("stage", "CityView", "--yes"), ("promote", "CityView", "--yes")

BEFORE = {
    "wait": [_STAGE],
    "promote": [_STAGE],
    "abort": [_STAGE],
    "rollback": [_STAGE, _PROMOTE],
    "finish": [_STAGE, _PROMOTE],
}
"""What must have been done before a command has something to do."""

WITHOUT_JSON = [
    ("plan", ["--graph", "svg"]),
    ("plan", ["--graph", "mermaid"]),
    ("rollback", ["--yes"]),
]
"""Runs that refuse --json, or do not heed it; or a project of emulators, which tests/unit/cli/deploy roll back."""

NO_JSON = {
    "check": "--format json, as it speaks of an app that does not load, too",
    "openapi": "prints a document that is JSON",
    "types": "prints TypeScript",
    "token": "prints a token, which a shell passes on",
    "init": "writes files, before there is an app to speak of",
    "dev": "runs until Ctrl-C",
    "desk": "serves a page until Ctrl-C",
}
"""The commands without --json, each with what it does instead."""

NEEDS_A_DEPLOYMENT = "finish"
"""Succeeds after a deployment alone, which tests/unit/cli/test_staged.py makes."""


def leaves(group: click.Group = boiler, name: str = "") -> Iterator[tuple[str, click.Command]]:
    for each, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from leaves(command, f"{name}{each} ")
        else:
            yield f"{name}{each}", command


COMMANDS = dict(leaves())

RUNNING = sorted({*COMMANDS} - {*SERVES})


def has_json(name: str) -> bool:
    return any("--json" in each.opts for each in COMMANDS[name].params)


def invoked(run: Run, name: str, arguments: list[str], as_json: bool = False) -> tuple[int, str, str]:
    for earlier in BEFORE.get(name, ()):
        run(*earlier)
    if "BUILD" in arguments:
        begun = run("build", "CityView", "--cloud", "--detach", "--yes", "--json")
        arguments = [json.loads(begun.stdout)["result"]["build"]["id"] if begun.stdout else "BUILD"]
    result = run(*name.split(), *arguments, *(["--json"] if as_json else []))
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def testing(start: Start, folder: Path, functions: list[str], monkeypatch: pytest.MonkeyPatch) -> MemoryApp:
    """A project whose documents, letters and environment hold the secret."""
    monkeypatch.setenv("API_KEY", SECRET)
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "demo-towns")
    monkeypatch.setattr("boiler_functions.cli.upload._origin", lambda package: None)
    # `deploy/test_staged.py` does with a gcloud what a staged version does with functions in the cloud.
    for each in ("deploy_functions", "remove_functions"):
        monkeypatch.setattr(staged, each, lambda *_: None)
    testing = start(BROKEN + STEP)
    name = next((folder / "functions").glob("app_*.py")).stem
    (folder / "functions" / "main.py").write_text(f"from {name} import app\n\napp.export(globals())\n")
    (folder / "functions" / "requirements.txt").write_text("boiler-functions[rest,tasks]\n")
    (folder / "log.jsonl").write_text(json.dumps({"document": "cities/TOK", "outcomes": {}, "after": {"name": SECRET}}))
    testing.write("cities/TOK", {"name": SECRET})
    testing.write("cities/BAD", {"secret": SECRET})
    testing.write("users/ann/cityForms/TOK", {"name": SECRET})
    testing.deliver()
    Registering.of(Project.find().load().declarations, testing.database, 7).write(testing.database)
    testing.write("cityView/TOK", {"title": f"{SECRET} by hand"})
    return testing


def test_every_command_is_run_by_these_tests_or_serves() -> None:
    assert {*COMMANDS} == {*RUNS, *SERVES}


def test_the_help_lists_every_command_once_with_its_whole_first_sentence(run: Run) -> None:
    assert sorted(name for names in SECTIONS.values() for name in names) == sorted(boiler.commands)
    listed = "".join(run("--help").stdout.split())
    for command in boiler.commands.values():
        assert "".join(command.get_short_help_str(1000).split()) in listed


def test_every_command_takes_json_unless_it_prints_something_else() -> None:
    assert {name for name in COMMANDS if not has_json(name)} == {*NO_JSON}


@pytest.mark.parametrize("name", RUNNING)
def test_no_command_prints_a_secret_or_unasked_what_a_document_holds(name: str, testing: MemoryApp, run: Run) -> None:
    for arguments in RUNS[name]:
        for as_json in {False, has_json(name)}:
            _, output, errors = invoked(run, name, arguments, as_json)
            assert SECRET not in output + errors, (name, arguments)


@pytest.mark.parametrize(
    "arguments", [("letters", "show", "--contents"), ("explain", "cityView/TOK", "--contents")], ids=" ".join
)
def test_what_a_document_holds_is_printed_when_it_is_asked_for(
    arguments: tuple[str, ...], testing: MemoryApp, run: Run
) -> None:
    assert SECRET in run(*arguments).stdout


@pytest.mark.parametrize("name", [each for each in RUNNING if has_json(each) and each != NEEDS_A_DEPLOYMENT])
def test_json_has_the_same_form_for_every_command(name: str, testing: MemoryApp, run: Run) -> None:
    for arguments in RUNS[name]:
        if (name, arguments) in WITHOUT_JSON or "--graph" in arguments:
            continue
        status, output, errors = invoked(run, name, arguments, as_json=True)
        assert output, errors
        found = json.loads(output)
        assert [*found] == ["command", "app", "project", "database", "emulator", "time", "is_fine", "result"]
        assert (found["command"], found["app"], found["is_fine"]) == (name, "towns", status == 0)
        assert isinstance(found["result"], dict)


@pytest.mark.parametrize("name", [each for each in RUNNING if each not in ("init", "token")])
def test_an_error_has_the_status_2_and_its_code_and_leaves_the_output_empty(name: str, folder: Path, run: Run) -> None:
    (folder / "pyproject.toml").write_text('[tool.boiler_functions]\napp = "nowhere:app"\n')
    for as_json in {False, has_json(name)}:
        status, output, errors = invoked(run, name, RUNS[name][0 if name == "check" else -1], as_json)
        assert (status, output) == (2, "")
        assert re.search(r"\bBF\d{3}\b", errors)


def test_the_reference_says_of_every_command_what_its_exit_status_means() -> None:
    page = (ROOT / "docs" / "reference" / "commands.md").read_text("utf-8")
    rows = re.findall(r"^\| (`.*?) \|", page, re.MULTILINE)
    assert sorted(name for row in rows for name in re.findall("`([^`]+)`", row)) == sorted(COMMANDS)


def test_the_table_of_rights_has_every_command_and_no_option_that_does_not_exist(testing: MemoryApp) -> None:
    rights = rights_of(Project.find().load().compiled.manifest, watched=True)
    named = [each.command.partition(" --") for each in rights]
    assert {name for name, *_ in named} == {*COMMANDS}
    for name, _, option in named:
        assert not option or any(f"--{option}" in each.opts for each in COMMANDS[name].params)
    assert len({each.command for each in rights}) == len(rights)


def test_a_command_that_says_that_it_only_reads_needs_a_role_that_only_reads(testing: MemoryApp) -> None:
    rights = {each.command: each.roles for each in rights_of(Project.find().load().compiled.manifest, watched=True)}
    reading = {name for name, command in COMMANDS.items() if "Reads only." in (command.help or "")}
    assert {"status", "diff", "explain", "impact", "letters list", "letters show", "fit", "model"} <= reading
    assert {name: rights[name] for name in reading if rights[name] != READ} == {"insights": ("roles/logging.viewer",)}
