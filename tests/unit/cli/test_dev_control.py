"""A command reaches the `boiler dev` of its folder, and nobody else does; without one, nothing follows changes."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from boiler_functions.cli.context import Context
from boiler_functions.cli.dev_apps import copy_code
from boiler_functions.cli.dev_control import LocalDev, control_of, controlled
from boiler_functions.cli.registering import Registering
from boiler_functions.exceptions import ConfigurationError
from boiler_functions.local.loopback import free_port
from boiler_functions.testing import MemoryApp
from tests.unit.cli.conftest import APP, Run, Start, Write

EMULATOR = "127.0.0.1:1"


class Dev:
    """Notes what it is asked for; `says` is what it raises."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.says = ""
        self.testing: MemoryApp | None = None

    def stage(self, view: str) -> None:
        self._note(f"stage {view}")

    def unstage(self, view: str) -> None:
        self._note(f"unstage {view}")

    def deploy(self) -> None:
        self._note("deploy")
        if self.testing is not None:
            Registering.of(self.testing.compiled.declarations, self.testing.database, 1 << 50).write(
                self.testing.database
            )

    def _note(self, what: str) -> None:
        self.asked.append(what)
        if self.says:
            raise ConfigurationError(self.says)


@pytest.fixture
def dev(folder: Path, module: Write, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dev]:
    """A `boiler dev` that runs in the folder."""
    module(APP)
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", EMULATOR)
    found = Dev()
    with controlled(folder, EMULATOR, found):
        yield found


def test_who_has_the_token_is_served(dev: Dev, folder: Path) -> None:
    found = LocalDev.of(Context())
    assert found
    found.stage("CityView")
    found.deploy()
    found.unstage("CityView")
    assert dev.asked == ["stage CityView", "deploy", "unstage CityView"]
    dev.says = "The app does not start."
    with pytest.raises(ConfigurationError, match=r"The app does not start\."):
        found.stage("CityView")
    assert (folder / ".boiler" / "dev.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("path", ["/stage/CityView", "/unstage/CityView", "/deploy"])
def test_who_lacks_the_token_is_refused(path: str) -> None:
    found = Dev()
    page = control_of(found, "secret").test_client()
    for headers in ({}, {"Authorization": "Bearer other"}, {"Authorization": "Bearer "}):
        assert page.post(path, headers=headers).status_code == 403
    assert found.asked == []


def test_another_emulator_or_one_that_has_ended_is_not_that_of_dev(
    dev: Dev, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", "localhost:1")
    assert LocalDev.of(Context())
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", "127.0.0.1:2")
    assert LocalDev.of(Context()) is None
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", EMULATOR)
    path = folder / ".boiler" / "dev.json"
    left = {**json.loads(path.read_text()), "host": f"127.0.0.1:{free_port()}"}
    path.write_text(json.dumps(left))
    assert LocalDev.of(Context()) is None
    path.unlink()
    assert LocalDev.of(Context()) is None


def test_the_commands_have_dev_run_both_codes_and_then_the_new_one_alone(dev: Dev, start: Start, run: Run) -> None:
    testing = start(APP)
    testing.write("cities/TOK", {"name": "Tokyo"})
    testing.deliver()
    # As `boiler dev` counts its deployments.
    Registering.of(testing.compiled.declarations, testing.database, 1 << 45).write(testing.database)
    start(APP.replace("return self.store.city.name", 'return "new " + self.store.city.name'))
    dev.testing = testing
    assert run("stage", "CityView", "--yes").exit_code == 0
    assert run("abort", "CityView", "--yes").exit_code == 0
    assert dev.asked == ["stage CityView", "unstage CityView"]
    assert run("stage", "CityView", "--yes").exit_code == 0
    assert run("promote", "CityView", "--yes").exit_code == 0
    assert (testing.fields("cityView/TOK") or {})["title"] == "new Tokyo"
    assert run("finish", "CityView", "--yes").exit_code == 0
    assert dev.asked[2:] == ["stage CityView", "deploy", "unstage CityView"]


def test_a_copy_of_the_code_has_its_python_files_and_links_the_rest(tmp_path: Path) -> None:
    source, into = tmp_path / "functions", tmp_path / "copy"
    into.mkdir()
    files = ("main.py", "shop/prices.py", "shop/prices.csv", "data/cities.json", "env/pyvenv.cfg", "env/lib.py")
    for name in (*files, "node_modules/x.py", ".hidden/y.py"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text("before")
    copy_code(source, into)
    for name in files:
        (source / name).write_text("after")
    same = {name for name in files if (into / name).read_text() == "after"}
    assert same == {*files} - {"main.py", "shop/prices.py"}
    assert {each.name for each in into.iterdir() if each.is_symlink()} == {"env", "node_modules", ".hidden"}
