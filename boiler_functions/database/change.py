"""What happened to a document, as an event tells it: a hint to read the document, never its content."""

from typing import NamedTuple

from boiler_functions.database import Document
from boiler_functions.types import MISSING, Instant, Version


class Change(NamedTuple):
    """One Firestore event: the document before and after, as far as the event holds them.

    A created document has no `before`, a deleted one no `after`; an event that is too large to carry them has neither.
    """

    id: str
    source: str
    path: str
    before: Document
    after: Document
    time: Instant

    @property
    def has_images(self) -> bool:
        return self.before.exists or self.after.exists

    @property
    def images(self) -> tuple[Document, ...]:
        return tuple(image for image in (self.before, self.after) if image.exists)

    @property
    def is_equal(self) -> bool:
        """Whether nothing changed: the emulator tells of equal writes too, production does not."""
        return self.after.exists and self.before.version == self.after.version

    def covered_by(self, read: Version | None) -> bool:
        """Whether a reader that saw the document at this version (MISSING, or None: not at all) knows of the change."""
        if read is None or not self.has_images:
            return False
        if self.after.exists:
            return read >= self.after.version
        return read == MISSING or read > self.before.version

    def superseded_by(self, current: Document) -> bool:
        """Whether the document has changed again since: a newer event tells of that."""
        if not self.has_images:
            return False
        return current.version != self.after.version
