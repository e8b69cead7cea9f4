"""Who calls: Firebase ID tokens and App Check tokens, verified by firebase-admin."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Protocol
from uuid import uuid4

from firebase_admin import App, app_check, auth, credentials, initialize_app
from firebase_admin.exceptions import FirebaseError
from google.auth.exceptions import GoogleAuthError
from jwt.exceptions import PyJWKClientError

from boiler_functions.exceptions import Unavailable

# What firebase-admin raises for a token whose parts are of another shape than it expects, or nested too deep for json.
_MALFORMED = (ValueError, TypeError, KeyError, AttributeError, RecursionError)

_CLOCK_SKEW_SECONDS = 10


class InvalidToken(Exception):
    """The token proves nothing: forged, expired, revoked, or meant for somebody else."""


class Tokens(Protocol):
    """Verifies the tokens of requests; raises InvalidToken, or Unavailable when it cannot tell."""

    def claims(self, token: str) -> Mapping[str, Any]:
        """The claims of an ID token, `uid` among them."""
        ...

    def check_app(self, token: str) -> None:
        """Returns when the App Check token is valid."""
        ...


class FirebaseTokens:
    """The tokens of one Firebase project; that of the environment, or of the credential, unless it is named."""

    def __init__(
        self,
        project: str | None = None,
        *,
        tenant: str | None = None,
        check_revoked: bool = False,
        credential: credentials.Base | None = None,
    ) -> None:
        self._project = project
        self._tenant = tenant
        self._check_revoked = check_revoked
        self._credential = credential

    def claims(self, token: str) -> Mapping[str, Any]:
        try:
            claims: Mapping[str, Any] = self._client.verify_id_token(
                token, check_revoked=self._check_revoked, clock_skew_seconds=_CLOCK_SKEW_SECONDS
            )
            tenant = claims.get("firebase", {}).get("tenant")
        except (auth.InvalidIdTokenError, auth.UserDisabledError, auth.UserNotFoundError, *_MALFORMED) as error:
            raise InvalidToken from error
        except (FirebaseError, GoogleAuthError) as error:
            raise Unavailable(f"An ID token cannot be verified now: {type(error).__name__}.") from error
        if tenant != self._tenant:
            raise InvalidToken
        return claims

    def check_app(self, token: str) -> None:
        try:
            app_check.verify_token(token, self._app)
        except PyJWKClientError as error:
            # Of a key that nobody published: forged. Of a server that does not answer: a connection error.
            if "Unable to find a signing key" in str(error):
                raise InvalidToken from error
            raise Unavailable("An App Check token cannot be verified now.") from error
        except _MALFORMED as error:
            raise InvalidToken from error

    @cached_property
    def _app(self) -> App:
        # A name of its own in firebase-admin's registry, as user code may have an app there too.
        options = {"projectId": self._project} if self._project else {}
        return initialize_app(self._credential, options, name=f"boiler_functions {uuid4()}")

    @cached_property
    def _client(self) -> auth.Client:
        return auth.Client(self._app)
