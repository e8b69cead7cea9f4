"""The acknowledgements of events: `{code, status, message, errors}`, as the REST function answers."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError
from marshmallow.exceptions import SCHEMA
from werkzeug.exceptions import HTTPException
from werkzeug.http import HTTP_STATUS_CODES

from boiler_functions.exceptions import Rejected, Transient, UnknownOutcome
from boiler_functions.models.fields import flatten
from boiler_functions.modes.websocket.hub import Full

log = logging.getLogger(__name__)

Acknowledgement = dict[str, Any]


def answer(code: int, message: str = "", errors: Mapping[str, list[str]] | None = None, **more: Any) -> Acknowledgement:
    """Returns what the client's callback receives."""
    return {"code": code, "status": HTTP_STATUS_CODES[code], "message": message, "errors": errors or {}, **more}


def answer_to(error: Exception) -> Acknowledgement:
    """Returns the answer to an error; logs an unexpected one, and reveals nothing about it."""
    match error:
        case Rejected():
            return answer(422, error.reason, error.errors)
        case ValidationError():
            return answer(422, "The message does not fit.", flatten(_by_field(error)))
        case HTTPException(code=int(code)):
            return answer(code, error.description or error.name)
        case UnknownOutcome():
            log.warning("An event was answered 503, and its change may have been made: %s", error, exc_info=error)
            return answer(503, "It is not known whether the change was made. Read before you send it again.")
        case Transient() | TimeoutError() | Full():
            log.warning("An event was answered 503: %s", error, exc_info=error)
            return answer(503, "The event could not be served now, and nothing was changed. Try again.")
        case _:
            log.error("An event failed: %s", error, exc_info=error)
            return answer(500, "Something went wrong here.")


def _by_field(error: ValidationError) -> dict[str, Any]:
    return error.messages if isinstance(error.messages, dict) else {SCHEMA: error.messages}
