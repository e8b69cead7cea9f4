"""A project on disk, a gcloud that stands in, and the project's database in memory."""

from collections.abc import Callable
from pathlib import Path

import pytest

from boiler_functions.cli.context import Context
from boiler_functions.database.memory import MemoryDatabase
from tests.unit.cli.conftest import APP, Write
from tests.unit.cli.deploy.standin import Standin


@pytest.fixture
def standin(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Standin:
    folder = tmp_path_factory.mktemp("bin")
    monkeypatch.setenv("PATH", str(folder))
    return Standin(folder)


@pytest.fixture
def write(module: Write, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Writes the app with all that is uploaded, as a release would be."""
    monkeypatch.setattr("boiler_functions.cli.upload._origin", lambda package: None)
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "my-project")

    def write(text: str) -> None:
        name = module(text)
        (folder / "functions" / "main.py").write_text(f"from {name} import app\n\napp.export(globals())\n")
        (folder / "functions" / "requirements.txt").write_text("boiler-functions[rest,tasks,websocket]\n")
        (folder / "firebase.json").write_text("{}")

    return write


@pytest.fixture(autouse=True)
def database(monkeypatch: pytest.MonkeyPatch) -> MemoryDatabase:
    """The project's database."""
    database = MemoryDatabase()
    monkeypatch.setattr(Context, "database", database)
    return database


@pytest.fixture(autouse=True)
def app(write: Callable[[str], None]) -> None:
    write(APP)
