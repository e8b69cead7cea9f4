"""Keeps the answer to an `Idempotency-Key` in a marker, which is created in the commit of the effect."""

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
    """The marker of one key of one caller; if it exists, the effect took place, and it holds the answer."""

    path: str
    body: str
    app: str

    @classmethod
    def of(cls, call: Call, app: str) -> KeptAnswer | None:
        """Returns the marker of the call's key, None without a key; its name is a hash that hides the key."""
        if call.key is None:
            return None
        uid = call.caller.uid if call.caller else None
        return cls(f"{COLLECTION}/{digest(app, 'api', uid, call.key)}", call.body, app)

    def create(
        self, answer: Answer, written: Iterable[str], deleted: Iterable[str], now: Instant, kept: timedelta
    ) -> Write:
        """Returns the write that keeps the answer, and fails the commit if the key was used before."""
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
            "changed": [{"path": path, "fields": sorted(names)} for path, names in answer.changed.items()],
            "time": time,
            "expire_at": time + kept,
        }
        return Put(self.path, fields, precondition=ABSENT)

    def again(self, document: Document) -> Answer:
        """Returns the kept answer; raises UnprocessableEntity if the key came with another request."""
        fields = document.fields or {}
        if fields["body"] != self.body:
            raise UnprocessableEntity("The `Idempotency-Key` was used for another request. Use a new key for each.")
        # All documents of a commit get the same version, so the marker's is theirs.
        watched = dict.fromkeys(fields["written"], document.version) | dict.fromkeys(fields["deleted"], MISSING)
        changed = {each["path"]: frozenset(each["fields"]) for each in fields.get("changed", ())}
        return Answer(fields["status"], _body(fields["answer"]), fields["etag"], fields["location"], watched, changed)


def _json(body: object) -> bytes:
    # UTF-8, as escapes need up to three times the bytes; and compressed, as a view that fills a document must fit into
    # this one together with the other fields.
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _body(kept: bytes | str) -> Any:
    """Returns the body of a kept answer; earlier versions of this package stored it as text."""
    return json.loads(zlib.decompress(kept) if isinstance(kept, bytes) else kept)
