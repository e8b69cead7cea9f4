"""Small projects on disk, each with a module name of its own."""

import secrets
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from boiler_functions.app import Boiler
from boiler_functions.cli import staged
from boiler_functions.cli.commands import boiler
from boiler_functions.cli.context import Context
from boiler_functions.cli.project import Project
from boiler_functions.modes.invocation import REAL
from boiler_functions.testing import MemoryApp, memory_app

APP = """
from boiler_functions import Boiler, DomainModel, Store, ViewModel, access, attrs, reference

app = Boiler("towns")

class City(DomainModel):
    class Meta:
        collection_name = "cities"
    name = attrs.string(required=True)

class CityStore(Store):
    city = reference(City)

@app.query
class CityView(ViewModel[CityStore]):
    class Meta:
        path = "cityView/{city.doc_id}"

    @attrs.computed
    def title(self) -> str:
        return self.store.city.name

@app.task("users/{user_id}/cityForms/{city_id}", writes=[City])
class CityForm(ViewModel):
    name = attrs.string(required=True)

    def propagate_change(self) -> None:
        City.new(doc_id=self.params["city_id"], name=self.name).save()
"""

LABEL = """
@app.query
class CityLabel(ViewModel[CityStore]):
    class Meta:
        path = "cityLabels/{city.doc_id}"

    @attrs.computed
    def label(self) -> str:
        return "* " + self.store.city.name
"""

FOLLOWED = """
@app.websocket("/labels")
class CityFollowed(ViewModel[CityStore]):
    class Meta:
        read = access.public

    @attrs.computed
    def label(self) -> str:
        return "# " + self.store.city.name
"""
Write = Callable[[str], str]
Run = Callable[..., Result]
Start = Callable[[str], MemoryApp]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a project, with `functions/`, as the working directory."""
    (tmp_path / "functions").mkdir()
    monkeypatch.chdir(tmp_path)
    # Each command puts its source on the path.
    monkeypatch.syspath_prepend(str(tmp_path / "unused"))
    return tmp_path


@pytest.fixture
def module(folder: Path) -> Write:
    """Writes a module of that text, which pyproject.toml names, and gives its name."""

    def write(text: str = APP) -> str:
        name = f"app_{secrets.token_hex(6)}"
        (folder / "functions" / f"{name}.py").write_text(textwrap.dedent(text))
        (folder / "pyproject.toml").write_text(f'[tool.boiler_functions]\napp = "{name}:app"\n')
        return name

    return write


@pytest.fixture
def run(folder: Path) -> Run:
    """Runs `boiler` with the arguments; an unknown error fails the test."""

    def run(*arguments: str) -> Result:
        result = CliRunner().invoke(boiler, arguments)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def functions(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What staging would have done with functions in the cloud; `deploy/test_staged.py` does it with a gcloud."""
    done: list[str] = []
    for name in ("deploy_functions", "remove_functions"):
        monkeypatch.setattr(staged, name, lambda *_, name=name: done.append(name))
    # No event is on its way, for which moving would wait.
    monkeypatch.setattr(staged, "REAL", REAL._replace(sleep=lambda seconds: None))
    return done


@pytest.fixture
def start(module: Write, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Runs the app of a text in memory, on the database that the commands use; another text replaces its code."""
    running: list[Any] = []
    testings: list[MemoryApp] = []

    def start(text: str) -> MemoryApp:
        module(text)
        app: Boiler = Project.find().load()
        if testings:
            testings[0].deploy(app)
        else:
            running.append(memory_app(app))
            testings.append(running[0].__enter__())
            monkeypatch.setattr(Context, "database", testings[0].database)
        return testings[0]

    yield start
    for each in running:
        each.__exit__(None, None, None)
