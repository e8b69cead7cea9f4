"""Every error as one JSON object: `{code, status, message, errors}`, with the errors by field."""

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
    """Makes the application answer every error in JSON. What has no handler here is logged by Flask, and is a 500."""
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Rejected, _rejected)
    app.register_error_handler(Transient, _transient)
    app.register_error_handler(UnknownOutcome, _unknown_outcome)
    app.register_error_handler(InvalidRequest, _refused_by_database)


def _http_error(error: HTTPException) -> Response:
    # webargs' `abort` leaves what it was told in `data`.
    told: Mapping[str, Any] = getattr(error, "data", {})
    message = told.get("message") or error.description or error.name
    headers = [(name, value) for name, value in error.get_headers() if name != "Content-Type"]
    return _answer(error.code or 500, message, told.get("errors"), headers)


def _rejected(error: Rejected) -> Response:
    return _answer(422, error.reason, error.errors)


def _transient(error: Transient) -> Response:
    log.warning("A request could not be served: %s", error, exc_info=error)
    message = "The request could not be served now, and nothing was changed. Try again."
    return _answer(503, message, headers=[RETRY_AFTER])


def _unknown_outcome(error: UnknownOutcome) -> Response:
    log.warning("It is not known whether a change was made: %s", error, exc_info=error)
    message = "It is not known whether the change was made. Read before you send it again."
    return _answer(503, message, headers=[RETRY_AFTER])


def _refused_by_database(error: InvalidRequest) -> Response:
    # No 503: it is refused until the operator acts.
    log.error(
        "The database refused a request for good: %s If it lacks an index, run `boiler compile`, and deploy "
        "firestore.indexes.json.",
        error,
        exc_info=error,
    )
    return _answer(500, "The database refuses what this function asks of it; its operator is told why.")


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
