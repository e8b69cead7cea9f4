"""The package beside the oldest and the newest firebase-functions, in environments of their own.

Each environment is filled by pip as a user's is. An app lies among functions of firebase-functions in one main.py, and
is a second codebase of the same folder: firebase-tools must find all functions of both, and functions-framework run
them.
"""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from boiler_functions.database import Put
from boiler_functions.database.firestore import FirestoreDatabase
from boiler_functions.local.delivery import DeliveryHarness, LocalTrigger
from boiler_functions.local.events import EventServer
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from boiler_functions.local.functions_process import FunctionsProcess
from boiler_functions.local.loopback import request
from tests.firebase_tools import OWN, deployed
from tests.torture.figures import Figure

ROOT = Path(__file__).parents[2]

OLDEST, NEWEST = "0.1.0", "0.6.0"

APP = """
from boiler_functions import Boiler, DomainModel, Store, ViewModel, attrs, reference

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
        path = "cityViews/{city.doc_id}"

    @attrs.computed
    def title(self) -> str:
        return self.store.city.name.upper()
"""
EXPORT = "\nfrom towns import app\n\napp.export(globals())\n"
TARGET = "city_view_on_cities"


def run(short: bool, seed: int) -> Iterator[Figure]:
    """Yields the figures of each release; the short form has the newest only."""
    for release in (NEWEST,) if short else (OLDEST, NEWEST):
        with TemporaryDirectory(prefix="boiler-beside-") as folder:
            yield from _figures(release, Path(folder))


def _figures(release: str, folder: Path) -> Iterator[Figure]:
    python = _environment(release, folder)
    shop = _project(folder)
    # Releases before 0.2.0 find no module beside main.py by themselves.
    path = str(shop / "functions")
    before = deployed(shop, PYTHONPATH=path)
    yield Figure(f"own_functions_found_before[{release}]", len(before["default"]), "=", 2)
    _join(shop, python)
    after = deployed(shop, PYTHONPATH=path)
    yield Figure(f"own_functions_lost[{release}]", len(set(before["default"]) - set(after["default"])), "=", 0)
    yield Figure(f"own_functions_added[{release}]", len(set(after["default"]) - set(before["default"])), "=", 0)
    yield Figure(f"functions_of_the_app_found[{release}]", len(after["towns"]), "=", 3)
    yield from _served(release, shop, python)


def _environment(release: str, folder: Path) -> str:
    wheels = folder / "wheels"
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels), folder=ROOT)
    (wheel,) = wheels.iterdir()
    _run(sys.executable, "-m", "venv", "venv", folder=folder)
    python = str(folder / "venv" / "bin" / "python")
    _run(python, "-m", "pip", "install", "--quiet", f"{wheel}[all]", f"firebase-functions=={release}", folder=folder)
    return python


def _project(folder: Path) -> Path:
    """A project with functions of firebase-functions alone."""
    shop = folder / "shop"
    functions = shop / "functions"
    functions.mkdir(parents=True)
    runtime = f"python3{sys.version_info.minor}"
    codebase = {"source": "functions", "runtime": runtime, "ignore": ["venv", ".*", "__pycache__"]}
    (shop / "firebase.json").write_text(json.dumps({"functions": codebase}))
    (functions / "main.py").write_text(OWN)
    (functions / "requirements.txt").write_text("firebase-functions\nboiler-functions[tasks]\n")
    (functions / "venv").symlink_to(folder / "venv")
    return shop


def _join(shop: Path, python: str) -> None:
    """The app comes into the same folder, is exported by the same main.py, and becomes a codebase."""
    version = f"3.{sys.version_info.minor}"
    (shop / "pyproject.toml").write_text(f'[tool.boiler_functions]\napp = "towns:app"\npython = "{version}"\n')
    (shop / ".gitignore").write_text("functions/venv\n")
    (shop / "functions" / "towns.py").write_text(APP)
    (shop / "functions" / "main.py").write_text(OWN + EXPORT)
    for command in ("init", "compile"):
        _run(python, "-m", "boiler_functions", command, folder=shop)


def _served(release: str, shop: Path, python: str) -> Iterator[Figure]:
    """An event reaches the app's function, and a request the other one, both from one main.py."""
    main, project = shop / "functions" / "main.py", f"demo-{secrets.token_hex(6)}"
    with EventServer() as server, FirestoreEmulator(functions=server.host) as emulator:
        env = {"FIRESTORE_EMULATOR_HOST": emulator.host, "GOOGLE_CLOUD_PROJECT": project, "PYTHONPATH": ""}
        database = FirestoreDatabase(project, emulator=emulator.host)
        with FunctionsProcess(main, TARGET, env=env, python=python) as function:
            triggers = [LocalTrigger(TARGET, "cities/{doc_id}", function.post)]
            with DeliveryHarness(server, emulator, project, triggers) as harness:
                database.commit([Put("cities/TOK", {"name": "Tokyo"})])
                harness.drain()
        fields = database.read(["cityViews/TOK"]).documents[0].fields or {}
        yield Figure(f"views_built[{release}]", int(fields.get("title") == "TOKYO"), "=", 1)
        with FunctionsProcess(main, "hello", "http", env=env, python=python) as function:
            answer = request(function.host, "GET", "/")
        yield Figure(f"own_requests_answered[{release}]", int(answer.text == "hello"), "=", 1)


def _run(*command: str, folder: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
