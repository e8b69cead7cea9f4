"""Runs a compiled function in a real functions-framework process."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self

from boiler_functions.local.delivery import post_to
from boiler_functions.local.events import Event
from boiler_functions.local.loopback import LOOPBACK, answers, free_port
from boiler_functions.local.process import ServerProcess

_START_SECONDS = 30.0

# functions-framework answers this path itself, whatever the function's signature.
_PROBE = "/robots.txt"


class FunctionsProcess:
    """One function of a source file, served by functions-framework as Cloud Run serves it.

    with FunctionsProcess(Path("functions/main.py"), "city_view_on_cities") as function:
        function.post(event)
    """

    def __init__(
        self,
        source: Path,
        target: str,
        signature: Literal["cloudevent", "http"] = "cloudevent",
        env: Mapping[str, str] | None = None,
        python: str = sys.executable,
    ) -> None:
        self.host = f"{LOOPBACK}:{(port := free_port())}"
        self._name = f"The function {target} of {source}"
        options = {"target": target, "source": source, "signature-type": signature, "host": LOOPBACK, "port": port}
        flags = [f"--{name}={value}" for name, value in options.items()]
        self._command = [python, "-m", "functions_framework", *flags]
        self._environment = {**os.environ, **(env or {})}
        self._post = post_to(self.host)
        self._server = self._serve()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    @property
    def pid(self) -> int:
        return self._server.pid

    @property
    def running(self) -> bool:
        """Whether it is served; False between `kill` and the end of `restart`."""
        return self._server.running

    def _serve(self) -> ServerProcess:
        server = ServerProcess(self._name, self._command, environment=self._environment)
        server.wait_until(lambda: answers(self.host, _PROBE), _START_SECONDS)
        return server

    def restart(self) -> None:
        """Serves the source as it is now, at the same address; also after `kill`."""
        self._server.stop()
        self._server = self._serve()

    def post(self, event: Event) -> int:
        """Posts the event to the function; raises Refused unless the answer is 2xx. It is a Target."""
        return self._post(event)

    def log(self, lines: int = 15) -> str:
        """Returns the last lines that the function logged."""
        return self._server.tail(lines)

    def kill(self) -> None:
        """Kills the process like a crash; an event that it is handling gets no answer."""
        self._server.kill()

    def stop(self) -> None:
        """Stops the process; does nothing if it is stopped."""
        self._server.stop()
