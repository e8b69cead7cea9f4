"""Small projects on disk, each with a module name of its own."""

import secrets
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from boiler_functions.cli.commands import boiler

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
