"""A worker process: serves every function of the app at one target, with faults at its gRPC channel.

The event names its function and the fault that its delivery is to meet. A fault that is met is first noted in a file,
which outlives the worker.
"""

import os
import signal
import threading
from typing import Any

import functions_framework
import grpc
from cloudevents.http import CloudEvent

from boiler_functions.database import firestore
from tests.torture.emulator_app import app
from tests.torture.emulator_faults import DONE, NOT_DONE, NOTES, READ

_due = threading.local()
_notes = os.open(os.environ[NOTES], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
_functions: dict[str, Any] = {"__name__": __name__}
app.export(_functions)


@functions_framework.cloud_event
def dispatch(event: CloudEvent) -> None:
    """Hands the event to its function."""
    _due.fault = event.get("fault")
    try:
        _functions[event["function"]](event)
    finally:
        _due.fault = None


class InjectedError(grpc.RpcError):  # type: ignore[misc]
    """The error that the channel would raise."""

    def __init__(self, status: grpc.StatusCode) -> None:
        self._status = status

    def code(self) -> grpc.StatusCode:
        return self._status

    def details(self) -> str:
        return "injected"


class Injector(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):  # type: ignore[misc]
    """Disturbs the first commit, or read, of the delivery that this thread handles."""

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        fault = getattr(_due, "fault", None)
        if fault is None or fault == READ or not details.method.endswith("/Commit"):
            return continuation(details, request)
        self._note(fault)
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
        if getattr(_due, "fault", None) == READ:
            self._note(READ)
            raise InjectedError(grpc.StatusCode.UNAVAILABLE)
        return continuation(details, request)

    @staticmethod
    def _note(fault: str) -> None:
        _due.fault = None
        os.write(_notes, f"{fault}\n".encode())


_open = firestore._emulator_channel


def _disturbed(host: str, project: str | None) -> tuple[grpc.Channel, str]:
    channel, named = _open(host, project)
    return grpc.intercept_channel(channel, Injector()), named


firestore._emulator_channel = _disturbed
