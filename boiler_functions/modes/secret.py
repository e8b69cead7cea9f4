"""The app's secret: made once, kept in the database, the same for every instance of its functions."""

from __future__ import annotations

import secrets

from boiler_functions.database import ABSENT, Database, Put
from boiler_functions.exceptions import Conflict

COLLECTION = "boilerSecrets"

_BYTES = 32


def secret_of(database: Database, app: str) -> bytes:
    """The secret of the app; whoever asks first makes it."""
    path = f"{COLLECTION}/{app}"
    stored = database.read([path]).documents[0].fields
    if stored is None:
        try:
            database.commit([Put(path, {"secret": secrets.token_bytes(_BYTES)}, precondition=ABSENT)])
        except Conflict:
            """Another instance was faster; its secret is that of all."""
        stored = database.read([path]).documents[0].fields or {}
    secret: bytes = stored["secret"]
    return secret
