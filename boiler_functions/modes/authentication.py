"""Verifies Firebase ID tokens and App Check tokens with firebase-admin."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any
from uuid import uuid4

from firebase_admin import App, app_check, auth, credentials, initialize_app
from firebase_admin.exceptions import FirebaseError
from google.auth.exceptions import GoogleAuthError
from jwt.exceptions import PyJWKClientError

from boiler_functions.exceptions import Unavailable
from boiler_functions.modes.tokens import InvalidToken

# firebase-admin raises these for a token whose parts have an unexpected shape, or are nested too deep for json.
_MALFORMED = (ValueError, TypeError, KeyError, AttributeError, RecursionError)

_CLOCK_SKEW_SECONDS = 10


class FirebaseTokens:
    """Verifies the tokens of one Firebase project; by default that of the credential or the environment."""

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
            # The same class stands for two causes: the token names an unpublished key, so it is forged; or the server
            # of the keys does not answer. Only the text tells them apart.
            if "Unable to find a signing key" in str(error):
                raise InvalidToken from error
            raise Unavailable("An App Check token cannot be verified now.") from error
        except _MALFORMED as error:
            raise InvalidToken from error

    @cached_property
    def _app(self) -> App:
        # A unique name, as user code may have an app in firebase-admin's registry, too.
        options = {"projectId": self._project} if self._project else {}
        return initialize_app(self._credential, options, name=f"boiler_functions {uuid4()}")

    @cached_property
    def _client(self) -> auth.Client:
        return auth.Client(self._app)
