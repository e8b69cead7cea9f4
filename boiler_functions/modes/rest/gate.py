"""Checks every request before its route (rate, tokens, URL), and adds CORS and security headers to every answer."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Network, ip_address
from urllib.parse import unquote

from flask import Flask, Response, g, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import BadRequest, NotFound, RequestURITooLarge, TooManyRequests, Unauthorized

from boiler_functions.access import Caller
from boiler_functions.modes.rest.rate import Rate
from boiler_functions.modes.tokens import InvalidToken, Tokens
from boiler_functions.settings.http import HttpSettings
from boiler_functions.settings.place import is_deployed

APP_CHECK = "X-Firebase-AppCheck"

SENT = ("Authorization", "Content-Type", "Idempotency-Key", "If-Match", "If-None-Match", "Prefer", APP_CHECK)
"""The headers that a page of another origin may send."""

SEEN = ("ETag", "Location", "Preference-Applied", "Retry-After", "Warning")
"""The headers that a page of another origin may see."""

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    # Only the caller's own browser may keep an answer, and must revalidate it.
    "Cache-Control": "private, no-cache",
}

REPLACED = "\ufffd"

_PREFLIGHT_SECONDS = "3600"

_LONGEST_URL = 16 * 1024
"""Bytes of a path and its query; functions-framework has no limit."""


@dataclass(frozen=True)
class Gate:
    """Admits a request, with its caller in `g.caller`, or raises the HTTP error to answer."""

    settings: HttpSettings
    tokens: Tokens
    rate: Rate | None

    def put_before(self, app: Flask) -> None:
        """Puts the gate before all routes of the application."""
        app.before_request(self._enter)
        app.after_request(self._leave)

    def _enter(self) -> None:
        """Counts the request against its sender's rate, refused ones as well; reads nothing of the body."""
        g.caller = None
        # A preflight carries no token.
        token = None if request.method == "OPTIONS" else self._token()
        if token is None:
            self._take(f"address {address()}")
        else:
            g.caller = self._caller(token)
            self._take(f"user {g.caller.uid}")
        _check_url()
        if self.settings.app_check and request.method != "OPTIONS":
            self._check_app()

    def _token(self) -> str | None:
        try:
            return bearer_token()
        except Unauthorized:
            # An invalid header counts as a request without a token, or it would evade the rate.
            self._take(f"address {address()}")
            raise

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
            self._take(f"address {address()}")
            raise unauthorized("The token is invalid or expired.", error="invalid_token") from error
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
    """Returns the token of `Authorization: Bearer …`, None without the header; raises Unauthorized if malformed."""
    header = request.headers.get("Authorization")
    if header is None:
        return None
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        message = "The header must be `Authorization: Bearer` followed by a Firebase ID token."
        raise unauthorized(message, error="invalid_request")
    return token.strip()


def unauthorized(message: str, **parameters: str | None) -> Unauthorized:
    """Returns a 401 that asks for a bearer token."""
    return Unauthorized(message, www_authenticate=WWWAuthenticate("Bearer", parameters))


def address() -> str:
    """Returns the client's address for the rate; behind Google's front end, the address that it saw."""
    # The front end appends the last entry; the client can send any others.
    forwarded = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    return network(forwarded if forwarded and is_deployed(os.environ) else request.remote_addr or "")


def network(address: str) -> str:
    """Returns the part of an address that one client has: an IPv4 address, or an IPv6 network; "" if it is invalid.

    >>> network("2001:db8:1:2:3:4:5:6")
    '2001:db8:1:2::/64'
    """
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(ip, IPv4Address):
        return str(ip)
    # https://www.rfc-editor.org/rfc/rfc6177: a site gets at least a /64, so one client can use any address of it.
    return str(ip.ipv4_mapped or IPv6Network((ip, 64), strict=False))


def _check_url() -> None:
    """Raises RequestURITooLarge for a URL over the limit, NotFound or BadRequest for one that is not UTF-8."""
    path, query = request.environ.get("PATH_INFO", ""), request.environ.get("QUERY_STRING", "")
    if len(path) + len(query) > _LONGEST_URL:
        raise RequestURITooLarge
    # Werkzeug replaces every invalid byte by this character, which would make different ids equal. The price: a
    # document whose id contains the character itself is not served.
    if REPLACED in request.path:
        raise NotFound
    if REPLACED in unquote(query):
        raise BadRequest("The query is not valid UTF-8.")
