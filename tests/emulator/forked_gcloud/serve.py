"""Imports gcloud and forks it for each call, until standard input ends; run by the Python of the Cloud SDK."""

import atexit
import gc
import importlib
import os
import runpy
import select
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

_OF_THE_SCRIPT = (
    *("CLOUDSDK_BQ_PYTHON", "CLOUDSDK_ENCODING", "CLOUDSDK_GSUTIL_PYTHON", "CLOUDSDK_PYTHON_SITEPACKAGES"),
    *("CLOUDSDK_ROOT_DIR", "PYTHONIOENCODING"),
)
"""The variables that the script `gcloud` sets for the Python that it starts."""


def serve(program: str, address: str) -> None:
    """Returns in a fork when its gcloud has ended, and otherwise when standard input has."""
    status: list[object] = []
    # Before all that gcloud registers, so that it is done after it.
    atexit.register(_leave_memory, status)
    sys.path[0] = str(Path(program).parent)
    gcloud = runpy.run_path(program)
    gcloud["_import_gcloud_main"]()
    signal.signal(signal.SIGCHLD, _reap)
    learned, lesson = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(64)
        print("serves", flush=True)
        while sys.stdin not in (ready := select.select([listener, learned, sys.stdin], [], [])[0]):
            if learned in ready:
                _learn(learned.recv(1 << 20).decode().split())
                continue
            connection, _ = listener.accept()
            if os.fork() == 0:
                break
            connection.close()
        else:
            return
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    request, descriptors = _received(connection)
    ended, running = os.pipe()
    if called := os.fork():
        for each in (running, *descriptors):
            os.close(each)
        _watch(called, ended, connection)
    connection.close()
    known = set(sys.modules)
    atexit.register(lambda: lesson.send(" ".join(set(sys.modules) - known).encode()))
    _become(program, request, descriptors)
    try:
        gcloud["main"]()
    except SystemExit as end:
        status.append(end.code or 0)
        raise


def _leave_memory(status: list[object]) -> None:
    """Ends a fork of known exit status here: to free its memory piece by piece would take as long as the call."""
    match status:
        case [int(number)]:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(number)


def _reap(*_: object) -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _learn(modules: list[str]) -> None:
    """Imports what a fork has imported besides, for those to come; what is no importable module stays theirs."""
    for module in modules:
        with suppress(ImportError):
            importlib.import_module(module)
    gc.collect()
    gc.freeze()


def _received(connection: socket.socket) -> tuple[list[str], list[int]]:
    """Returns the request of the caller, and its input and outputs."""
    length, descriptors, _, _ = socket.recv_fds(connection, 4, 3)
    with connection.makefile("rb") as sent:
        return os.fsdecode(sent.read(int.from_bytes(length, "big"))).split("\0"), descriptors


def _watch(called: int, ended: int, connection: socket.socket) -> None:
    """Sends the exit status of the forked gcloud to the caller, and ends it when the caller is ended."""
    if connection.fileno() in select.select([ended, connection.fileno()], [], [])[0]:
        os.kill(called, signal.SIGTERM)
    _, status = os.waitpid(called, 0)
    with suppress(BrokenPipeError):
        connection.sendall((os.waitstatus_to_exitcode(status) % 256).to_bytes(4, "big"))
    os._exit(0)


def _become(program: str, request: list[str], descriptors: list[int]) -> None:
    """Takes over arguments, folder, environment, input and outputs of the caller."""
    os.setsid()
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    end = int(request[0]) + 1
    sys.argv[:] = [program, *request[1:end]]
    os.chdir(request[end])
    environ = {name: os.environ[name] for name in _OF_THE_SCRIPT if name in os.environ}
    environ |= dict(each.split("=", 1) for each in request[end + 1 :])
    os.environ.clear()
    os.environ.update(environ)


if __name__ == "__main__":
    serve(*sys.argv[-2:])
