"""The same HTTP function by hand, on functions_framework, flask-smorest and google-cloud-firestore."""

import os
from contextlib import suppress
from io import BytesIO
from typing import Any

import firebase_admin
import functions_framework
from firebase_admin import auth
from flask import Flask, Request, g, request
from flask.views import MethodView
from flask_smorest import Api, Blueprint, abort
from google.api_core.exceptions import Aborted, FailedPrecondition
from google.cloud import firestore
from google.cloud.firestore import Client, DocumentSnapshot
from google.cloud.firestore_v1.types import Document, DocumentMask, Precondition, Write
from marshmallow import RAISE, Schema, fields, validate
from werkzeug.wrappers import Response

MAX_ATTEMPTS = 5


class NoteSchema(Schema):
    """A note in an answer."""

    id = fields.String(required=True)
    text = fields.String(required=True)
    stars = fields.Integer(required=True)
    owner = fields.String(allow_none=True)


class NotePatch(Schema):
    """What of a note can be changed."""

    class Meta:
        unknown = RAISE

    stars = fields.Integer(strict=True)


class NoteQuery(Schema):
    """The query of a list."""

    class Meta:
        unknown = RAISE

    limit = fields.Integer(load_default=20, validate=validate.Range(1, 100))


class NotePage(Schema):
    """A list in an answer."""

    results = fields.List(fields.Nested(NoteSchema))


def create_app(client: Client) -> Flask:
    """The Flask application over a client of Firestore."""
    app = Flask(__name__)
    app.config.update(API_TITLE="notes", API_VERSION="1", OPENAPI_VERSION="3.1.0")
    blueprint = Blueprint("notes", __name__)
    sdk = firebase_admin.initialize_app(name=f"notes {id(app)}")

    @app.before_request
    def authenticate() -> None:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer":
            abort(401)
        try:
            g.uid = auth.verify_id_token(token, sdk)["uid"]
        except (ValueError, auth.InvalidIdTokenError):
            abort(401)

    @blueprint.route("/notes")
    class Notes(MethodView):
        @blueprint.arguments(NoteQuery, location="query")
        @blueprint.response(200, NotePage)
        def get(self, query: dict[str, Any]) -> dict[str, Any]:
            found = client.collection("users", g.uid, "noteViews").order_by("__name__").limit(query["limit"] + 1)
            return {"results": [shown(note.id, note.to_dict()) for note in found.stream()][: query["limit"]]}

    @blueprint.route("/notes/<note_id>")
    class OneNote(MethodView):
        @blueprint.etag
        @blueprint.response(200, NoteSchema)
        def get(self, note_id: str) -> dict[str, Any]:
            note = client.document("users", g.uid, "noteViews", note_id).get()
            if not note.exists:
                abort(404)
            return shown(note.id, note.to_dict())

        @blueprint.arguments(NotePatch)
        @blueprint.response(200, NoteSchema)
        def patch(self, changes: dict[str, Any], note_id: str) -> Any:
            for _ in range(MAX_ATTEMPTS):
                with suppress(Aborted, FailedPrecondition):
                    return changed(client, note_id, changes)
            return abort(503)

    Api(app).register_blueprint(blueprint)
    return app


def changed(client: Client, note_id: str, changes: dict[str, Any]) -> dict[str, Any]:
    """The note after the change, committed on the condition that it and its owner are as they were read."""
    note_ref = client.document("notes", note_id)
    note = note_ref.get()
    if not note.exists:
        abort(404)
    owner = note.get("owner").get()
    if owner.id != g.uid:
        abort(404)
    batch = client.batch()
    batch.update(note_ref, changes, option=client.write_option(last_update_time=note.update_time))
    batch._add_write_pbs([unchanged(owner)])
    batch.commit()
    return shown(note_id, {**(note.to_dict() or {}), **changes, "owner": owner.get("name")})


def unchanged(document: DocumentSnapshot[Any]) -> Write:
    """A write of nothing that fails when the document is no longer as it was read."""
    return Write(
        update=Document(name=document.reference._document_path),
        update_mask=DocumentMask(),
        current_document=Precondition(update_time=document.update_time),
    )


def shown(note_id: str, note: dict[str, Any] | None) -> dict[str, Any]:
    """A note as the client sees it."""
    return {"id": note_id, **(note or {})}


_apps: list[Flask] = [create_app(firestore.Client())] if os.environ.get("FUNCTION_TARGET") == "api" else []


@functions_framework.http
def api(request: Request) -> Response:
    """Serves the application inside the function."""
    environ = {key: value for key, value in request.environ.items() if not key.startswith(("werkzeug.", "flask."))}
    body = request.get_data()
    environ["wsgi.input"] = BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    return Response.from_app(_apps[0], environ)
