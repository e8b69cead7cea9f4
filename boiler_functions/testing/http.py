"""A client of the HTTP function of an app in memory."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from boiler_functions.exceptions import ConfigurationError
from boiler_functions.testing.app import MemoryApp

if TYPE_CHECKING:
    from flask.testing import FlaskClient


def http_client(testing: MemoryApp, uid: str | None = None, **claims: Any) -> FlaskClient:
    """Returns a client of the app's REST rules, whose requests carry a token of the user; without `uid`, none.

    with memory_app(app) as testing:
        ada = http_client(testing, "ada", admin=True)
        ada.patch("/meetings/standup", json={"inSession": False}).status_code
    """
    # Imported here because tests of views do not need the REST stack.
    from flask import Flask

    declared = testing.compiled.declarations
    serving = [mode for mode in declared.modes if mode.serves(declared)]
    if not serving:
        raise ConfigurationError(f"{declared.app} serves no requests; decorate a view model with `@app.rest('/path')`.")
    surroundings = testing.surroundings._replace(release=testing.release)
    application = serving[0].application(
        declared, lambda: testing.through, surroundings, tokens=_Tokens(), secret=bytes(32)
    )
    assert isinstance(application, Flask)
    client = application.test_client()
    if uid is not None:
        token = urlsafe_b64encode(json.dumps({"uid": uid, **claims}).encode()).decode()
        client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return client


class _Tokens:
    """Accepts tokens that are their own claims, so that tests do not need Firebase Auth."""

    def claims(self, token: str) -> Mapping[str, Any]:
        claims: Mapping[str, Any] = json.loads(urlsafe_b64decode(token))
        return claims

    def check_app(self, token: str) -> None:
        """Accepts any app."""
