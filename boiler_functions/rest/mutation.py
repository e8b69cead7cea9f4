"""A mutation: setters run over what was read, and one commit of what they changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from boiler_functions.build import Built, Instance, Reader, build, unit_of_work
from boiler_functions.database import Database, Document, Query
from boiler_functions.database.matching import select
from boiler_functions.session import UnitOfWork, active
from boiler_functions.store import Resolution
from boiler_functions.types import Fields


@dataclass(frozen=True)
class Mutation:
    """New values of one view, by attribute, in the order in which they are set."""

    instance: Instance
    scope: str
    values: Mapping[str, Any]

    def run(self, database: Database) -> Fields | None:
        """Commits the mutation and returns the view's content after it; None, and no commit, when there is no root.

        The content is built before the commit: a view that cannot be built refuses the mutation.
        """
        reader = Reader(database)
        resolution = reader.resolve([self.instance])[self.instance]
        if not resolution.paths:
            return None
        unit = unit_of_work(self.instance.view.store_class, reader, resolution)
        self._make(unit, resolution)
        built = self._built(Afterwards(unit, reader, resolution))
        if unit.writes:
            database.commit(unit.commit_writes(), verify=unit.found)
        # A mutation that deletes the root leaves nothing of the view.
        return built.content or {}

    def _make(self, unit: UnitOfWork, resolution: Resolution) -> None:
        with active(unit):
            store = self.instance.view.store_class(resolution.paths, unit.documents)
            view = self.instance.view.of(store, self.instance.key)
            for name, value in self.values.items():
                setattr(view, name, value)
            view.propagate_change()

    def _built(self, reader: Reader) -> Built:
        return build(self.instance, reader, reader.resolve([self.instance])[self.instance], self.scope)


class Afterwards(Reader):
    """Documents and query results as a unit of work leaves them; reads only what it did not read."""

    def __init__(self, unit: UnitOfWork, before: Reader, resolution: Resolution) -> None:
        super().__init__(unit.database)
        paths = [*unit.documents, *unit.writes]
        self.documents = dict(zip(paths, unit.read(paths), strict=True))
        self.read_time = unit.read_time
        self.written = tuple(unit.writes)
        for key, (_, query) in resolution.queries.items():
            self.results[key] = self._selected(query, before.results[key])

    def query(self, queries: Iterable[Query]) -> None:
        asked = list(queries)
        super().query(asked)
        for query in asked:
            self.results[query.key] = self._selected(query, self.results[query.key])

    def _selected(self, query: Query, found: Iterable[Document]) -> tuple[Document, ...]:
        """What the query would find: a write may bring a document in, or take one out."""
        paths = dict.fromkeys([*(document.path for document in found), *self.written])
        return tuple(select(query, [self.documents[path] for path in paths]))
