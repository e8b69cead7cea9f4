"""Runs the emulators of firebase-tools, offline and on free ports."""

import http.client
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from boiler_functions.exceptions import ConfigurationError
from boiler_functions.local.firestore_emulator import emulator_jar, firebase_command, java
from boiler_functions.local.launcher import write_launcher
from boiler_functions.local.lazy_schemas import with_lazy_schemas
from boiler_functions.local.loopback import LOOPBACK, free_ports, request
from boiler_functions.local.process import ServerProcess

_START_SECONDS = 300.0
_STOP_SECONDS = 30.0
_EVENTS_SECONDS = 120.0  # all functions are read again
_EMULATORS: tuple[str, ...] = ("firestore", "functions", "auth", "tasks")

# firebase-tools starts these beside the others, and by default all on well-known ports.
_COMPANIONS: tuple[str, ...] = ("hub", "logging", "eventarc", "firestore.websocket")

_SCRIPT = "touch ready; exec sleep 2147483647"


class FirebaseEmulators:
    """Serves the functions of a folder with firebase-tools, as the firebase.json beside the folder says.

    with FirebaseEmulators(Path("functions"), "demo-x") as emulators:
        os.environ["FIRESTORE_EMULATOR_HOST"] = emulators.firestore_host

    Neither the folder nor firebase.json is changed: the emulators see links to the files, and a copy with free ports.
    The folders of `beside` are further codebases.
    """

    def __init__(
        self, source: Path, project: str, only: Sequence[str] = _EMULATORS, *, beside: Sequence[Path] = ()
    ) -> None:
        firebase = firebase_command()
        if firebase is None:
            raise ConfigurationError(
                f"firebase-tools is neither in a node_modules of {Path.cwd()} or above, nor on PATH. "
                "Run: npm install --save-dev firebase-tools"
            )
        self._ports = dict(zip((*_EMULATORS, *_COMPANIONS), free_ports(8), strict=True))
        self._has_database = "firestore" in only
        self._folder = TemporaryDirectory(prefix="boiler-firebase-")
        folder = Path(self._folder.name)
        try:
            _lay_out(folder, [source.resolve(), *(each.resolve() for each in beside)], self._ports)
            # `exec` runs its script once every emulator is ready and every function loaded, which `start` only prints.
            self._server = ServerProcess(
                "firebase emulators:exec",
                [str(firebase), "emulators:exec", "--project", project, "--only", ",".join(only), _SCRIPT],
                environment=_environment(folder),
                folder=folder,
                grace=_STOP_SECONDS,
            )
            self._server.wait_until((folder / "ready").exists, _START_SECONDS)
        except BaseException:
            self._folder.cleanup()
            raise
        if "functions" in only and not self.functions():
            log = self.log()
            self.stop()
            raise ConfigurationError(f"firebase-tools found no function in {source}. The end of its log:\n{log}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def firestore_host(self) -> str:
        return self._host("firestore")

    @property
    def functions_host(self) -> str:
        return self._host("functions")

    @property
    def auth_host(self) -> str:
        return self._host("auth")

    @property
    def tasks_host(self) -> str:
        return self._host("tasks")

    @property
    def pid(self) -> int:
        """The process of firebase-tools, which leads the group of those that end with it."""
        return self._server.pid

    def _host(self, emulator: str) -> str:
        return f"{LOOPBACK}:{self._ports[emulator]}"

    def functions(self) -> list[str]:
        """Returns the names of the functions that firebase-tools loaded."""
        backends = json.loads(request(self.functions_host, "GET", "/backends").text)["backends"]
        return [trigger["name"] for backend in backends for trigger in backend["functionTriggers"]]

    @contextmanager
    def without_events(self) -> Iterator[None]:
        """Inside the block no event calls a function, so that data is loaded without a process for each function."""
        self._switch_events("disable")
        try:
            yield
        finally:
            self._switch_events("enable")

    def _switch_events(self, what: str) -> None:
        answer = request(self._host("hub"), "PUT", f"/functions/{what}BackgroundTriggers", timeout=_EVENTS_SECONDS)
        if answer.status != 200:
            raise ConfigurationError(f"firebase-tools did not {what} the functions of events: {answer.text}")

    def log(self) -> str:
        """Returns the last lines that the emulators and their functions logged."""
        return self._server.tail(60)

    def stop(self) -> None:
        """Stops the emulators and all processes that they started; does nothing if they are stopped."""
        # It has a session of its own, and goes on if firebase-tools is killed. First, while no other server can have
        # taken its port.
        if self._has_database:
            with suppress(OSError, http.client.HTTPException):
                request(self.firestore_host, "POST", "/shutdown")
            self._has_database = False
        self._server.stop()
        self._folder.cleanup()


def _lay_out(folder: Path, sources: Sequence[Path], ports: dict[str, int]) -> None:
    """Fills the folder with a firebase.json, and links to the files that it names."""
    top = sources[0].parent
    configuration = top / "firebase.json"
    if not configuration.is_file():
        raise ConfigurationError(
            f"{configuration} does not exist; firebase-tools reads it. Write one, or name another folder."
        )
    content = json.loads(configuration.read_text())
    for name in content.get("firestore", {}).values():
        (folder / name).symlink_to(top / name)
    codebases = {f"codebase{number}": source for number, source in enumerate(sources)}
    (folder / "firebase.json").write_text(json.dumps(_configured(content, list(codebases), ports)))
    for codebase, source in codebases.items():
        functions = folder / codebase
        functions.mkdir()
        for entry in source.iterdir():
            (functions / entry.name).symlink_to(entry)
        if not (functions / "venv").exists():
            (functions / "venv").symlink_to(_virtual_environment())
    write_launcher(folder / "emulator.jar", emulator_jar())


def _configured(content: dict[str, Any], codebases: Sequence[str], ports: dict[str, int]) -> dict[str, Any]:
    emulators: dict[str, Any] = {
        name: {"host": LOOPBACK, "port": port} for name, port in ports.items() if "." not in name
    }
    emulators["firestore"]["websocketPort"] = ports["firestore.websocket"]
    runtime = f"python3{sys.version_info.minor}"
    functions = [{"codebase": name, "source": name, "runtime": runtime} for name in codebases]
    return {**content, "functions": functions, "emulators": {**content.get("emulators", {}), **emulators}}


def _virtual_environment() -> Path:
    """Returns the virtual environment of this interpreter; firebase-tools runs functions only in one named `venv`."""
    environment = Path(sys.prefix)
    if not (environment / "bin" / "activate").exists():
        raise ConfigurationError(
            f"{environment} is not a virtual environment. Functions run in one: create it, and install the package."
        )
    return environment


def _environment(folder: Path) -> dict[str, str]:
    path = f"{java().parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    environment = {"PATH": path, "FIRESTORE_EMULATOR_BINARY_PATH": str(folder / "emulator.jar"), "CI": "true"}
    return with_lazy_schemas({**os.environ, **environment}, folder)
