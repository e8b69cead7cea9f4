"""The body of a request: read late, once it is known who asks, and never more of it than settings allow."""

from flask import Request
from werkzeug.exceptions import BadRequest, HTTPException, RequestEntityTooLarge


def body_of(request: Request) -> bytes:
    """Returns the body; raises RequestEntityTooLarge for one over the cap, BadRequest for one that breaks off."""
    try:
        body = request.get_data()
    except HTTPException:
        raise
    except Exception as error:
        # Each server has errors of its own for chunks that are none; all are the client's.
        raise BadRequest("The body cannot be read.") from error
    # Where no length was told, werkzeug cuts the body at the cap.
    if request.content_length is None and len(body) == request.max_content_length:
        raise RequestEntityTooLarge
    return body
