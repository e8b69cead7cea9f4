"""The app's secret: given, or created once, stored in the database, and shared by all instances of its functions."""

from __future__ import annotations

import os
import secrets
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from functools import cache

from boiler_functions.database import ABSENT, Database, Put
from boiler_functions.exceptions import ConfigurationError, Conflict

COLLECTION = "boilerSecrets"

VARIABLE = "BOILER_SECRET"
"""The environment variable with the secret that encrypts page tokens: 32 bytes in base64.

Without it, the secret is kept in the database, so that all instances of the function share it.
"""

_BYTES = 32


def page_secret(app: str, database: Callable[[], Database], given: bytes | None = None) -> Callable[[], bytes]:
    """Returns a function that returns the secret of page tokens: the given one, the environment's, or the stored."""
    known = given or _of_environment(os.environ)
    return cache(lambda: known or secret_of(database(), app))


def _of_environment(environment: Mapping[str, str]) -> bytes | None:
    text = environment.get(VARIABLE)
    if not text:
        return None
    try:
        secret = b64decode(text, validate=True)
    except Base64Error:
        secret = b""
    if len(secret) != _BYTES:
        raise ConfigurationError(f"{VARIABLE} must be 32 bytes in base64; make it with `openssl rand -base64 32`.")
    return secret


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
