"""The commands for operating an app on the real emulator, as a user runs them."""

import json
import os
import secrets
import subprocess
from datetime import timedelta
from pathlib import Path
from random import Random
from threading import Event, Thread
from typing import Any

import pytest

from boiler_functions.cli.audit import comparison_of
from boiler_functions.cli.project import Project
from boiler_functions.cli.registering import Registering
from boiler_functions.database import Document, Put
from boiler_functions.database.change import Change
from boiler_functions.database.firestore import FirestoreDatabase
from boiler_functions.database.variables import EMULATOR_HOST, PROJECT
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from boiler_functions.modes.stored_copies import FAULTS, Verdict
from tests.emulator.test_cli import BOILER
from tests.unit.cli.conftest import APP

FORM = "users/ann/cityForms/OSA"


class Place:
    """A project on disk with its database on the emulator; events are handled when a test says so."""

    def __init__(self, folder: Path, host: str, project: str) -> None:
        self.folder, self.host, self.project = folder, host, project
        self.database = FirestoreDatabase(project, emulator=host)
        self.app: Any = None
        self.compiled: Any = None

    def deploy(self, text: str = APP) -> None:
        name = f"app_{secrets.token_hex(6)}"
        (self.folder / "functions").mkdir(exist_ok=True)
        (self.folder / "functions" / f"{name}.py").write_text(text)
        (self.folder / "pyproject.toml").write_text(f'[tool.boiler_functions]\napp = "{name}:app"\n')
        self.app = Project.find(start=self.folder).load()
        self.compiled = self.app.compiled

    def write(self, path: str, fields: dict[str, Any]) -> None:
        """Writes a document, and delivers its event."""
        before = self.database.read([path]).documents[0]
        self.database.commit([Put(path, fields)])
        after = self.database.read([path]).documents[0]
        for function in self.compiled.functions.values():
            if function.is_triggered_by(before, after):
                event = Change(secrets.token_hex(6), "", path, before, after, after.version)
                function.handle(event, self.database)

    def read(self, path: str) -> Document:
        return self.database.read([path]).documents[0]

    def run(self, *arguments: str, status: int = 0) -> dict[str, Any]:
        """The answer of a command, run in a process of its own."""
        environment = {**os.environ, EMULATOR_HOST: self.host, PROJECT: self.project}
        done = subprocess.run(
            [*BOILER, *arguments, "--json"],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == status, f"{done.stdout}{done.stderr}"
        answer: dict[str, Any] = json.loads(done.stdout)
        assert (answer["project"], answer["emulator"]) == (self.project, self.host)
        result: dict[str, Any] = answer["result"]
        return result


@pytest.fixture
def place(
    firestore_emulator: FirestoreEmulator, project: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Place:
    monkeypatch.syspath_prepend(str(tmp_path / "unused"))
    return Place(tmp_path, firestore_emulator.host, project)


def test_letters_are_listed_retried_once_mended_and_dropped(place: Place) -> None:
    place.deploy(APP.replace("City.new(", 'raise ValueError("closed")\n        City.new('))
    place.write("cities/TOK", {})
    place.write("cities/PAR", {})
    place.write(FORM, {"name": "Osaka"})
    assert place.run("letters", "list")["kinds"] == {"bug": 1, "schema": 2}
    assert [each["is_done"] for each in place.run("letters", "retry", "--kind", "bug", status=1)["letters"]] == [False]

    place.deploy(APP)
    place.database.commit([Put("cities/TOK", {"name": "Tokyo", "obj_type": "City", "doc_id": "TOK"})])
    retried = place.run("letters", "retry", "--all", status=1)["letters"]
    assert sorted(each["outcome"] for each in retried) == ["built", "done", "failed again"]
    assert (place.read("cityView/TOK").fields or {})["title"] == "Tokyo"
    assert (place.read("cities/OSA").fields or {})["name"] == "Osaka"
    (left,) = place.run("letters", "list")["letters"]
    assert (left["subject"], left["attempts"]) == ("cities/PAR", 2)
    assert place.run("letters", "drop", left["id"], "--yes")["dropped"] == [left["id"]]
    assert place.run("letters", "list")["letters"] == []


def test_status_names_what_fails_what_is_stale_and_what_is_unknown(place: Place) -> None:
    place.deploy()
    place.write("cities/TOK", {"name": "Tokyo"})

    def states(status: int = 1) -> dict[str, str]:
        return {each["name"]: each["state"] for each in place.run("status", status=status)["parts"]}

    assert states() == {"CityView": "ok", "CityForm": "unknown"}
    Registering.of(place.app.declarations, place.database, 7).now.write(place.database)
    assert states(0) == {"CityView": "ok", "CityForm": "ok"}
    place.write("cities/PAR", {})
    assert states() == {"CityView": "failing", "CityForm": "ok"}
    place.write("cities/PAR", {"name": "Paris"})
    place.deploy(APP.replace("return self.store.city.name", "return self.store.city.name.upper()"))
    assert states() == {"CityView": "stale code", "CityForm": "ok"}


def test_audit_finds_what_was_edited_and_nothing_else_while_writers_write_and_repairs_it(place: Place) -> None:
    place.deploy()
    names = ("PAR", "ROM", "TOK", "OSA", "LIM")
    for name in names:
        place.write(f"cities/{name}", {"name": name})
    copy = place.read("cityView/ROM")
    place.database.commit([Put(copy.path, {**(copy.fields or {}), "title": "by hand"})])
    stop, chance = Event(), Random(3)

    def write() -> None:
        while not stop.is_set():
            name = chance.choice([each for each in names if each != "ROM"])
            place.write(f"cities/{name}", {"name": f"{name} {chance.random()}"})

    writer = Thread(target=write)
    writer.start()
    try:
        for _ in range(20):
            view = place.app.declarations.stored[0]
            audit = comparison_of(place.app, view, place.database, timedelta(minutes=2))
            found = [(each.verdict, each.root) for each in audit.whole() if each.verdict in FAULTS]
            assert found == [(Verdict.WRONG, "cities/ROM")], "seed 3"
        (view,) = place.run("audit", status=1)["views"].values()
        assert [each["root"] for each in view["faults"]] == ["cities/ROM"]
        assert place.run("audit", "--repair", "--yes")["views"]["CityView"]["repaired"] == 1
    finally:
        stop.set()
        writer.join()
    assert place.run("audit")["views"]["CityView"]["verdicts"] == {"right": 5}
    assert (place.read("cityView/ROM").fields or {})["title"] == "ROM"
    place.deploy(APP.replace("return self.store.city.name", "return self.store.city.name.lower()"))
    assert place.run("diff", status=1)["views"]["CityView"]["changed"] == 5


def test_a_copy_and_its_source_are_explained(place: Place) -> None:
    place.deploy()
    place.write("cities/TOK", {"name": "Tokyo"})
    (copy,) = place.run("explain", "cityView/TOK")["found"]
    assert [(each["path"], each["has_changed"]) for each in copy["sources"]] == [("cities/TOK", False)]
    assert place.run("impact", "cities/TOK")["views"] == {"CityView": {"instances": 1, "roots": ["cities/TOK"]}}
