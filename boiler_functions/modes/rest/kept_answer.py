"""The answer that an `Idempotency-Key` finds again: a marker, created in the commit of the effect."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from werkzeug.exceptions import UnprocessableEntity

from boiler_functions.database import ABSENT, Document, Put, Write
from boiler_functions.modes.marker import COLLECTION
from boiler_functions.modes.rest.answer import Answer
from boiler_functions.modes.rest.call import Call
from boiler_functions.types import MISSING, Instant, digest, to_datetime


@dataclass(frozen=True)
class KeptAnswer:
    """The marker of one key of one caller; where it is, the effect took place, and it holds the answer."""

    path: str
    body: str
    app: str

    @classmethod
    def of(cls, call: Call, app: str) -> KeptAnswer | None:
        """The marker of the call's key, None without one. Its name is hashed: nobody can tell the key from it."""
        if call.key is None:
            return None
        uid = call.caller.uid if call.caller else None
        return cls(f"{COLLECTION}/{digest(app, 'api', uid, call.key)}", call.body, app)

    def create(
        self, answer: Answer, written: Iterable[str], deleted: Iterable[str], now: Instant, kept: timedelta
    ) -> Write:
        """The write that makes the commit fail when the key was used already."""
        time = to_datetime(now)
        fields = {
            "app": self.app,
            "function": "api",
            "body": self.body,
            "status": answer.status,
            "answer": zlib.compress(_json(answer.body)),
            "etag": answer.etag,
            "location": answer.location,
            "written": list(written),
            "deleted": list(deleted),
            "time": time,
            "expire_at": time + kept,
        }
        return Put(self.path, fields, precondition=ABSENT)

    def again(self, document: Document) -> Answer:
        """The answer that the marker holds; raises UnprocessableEntity when the key came with another request."""
        fields = document.fields or {}
        if fields["body"] != self.body:
            raise UnprocessableEntity("The `Idempotency-Key` was used for another request; take a new one for each.")
        # All that a commit writes has the version of the commit, and so the marker tells it.
        watched = dict.fromkeys(fields["written"], document.version) | dict.fromkeys(fields["deleted"], MISSING)
        return Answer(fields["status"], _body(fields["answer"]), fields["etag"], fields["location"], watched)


def _json(body: object) -> bytes:
    # As UTF-8 and compressed, since a view that fits into a document must fit in here beside the rest: escaped, text
    # that is not ASCII takes up to three times the bytes that it has in the view.
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _body(kept: bytes | str) -> Any:
    """The body of a kept answer; of earlier versions of this package, it is text."""
    return json.loads(zlib.decompress(kept) if isinstance(kept, bytes) else kept)
