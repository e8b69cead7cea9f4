"""The change of a document that an event reports: a reason to read the document, never a source of its content.

Events arrive late, twice and out of order, so that their images may be older than what is stored.
"""

from typing import NamedTuple

from boiler_functions.database import Document
from boiler_functions.types import MISSING, Instant, Version, digest


class Change(NamedTuple):
    """One Firestore event, with the document before and after the change.

    `before` is missing for a created document, `after` for a deleted one, and both if they are too large for an event.
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
    def fields(self) -> frozenset[str] | None:
        """The names of the fields in which the images differ; None if they do not say so."""
        before, after = self.before.fields, self.after.fields
        # The images of a continuation's change have no contents.
        if not before or not after:
            return None
        # By digest, which tells 1 from True.
        was, now = ({(name, digest(value)) for name, value in each.items()} for each in (before, after))
        # The emulator has events of equal writes. They tell nothing, also not that nothing has changed.
        return frozenset(name for name, _ in was ^ now) or None

    @property
    def is_equal(self) -> bool:
        """Whether the write changed nothing; the emulator sends events for such writes, production does not."""
        return self.after.exists and self.before.version == self.after.version

    def covered_by(self, read: Version | None) -> bool:
        """Whether a reader that saw this version of the document knows the change; None if it did not read it."""
        if read is None or not self.has_images:
            return False
        if self.after.exists:
            return read >= self.after.version
        return read == MISSING or read > self.before.version

    def superseded_by(self, current: Document) -> bool:
        """Whether the document has changed again since; a newer event reports that change."""
        if not self.has_images:
            return False
        return current.version != self.after.version
