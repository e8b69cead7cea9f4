"""Reads the body of a request: only after the caller is known, and at most as much as the settings allow."""

from flask import Request
from werkzeug.exceptions import BadRequest, HTTPException, RequestEntityTooLarge


def body_of(request: Request) -> bytes:
    """Returns the body; raises RequestEntityTooLarge if it is over the limit, BadRequest if it cannot be read."""
    try:
        body = request.get_data()
    except HTTPException:
        raise
    except Exception as error:
        # Each WSGI server raises errors of its own for malformed chunks; all are the client's fault.
        raise BadRequest("The body cannot be read.") from error
    # Without a Content-Length, Werkzeug silently cuts the body at the limit.
    if request.content_length is None and len(body) == request.max_content_length:
        raise RequestEntityTooLarge
    return body
