"""The answer of a resource, before it becomes a Flask response."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Response, jsonify

from boiler_functions.types import Version


@dataclass(frozen=True)
class Answer:
    """A status and a body; `watched` holds the versions of documents that the stored view must catch up with."""

    status: int
    body: Mapping[str, Any] | None = None
    etag: str | None = None
    location: str | None = None
    watched: Mapping[str, Version] = field(default_factory=dict)
    changed: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The fields that were changed of a watched document, which the stored view may never have read."""
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> Response:
        """Returns the answer as a Flask response."""
        response = Response(status=self.status) if self.body is None else jsonify(self.body)
        response.status_code = self.status
        if self.etag is not None:
            response.set_etag(self.etag)
        if self.location is not None:
            response.headers["Location"] = self.location
        response.headers.extend(self.headers)
        return response
