"""Runs the Auth emulator of firebase-tools, by itself."""

import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from boiler_functions.exceptions import ConfigurationError
from boiler_functions.local.lazy_schemas import with_lazy_schemas
from boiler_functions.local.loopback import LOOPBACK, free_port, free_ports, is_free, request
from boiler_functions.local.process import ServerProcess

_START_SECONDS = 300.0
_STOP_SECONDS = 15.0
_OWNER = {"Authorization": "Bearer owner"}


class AuthEmulator:
    """A running Auth emulator; its users are gone when it stops.

    with AuthEmulator(firebase_command(), "demo-x") as auth:
        auth.wait()
        os.environ["FIREBASE_AUTH_EMULATOR_HOST"] = auth.host

    It takes some seconds until it is ready, in which other things can start. `data` is a folder that firebase-tools
    exported, and whose users are imported.
    """

    def __init__(self, firebase: Path, project: str, port: int = 0, data: Path | None = None) -> None:
        if port and not is_free(port):
            raise ConfigurationError(f"The Auth emulator cannot listen on {LOOPBACK}:{port}: the port is taken.")
        self.project = project
        self.host = f"{LOOPBACK}:{port or free_port()}"
        self._folder = TemporaryDirectory(prefix="boiler-auth-")
        folder = Path(self._folder.name)
        (folder / "firebase.json").write_text(json.dumps(_configured(self.host)))
        imported = ["--import", str(data.resolve())] if data else []
        try:
            self._server = ServerProcess(
                "The Auth emulator",
                [str(firebase), "emulators:start", "--project", project, "--only", "auth", *imported],
                environment=with_lazy_schemas({**os.environ, "CI": "true"}, folder),
                folder=folder,
                grace=_STOP_SECONDS,
            )
        except BaseException:
            self._folder.cleanup()
            raise

    def wait(self) -> None:
        """Returns once it is ready; raises ConfigurationError with the end of its log if it does not start."""
        # It answers before it has imported, so what it prints tells.
        self._server.wait_until(lambda: "All emulators ready" in self._server.tail(200), _START_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def export(self, folder: Path) -> None:
        """Writes the users into the folder, a file for each tenant, as firebase-tools does."""
        folder.mkdir(parents=True)
        base = f"/identitytoolkit.googleapis.com/v1/projects/{self.project}/accounts:batchGet?maxResults=-1"
        tenants = json.loads(self._get(f"/identitytoolkit.googleapis.com/v2/projects/{self.project}/tenants"))
        for tenant in tenants.get("tenants", []):
            name = tenant["tenantId"]
            (folder / f"accounts-{name}.json").write_bytes(self._get(f"{base}&tenantId={name}"))
        (folder / "accounts.json").write_bytes(self._get(base))
        (folder / "config.json").write_bytes(self._get(f"/emulator/v1/projects/{self.project}/config"))

    def _get(self, path: str) -> bytes:
        answer = request(self.host, "GET", path, headers=_OWNER)
        if answer.status != 200:
            raise ConfigurationError(f"The Auth emulator refused GET {path}: {answer.status} {answer.text}")
        return answer.body

    def stop(self) -> None:
        """Stops the emulator; does nothing if it is stopped."""
        self._server.stop()
        self._folder.cleanup()


def _configured(host: str) -> dict[str, Any]:
    # firebase-tools starts these beside it, and by default on well-known ports.
    companions = dict(zip(("hub", "logging"), free_ports(2), strict=True))
    ports = {"auth": int(host.rpartition(":")[2]), **companions}
    emulators = {name: {"host": LOOPBACK, "port": port} for name, port in ports.items()}
    return {"emulators": {**emulators, "ui": {"enabled": False}}}
