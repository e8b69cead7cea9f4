"""What every request passes before its route, and every answer after it: rate, tokens, CORS, security headers."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

from flask import Flask, Response, g, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import TooManyRequests, Unauthorized

from boiler_functions.access import Caller
from boiler_functions.modes.rest.authentication import InvalidToken, Tokens
from boiler_functions.modes.rest.rate import Rate
from boiler_functions.settings.http import HttpSettings

APP_CHECK = "X-Firebase-AppCheck"

SENT = ("Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "Prefer", APP_CHECK)
"""The headers that a page of another origin may send."""

SEEN = ("ETag", "Location", "Preference-Applied", "Retry-After")
"""The headers that a page of another origin may see."""

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    # What is kept is kept for the one who asked, and asked for again.
    "Cache-Control": "private, no-cache",
}

_PREFLIGHT_SECONDS = "3600"


@dataclass(frozen=True)
class Gate:
    """Lets a request in, with its caller in `g.caller`, or raises what it is answered with."""

    settings: HttpSettings
    tokens: Tokens
    rate: Rate | None

    def put_before(self, app: Flask) -> None:
        """Puts the gate before all routes of the application."""
        app.before_request(self._enter)
        app.after_request(self._leave)

    def _enter(self) -> None:
        g.caller = None
        # A preflight carries no token.
        if request.method == "OPTIONS":
            return
        token = bearer_token()
        if token is None:
            self._take(f"address {address()}")
        if self.settings.app_check:
            self._check_app()
        if token is not None:
            g.caller = self._caller(token)
            self._take(f"user {g.caller.uid}")

    def _take(self, who: str) -> None:
        if self.rate and (seconds := self.rate.wait(who)):
            raise TooManyRequests("Too many requests. Wait, and try again.", retry_after=math.ceil(seconds))

    def _check_app(self) -> None:
        try:
            self.tokens.check_app(request.headers.get(APP_CHECK, ""))
        except InvalidToken as error:
            raise Unauthorized(f"A valid App Check token is needed, in {APP_CHECK}.") from error

    def _caller(self, token: str) -> Caller:
        try:
            claims = self.tokens.claims(token)
        except InvalidToken as error:
            # Whoever tries tokens is slowed down as one without any.
            self._take(f"address {address()}")
            raise unauthorized("The token is not valid, or not any more.", error="invalid_token") from error
        return Caller(claims["uid"], claims)

    def _leave(self, response: Response) -> Response:
        own = {name.lower() for name, _ in response.headers}
        for name, value in SECURITY.items():
            if name.lower() not in own:
                response.headers.add(name, value)
        response.headers.add("Vary", "Authorization, Origin")
        origin = request.headers.get("Origin")
        if origin is not None and (origin in self.settings.origins or "*" in self.settings.origins):
            self._allow(origin, response)
        return response

    def _allow(self, origin: str, response: Response) -> None:
        response.access_control_allow_origin = "*" if "*" in self.settings.origins else origin
        response.headers["Access-Control-Expose-Headers"] = ", ".join(SEEN)
        if request.method == "OPTIONS":
            response.headers["Access-Control-Allow-Methods"] = ", ".join(METHODS)
            response.headers["Access-Control-Allow-Headers"] = ", ".join(SENT)
            response.headers["Access-Control-Max-Age"] = _PREFLIGHT_SECONDS


def bearer_token() -> str | None:
    """The token of `Authorization: Bearer …`, None without the header; raises Unauthorized for another scheme."""
    header = request.headers.get("Authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise unauthorized("The header is `Authorization: Bearer` with a Firebase ID token.", error="invalid_request")
    return token.strip()


def unauthorized(message: str, **parameters: str | None) -> Unauthorized:
    """A 401 that says that a bearer token is wanted."""
    return Unauthorized(message, www_authenticate=WWWAuthenticate("Bearer", parameters))


def address() -> str:
    """Where the request comes from; behind Google's front end, what that has seen."""
    # The last entry is the front end's own; what stands before it, anybody can claim.
    forwarded = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    return forwarded if forwarded and "K_SERVICE" in os.environ else request.remote_addr or ""
