"""A route: one method of one path, to be served and documented."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from marshmallow import Schema

from boiler_functions.access import Audience
from boiler_functions.modes.rest.answer import Answer
from boiler_functions.views.operations import Operation
from boiler_functions.views.view_model import ViewModel

Endpoint: TypeAlias = Callable[..., Answer]
"""Receives the parsed query, the parsed body if there is one, and the placeholders of the route as keywords."""

Does: TypeAlias = Literal["list", "get", "create", "replace", "patch", "delete", "operation"]


@dataclass(frozen=True)
class Route:
    """One method of one path, to be served and documented; `path` is Werkzeug's: `/meeting_sessions/<doc_id>`."""

    method: str
    path: str
    does: Does
    view: type[ViewModel[Any]]
    query: Schema
    audience: Audience
    endpoint: Endpoint = field(repr=False)
    body: Schema | None = None
    operation: Operation | None = None

    @property
    def name(self) -> str:
        """A unique name: `MeetingSession_close`."""
        return f"{self.view.__name__}_{self.operation.method if self.operation else self.does}"
