"""Reads requests for webargs, but stricter: refuses a body without its media type, and repeated parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from flask import Request
from marshmallow import RAISE, Schema, ValidationError
from marshmallow.exceptions import SCHEMA
from webargs.flaskparser import FlaskParser, abort

from boiler_functions.models.fields import flatten
from boiler_functions.modes.rest import strict_json
from boiler_functions.modes.rest.body import body_of
from boiler_functions.settings.http import HttpSettings
from boiler_functions.views.operations import OperationArguments

_PLACES = {"json": "body", "query": "query"}


class RequestParser(FlaskParser):
    """Reads arguments from a JSON body or the query; refuses what the schema does not declare, or settings forbid."""

    def __init__(self, settings: HttpSettings) -> None:
        super().__init__()
        self.settings = settings

    DEFAULT_UNKNOWN_BY_LOCATION = {**FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION, "json": RAISE, "query": RAISE}

    def load_json(self, req: Request, schema: Schema) -> Any:
        """Returns the JSON value of the body; the schema refuses anything but an object. Operations need no body."""
        if isinstance(schema, OperationArguments) and not body_of(req):
            return {}
        if not req.is_json or req.content_encoding not in (None, "", "identity"):
            abort(415, message="The body must be JSON, not compressed: `Content-Type: application/json`.")
        try:
            return strict_json.parse(body_of(req).decode(), self.settings.max_depth, self.settings.max_keys)
        except ValueError as error:
            abort(400, error, message=f"The body cannot be read as JSON. {error}.")

    def load_querystring(self, req: Request, schema: Schema) -> Any:
        """Returns the query parameters by name."""
        repeated = {name: ["Given more than once."] for name, values in req.args.lists() if len(values) > 1}
        if repeated:
            raise ValidationError(repeated)
        return req.args.to_dict()

    def handle_error(
        self,
        error: ValidationError,
        req: Request,
        schema: Schema,
        *,
        error_status_code: int | None,
        error_headers: Mapping[str, str] | None,
    ) -> NoReturn:
        """Answers 422, with the errors by field."""
        assert isinstance(error.messages, dict)
        [(location, messages)] = error.messages.items()
        by_field = messages if isinstance(messages, dict) else {SCHEMA: messages}
        abort(422, error, message=f"The {_PLACES[location]} does not fit.", errors=flatten(by_field))
