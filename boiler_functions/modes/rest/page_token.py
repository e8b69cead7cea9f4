"""The page token: the place where a list continues, encrypted, so that clients can neither read nor forge it.

It is valid only for the caller and the list that it was issued for.
"""

from __future__ import annotations

import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from boiler_functions.access import Caller
from boiler_functions.database import Cursor, Document, Query
from boiler_functions.database.matching import field_of
from boiler_functions.exceptions import Rejected
from boiler_functions.types import GeoPoint, Reference, digest, to_datetime, to_instant

_NONCE_BYTES = 12


@dataclass(frozen=True)
class PageTokens:
    """The tokens of one list and one caller; `secret` has 32 bytes, the same in every process."""

    secret: bytes
    query: Query
    caller: Caller | None

    def after(self, document: Document) -> str:
        """Returns the token of the page after the document."""
        values = [_encoded(value) for value in after(self.query, document).values]
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = AESGCM(self.secret).encrypt(nonce, json.dumps(values).encode(), self._bound_to)
        return urlsafe_b64encode(nonce + sealed).decode().rstrip("=")

    def opened(self, token: str) -> Cursor:
        """Returns the place that the token names; raises Rejected if it is forged, or of another list or caller."""
        try:
            sealed = urlsafe_b64decode(token + "=" * (-len(token) % 4))
            values = AESGCM(self.secret).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], self._bound_to)
        except (ValueError, InvalidTag) as error:
            reason = "Not a token of this list; send it with the same filters and order as before."
            raise Rejected("The query does not fit.", {"pageToken": [reason]}) from error
        return Cursor(tuple(map(_decoded, json.loads(values))), before=False)

    @property
    def _bound_to(self) -> bytes:
        return digest(self.query.key, None if self.caller is None else self.caller.uid).encode()


def after(query: Query, document: Document) -> Cursor:
    """Returns the place just after the document in the order of the query."""
    return Cursor(tuple(field_of(document, order.field) for order in query.orders), before=False)


def _encoded(value: Any) -> Any:
    match value:
        case Reference():
            return {"reference": value.path}
        case datetime():
            return {"time": to_instant(value)}
        case bytes():
            return {"bytes": value.hex()}
        case GeoPoint():
            return {"place": [value.latitude, value.longitude]}
        case dict():
            return {"map": {name: _encoded(each) for name, each in value.items()}}
        case list():
            return [_encoded(each) for each in value]
        case _:
            return value


def _decoded(value: Any) -> Any:
    match value:
        case {"reference": path}:
            return Reference(path)
        case {"time": instant}:
            return to_datetime(instant)
        case {"bytes": text}:
            return bytes.fromhex(text)
        case {"place": [latitude, longitude]}:
            return GeoPoint(latitude, longitude)
        case {"map": fields}:
            return {name: _decoded(each) for name, each in fields.items()}
        case list():
            return [_decoded(each) for each in value]
        case _:
            return value
