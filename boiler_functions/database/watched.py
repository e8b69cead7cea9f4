"""What a listener is told, put together from the changes that Firestore streams. Pure: it knows no RPC."""

from __future__ import annotations

import logging

from boiler_functions.database import Changed, Document, Failed, Query, Reading, Target
from boiler_functions.database.matching import select
from boiler_functions.exceptions import BoilerError
from boiler_functions.types import Instant

log = logging.getLogger(__name__)


class Watched:
    """The documents of one target, as far as the stream has told of them."""

    def __init__(self, target: Target, changed: Changed, failed: Failed) -> None:
        self.target = target
        self._changed = changed
        self._failed = failed
        self._documents: dict[str, Document] = {}
        self._seen: list[tuple[str, int]] | None = None
        self.is_current = False
        self.is_open = True

    @property
    def count(self) -> int:
        """How many documents it has."""
        return len(self._documents)

    def begin(self) -> None:
        """Forgets the documents, which the stream will tell of from the beginning."""
        self._documents.clear()
        self.is_current = False

    def put(self, document: Document) -> None:
        self._documents[document.path] = document

    def remove(self, path: str) -> None:
        self._documents.pop(path, None)

    def tell(self, read_time: Instant) -> None:
        """Tells of the target as it was at the time, unless the last call did already."""
        documents = tuple(self._result())
        seen = [(document.path, document.version) for document in documents]
        if self.is_open and self.is_current and seen != self._seen:
            self._seen = seen
            self._call(Reading(documents, read_time))

    def fail(self, error: BoilerError) -> None:
        """Tells of an error that will stay."""
        if self.is_open:
            self.is_open = False
            self._failed(error)

    def _result(self) -> list[Document]:
        if isinstance(self.target, Query):
            return select(self.target, self._documents.values())
        return [self._documents.get(path) or Document(path) for path in self.target]

    def _call(self, reading: Reading) -> None:
        try:
            self._changed(reading)
        except Exception:
            # The thread is that of all listeners of the database.
            log.exception("A listener on %s failed.", self.target)
