"""Builds views in processes with other hash seeds, where a view that depends on the order of a set differs."""

from __future__ import annotations

import atexit
import dis
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, TypeAlias

from boiler_functions.testing.by_value import dumps, loads
from boiler_functions.testing.reached import Reached

BuiltContents: TypeAlias = Sequence[dict[str, Any] | None]
"""The contents of views as another process builds them; None for a view that it could not build."""

SEEDS = ("1", "2", "3", "4")
"""The hash seeds of the processes: the first for every view, the others for views whose own code makes sets.

Several, as any two items of a set keep their order under every second seed.
"""

_LONGEST_WAIT = 30.0
_OURS = "boiler_functions"
_SET_OPCODES = {"BUILD_SET", "SET_ADD", "SET_UPDATE"}


def contents(views: Sequence[Reached]) -> Iterator[BuiltContents]:
    """Yields the contents of views of one class, once for each process that can build it."""
    if not views:
        return
    # Starts all processes before the first is asked, so that they start side by side.
    for process in [_process(seed) for seed in (SEEDS if _makes_sets(views[0].view) else SEEDS[:1])]:
        if (found := process.contents(views)) is not None:
            yield found


class _Process:
    """A process with its own hash seed, which lives as long as this one."""

    def __init__(self, seed: str) -> None:
        (its_input, our_output), (our_input, its_output) = os.pipe(), os.pipe()
        program = f"from boiler_functions.testing.other_process import serve; serve({its_input}, {its_output})"
        path = os.pathsep.join(each or str(Path.cwd()) for each in sys.path)
        self._process = subprocess.Popen(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},
            pass_fds=(its_input, its_output),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for each in (its_input, its_output):
            os.close(each)
        self._output, self._input = Connection(our_output, readable=False), Connection(our_input, writable=False)
        self._numbers: dict[Any, int | None] = {}
        atexit.register(self.end)

    def contents(self, views: Sequence[Reached]) -> BuiltContents | None:
        """Returns the contents as the process builds them; None if the class of the views cannot be sent there."""
        try:
            number = self._number(views[0].view)
            return None if number is None else self._asked((number, [tuple(each[1:]) for each in views]))
        except (OSError, EOFError):
            return None

    def _number(self, view: type[Any]) -> int | None:
        """Returns the number by which the process knows the class, which is sent once; None if it cannot be sent."""
        if view not in self._numbers:
            number = len(self._numbers)
            try:
                is_known = self._asked((number, dumps(view)))
            except (pickle.PicklingError, TypeError, ValueError, AttributeError, RecursionError):
                is_known = False
            self._numbers[view] = number if is_known else None
        return self._numbers[view]

    def _asked(self, request: Any) -> Any:
        self._output.send(request)
        if not self._input.poll(_LONGEST_WAIT):
            self.end()
            raise OSError("The other process does not answer.")
        return self._input.recv()

    def end(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.wait()


_processes: dict[str, _Process] = {}


def _process(seed: str) -> _Process:
    # If this process has the same PYTHONHASHSEED, that seed would prove nothing.
    other = "5" if os.environ.get("PYTHONHASHSEED") == seed else seed
    if other not in _processes:
        _processes[other] = _Process(other)
    return _processes[other]


def serve(requests: int, answers: int) -> None:
    """Answers the requests of the parent process until it ends."""
    source, answer = Connection(requests, writable=False), Connection(answers, readable=False)
    views: dict[int, Any] = {}
    while True:
        try:
            number, content = source.recv()
        except EOFError:
            return
        if isinstance(content, bytes):
            views[number] = _loaded(content)
            answer.send(views[number] is not None)
        else:
            answer.send([_content(Reached(views[number], *each)) for each in content])


def _loaded(view: bytes) -> Any:
    try:
        return loads(view)
    except Exception:
        return None


def _content(reached: Reached) -> dict[str, Any] | None:
    try:
        return reached.content()
    except Exception:
        return None


def _makes_sets(view: type[Any]) -> bool:
    """Returns whether user code of the view, or of a model that it reads, makes a set."""
    models = (source.model for source in view.store_class.sources)
    classes = {base for each in (view, *models) for base in each.__mro__}
    own = [each for each in classes if each.__module__.partition(".")[0] not in (_OURS, "builtins", "typing")]
    return any(_code_makes_sets(function.__code__) for each in own for function in _functions(each))


def _functions(cls: type[Any]) -> Iterator[FunctionType]:
    for each in vars(cls).values():
        found = (each, *(getattr(each, name, None) for name in ("fget", "func", "__func__")))
        yield from (one for one in found if isinstance(one, FunctionType))


def _code_makes_sets(code: CodeType) -> bool:
    if {"set", "frozenset"} & {*code.co_names} or _SET_OPCODES & {each.opname for each in dis.get_instructions(code)}:
        return True
    return any(_code_makes_sets(each) for each in code.co_consts if isinstance(each, CodeType))
