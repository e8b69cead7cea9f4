"""firebase-tools serves Python functions from a static functions.yaml, offline."""

import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest

from boiler_functions.exceptions import ConfigurationError
from boiler_functions.local.firebase import FirebaseEmulators
from boiler_functions.local.launcher import write_launcher
from boiler_functions.local.loopback import Response, answers, request

ROOT = Path(__file__).parent.parent.parent
PROJECT = f"demo-{secrets.token_hex(6)}"
OWNER = {"Authorization": "Bearer owner"}

MAIN = """
import os, urllib.request
import functions_framework

@functions_framework.cloud_event
def copy(event):
    host, project = os.environ["FIRESTORE_EMULATOR_HOST"], os.environ["GCLOUD_PROJECT"]
    name = event["document"].rpartition("/")[2]
    request = urllib.request.Request(
        f"http://{host}/v1/projects/{project}/databases/(default)/documents/copies/{name}", b"{}",
        {"Authorization": "Bearer owner", "Content-Type": "application/json"}, method="PATCH",
    )
    urllib.request.urlopen(request)

@functions_framework.http
def greet(request):
    return f"{request.method} {request.path}"
"""

MANIFEST = """
specVersion: v1alpha1
requiredAPIs: []
endpoints:
  on-users:
    entryPoint: copy
    platform: gcfv2
    region: [us-central1]
    eventTrigger:
      eventType: google.cloud.firestore.document.v1.written
      eventFilters: {database: (default), namespace: (default)}
      eventFilterPathPatterns: {document: "users/{user_id}"}
      retry: true
  greet:
    entryPoint: greet
    platform: gcfv2
    region: [us-central1]
    httpsTrigger: {}
"""


# Both fixtures are shared, and one suite of emulators is enough for a small machine.
pytestmark = pytest.mark.xdist_group("firebase")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of functions beside this project's own configuration."""
    top = tmp_path_factory.mktemp("project")
    for name in ("firebase.json", "firestore.rules", "firestore.indexes.json"):
        shutil.copy(ROOT / name, top)
    functions = top / "functions"
    functions.mkdir()
    (functions / "main.py").write_text(MAIN)
    (functions / "requirements.txt").write_text("functions-framework\n")
    (functions / "functions.yaml").write_text(MANIFEST)
    return functions


@pytest.fixture(scope="module")
def emulators(source: Path) -> Iterator[FirebaseEmulators]:
    # Without Auth, which test_firebase_meeting_room.py has.
    with FirebaseEmulators(source, PROJECT, only=("firestore", "functions", "tasks")) as running:
        yield running


def document(emulators: FirebaseEmulators, method: str, path: str, body: bytes | None = None) -> Response:
    base = f"/v1/projects/{PROJECT}/databases/(default)/documents"
    return request(emulators.firestore_host, method, f"{base}/{path}", body, OWNER)


def test_every_function_of_the_manifest_is_loaded(emulators: FirebaseEmulators) -> None:
    assert emulators.functions() == ["on-users", "greet"]


def test_an_http_function_answers(emulators: FirebaseEmulators) -> None:
    answer = request(emulators.functions_host, "GET", f"/{PROJECT}/us-central1/greet/views/1")
    assert (answer.status, answer.text) == (200, "GET /views/1")


def test_a_write_reaches_the_function_whose_pattern_it_matches(emulators: FirebaseEmulators) -> None:
    assert document(emulators, "PATCH", "users/uid1", b"{}").status == 200
    deadline = time.monotonic() + 60
    while document(emulators, "GET", "copies/uid1").status == 404:
        assert time.monotonic() < deadline, emulators.log()
        time.sleep(0.1)


def test_the_queue_emulator_answers(emulators: FirebaseEmulators) -> None:
    assert answers(emulators.tasks_host)


def test_the_source_folder_is_left_as_it_was(emulators: FirebaseEmulators, source: Path) -> None:
    names = {path.name for path in source.iterdir() if path.name != "__pycache__"}
    assert names == {"main.py", "requirements.txt", "functions.yaml"}


def test_a_folder_without_firebase_json_is_refused(tmp_path: Path) -> None:
    functions = tmp_path / "functions"
    functions.mkdir()
    with pytest.raises(ConfigurationError, match=r"firebase\.json does not exist"):
        FirebaseEmulators(functions, PROJECT)


def test_an_unreadable_manifest_is_reported_with_the_log(source: Path, tmp_path: Path) -> None:
    broken = shutil.copytree(source.parent, tmp_path / "broken") / "functions"
    (broken / "functions.yaml").write_text("specVersion: v0\n")
    with pytest.raises(ConfigurationError, match=r"no function in [\s\S]*Failed to parse build specification"):
        FirebaseEmulators(broken, f"{PROJECT}-broken", only=("functions",))


def test_a_long_path_is_folded_in_the_launchers_manifest(tmp_path: Path) -> None:
    jar = tmp_path / ("long" * 30) / "a jar.jar"
    write_launcher(tmp_path / "launcher.jar", jar)
    with ZipFile(tmp_path / "launcher.jar") as launcher:
        manifest = launcher.read("META-INF/MANIFEST.MF")
    assert max(map(len, manifest.split(b"\r\n"))) <= 70
    assert jar.as_uri().encode() in manifest.replace(b"\r\n ", b"")
