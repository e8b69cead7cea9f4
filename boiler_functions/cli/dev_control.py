"""How a command reaches the `boiler dev` that runs in its folder: a file there has its address, and a token."""

from __future__ import annotations

import hmac
import http.client
import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

from flask import Flask, Response, request

from boiler_functions.cli.context import Context
from boiler_functions.cli.folder import FOLDER, own_folder
from boiler_functions.exceptions import BoilerError, ConfigurationError
from boiler_functions.local import loopback
from boiler_functions.local.serving import served

FILE = "dev.json"

_LONGEST_SECONDS = 120.0
"""An app may take long to start."""


class Stages(Protocol):
    """What `boiler dev` does for the commands of staged versions."""

    def stage(self, view: str) -> None: ...

    def unstage(self, view: str) -> None: ...

    def deploy(self) -> None: ...


class LocalDev(NamedTuple):
    """The `boiler dev` that runs in a folder; each method returns once it is done, or raises ConfigurationError."""

    host: str
    token: str

    @classmethod
    def of(cls, context: Context) -> LocalDev | None:
        """Returns the one that has started the context's emulator; None if none has."""
        try:
            found = json.loads((context.project.folder / FOLDER / FILE).read_text("utf-8"))
        except (OSError, ValueError):
            return None
        emulator = (context.emulator or "").replace("localhost", loopback.LOOPBACK)
        # One that was killed leaves its file, and another emulator may have its port.
        is_there = found["emulator"] == emulator and loopback.answers(found["host"])
        return cls(found["host"], found["token"]) if is_there else None

    def stage(self, view: str) -> None:
        """Runs the code that is there now as a staged version of the view, beside the app."""
        self._ask(f"/stage/{view}")

    def unstage(self, view: str) -> None:
        """Stops the staged version."""
        self._ask(f"/unstage/{view}")

    def deploy(self) -> None:
        """Runs the code that is there now as the app."""
        self._ask("/deploy")

    def _ask(self, path: str) -> None:
        bearer = {"Authorization": f"Bearer {self.token}"}
        try:
            answer = loopback.request(self.host, "POST", path, headers=bearer, timeout=_LONGEST_SECONDS)
        except (OSError, http.client.HTTPException) as error:
            raise ConfigurationError(
                f"`boiler dev` at {self.host} did not answer: {error!r}. Start it again."
            ) from error
        if answer.status != 204:
            raise ConfigurationError(answer.text)


@contextmanager
def controlled(folder: Path, emulator: str, stages: Stages) -> Iterator[None]:
    """Lets the commands in the folder, and nobody else, ask for stages."""
    token = secrets.token_hex()
    path = own_folder(folder) / FILE
    with served(control_of(stages, token)) as host:
        content = json.dumps({"host": host, "token": token, "emulator": emulator})
        path.unlink(missing_ok=True)
        path.touch(0o600)
        path.write_text(content, "utf-8")
        try:
            yield
        finally:
            # Another one in the same folder, with ports of its own, has written its file over this one.
            if path.is_file() and path.read_text("utf-8") == content:
                path.unlink()


def control_of(stages: Stages, token: str) -> Flask:
    """Returns the application that does for those who bear the token what they ask."""
    app = Flask("boiler dev control", static_folder=None)

    @app.before_request
    def refuse_others() -> Response | None:
        is_known = hmac.compare_digest(request.headers.get("Authorization", ""), f"Bearer {token}")
        return None if is_known else Response("The token of `boiler dev` is missing.", 403)

    @app.post("/stage/<view>")
    def stage(view: str) -> Response:
        stages.stage(view)
        return Response(status=204)

    @app.post("/unstage/<view>")
    def unstage(view: str) -> Response:
        stages.unstage(view)
        return Response(status=204)

    @app.post("/deploy")
    def deploy() -> Response:
        stages.deploy()
        return Response(status=204)

    @app.errorhandler(BoilerError)
    def failed(error: BoilerError) -> Response:
        return Response(str(error), 422)

    return app
