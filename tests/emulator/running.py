"""A command in a process of its own, read line by line."""

import re
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

TIMEOUT = 60.0


class Running:
    """A command under way, and the lines that it has printed so far."""

    def __init__(self, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self._printed = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._printed:
                self.lines.append(line.rstrip())
                self._printed.notify_all()

    def line(self, pattern: str, seconds: float = TIMEOUT) -> re.Match[str]:
        """The first line that matches and was not asked for before, once it is printed; earlier ones are forgotten."""
        return self.each(pattern, seconds=seconds)[0]

    def each(self, *patterns: str, seconds: float = TIMEOUT) -> list[re.Match[str]]:
        """The first line of each pattern, once all are printed in any order; lines before the last are forgotten."""
        found: dict[str, re.Match[str]] = {}
        with self._printed:
            seen: list[str] = []
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                while self.lines:
                    seen.append(self.lines.pop(0))
                    for pattern in (each for each in patterns if each not in found):
                        if match := re.search(pattern, seen[-1]):
                            found[pattern] = match
                    if len(found) == len(patterns):
                        return [found[pattern] for pattern in patterns]
                if not self._reader.is_alive():
                    break
                self._printed.wait(0.5)
            missing = [pattern for pattern in patterns if pattern not in found]
            raise AssertionError(f"{missing} were not printed:\n" + "\n".join(seen))

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        """Sends the signal; the exit status."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        status = self.process.wait(TIMEOUT)
        self._reader.join(TIMEOUT)
        return status

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()
