"""The page token: where a list goes on, told to the client as an opaque text."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode

from boiler_functions.database import Cursor, Document, Query
from boiler_functions.exceptions import Rejected
from boiler_functions.paths import MAX_ID_BYTES
from boiler_functions.types import Reference

# What Firestore holds as an id, which is more than `paths.document_id` takes: a list must get past every document.
_ID = re.compile(r"(?!\.\.?\Z|__.*__\Z)[^/]+", re.DOTALL)


def encode(query: Query, last: Document) -> str:
    """The token of the page after the document; it fits this query alone."""
    return urlsafe_b64encode(f"{query.key}{last.id}".encode()).decode().rstrip("=")


def decode(query: Query, token: str) -> Cursor:
    """The place in the query that the token names; raises Rejected for a token that is not of this query."""
    last = _text(token).removeprefix(query.key)
    if last == _text(token) or not _ID.fullmatch(last) or len(last.encode()) > MAX_ID_BYTES:
        reason = "Not a token of this list; give it with the same filters as before."
        raise Rejected("The query does not fit.", {"pageToken": [reason]})
    return Cursor((Reference(f"{query.collection}/{last}"),), before=False)


def _text(token: str) -> str:
    try:
        return urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    except ValueError:
        return ""
