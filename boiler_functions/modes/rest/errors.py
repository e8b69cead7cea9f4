"""Answers every error with one JSON object, `{code, status, message, errors}`, with the errors by field."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from flask import Flask, Response, jsonify
from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES

from boiler_functions.exceptions import InvalidRequest, Rejected, Transient, UnknownOutcome

RETRY_AFTER = ("Retry-After", "1")

log = logging.getLogger(__name__)


def answer_errors(app: Flask) -> None:
    """Makes the application answer all errors in JSON. Flask logs errors without a handler, and answers 500."""
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Rejected, _rejected)
    app.register_error_handler(Transient, _transient)
    app.register_error_handler(UnknownOutcome, _unknown_outcome)
    app.register_error_handler(InvalidRequest, _refused_by_database)


def _http_error(error: HTTPException) -> Response:
    # webargs' `abort` keeps its arguments in `data`.
    given: Mapping[str, Any] = getattr(error, "data", {})
    message = given.get("message") or error.description or error.name
    headers = [(name, value) for name, value in error.get_headers() if name != "Content-Type"]
    return _answer(error.code or 500, message, given.get("errors"), headers)


def _rejected(error: Rejected) -> Response:
    return _answer(422, error.reason, error.errors)


def _transient(error: Transient) -> Response:
    log.warning("A request was answered 503: %s", error, exc_info=error)
    message = "The request could not be served now, and nothing was changed. Try again."
    return _answer(503, message, headers=[RETRY_AFTER])


def _unknown_outcome(error: UnknownOutcome) -> Response:
    log.warning("A request was answered 503, and its change may have been made: %s", error, exc_info=error)
    message = "It is not known whether the change was made. Read before you send it again."
    return _answer(503, message, headers=[RETRY_AFTER])


def _refused_by_database(error: InvalidRequest) -> Response:
    # Not 503, which invites a retry: it fails until the operator acts.
    log.error(
        "The database refused a request: %s If an index is missing, run `boiler compile` and deploy "
        "firestore.indexes.json.",
        error,
        exc_info=error,
    )
    return _answer(500, "The database refused a query of this function. The operator finds the reason in the log.")


def _answer(
    code: int,
    message: str,
    errors: Mapping[str, list[str]] | None = None,
    headers: Iterable[tuple[str, str]] = (),
) -> Response:
    response = jsonify(code=code, status=HTTP_STATUS_CODES[code], message=message, errors=errors or {})
    response.status_code = code
    response.headers.extend(headers)
    return response
