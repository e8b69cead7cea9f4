"""Exports the compiled functions as Google's platform calls them: with a CloudEvent or a Flask request."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import functions_framework
from cloudevents.http import CloudEvent
from flask import Request, current_app, has_app_context, has_request_context
from flask import request as current_request
from werkzeug.exceptions import HTTPException, InternalServerError, ServiceUnavailable
from werkzeug.wrappers import Response
from werkzeug.wsgi import ClosingIterator

from boiler_functions.compile.compiler import Compiled
from boiler_functions.database import Database
from boiler_functions.database.change import Change
from boiler_functions.database.firestore import FirestoreDatabase, connect, named_project
from boiler_functions.database.metered import Metered
from boiler_functions.database.variables import DATABASE, PROJECT
from boiler_functions.exceptions import InvalidEvent, Transient
from boiler_functions.manifest import Function, QueueTrigger
from boiler_functions.modes.dead_letter import refuse_event
from boiler_functions.modes.event_function import Enqueue, EventFunction, Rest
from boiler_functions.modes.invocation import REAL, Invocation, Surroundings
from boiler_functions.modes.mode import Mode, RestWorker
from boiler_functions.modes.release import Release
from boiler_functions.modes.run import Report
from boiler_functions.modes.scheduled_function import ScheduledFunction
from boiler_functions.modes.waiting import places
from boiler_functions.runtime.body import Body
from boiler_functions.runtime.events import Home, change_of, check_home
from boiler_functions.runtime.logs import TRACED, Origin, code_of, context, log_as_json, log_event, trace_of
from boiler_functions.runtime.queue_variables import QUEUE
from boiler_functions.settings.options import ANY
from boiler_functions.settings.place import refuse_emulators

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_YES = ("y", "yes", "t", "true", "on", "1")
"""What functions-framework takes for true in an environment variable."""

log = logging.getLogger("boiler_functions.runtime")


def export(compiled: Compiled, namespace: dict[str, Any]) -> None:
    """Adds a function for every trigger to the module's namespace, named after its entry point."""
    refuse_emulators(os.environ)
    surroundings = REAL._replace(release=_release(namespace))
    log_as_json(Origin.of(compiled.manifest.app, surroundings.release.deployment, os.environ))
    for function in compiled.functions.values():
        target = _event_target(compiled, function, surroundings)
        _put(namespace, function.entry_point, functions_framework.cloud_event, target)
    for scheduled in compiled.scheduled.values():
        run = _schedule_target(compiled, scheduled, surroundings)
        _put(namespace, scheduled.entry_point, functions_framework.http, run)
    for mode in compiled.declarations.modes:
        for each in mode.functions(compiled.declarations):
            handler = _http_target(compiled, mode, each, surroundings)
            _put(namespace, each.entry_point, functions_framework.http, handler)


def _release(namespace: Mapping[str, Any]) -> Release:
    """Returns the release that the deployment recorded in a file beside the module that exports."""
    return Release.of(Path(namespace.get("__file__") or os.curdir).parent, os.environ)


def _event_target(
    compiled: Compiled, function: EventFunction, surroundings: Surroundings
) -> Callable[[CloudEvent], None]:
    def target(event: CloudEvent) -> None:
        with context(function=function.entry_point, event=event["id"], **_trace(event)):
            database = _database(compiled)
            try:
                check_home(event, function.event_type, _home(compiled, database))
                change = change_of(event)
            except InvalidEvent as error:
                _settle(function.refuse(str(event["id"]), error, database))
            else:
                _settle(function.attempt(change, database, surroundings, _enqueue(compiled)), change)

    return target


def _schedule_target(
    compiled: Compiled, function: ScheduledFunction, surroundings: Surroundings
) -> Callable[[Request], Any]:
    """Returns a target that runs the function once, and ignores the content of the request."""

    def target(request: Request) -> Any:
        with context(function=function.entry_point, **_trace()):
            report = function.attempt(_database(compiled), surroundings, _enqueue(compiled))
            # Runs without work are not logged: a line every minute would hide the others.
            if report.outcomes or report.error:
                _settle(report)
        return "", 204

    return target


def _http_target(
    compiled: Compiled, mode: Mode[Any], function: Function, surroundings: Surroundings
) -> Callable[[Request], Any]:
    if isinstance(function.trigger, QueueTrigger):
        return _queue_target(compiled, mode, function.entry_point, surroundings)
    return _api_target(compiled, mode, function.entry_point, surroundings)


def _queue_target(
    compiled: Compiled, mode: Mode[Any], entry_point: str, surroundings: Surroundings
) -> Callable[[Request], Any]:
    """Returns a target that does the work in a task's payload."""

    def target(request: Request) -> Any:
        try:
            rest = mode.rest_of(_payload(request))
        except InvalidEvent as error:
            # An error would make the queue send the task again, for ever.
            _refuse(compiled, entry_point, "", "", error)
            return "", 204
        worker = _worker(compiled, mode, rest.function)
        with context(function=rest.function, event=rest.id, **_trace()):
            if worker is None:
                gone = (
                    f"The function {rest.function} no longer exists; run `boiler build` to bring its views up to date."
                )
                _refuse(compiled, entry_point, rest.path, rest.id, InvalidEvent(gone))
            else:
                _settle(worker.attempt_rest(rest, _database(compiled), surroundings, _enqueue(compiled)))
        return "", 204

    return target


def _worker(compiled: Compiled, mode: Mode[Any], function: str) -> RestWorker | None:
    """Returns what does the work that a function or the mode itself has handed on; None if it is gone."""
    handed_on = compiled.functions.get(function)
    return handed_on if handed_on and handed_on.hands_on else mode.worker(compiled.declarations, function)


def _refuse(compiled: Compiled, entry_point: str, subject: str, event: str, error: InvalidEvent) -> None:
    invocation = Invocation(compiled.manifest.app, entry_point, Metered(_database(compiled)))
    refuse_event(invocation, view="", subject=subject, event=event, error=error)


def _payload(request: Request) -> Any:
    try:
        return json.loads(request.get_data())
    except (ValueError, RecursionError) as error:
        raise InvalidEvent(f"A task's payload is not JSON: {error}.") from error


def _settle(report: Report, change: Change | None = None) -> None:
    """Logs the result of the event; raises an HTTPException, which is not logged again, if it must be redelivered."""
    log_event(report, change)
    if report.error:
        raise _refusal(report.error) from report.error


def _refusal(error: Exception) -> HTTPException:
    refusal = ServiceUnavailable if isinstance(error, Transient) else InternalServerError
    return refusal(response=Response(f"{code_of(error)} {error}", refusal.code, mimetype="text/plain"))


def _trace(event: CloudEvent | None = None) -> dict[str, Any]:
    """Returns the trace of the request, or else of the event."""
    environ = current_request.environ if has_request_context() else {}
    if event is None:
        return _trace_of(environ)
    # An event may have a trace by CloudEvents' extension for distributed tracing; the request's own goes first.
    headers = {"traceparent": str(event.get("traceparent") or ""), **_traced(environ)}
    return trace_of(headers, _project_of(event) or os.environ.get(PROJECT))


def _trace_of(environ: WSGIEnvironment) -> dict[str, Any]:
    return trace_of(_traced(environ), os.environ.get(PROJECT))


def _traced(environ: WSGIEnvironment) -> dict[str, str]:
    keys = {name: f"HTTP_{name.upper().replace('-', '_')}" for name in TRACED}
    return {name: environ[key] for name, key in keys.items() if environ.get(key)}


def _api_target(
    compiled: Compiled, mode: Mode[Any], entry_point: str, surroundings: Surroundings
) -> Callable[[Request], Any]:
    """Returns a target that serves a mode's application, for a process that does not serve it alone."""

    # Made late: a mode's HTTP stack may take 80 ms to import, which an event function must not pay.
    @cache
    def served() -> WSGIApplication:
        app = mode.application(compiled.declarations, lambda: _database(compiled), surroundings)
        return _served(app, entry_point)

    if os.environ.get("FUNCTION_TARGET") == entry_point:
        _put_in_place(served())
    return lambda request: _nested(served(), request)


def _served(app: WSGIApplication, entry_point: str) -> WSGIApplication:
    """Returns the application with a body that the app reads itself, once it knows the caller, and in limited time."""
    waiting = places(os.environ)

    def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body = Body(environ, waiting)
        with context(function=entry_point, **_trace_of(environ)):
            answer = app({**environ, "wsgi.input": body, "wsgi.input_terminated": True}, start_response)
        # After the answer, so that a client that sends slowly, or without end, still gets it.
        return ClosingIterator(answer, body.close)

    return serve


def _put_in_place(app: WSGIApplication) -> None:
    """Makes the server of functions-framework call the application, instead of a function that does.

    Its own Flask application would first find a route, make a request and a response of its own, and read the body to
    its end; it would also answer in HTML for a path with a line break.
    """
    # functions-framework imports the module in the context of its Flask application. What it adds to log lines with
    # LOG_EXECUTION_ID needs its own request.
    if has_app_context() and os.environ.get("LOG_EXECUTION_ID", "").lower() not in _YES:
        current_app.wsgi_app = app  # type: ignore[method-assign, assignment]


def _nested(app: WSGIApplication, request: Request) -> Response:
    # functions-framework has put its own objects into the environ, so the app gets a new one.
    environ = {key: value for key, value in request.environ.items() if not key.startswith(("werkzeug.", "flask."))}
    response = Response.from_app(app, environ)
    # functions-framework reads the body to its end before it answers, so it is given an empty one.
    request.environ.update({"wsgi.input": BytesIO(), "CONTENT_LENGTH": "0"})
    request.environ.pop("HTTP_TRANSFER_ENCODING", None)
    return response


def _put(namespace: dict[str, Any], name: str, decorator: Any, target: Callable[[Any], Any]) -> None:
    # functions-framework accepts only a function whose __name__ is its name in the module.
    if name in namespace:
        raise NameError(
            f"app.export would overwrite {name!r} in {namespace.get('__name__')}; rename what has that name."
        )
    target.__name__ = target.__qualname__ = name
    target.__module__ = namespace.get("__name__", "__main__")
    namespace[name] = decorator(target)


def _database(compiled: Compiled) -> Database:
    return connect(database=_database_id(compiled))


def _home(compiled: Compiled, database: Database) -> Home:
    # The database of a test belongs to no project, and accepts the events of any.
    project = database.project if isinstance(database, FirestoreDatabase) else named_project()
    return Home(project, _database_id(compiled), compiled.declarations.options.namespace or ANY)


def _database_id(compiled: Compiled) -> str:
    # A stage may use another database than the app declares; its deployment sets the variable.
    return os.environ.get(DATABASE) or compiled.declarations.database


def _enqueue(compiled: Compiled) -> Enqueue | None:
    if QUEUE in os.environ:
        from boiler_functions.runtime.queues import enqueuer

        return enqueuer(os.environ)
    return _firebase_enqueue(compiled) if _has_firebase_queue(compiled) else None


def _has_firebase_queue(compiled: Compiled) -> bool:
    """Whether firebase-tools deployed this function and made a queue for it, or emulates both."""
    emulated = "FUNCTIONS_EMULATOR" not in os.environ or "CLOUD_TASKS_EMULATOR_HOST" in os.environ
    return bool(compiled.manifest.queues) and "FIREBASE_CONFIG" in os.environ and emulated


def _firebase_enqueue(compiled: Compiled) -> Enqueue:
    def enqueue(rest: Rest) -> None:
        # Imported by the first fan-out that is too large, as most functions never have one.
        from boiler_functions.runtime.queues import firebase_enqueuer

        firebase_enqueuer(compiled.manifest.queues[0], os.environ)(rest)

    return enqueue


def _project_of(event: CloudEvent) -> str | None:
    # //firestore.googleapis.com/projects/PROJECT/databases/DATABASE; no variable names the project in production.
    found = re.search(r"/projects/([^/]+)", str(event.get("source")))
    return found[1] if found else None
