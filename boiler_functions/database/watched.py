"""Collects the changes that Firestore streams, and passes on the documents of a target. It makes no RPC."""

from __future__ import annotations

import logging

from boiler_functions.database import Document, Failed, OnReading, Query, Reading, Target
from boiler_functions.database.matching import result_of
from boiler_functions.exceptions import BoilerError
from boiler_functions.types import Instant

log = logging.getLogger(__name__)


class Watched:
    """The documents of one target, as the stream has reported them so far."""

    def __init__(self, target: Target, changed: OnReading, failed: Failed) -> None:
        self.target = target
        self._changed = changed
        self._failed = failed
        self._documents: dict[str, Document] = {}
        self._seen: list[tuple[str, int]] | None = None
        self.is_current = False
        self.is_open = True

    @property
    def count(self) -> int:
        """The number of documents."""
        return len(self._documents)

    def begin(self) -> None:
        """Forgets the documents; the stream will send them all again."""
        self._documents.clear()
        self.is_current = False

    def put(self, document: Document) -> None:
        self._documents[document.path] = document

    def remove(self, path: str) -> None:
        self._documents.pop(path, None)

    def tell(self, read_time: Instant) -> None:
        """Passes on the documents as of the read time, unless they are those of the last call."""
        documents = tuple(self._result())
        seen = [(document.path, document.version) for document in documents]
        if self.is_open and self.is_current and seen != self._seen:
            self._seen = seen
            self._call(Reading(documents, read_time))

    def fail(self, error: BoilerError) -> None:
        """Passes on an error that will not go away, and nothing after it."""
        if self.is_open:
            self.is_open = False
            self._failed(error)

    def _result(self) -> list[Document]:
        if isinstance(self.target, Query):
            return result_of(self.target, self._documents.values())
        return [self._documents.get(path) or Document(path) for path in self.target]

    def _call(self, reading: Reading) -> None:
        try:
            self._changed(reading)
        except Exception:
            # One thread serves all listeners of the database, so the error of one must not end it.
            log.exception("A listener on %s failed.", self.target)
