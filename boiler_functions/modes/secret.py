"""The app's secret: created once, stored in the database, and shared by all instances of its functions."""

from __future__ import annotations

import secrets

from boiler_functions.database import ABSENT, Database, Put
from boiler_functions.exceptions import Conflict

COLLECTION = "boilerSecrets"

_BYTES = 32


def secret_of(database: Database, app: str) -> bytes:
    """Returns the secret of the app, and creates it if there is none."""
    path = f"{COLLECTION}/{app}"
    stored = database.read([path]).documents[0].fields
    if stored is None:
        try:
            database.commit([Put(path, {"secret": secrets.token_bytes(_BYTES)}, precondition=ABSENT)])
        except Conflict:
            """Another instance was faster; all use its secret."""
        stored = database.read([path]).documents[0].fields or {}
    secret: bytes = stored["secret"]
    return secret
