"""The floor of a GET: functions_framework, one raw gRPC get and json.dumps; no token, no check, no route."""

import json

import functions_framework
from flask import Request
from werkzeug.wrappers import Response

from boiler_functions.database.firestore import connect
from boiler_functions.modes.rest.representation import represent


@functions_framework.http
def api(request: Request) -> Response:
    """Answers with the stored copy."""
    doc_id = request.path.rpartition("/")[2]
    (copy,) = connect().read([f"users/ada/noteViews/{doc_id}"]).documents
    return Response(json.dumps(represent(doc_id, copy.fields or {})), mimetype="application/json")
