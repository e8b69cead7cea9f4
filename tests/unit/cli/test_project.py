"""The app is found by the nearest pyproject.toml or by --app, and each way of not finding it has its own error."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from boiler_functions.cli.commands import boiler
from tests.unit.cli.conftest import APP, Run, Write


def test_the_nearest_pyproject_upwards_names_the_app(
    module: Write, run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module(APP)
    below = folder / "functions" / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    result = run("check")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("towns is fine")


def test_app_goes_before_the_one_that_pyproject_names(module: Write, run: Run) -> None:
    other = module(APP.replace("towns", "others"))
    module(APP)
    assert run("check").stdout.startswith("towns")
    assert run("--app", f"{other}:app", "check").stdout.startswith("others")


def test_without_the_table_app_is_looked_up_in_the_working_directory(
    module: Write, run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = module(APP)
    (folder / "pyproject.toml").unlink()
    monkeypatch.chdir(folder / "functions")
    assert run("--app", f"{name}:app", "check").exit_code == 0


def test_source_names_another_folder(module: Write, run: Run, folder: Path) -> None:
    name = module(APP)
    (folder / "functions").rename(folder / "cloud")
    (folder / "pyproject.toml").write_text(f'[tool.boiler_functions]\napp = "{name}:app"\nsource = "cloud"\n')
    assert run("check").exit_code == 0


def test_a_missing_pyproject_is_reported_with_what_to_write(run: Run, folder: Path) -> None:
    result = run("check")
    assert result.exit_code == 2
    assert result.stderr == (
        f"error BF200 There is no pyproject.toml in {folder} or above. "
        'Write one with [tool.boiler_functions] app = "my_module:app", or give --app module:name.\n'
        "see: boiler check --explain BF200\n"
    )


@pytest.mark.parametrize(
    ("pyproject", "told"),
    [
        ("[project]\n", "has no table [tool.boiler_functions]"),
        ("[tool.boiler_functions]\n", "names no app"),
        ("[tool.boiler_functions\n", "cannot be read"),
        ('[tool.boiler_functions]\napp = "nowhere_at_all"\n', "is not of the form 'module:name'"),
        ('[tool.boiler_functions]\napp = "nowhere_at_all:app"\n', "has no module 'nowhere_at_all'"),
        ('[tool.boiler_functions]\napp = "nowhere_at_all.below:app"\n', "has no module 'nowhere_at_all.below'"),
        ('[tool.boiler_functions]\napp = "a:app"\nsource = "missing"\n', "missing, which holds main.py"),
    ],
)
def test_a_pyproject_that_leads_nowhere_is_named_in_the_error(
    pyproject: str, told: str, run: Run, folder: Path
) -> None:
    (folder / "pyproject.toml").write_text(pyproject)
    result = run("check")
    assert result.exit_code == 2
    assert result.stderr.startswith("error BF200 ")
    assert told in result.stderr
    assert result.stderr.count("\n") == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import boiler_functions\nservice = boiler_functions.Boiler('x')\n", "does not exist. {module} has service."),
        ("app = 1\n", "is <class 'int'>, not a Boiler. Write `app = Boiler("),
    ],
)
def test_a_name_that_is_not_a_boiler_is_refused_with_those_that_are(
    text: str, told: str, module: Write, run: Run
) -> None:
    name = module(text)
    result = run("check")
    assert result.exit_code == 2
    assert told.format(module=name) in result.stderr


@pytest.mark.parametrize("name", ["calendar", "queue.app"])
def test_an_app_that_is_named_as_a_standard_module_is_refused_by_name(name: str, run: Run, folder: Path) -> None:
    (folder / "functions" / "calendar.py").write_text(APP)
    result = run("--app", f"{name}:app", "check")
    assert result.exit_code == 2
    standard = name.partition(".")[0]
    assert f"module {standard!r} has the name of a module of Python's standard library" in result.stderr
    assert f"Rename {standard}.py" in result.stderr


def test_a_module_that_does_not_import_shows_the_users_own_traceback(module: Write, run: Run, folder: Path) -> None:
    name = module("def broken() -> None:\n    raise KeyError('gone')\n\nbroken()\n")
    result = run("check")
    assert result.exit_code == 2
    traceback, error = result.stderr.split("error ")
    path = folder / "functions" / f"{name}.py"
    assert f'File "{path}", line 4, in <module>\n    broken()' in traceback
    assert f'File "{path}", line 2, in broken' in traceback
    assert "importlib" not in traceback
    assert "boiler_functions/cli" not in traceback
    assert error.splitlines()[0] == f"BF201 The app's module '{name}' does not import: KeyError: 'gone'"


def test_a_module_that_lacks_another_module_is_not_said_to_be_missing_itself(module: Write, run: Run) -> None:
    name = module("import nowhere_at_all\n")
    result = run("check")
    assert result.exit_code == 2
    assert "line 1, in <module>\n    import nowhere_at_all" in result.stderr
    assert f"'{name}' does not import: ModuleNotFoundError: No module named 'nowhere_at_all'" in result.stderr


def test_a_declaration_that_is_refused_names_the_users_line(module: Write, run: Run, folder: Path) -> None:
    name = module('from boiler_functions import Boiler\n\napp = Boiler("no spaces allowed")\n')
    result = run("check")
    assert result.exit_code == 2
    error, at, _ = result.stderr.splitlines()
    assert error.startswith("error BF105 The app's name 'no spaces allowed'")
    assert at == f"  at {folder / 'functions' / name}.py:3"


def test_an_app_that_declares_nothing_is_refused_by_the_commands(module: Write, run: Run) -> None:
    module('from boiler_functions import Boiler\napp = Boiler("empty")\n')
    result = run("check")
    assert result.exit_code == 2
    assert result.stderr.startswith("error BF100 The app 'empty' declares nothing")


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_without_the_extra_the_script_says_how_to_install_it(missing: str, module: Write, folder: Path) -> None:
    module(APP)
    script = f"import sys; sys.modules[{missing!r}] = None; from boiler_functions.cli import main; main()"
    command = [sys.executable, "-c", script, "plan"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        f"'boiler' needs {missing}, which is not installed. Run: pip install 'boiler-functions[cli]'\n"
    )


def test_an_error_that_nobody_knows_keeps_its_traceback(module: Write, folder: Path) -> None:
    module(APP)
    (folder / "functions" / "functions.yaml").mkdir()
    result = CliRunner().invoke(boiler, ["compile"])
    assert isinstance(result.exception, IsADirectoryError)
