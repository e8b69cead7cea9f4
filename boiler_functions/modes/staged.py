"""A staged version of a view: new code builds it on the shelf, beside what is shown, until the two are swapped."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple

from boiler_functions.database import Database, Delete, Document, Put, unchanged
from boiler_functions.types import Instant, to_datetime, to_instant

COLLECTION = "boilerStaged"


class StagedProgress(StrEnum):
    """How far a staged version is."""

    BUILDING = "building"
    BUILT = "built"
    PROMOTING = "promoting"
    PROMOTED = "promoted"
    ROLLING_BACK = "rolling back"


class StagedVersion(NamedTuple):
    """A staged version as its document says; the version of that document is a condition of every swap."""

    document: Document
    app: str
    view: str
    progress: StagedProgress = StagedProgress.BUILDING
    deployment: int = 0
    """The number of its own deployment."""
    production: int = 0
    """The number of production's deployment as it began; after another one, it cannot be promoted."""
    began: Instant = 0

    @classmethod
    def of(cls, database: Database, app: str, view: str) -> StagedVersion:
        """Returns the staged version of a view as it is now; its document is missing if the view has none."""
        (document,) = database.read([f"{COLLECTION}/{app}.{view}"]).documents
        if document.fields is None:
            return cls(document, app, view)
        fields = document.fields
        return cls(
            document,
            app,
            view,
            StagedProgress(fields["state"]),
            fields["deployment"],
            fields["production"],
            to_instant(fields["began"]),
        )

    @property
    def exists(self) -> bool:
        return self.document.exists

    @property
    def is_shown(self) -> bool:
        """Whether some instances may be shown in this version."""
        return self.progress in (StagedProgress.PROMOTING, StagedProgress.PROMOTED, StagedProgress.ROLLING_BACK)

    def write(self, database: Database, **changed: Any) -> StagedVersion:
        """Commits the changed record, on the condition that nobody else has changed it; returns it as it is then."""
        staged = self._replace(**changed)
        fields = {
            "app": staged.app,
            "view": staged.view,
            "state": str(staged.progress),
            "deployment": staged.deployment,
            "production": staged.production,
            "began": to_datetime(staged.began),
            # An equal write would keep the version, so that a command that began before would not be stopped.
            "change": self.document.version,
        }
        committed = database.commit([Put(self.document.path, fields, precondition=unchanged(self.document))])
        return staged._replace(document=Document(self.document.path, fields, committed.versions[0]))

    def delete(self, database: Database) -> None:
        """Deletes the record, on the condition that nobody else has changed it."""
        database.commit([Delete(self.document.path, precondition=unchanged(self.document))])
