"""A project made by `boiler init`, in an environment of its own: nothing comes from the checkout but the wheel."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from boiler_functions.database import Put
from boiler_functions.database.firestore import FirestoreDatabase
from boiler_functions.database.variables import EMULATOR_HOST, PROJECT
from boiler_functions.local.delivery import DeliveryHarness, LocalTrigger
from boiler_functions.local.events import EventServer
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from boiler_functions.local.functions_process import FunctionsProcess
from boiler_functions.local.loopback import LOOPBACK, answers, free_port, request
from boiler_functions.local.process import ServerProcess
from tests.emulator.running import Running

BOILER = (sys.executable, "-c", "from boiler_functions.cli import main; main()")
ROOT = Path(__file__).parent.parent.parent
SECONDS = 240.0

# Installing takes as long as the network does.
pytestmark = [pytest.mark.xdist_group("fresh environment"), pytest.mark.timeout(900)]


def run(*command: str, folder: Path, env: Mapping[str, str] | None = None) -> str:
    """Returns the output of the command; fails the test with that output if the command fails."""
    done = subprocess.run(
        command,
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# Each module as if it were the first of the package.
EACH_MODULE = """
import importlib, importlib.util, pkgutil, sys
import boiler_functions.local as local

assert importlib.util.find_spec("emulator") is None
print(local.__file__)
for module in pkgutil.iter_modules(local.__path__):
    for name in [each for each in sys.modules if each.partition(".")[0] == "boiler_functions"]:
        del sys.modules[name]
    importlib.import_module(f"boiler_functions.local.{module.name}")
"""


class Fresh:
    """A project in an empty folder; what `boiler deploy` would upload of it; an environment that has that alone."""

    def __init__(self, folder: Path) -> None:
        run(*BOILER, "init", "library", folder=folder)
        self.project = folder / "library"
        run(*BOILER, "deploy", "--dry-run", folder=self.project)
        self.upload = (self.project / ".boiler" / "upload").rename(folder / "upload")
        run(sys.executable, "-m", "venv", "--without-pip", "venv", folder=folder)
        self.bin = folder / "venv" / "bin"
        self.python = str(self.bin / "python")
        # Python compiles what it imports, once; that is a small part of what is installed.
        without = ("PYTHONPATH", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE")
        self.env = {name: value for name, value in os.environ.items() if name not in without}
        # As the builder does: in the folder that was uploaded.
        self.install("-r", "requirements.txt", folder=self.upload)

    def install(self, *what: str, folder: Path) -> None:
        pip = (sys.executable, "-m", "pip", "--python", self.python)
        run(*pip, "install", "--quiet", "--no-compile", *what, folder=folder, env=self.env)

    @property
    def wheel(self) -> Path:
        (wheel,) = self.upload.glob("*.whl")
        return wheel


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Fresh:
    return Fresh(tmp_path_factory.mktemp("fresh"))


def test_the_package_in_the_environment_is_that_of_the_wheel(fresh: Fresh) -> None:
    place = run(
        fresh.python, "-c", "import boiler_functions as b; print(b.__file__)", folder=fresh.upload, env=fresh.env
    )
    assert place.startswith(str(fresh.bin.parent))
    assert not place.startswith(str(ROOT))


def test_the_uploaded_folder_alone_handles_an_event(
    fresh: Fresh, firestore_emulator: FirestoreEmulator, event_server: EventServer, project: str
) -> None:
    database = FirestoreDatabase(project, emulator=firestore_emulator.host)
    env = {
        "FIRESTORE_EMULATOR_HOST": firestore_emulator.host,
        "GOOGLE_CLOUD_PROJECT": project,
        "PYTHONPATH": "",
        "PYTHONDONTWRITEBYTECODE": "",
    }
    target = "shelf_view_on_shelves"
    with FunctionsProcess(fresh.upload / "main.py", target, env=env, python=fresh.python) as function:
        triggers = [LocalTrigger(target, "shelves/{doc_id}", function.post)]
        with DeliveryHarness(event_server, firestore_emulator, project, triggers) as harness:
            database.commit([Put("shelves/novels", {"room": "attic"})])
            harness.drain()
        view = database.read(["shelfViews/novels"]).documents[0]
        assert view.fields is not None, function.log()
        assert (view.fields["room"], view.fields["available"]) == ("attic", [])


def test_the_http_function_of_the_uploaded_folder_answers(
    fresh: Fresh, firestore_emulator: FirestoreEmulator, project: str
) -> None:
    env = {
        "FIRESTORE_EMULATOR_HOST": firestore_emulator.host,
        "GOOGLE_CLOUD_PROJECT": project,
        "FUNCTION_TARGET": "api",
        "PYTHONPATH": "",
        "PYTHONDONTWRITEBYTECODE": "",
    }
    with FunctionsProcess(fresh.upload / "main.py", "api", "http", env=env, python=fresh.python) as function:
        answer = request(function.host, "GET", "/shelves")
        assert answer.status == 200, function.log()


def test_dev_handles_a_write_by_what_the_wheel_holds_alone(fresh: Fresh) -> None:
    fresh.install(f"{fresh.wheel}[cli]", folder=fresh.project)
    place = run(fresh.python, "-c", EACH_MODULE, folder=fresh.project, env=fresh.env)
    assert place.startswith(str(fresh.bin.parent))
    with Running([str(fresh.bin / "boiler"), "dev", "--free-ports", "--no-auth"], fresh.project, fresh.env) as dev:
        exported = dev.line(rf"export {EMULATOR_HOST}=(\S+) {PROJECT}=(\S+)")
        api = dev.line(r"^API +http://(\S+)$")[1]
        database = FirestoreDatabase(exported[2], emulator=exported[1])
        database.commit([Put("shelves/novels", {"room": "attic"})])
        dev.line(r"^shelf_view_on_shelves ← shelves/novels: 1 built; ")
        assert '"attic"' in request(api, "GET", "/shelves").text
        assert dev.end(signal.SIGTERM) == 0
        assert dev.lines[-1] == "Stopped."


def test_the_service_of_sockets_starts_in_the_uploaded_folder_by_the_command_that_is_deployed(
    fresh: Fresh, firestore_emulator: FirestoreEmulator, project: str, tmp_path: Path
) -> None:
    run(*BOILER, "init", "followed", folder=tmp_path)
    functions = tmp_path / "followed" / "functions"
    module, requirements = functions / "followed.py", functions / "requirements.txt"
    module.write_text(module.read_text().replace("@app.rest", '@app.websocket("/shelves")\n@app.rest', 1))
    requirements.write_text(requirements.read_text().replace("[", "[websocket,", 1))
    printed = run(*BOILER, "deploy", "--dry-run", "--only=websocket", folder=tmp_path / "followed")
    found = re.search(r"gcloud run deploy followed-websocket .*GOOGLE_ENTRYPOINT=python ([^,]+),", printed)
    assert found, printed
    upload = tmp_path / "followed" / ".boiler" / "upload"
    fresh.install("-r", "requirements.txt", folder=upload)
    host = f"{LOOPBACK}:{(port := free_port())}"
    env = {
        **fresh.env,
        EMULATOR_HOST: firestore_emulator.host,
        PROJECT: project,
        "HOST": LOOPBACK,
        "PORT": str(port),
    }
    with ServerProcess("The sockets", [fresh.python, *found[1].split()], environment=env, folder=upload) as service:
        service.wait_until(lambda: answers(host), 60)
        handshake = request(host, "GET", "/socket.io/?EIO=4&transport=polling")
        # Long polling is refused by the service itself, so that it is what answers.
        assert handshake.status == 426, handshake.text


def test_its_tests_pass_and_every_command_works(fresh: Fresh) -> None:
    wheel = fresh.wheel
    fresh.install(f"{wheel}[all]", "pytest", folder=fresh.project)
    boiler = str(fresh.bin / "boiler")
    assert "3 passed" in run(fresh.python, "-m", "pytest", "-q", folder=fresh.project, env=fresh.env)
    assert "library is fine" in run(boiler, "check", folder=fresh.project, env=fresh.env)
    assert "library: 6 functions" in run(boiler, "plan", folder=fresh.project, env=fresh.env)
    assert run(boiler, "check", "--explain", "BF101", folder=fresh.project, env=fresh.env).startswith(
        "BF101 InvalidPat"
    )
    assert "another/functions/another.py is written" in run(
        boiler, "init", "another", folder=fresh.upload, env=fresh.env
    )
    commands = run(boiler, "deploy", "--dry-run", "--project=my-project", folder=fresh.project, env=fresh.env)
    assert commands.count("gcloud functions deploy ") == 6
    # The wheel that was installed is what is uploaded from here, too.
    assert (fresh.project / ".boiler" / "upload" / wheel.name).read_bytes() == wheel.read_bytes()
