"""The seam to what verifies the tokens of callers: firebase-admin, or a test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class InvalidToken(Exception):
    """The token is forged, expired, revoked, or meant for another project or tenant."""


class Tokens(Protocol):
    """Verifies the tokens of requests; raises InvalidToken, or Unavailable if it cannot verify them now."""

    def claims(self, token: str) -> Mapping[str, Any]:
        """Returns the claims of an ID token, including `uid`."""
        ...

    def check_app(self, token: str) -> None:
        """Returns if the App Check token is valid."""
        ...
