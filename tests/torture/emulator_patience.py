"""Waits until every event is handled; where this takes too long, it says what everybody was doing then."""

import os
import signal
import sys
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path

from boiler_functions.exceptions import NotDrained
from boiler_functions.local.delivery import DeliveryHarness
from boiler_functions.local.functions_process import FunctionsProcess

SHOW_THREADS = signal.SIGRTMIN
"""The signal at which a worker logs what its threads are doing; gunicorn has a use for SIGUSR1 and SIGUSR2."""

_LINES = 400


class Patience:
    """Drains the harness again and again, until it fails once: what hangs would hang each time."""

    def __init__(self, harness: DeliveryHarness, processes: list[FunctionsProcess], ends: float) -> None:
        self.undrained: list[str] = []
        """What is not handled when everything should be."""
        self._harness, self._processes, self._ends = harness, processes, ends

    def drain(self) -> None:
        if self.undrained:
            return
        try:
            self._harness.drain(max(60.0, self._ends - time.monotonic()))
        except NotDrained as error:
            self.undrained.append(str(error))
            print(error, *map(doing, self._processes), doing_here(), sep="\n\n")
            for process in self._processes:
                process.kill()  # or the end of the run would wait for the answers that nobody gives


def end(thread: threading.Thread, seconds: float = 60.0) -> None:
    """Waits for the end of the thread, which should be near; raises TimeoutError otherwise."""
    thread.join(seconds)
    if thread.is_alive():
        raise TimeoutError(f"{thread} did not end within {seconds:g} s.\n\n{doing_here()}")


def doing_here() -> str:
    """Tells what the threads of this process are doing."""
    names = {each.ident: each.name for each in threading.enumerate()}
    stacks = sys._current_frames().items()
    told = (f"{names.get(ident)}:\n{''.join(traceback.format_stack(frame))}" for ident, frame in stacks)
    return "\n".join(["The threads of the test:", *told])


def doing(process: FunctionsProcess) -> str:
    """Tells what the worker logged, and what its threads are doing."""
    if process.running:
        for each in _servers(process.pid):
            os.kill(each, SHOW_THREADS)
        time.sleep(1)
    state = "runs" if process.running else "has ended"
    return f"{process.host} {state}. The end of its log:\n{process.log(_LINES)}"


def _servers(pid: int) -> list[int]:
    """Returns the process and its children, but for the shell that guards it."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    found = [pid]
    with suppress(OSError):
        found += map(int, children.read_text().split())
        found = [each for each in found if Path(f"/proc/{each}/comm").read_text().strip() != "sh"]
    return found
