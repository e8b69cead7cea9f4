"""Logs JSON, one entry per line, as Cloud Logging reads it, and one entry for each event.

Entries hold names, paths, counts and stacks, but no content of documents. As the message of an exception may quote
values, an entry has only the exception's type and code; the message is in the dead letter, which stays in the user's
own database. With BOILER_LOG_CONTENTS=true, messages and the event's images are logged, too.

https://cloud.google.com/logging/docs/structured-logging
"""

from __future__ import annotations

import copy
import logging
import os
import re
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType, TracebackType
from typing import Any, NamedTuple

from pythonjsonlogger.json import JsonFormatter

from boiler_functions.database.change import Change
from boiler_functions.exceptions import BoilerError, Permanent, Transient
from boiler_functions.modes.run import Report

CONTENTS = "BOILER_LOG_CONTENTS"

TRACED = ("traceparent", "x-cloud-trace-context")
"""The headers of a request that name its trace."""

_TRACE = "logging.googleapis.com/trace"
_SPAN = "logging.googleapis.com/spanId"
_SAMPLED = "logging.googleapis.com/trace_sampled"
# https://cloud.google.com/error-reporting/docs/formatting-error-messages
_SERVICE_CONTEXT = "serviceContext"
_REVISION = "K_REVISION"

_MOST_CONTESTED = 20
"""The instances that one entry names; one of a large fan-out would otherwise be too long for Cloud Logging."""

# https://www.w3.org/TR/trace-context/#traceparent-header
_TRACEPARENT = r"[0-9a-f]{2}-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})"
# https://cloud.google.com/trace/docs/trace-context#legacy-http-header
_CLOUD_TRACE = r"(?P<trace>[0-9a-f]{32})(/(?P<span>\d{1,20})(;o=(?P<sampled>[01]))?)?"

_PACKAGE = __name__.partition(".")[0]
_CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"

log = logging.getLogger("boiler_functions.runtime")

_context: ContextVar[Mapping[str, Any]] = ContextVar("log_context", default=MappingProxyType({}))


class Origin(NamedTuple):
    """What logs: an app, and the version of it that is deployed."""

    app: str = ""
    version: str = ""

    @classmethod
    def of(cls, app: str, deployment: int, environ: Mapping[str, str]) -> Origin:
        """Returns the origin; without a deployment's number, the version is the revision that Cloud Run names."""
        return cls(app, str(deployment) if deployment else environ.get(_REVISION, ""))

    @property
    def fields(self) -> dict[str, Any]:
        """The field by which the metrics of an app find its entries."""
        return {"app": self.app} if self.app else {}

    @property
    def of_errors(self) -> dict[str, Any]:
        """The field by which Error Reporting groups errors, and knows those that a deployment has brought.

        All functions of an app are one service there, because one fault of a view fails in several functions.
        """
        version = {"version": self.version} if self.version else {}
        return {_SERVICE_CONTEXT: {"service": self.app, **version}} if self.app else {}


UNKNOWN = Origin()


def log_as_json(origin: Origin = UNKNOWN) -> None:
    """Makes all handlers of the root logger log JSON, except those to which the user has given a format."""
    formatter = JsonLines(are_contents_asked_for(), origin)
    root = logging.getLogger()
    if not root.handlers:
        root.addHandler(logging.StreamHandler())
        root.setLevel(logging.INFO)
    for handler in root.handlers:
        # If execution ids are asked for, functions-framework adds a handler without a format, from WARNING on.
        if handler.formatter is None:
            handler.setFormatter(formatter)
    logging.getLogger(_PACKAGE).setLevel(logging.INFO)


def are_contents_asked_for() -> bool:
    """Whether BOILER_LOG_CONTENTS lets document contents into the log."""
    return os.environ.get(CONTENTS, "").lower() in ("1", "true", "yes", "on")


@contextmanager
def context(**fields: Any) -> Iterator[None]:
    """Adds these fields to all entries that are logged inside the block, also to those of user code."""
    token = _context.set(fields)
    try:
        yield
    finally:
        _context.reset(token)


def trace_of(headers: Mapping[str, str], project: str | None) -> dict[str, Any]:
    """Returns the trace fields of a request, empty if it has no trace; the headers' names must be in lower case."""
    if found := re.match(_TRACEPARENT, headers.get("traceparent", "")):
        span, sampled = found["span"], int(found["flags"], 16) & 1
    elif found := re.match(_CLOUD_TRACE, headers.get("x-cloud-trace-context", "")):
        span, sampled = f"{int(found['span'] or 0):016x}", int(found["sampled"] or 0)
    else:
        return {}
    trace = f"projects/{project}/traces/{found['trace']}" if project else found["trace"]
    return {_TRACE: trace, _SPAN: span, _SAMPLED: bool(sampled)}


def log_event(report: Report, change: Change | None = None) -> None:
    """Logs the result of an event as one entry, with the stack of the exception that ended it, if any."""
    error = report.error
    level = logging.INFO if error is None else logging.WARNING if isinstance(error, Transient) else logging.ERROR
    fields: dict[str, Any] = {
        "function": report.function,
        "event": report.event,
        "document": report.document,
        "views": list(report.views),
        "outcome": report.outcome,
        "outcomes": dict(report.outcomes),
        "reads": report.usage.reads,
        "writes": report.usage.writes,
        "rpcs": report.usage.rpcs,
        "attempts": report.attempts,
        "milliseconds": round(report.milliseconds, 1),
        "lag_milliseconds": report.lag_milliseconds,
    }
    if report.contested:
        named = [{"view": view, "root": root, "count": count} for (view, root), count in report.contested.items()]
        fields["contested"] = named[:_MOST_CONTESTED]
    if error is not None:
        contents = are_contents_asked_for()
        fields |= {"error": type(error).__name__, "code": code_of(error), "stack_trace": stack_of(error, contents)}
    if change is not None and are_contents_asked_for():
        fields |= {"before": change.before.fields, "after": change.after.fields}
    log.log(level, "%s", report, extra=fields)


def code_of(error: BaseException) -> str:
    """Returns the stable code of the error, or BF000 if it is not an error of this package."""
    return error.code if isinstance(error, BoilerError) else BoilerError.code


def told(error: BaseException) -> str:
    """Returns a description of the exception that quotes no documents.

    It keeps the messages of transient errors, which come from the database and the platform.
    """
    if isinstance(error, Permanent):
        return f"{type(error).__name__} ({error.code}, {error.kind})"
    return f"{type(error).__name__}: {error}" if isinstance(error, Transient) else type(error).__name__


def stack_of(error: BaseException, contents: bool) -> str:
    """Returns the stacks of the exception and its causes, the first cause first, as Error Reporting groups by it."""
    if contents:
        return "".join(traceback.format_exception(error)).rstrip()
    return _CAUSE.join("".join(_stack_lines(each)) for each in reversed(list(_causes(error)))).rstrip()


def _stack_lines(error: BaseException) -> Iterator[str]:
    yield "Traceback (most recent call last):\n"
    yield from traceback.format_tb(error.__traceback__)
    yield f"{told(error)}\n"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


class JsonLines(JsonFormatter):
    """Formats an entry as one line of JSON: severity, message, the current event's fields, an exception's stack."""

    def __init__(self, contents: bool = False, origin: Origin = UNKNOWN, *, timed: bool = False) -> None:
        renamed = {"levelname": "severity", "exc_info": "stack_trace"}
        # Cloud Run adds the time by itself.
        timestamp = "time" if timed else False
        super().__init__("%(levelname)s%(message)s", rename_fields=renamed, timestamp=timestamp)
        self.contents, self.origin = contents, origin

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        """Adds the app to each entry, and to errors what Error Reporting reads."""
        super().add_fields(log_data, record, message_dict)
        is_error = record.levelno >= logging.ERROR
        log_data.update({**self.origin.fields, **(self.origin.of_errors if is_error else {})})

    def format(self, record: logging.LogRecord) -> str:
        """Returns the line. In this package's own records, exceptions are described without their messages."""
        is_ours = record.name == _PACKAGE or record.name.startswith(f"{_PACKAGE}.")
        return super().format(_discreet(record) if is_ours and not self.contents else record)

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """Returns the record's fields, and those of the current event that the record does not have."""
        return {**log_data, **{name: value for name, value in _context.get().items() if name not in log_data}}


def _discreet(record: logging.LogRecord) -> logging.LogRecord:
    record = copy.copy(record)
    if isinstance(record.args, tuple):
        record.args = tuple(_discreetly(each) for each in record.args)
    if error := _error_of(record.exc_info):
        record.exc_info, record.exc_text = None, stack_of(error, contents=False)
    return record


def _discreetly(argument: object) -> object:
    if isinstance(argument, BaseException):
        return told(argument)
    if isinstance(argument, Report) and argument.error:
        return argument.told(told(argument.error))
    return argument


def _error_of(
    exc_info: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None] | None,
) -> BaseException | None:
    return exc_info[1] if exc_info else None
