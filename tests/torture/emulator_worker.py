"""A worker process: serves every function of the app at one target, with faults at its gRPC channel.

The event names its function and the fault that its delivery is to meet. A fault that is met is first noted in a file,
which outlives the worker.
"""

import faulthandler
import os
import signal
from contextvars import ContextVar
from typing import Any

import functions_framework
import grpc
from cloudevents.http import CloudEvent

from boiler_functions.database import firestore
from boiler_functions.modes.invocation import REAL
from boiler_functions.runtime import export
from tests.torture.emulator_app import app
from tests.torture.emulator_faults import DONE, IN_UPKEEP, NOT_DONE, NOTES, READ, SKEW
from tests.torture.emulator_patience import SHOW_THREADS

faulthandler.register(SHOW_THREADS)

_due: ContextVar[list[str]] = ContextVar("due")
"""The notes of the fault that the delivery is still to meet; a context, as upkeep works in several threads."""

_notes = os.open(os.environ[NOTES], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
_ahead = int(os.environ[SKEW]) * 1_000_000_000
export.REAL = REAL._replace(clock=lambda: REAL.clock() + _ahead)  # type: ignore[attr-defined]
_functions: dict[str, Any] = {"__name__": __name__}
app.export(_functions)


@functions_framework.cloud_event
def dispatch(event: CloudEvent) -> None:
    """Hands the event to its function; upkeep receives none."""
    function, fault = event["function"], event.get("fault")
    is_upkeep = function in app.compiled.scheduled
    _due.set([fault, *([IN_UPKEEP] if is_upkeep else [])] if fault else [])
    _functions[function](None if is_upkeep else event)


class InjectedError(grpc.RpcError):  # type: ignore[misc]
    """The error that the channel would raise."""

    def __init__(self, status: grpc.StatusCode) -> None:
        self._status = status

    def code(self) -> grpc.StatusCode:
        return self._status

    def details(self) -> str:
        return "injected"


class Injector(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):  # type: ignore[misc]
    """Disturbs the first commit, or read, of the delivery."""

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        fault = self._fault()
        if fault is None or fault == READ or not details.method.endswith("/Commit"):
            return continuation(details, request)
        self._note()
        if fault == "killed_before_commit":
            os.kill(os.getpid(), signal.SIGKILL)
        if fault in NOT_DONE:
            raise InjectedError(NOT_DONE[fault])
        call = continuation(details, request)
        call.result()
        if fault == "killed_after_commit":
            os.kill(os.getpid(), signal.SIGKILL)
        raise InjectedError(DONE[fault])

    def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        if self._fault() == READ:
            self._note()
            raise InjectedError(grpc.StatusCode.UNAVAILABLE)
        return continuation(details, request)

    @staticmethod
    def _fault() -> str | None:
        return next(iter(_due.get([])), None)

    @staticmethod
    def _note() -> None:
        due = _due.get()
        os.write(_notes, "".join(f"{each}\n" for each in due).encode())
        due.clear()


_open = firestore._emulator_channel


def _disturbed(host: str, project: str | None) -> tuple[grpc.Channel, str]:
    channel, named = _open(host, project)
    return grpc.intercept_channel(channel, Injector()), named


firestore._emulator_channel = _disturbed
