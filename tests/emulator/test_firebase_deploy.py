"""firebase-tools finds, stages and packs what `firebase deploy` uploads, of an app and of functions beside it."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple
from zipfile import ZipFile

import pytest

from boiler_functions.local.firebase import FirebaseEmulators
from boiler_functions.local.loopback import Response, answers, request
from tests.firebase_tools import BIN, OWN, ROOT, deployed, install_firebase_functions

# They share the projects, and one suite of emulators is enough for a small machine.
pytestmark = pytest.mark.xdist_group("firebase")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The meeting room as it is checked in, and compiled once, so that the hook finds it older than its sources."""
    folder = tmp_path_factory.mktemp("meeting-room")
    for name in ("firebase.json", "firestore.rules", "firestore.indexes.json", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "functions", folder / "functions", ignore=shutil.ignore_patterns("__pycache__", "venv"))
    boiler(folder, "compile")
    main = folder / "functions" / "main.py"
    main.write_text(f"{main.read_text()}# edited\n")
    return folder


def boiler(folder: Path, *arguments: str) -> None:
    subprocess.run([BIN / "boiler", *arguments], cwd=folder, check=True, capture_output=True)


def test_firebase_tools_packs_the_sources_as_they_are_now_and_the_wheel_that_they_name(project: Path) -> None:
    (functions,) = deployed(project).values()
    assert "meeting-room-api" in functions
    with ZipFile(project / "packed.zip") as packed:
        names = set(packed.namelist())
        (wheel,) = (name for name in names if name.endswith(".whl"))
        assert {"main.py", "meeting_room.py", "functions.yaml", "requirements.txt"} < names
        assert not any(name.startswith("venv") for name in names)
        assert packed.read("main.py").endswith(b"# edited\n")
        assert packed.read("requirements.txt").decode().startswith(f"./{wheel}[")
        assert packed.read("functions.yaml") == (project / "functions" / "functions.yaml").read_bytes()


FIREBASE = """{
  "functions": {"source": "functions", "runtime": "%s", "ignore": ["venv"]}, // the shop's own
  "firestore": {"rules": "firestore.rules", "indexes": "firestore.indexes.json"}
}
"""

STAGE = """
[tool.boiler_functions.env.prod]
project = "shop-prod"
region = "europe-west1"
"""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packages")
    install_firebase_functions(folder)
    return folder


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with functions of its own."""
    folder = tmp_path_factory.mktemp("shop")
    runtime = f"python3{sys.version_info.minor}"
    (folder / "firebase.json").write_text(FIREBASE % runtime)
    for name in ("firestore.rules", "firestore.indexes.json"):
        shutil.copy(ROOT / name, folder)
    functions = folder / "functions"
    functions.mkdir()
    (functions / "main.py").write_text(OWN)
    (functions / "requirements.txt").write_text("firebase-functions\n")
    (functions / "venv").symlink_to(sys.prefix)
    return folder


def test_functions_that_are_there_are_found_before_and_after_an_app_joins_them(shop: Path, packages: Path) -> None:
    python = f"{packages}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    before = deployed(shop, PYTHONPATH=python)
    assert before == {"default": ["hello", "welcome"]}
    boiler(shop, "init", "views")
    pyproject = shop / "views" / "pyproject.toml"
    pyproject.write_text(pyproject.read_text() + STAGE)
    # Nothing is staged yet, as in a clean checkout; the project names the stage.
    after = deployed(shop, "shop-prod", PYTHONPATH=python)
    views = after.pop("views")
    assert {"views-shelf-view-on-shelves", "views-loan-form-task", "views-api"} < set(views)
    assert after == before
    with ZipFile(shop / "packed.zip") as packed:
        functions = packed.read("functions.yaml").decode()
    assert functions.count("region:\n      - europe-west1\n") == len(views)


class Served(NamedTuple):
    """What the emulators answered inside their block, and where."""

    functions: set[str]
    of_the_app: Response
    of_its_own: Response
    hosts: tuple[str, ...]
    were_there: bool
    log: str


@pytest.fixture(scope="module")
def served(project: Path, shop: Path, packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Served:
    (record,) = json.loads((project / "firebase.json").read_text())["functions"]
    folder = tmp_path_factory.mktemp("served")
    for name in ("firebase.json", "firestore.rules", "firestore.indexes.json"):
        shutil.copy(project / name, folder)
    shutil.copytree(project / record["source"], folder / "functions", symlinks=True)
    source, demo = folder / "functions", f"demo-{secrets.token_hex(6)}"
    only = ("firestore", "functions", "tasks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{packages}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
        # On free ports, and else as they are configured.
        with FirebaseEmulators(source, demo, only, beside=[shop / "functions"]) as emulators:
            place = f"/{demo}/us-central1"
            hosts = (emulators.firestore_host, emulators.functions_host, emulators.tasks_host)
            return Served(
                set(emulators.functions()),
                request(emulators.functions_host, "GET", f"{place}/meeting-room-api/openapi.json", timeout=120),
                request(emulators.functions_host, "GET", f"{place}/hello", timeout=120),
                hosts,
                all(map(answers, hosts)),
                emulators.log(),
            )


def test_the_emulators_serve_the_folder_that_is_deployed_and_the_functions_beside_it(served: Served) -> None:
    assert {"meeting-room-api", "hello", "welcome"} < served.functions
    answer = served.of_the_app
    assert (answer.status, json.loads(answer.text)["info"]["title"]) == (200, "meeting-room"), served.log
    answer = served.of_its_own
    assert (answer.status, answer.text) == (200, "hello"), served.log


def test_all_emulators_stop_with_their_block(served: Served) -> None:
    assert served.were_there, served.log
    assert not any(map(answers, served.hosts))


def test_the_database_stops_with_its_block_although_firebase_tools_was_killed(project: Path) -> None:
    with FirebaseEmulators(project / "functions", f"demo-{secrets.token_hex(6)}", ("firestore",)) as emulators:
        os.killpg(emulators.pid, signal.SIGKILL)
        assert answers(emulators.firestore_host)
    deadline = time.monotonic() + 30
    while answers(emulators.firestore_host) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not answers(emulators.firestore_host)
