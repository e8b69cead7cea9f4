"""Records where each app of a database stores its documents, so that no two apps write the same document.

Each deployment writes its app's registration. It also lists the views that the app no longer stores, whose copies and
ledgers are still there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from boiler_functions.database import Database, Delete, Document, Put, Query
from boiler_functions.exceptions import OverlappingPaths
from boiler_functions.paths import Pattern

COLLECTION = "boilerApps"


@dataclass(frozen=True)
class Registration:
    """The paths of an app's stored views and forms, by the name of the view.

    `sources` are the paths that each view reads, and `dropped` the paths of views that the app no longer stores.
    """

    app: str
    views: Mapping[str, str] = field(default_factory=dict)
    tasks: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, Sequence[str]] = field(default_factory=dict)
    dropped: Mapping[str, str] = field(default_factory=dict)
    deployment: int = 0
    kept: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The heads of the totals that each view keeps."""

    @classmethod
    def read(cls, document: Document) -> Registration:
        """Returns the registration that a document holds; an empty one if the document does not exist."""
        fields = document.fields or {}
        return cls(
            document.id,
            fields.get("views", {}),
            fields.get("tasks", {}),
            fields.get("sources", {}),
            fields.get("dropped", {}),
            fields.get("deployment", 0),
            fields.get("kept", {}),
        )

    def after(self, former: Registration) -> Registration:
        """Returns this registration as the successor of a former one, whose other views become dropped views."""
        stored = {**former.dropped, **former.views}
        dropped = {name: path for name, path in stored.items() if name not in self.views}
        return replace(self, dropped=dropped)

    def without(self, view: str) -> Registration:
        """Returns the registration without a view of which nothing is left."""
        views, dropped = (
            {name: path for name, path in each.items() if name != view} for each in (self.views, self.dropped)
        )
        return replace(self, views=views, dropped=dropped)

    def paths(self) -> Iterator[tuple[str, Pattern]]:
        """Yields the paths at which the app has documents: views, forms, and views that were dropped."""
        for paths in (self.views, self.tasks, self.dropped):
            yield from ((name, Pattern(path)) for name, path in paths.items())

    def check(self, others: Mapping[str, Registration]) -> None:
        """Raises OverlappingPaths if another app has documents where this one will have them."""
        own = [*self.views.items(), *self.tasks.items()]
        for other in others.values():
            for name, pattern in other.paths():
                for view, path in own:
                    if other.app != self.app and Pattern(path).overlaps(pattern):
                        raise OverlappingPaths(
                            f"{view} of the app {self.app!r} has documents at {path!r}, and {name} of the app "
                            f"{other.app!r} has documents at {pattern.text!r} in the same database. Give one of them "
                            f"another collection; or, if {other.app!r} is a former name of this app, delete its "
                            f"functions and then run `boiler withdraw --former {other.app}`."
                        )

    def newly_kept(self, former: Registration) -> dict[str, list[str]]:
        """Returns the heads of totals that a former registration did not have, by view: nobody kept them meanwhile."""
        known = {head for heads in former.kept.values() for head in heads}
        new = {view: [head for head in heads if head not in known] for view, heads in self.kept.items()}
        return {view: heads for view, heads in new.items() if heads}

    def write(self, database: Database, forgotten: Iterable[str] = ()) -> None:
        """Commits the registration; deletes these heads, which may be from a former time."""
        fields: dict[str, Any] = {
            "views": dict(self.views),
            "tasks": dict(self.tasks),
            "sources": {name: list(patterns) for name, patterns in self.sources.items()},
            "dropped": dict(self.dropped),
            "deployment": self.deployment,
            "kept": {name: list(heads) for name, heads in self.kept.items()},
        }
        database.commit([Put(f"{COLLECTION}/{self.app}", fields), *map(Delete, forgotten)])

    def forget(self, database: Database) -> None:
        """Deletes the registration."""
        database.commit([Delete(f"{COLLECTION}/{self.app}")])


def registrations(database: Database) -> dict[str, Registration]:
    """Returns the registrations of a database, by app."""
    return {each.id: Registration.read(each) for each in database.query(Query(COLLECTION)).documents}


def registration(database: Database, app: str) -> Registration:
    """Returns the registration of one app."""
    return Registration.read(database.read([f"{COLLECTION}/{app}"]).documents[0])
