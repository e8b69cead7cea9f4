"""A mutation: runs user code over what was read, and commits what it changed at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Literal, TypeAlias

from werkzeug.exceptions import Conflict as AlreadyExists
from werkzeug.exceptions import Forbidden, NotFound

from boiler_functions.access import Audience
from boiler_functions.database import Aggregated, Aggregation, Database, Delete, Document, Query, Select
from boiler_functions.database.change import Change
from boiler_functions.database.matching import matches, result_of
from boiler_functions.models.session import Snapshot, UnitOfWork, active
from boiler_functions.modes.rest.answer import Answer
from boiler_functions.modes.rest.call import Call
from boiler_functions.modes.rest.contents import admits
from boiler_functions.modes.rest.kept_answer import KeptAnswer
from boiler_functions.modes.rest.representation import etag_of, represent
from boiler_functions.types import Instant
from boiler_functions.views.build import Built, Instance, Reader, build, unit_of_work
from boiler_functions.views.narrowed import matters
from boiler_functions.views.store import Resolution
from boiler_functions.views.view_model import ViewModel

Work: TypeAlias = Callable[[ViewModel[Any]], None]
"""The work on the view: its setters, an operation, or its deletion."""

Creation: TypeAlias = Literal["never", "may", "must"]
"""Whether the root must exist ("never" created), "may" be created, or "must" be created."""


@dataclass(frozen=True)
class Mutation:
    """The work of one call on one view."""

    instance: Instance
    scope: str
    call: Call
    work: Work
    creation: Creation = "never"
    location: str | None = None
    kept: KeptAnswer | None = None
    keeps: timedelta = timedelta()

    def run(self, database: Database, now: Instant) -> Answer:
        """Commits the mutation, and returns the view's content after it.

        Builds the content before the commit, so that a mutation after which the view cannot be built is refused.
        """
        reader = Reader(database)
        if self.kept is not None:
            reader.read([self.kept.path, self.instance.root])
            if (marker := reader.documents.pop(self.kept.path)).exists:
                return self.kept.again(marker)
        resolution = reader.resolve([self.instance])[self.instance]
        is_new = not resolution.paths
        self._check_existence(is_new, reader.documents.get(self.instance.root))
        if is_new:
            # References that do not follow from the root exist already: setters may read them, and the commit verifies
            # them.
            resolution = reader.complete(self.instance.view.store_class, self.instance.key)
        unit = unit_of_work(self.instance.view.store_class, reader, resolution)
        unit.caller = self.call.caller
        with active(unit):
            self._do(unit, reader, resolution, is_new=is_new)
        after = Afterwards(unit, reader, resolution)
        left = after.resolve([self.instance])[self.instance]
        if is_new and not self._admits(self.instance.view.__writers__(), after, left):
            # Before, there was no view to ask the audience about; so it is asked about the new one.
            raise Forbidden(f"You may not create this {self.instance.view.__name__}.")
        built = build(self.instance, after, left, self.scope)
        answer = self._answer(built, is_new=is_new, is_read=self._shows(built, after, left))
        concerning = self._concerning(unit, built, reader, after)
        if self.call.wait or self.kept is not None:
            # Only a call that waits needs them; a kept answer may be waited for when its key comes again.
            answer = replace(answer, changed=dict(_changed(concerning, reader, after)))
        writes = unit.commit_writes() if unit.writes or self.kept is not None else []
        if self.kept is not None:
            deleted = [path for path in concerning if isinstance(unit.writes[path], Delete)]
            writes.append(self.kept.create(answer, concerning, deleted, now, self.keeps))
        if not writes:
            return answer
        committed = database.commit(writes, verify=unit.verified)
        versions = dict(zip((write.path for write in writes), committed.versions, strict=True))
        return replace(answer, watched={path: versions[path] for path in concerning})

    def _concerning(self, unit: UnitOfWork, built: Built, reader: Reader, after: Afterwards) -> list[str]:
        """Returns the written documents whose new versions the stored view will show."""
        found = [path for path in unit.writes if path in built.versions or path == self.instance.root]
        if not self.instance.view.store_class.reads_fields:
            return found
        # The stored view never records a write that does not matter to it, so nobody must wait for that.
        return [path for path in found if self._matters(path, reader, after)]

    def _do(self, unit: UnitOfWork, reader: Reader, resolution: Resolution, *, is_new: bool) -> None:
        """Does the work if the caller may change the view, and if the conditions hold."""
        totals = reader.totals_of(resolution)
        store = self.instance.view.store_class(resolution.paths, unit.documents, reader.time, totals)
        if is_new:
            store.begin(self.instance.key)
        view = self.instance.view.of(store, self.instance.key, copy_path=self.instance.copy)
        if not is_new:
            self._authorize(view)
            if view.has_own_copies() and self.instance.copy not in view.__copies__().paths:
                raise self._not_found()
        if self.call.conditions:
            self.call.conditions.check(None if is_new else self._etag(reader, resolution))
        if is_new:
            view.on_create()
        self.work(view)
        view.propagate_change()

    def _matters(self, path: str, reader: Reader, after: Reader) -> bool:
        before, now = (each.documents.get(path, Document(path)) for each in (reader, after))
        return matters(self.instance.view.store_class, Change("", "", path, before, now, 0))

    def _admits(self, audience: Audience, after: Reader, left: Resolution) -> bool:
        return bool(left.paths) and admits(audience, self.instance, after, left, self.call.caller)

    def _shows(self, built: Built, after: Reader, left: Resolution) -> bool:
        """Returns whether the caller may read what was built; asks the built view, which loads no model again."""
        if built.view is None:
            return False
        if built.skipped:
            # The built view has other documents than an audience sees, which may skip none.
            return admits(self.instance.view.__readers__(), self.instance, after, left, self.call.caller)
        documents = {path: after.documents[path] for path in built.versions}
        readable = self.instance.view.store_class.readable()
        with active(Snapshot(documents, self.instance.view.__name__, None, readable, left.looked_up)):
            return self.instance.view.__readers__().admits(self.call.caller, built.view)

    def _check_existence(self, is_new: bool, document: Document | None) -> None:
        if not is_new and self.creation == "must":
            raise AlreadyExists(f"A {self.instance.view.__name__} with this id exists already.")
        if is_new and (self.creation == "never" or (document is not None and document.exists)):
            raise self._not_found()

    def _authorize(self, view: ViewModel[Any]) -> None:
        if not view.__writers__().admits(self.call.caller, view):
            if view.__readers__().admits(self.call.caller, view):
                raise Forbidden(f"You may not change this {self.instance.view.__name__}.")
            raise self._not_found()

    def _not_found(self) -> NotFound:
        return NotFound(f"There is no {self.instance.view.__name__} with this id.")

    def _etag(self, reader: Reader, resolution: Resolution) -> str | None:
        content = build(self.instance, reader, resolution, self.scope).at(self.instance.copy)
        return None if content is None else etag_of(content)

    def _answer(self, built: Built, *, is_new: bool, is_read: bool) -> Answer:
        location = self.location if is_new else None
        # There is no body if the mutation deleted the root, or if the caller may change the view but not read it.
        content = built.at(self.instance.copy)
        if content is None or not is_read:
            return Answer(204, location=location)
        body = represent(self.instance.key["doc_id"], content)
        return Answer(201 if is_new else 200, body, etag_of(content), location)


def _changed(paths: Iterable[str], before: Reader, after: Reader) -> Iterator[tuple[str, frozenset[str]]]:
    """Yields the documents that were there before and are after, with the fields that the mutation changes."""
    for path in paths:
        was, will_be = (each.documents.get(path, Document(path)) for each in (before, after))
        if changed := Change("", "", path, was, will_be, 0).fields:
            yield path, changed


class Afterwards(Reader):
    """Documents and query results as a unit of work leaves them; reads only what was not read before.

    What it reads becomes part of the unit of work, so that the commit verifies it: the answer, and the decision who may
    have it, depend on it.
    """

    def __init__(self, unit: UnitOfWork, before: Reader, resolution: Resolution) -> None:
        super().__init__(unit.database)
        self.unit = unit
        paths = [*unit.documents, *unit.writes]
        self.documents = dict(zip(paths, unit.read(paths), strict=True))
        self.read_time = unit.read_time
        self.loaded = before.loaded
        self.written = tuple(unit.writes)
        for key, (_, query) in resolution.queries.items():
            if not self._may_lack(query, before.results[key]):
                self.results[key] = self._selected(query, before.results[key])

    def read(self, paths: Iterable[str], select: Select = None) -> None:
        missing = [path for path in dict.fromkeys(paths) if path not in self.documents]
        self.documents.update(zip(missing, self.unit.read(missing), strict=True))
        self.read_time = self.unit.read_time

    def query(self, queries: Iterable[Query]) -> None:
        asked = [(query, self._wider(query)) for query in queries]
        super().query(wider for _, wider in asked)
        for query, wider in asked:
            self.unit.add_found(wider, self.results[wider.key])
            self.results[query.key] = self._selected(query, self.results[wider.key])

    def look_up(self, queries: Iterable[Query]) -> None:
        """Runs each query alone, so that the commit can verify what it found."""
        self.query(queries)

    def aggregate(self, aggregation: Aggregation) -> Aggregated:
        """Returns the number as it was, which the commit verifies; works it out anew if a write may change it."""
        if not any(self._may_count(aggregation.query, path) for path in self.written):
            answer = self.unit.totals.get(aggregation.key) or super().aggregate(aggregation)
            self.unit.totals[aggregation.key] = answer
            return answer
        return self.from_documents(aggregation)

    def _may_count(self, query: Query, path: str) -> bool:
        # The unit holds a document as it was read, and this reader as it will be. One that was not read may be counted.
        before = self.unit.documents.get(path)
        images = (before, self.documents[path])
        return before is None or any(matches(query, each) for each in images if each is not None)

    def _may_lack(self, query: Query, found: Sequence[Document]) -> bool:
        """Returns whether a full result may now include a document that came after it, as a write removed one."""
        return len(found) == query.limit and any(document.path in self.written for document in found)

    def _wider(self, query: Query) -> Query:
        """Returns the query with a higher limit, by as many documents as the writes could remove from the result."""
        return query._replace(limit=query.limit + len(self.written)) if query.limit else query

    def _selected(self, query: Query, found: Iterable[Document]) -> tuple[Document, ...]:
        """Returns what the query would find after the writes, which may add or remove documents."""
        paths = dict.fromkeys([*(document.path for document in found), *self.written])
        return tuple(result_of(query, [self.documents[path] for path in paths]))
