"""A staged version on the real emulator, as a user runs it, while a writer writes and a listener listens."""

import json
import os
import secrets
import subprocess
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

import pytest

from boiler_functions import Boiler
from boiler_functions.cli.project import Project
from boiler_functions.cli.registering import Registering
from boiler_functions.database import Put, Query
from boiler_functions.database.firestore import EMULATOR_HOST, PROJECT
from boiler_functions.local.stack import LocalStack
from boiler_functions.modes.ledger import COPIES
from boiler_functions.modes.release import Release
from boiler_functions.modes.staged import StagedVersion
from tests.emulator.test_cli import BOILER
from tests.unit.cli.conftest import APP

CITIES = 200

OLD = APP.replace("return self.store.city.name", 'return "old " + self.store.city.name')
NEW = APP.replace("return self.store.city.name", 'return "new " + self.store.city.name')


class Listener:
    """Follows all copies with Google's own client, as a browser does, and notes what a reader must never see."""

    def __init__(self, stack: LocalStack) -> None:
        self.faults: list[str] = []
        self.seen: dict[str, int] = {}
        self._lock = Lock()
        self._watch = stack.client().collection("cityView").on_snapshot(self._note)

    def _note(self, _: Any, changes: Any, __: Any) -> None:
        with self._lock:
            for each in changes:
                name = each.document.id
                if each.type.name == "REMOVED":
                    self.faults.append(f"{name} was gone")
                    continue
                version, number = each.document.get("title").split()
                if version not in ("old", "new") or int(number) < self.seen.get(name, 0):
                    self.faults.append(f"{name} said {version} {number} after {self.seen.get(name)}")
                self.seen[name] = int(number)

    def stop(self) -> None:
        self._watch.unsubscribe()  # type: ignore[no-untyped-call]


class Scene:
    """A project on disk, and its first version on a local stack that stands for the cloud."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stack = LocalStack(self.app(OLD), f"demo-{secrets.token_hex(4)}", release=Release(1))
        declared = self.stack.app.compiled.declarations
        Registering.of(declared, self.stack.database, 1).write(self.stack.database)
        self.write(0, range(CITIES))
        self.stack.drain()

    def app(self, text: str) -> Boiler:
        """The app of the text, which the commands find from now on."""
        name = f"app_{secrets.token_hex(6)}"
        (self.folder / "functions").mkdir(exist_ok=True)
        (self.folder / "functions" / f"{name}.py").write_text(text)
        (self.folder / "pyproject.toml").write_text(f'[tool.boiler_functions]\napp = "{name}:app"\n')
        return Project.find(start=self.folder).load()

    def write(self, number: int, cities: Any) -> None:
        writes = [
            Put(f"cities/c{each}", {"name": str(number), "obj_type": "City", "doc_id": f"c{each}"}) for each in cities
        ]
        self.stack.database.commit(writes)

    def run(self, *arguments: str, status: int = 0) -> Any:
        environment = {**os.environ, EMULATOR_HOST: self.stack.emulator.host, PROJECT: self.stack.project}
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
        return json.loads(done.stdout)["result"]

    def titles(self) -> set[str]:
        """What all copies say, in one word, and whether it is the last that was written."""
        found = self.stack.database.query(Query("cityView")).documents
        assert len(found) == CITIES
        cities = {each.id: (each.fields or {})["name"] for each in self.stack.database.query(Query("cities")).documents}
        told = [(each.id, *(each.fields or {})["title"].split()) for each in found]
        assert [each for each in told if each[2] != cities[each[0]]] == []
        return {each[1] for each in told}


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.syspath_prepend(str(tmp_path / "unused"))
    scene = Scene(tmp_path)
    yield scene
    scene.stack.stop()


def test_a_version_is_promoted_and_rolled_back_while_a_writer_writes_and_a_listener_listens(scene: Scene) -> None:
    newer = scene.app(NEW)
    assert scene.run("diff", "CityView", "--sample", "20", status=1)["views"]["CityView"]["changed"] == 20
    scene.stack.stage(newer, "CityView", 1 << 40)  # Later than what the command gives what it builds.
    stop, listener = Event(), Listener(scene.stack)

    def write() -> None:
        number = 0
        while not stop.wait(0.05):
            number += 1
            scene.write(number, [number * 7 % CITIES])

    writer = Thread(target=write)
    writer.start()
    try:
        assert scene.run("stage", "CityView", "--yes")["outcomes"].keys() <= {"built", "unchanged"}
        assert scene.run("wait", "CityView", "--for", "30s")["of"] == CITIES
        changed = scene.run("diff", "CityView", status=1)["views"]["CityView"]
        assert (changed["changed"], changed["staged"]) == (CITIES, True)
        assert scene.run("promote", "CityView", "--yes")["instances"] == {"moved": CITIES}
        for _ in range(5):  # What was behind, as its event was on its way, is left for another run.
            scene.stack.drain()
            if "behind" not in scene.run("rollback", "CityView", "--yes")["instances"]:
                break
        assert scene.run("promote", "CityView", "--yes")["instances"] == {"moved": CITIES}
    finally:
        stop.set()
        writer.join()
    scene.stack.drain()
    assert scene.titles() == {"new"}
    assert scene.run("rollback", "CityView", "--yes")["instances"] == {"moved": CITIES}
    assert scene.titles() == {"old"}
    scene.stack.unstage()
    assert scene.run("abort", "CityView", "--yes")["instances"] == CITIES
    listener.stop()
    assert listener.faults == []
    assert scene.stack.database.query(Query(COPIES)).documents == ()
    assert not StagedVersion.of(scene.stack.database, "towns", "CityView").exists
    assert scene.run("audit", "CityView", status=0)["views"]["CityView"]["faults"] == []
