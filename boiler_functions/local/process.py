"""Runs a server in a process group of its own, which ends when the interpreter that started it ends."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from boiler_functions.exceptions import ConfigurationError

# The guard reads a pipe that the parent holds open: the pipe closes however the parent ends, even by SIGKILL.
# PR_SET_PDEATHSIG exists only on Linux, and would act when the starting *thread* ends. `exec` keeps pid and signals.
_GUARDED = """
exec 3<&0
{ trap '' TERM; cat <&3 >/dev/null; kill -TERM 0; sleep "$0"; kill -KILL 0; } &
exec "$@" </dev/null 3<&-
"""


class ServerProcess:
    """A running server with its log; a context manager that stops it.

    with ServerProcess("the emulator", ["java", "-jar", "emulator.jar"]) as server:
        server.wait_until(lambda: answers("127.0.0.1:8080"), timeout=30)
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        grace: float = 5.0,
    ) -> None:
        self.name = name
        self._grace = grace
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the server
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", _GUARDED, str(grace), *command],
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env=dict(os.environ if environment is None else environment),
            cwd=folder,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def tail(self, lines: int = 15) -> str:
        """Returns the last lines of the log."""
        size = os.fstat(self._log.fileno()).st_size
        end = os.pread(self._log.fileno(), 20_000, max(0, size - 20_000))
        return "\n".join(end.decode(errors="replace").splitlines()[-lines:])

    def wait_until(self, ready: Callable[[], bool], timeout: float) -> None:
        """Returns once the server is ready; else stops it, and raises ConfigurationError with the end of its log."""
        try:
            self._await(ready, timeout)
        except BaseException:
            self.stop()
            raise

    def _await(self, ready: Callable[[], bool], timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while not ready():
            if not self.running:
                raise ConfigurationError(self._failure(f"ended with status {self._process.returncode}"))
            if time.monotonic() > deadline:
                raise ConfigurationError(self._failure(f"was not ready after {timeout:g} s"))
            time.sleep(0.02)

    def _failure(self, what: str) -> str:
        log = self.tail() or "(empty)"
        return f"{self.name} {what} while it started. The end of its log:\n{log}"

    def kill(self) -> None:
        """Kills the server like a crash, with SIGKILL."""
        self._signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """Stops the server and all processes that it started; does nothing if it is stopped."""
        if self._log.closed:
            return
        try:
            self._signal(signal.SIGTERM)
            self._process.wait(self._grace)
        except subprocess.TimeoutExpired:
            pass  # SIGKILL below ends it
        finally:
            self._signal(signal.SIGKILL)
            self._process.wait()
            if self._process.stdin:
                self._process.stdin.close()
            self._log.close()

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return
