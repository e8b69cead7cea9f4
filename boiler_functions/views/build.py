"""Builds views: reads what they need, level by level, and computes them. Commits nothing; the modes do."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property, lru_cache
from itertools import islice
from math import prod
from types import MappingProxyType
from typing import Any, NamedTuple, cast

from boiler_functions.database import Aggregated, Aggregation, Database, Document, Filter, Query, Result, Select
from boiler_functions.database.groups import check_values, from_documents
from boiler_functions.database.matching import matches
from boiler_functions.database.sizes import check_document
from boiler_functions.exceptions import InvalidDocument, Permanent
from boiler_functions.models.conditions import MAX_ALTERNATIVES
from boiler_functions.models.model import DOC_VERSION, OBJ_TYPE
from boiler_functions.models.reads import Reads
from boiler_functions.models.session import Snapshot, UnitOfWork, active
from boiler_functions.paths import collection_of, id_of
from boiler_functions.types import Fields, Instant, Reference, Version, as_stored, digest
from boiler_functions.views.dependencies import FieldsRead, fields_read, selected_of, tokens_of
from boiler_functions.views.store import Resolution, Store
from boiler_functions.views.view_model import ViewModel

log = logging.getLogger(__name__)

_NOWHERE = "boilerNothing/now"
"""A document that never exists, to be read for the time of the answer."""

_VERSIONS: Select = (OBJ_TYPE,)
"""What is selected where versions alone are compared: a read names a field at least."""

_MERGED = {"==": "in", "array-contains": "array-contains-any"}


class Instance(NamedTuple):
    """One view of one root; a view whose Store has no root has a single instance, with the root ""."""

    view: type[ViewModel[Any]]
    root: str
    copy: str | None = None
    """The path of the only copy that is asked for, of a view whose copies differ; None for all of them."""

    @property
    def key(self) -> dict[str, str]:
        """The values of the placeholders in the root's path: `{"doc_id": "standup"}`."""
        return dict(_key(cast(Any, self.view), self.root) or {})

    @property
    def is_possible(self) -> bool:
        """Whether the view as declared now can have this root; a ledger may come from an earlier declaration."""
        return _key(cast(Any, self.view), self.root) is not None

    def __repr__(self) -> str:
        return f"{self.view.__name__} of {self.root}" if self.root else self.view.__name__


@lru_cache(maxsize=1024)  # Each step of a build asks for it; a page has 100 views.
def _key(view: Any, root: str) -> Mapping[str, str] | None:
    """Returns the values of the placeholders in the root's path; None for a root that the view cannot have."""
    source = view.store_class.root()
    if source is None:
        return None if root else {}
    found: Mapping[str, str] | None = source.model.pattern().match(root)
    return found


class Built(NamedTuple):
    """The result of a build; `content` is None when the root does not exist, or the build failed."""

    content: Fields | None
    destinations: tuple[str, ...]
    tokens: frozenset[str]
    versions: Mapping[str, Version]
    view: ViewModel[Any] | None = None
    refused: tuple[Permanent, ...] = ()
    """For each document that should have given a copy and could not, the reason."""
    failure: Permanent | None = None
    """Why the content could not be computed; `destinations` is correct nevertheless."""
    content_hash: str | None = None
    """The digest of the content, by which a ledger knows it; only of a build to store."""
    skipped: Mapping[str, InvalidDocument] = MappingProxyType({})
    """Why documents were left out, by path, of references with `on_invalid="skip"`."""
    wake_at: Instant | None = None
    """When an answer about the time becomes another, so that the content may change without any document."""
    own: Mapping[str, Fields] | None = None
    """The contents by destination, of a view whose copies differ; `content` says then only that there is a view."""
    digests: Mapping[str, str] = MappingProxyType({})
    """The digests of `own`, by destination."""
    reads: FieldsRead = MappingProxyType({})
    """The fields that were read of the documents, by pattern; of a build that succeeded."""

    def at(self, path: str | None) -> Fields | None:
        """Returns the content of the copy at one of the destinations; None if there is no view, or no such copy."""
        if self.content is None or self.own is None:
            return self.content
        return None if path is None else self.own.get(path)

    def digest_at(self, path: str) -> str | None:
        """Returns the digest of the content at one of the destinations, by which a ledger knows it."""
        return self.digests.get(path, self.content_hash)

    def document(self, path: str) -> dict[str, Any]:
        """Returns the fields of the copy at one of the destinations."""
        return {**(self.at(path) or {}), "doc_ref": path}


class Reader:
    """Reads documents and query results at one time, each once, and a level for all instances in one RPC."""

    def __init__(self, database: Database, stores: Iterable[type[Store]] = ()) -> None:
        """Makes a reader; with the Stores of all views that are built from it, it reads no fields that these leave."""
        self.database = database
        self._needed = selected_of(stores)
        self.documents: dict[str, Document] = {}
        self.results: dict[str, tuple[Document, ...]] = {}
        self.totals: dict[str, Aggregated] = {}
        self.read_time: Instant | None = None
        self.loaded: dict[Any, Any] = {}
        """The values of the documents, by class and path, so that the views that share a document load it once."""

    def read(self, paths: Iterable[str], select: Select = None) -> None:
        """Reads the documents that were not read before, in one BatchGet."""
        missing = [path for path in dict.fromkeys(paths) if path not in self.documents]
        if missing:
            reading = self.database.read(missing, at=self.read_time, select=select)
            self.documents.update((document.path, document) for document in reading.documents)
            self.read_time = self.read_time or reading.read_time

    def fetch(self, paths: Iterable[str]) -> None:
        """Reads documents that references lead to, with the fields that these need; one call has one choice of them."""
        missing = [path for path in dict.fromkeys(paths) if path not in self.documents]
        needed = [self._needed.get(id_of(collection_of(path))) for path in missing]
        common = {name for fields in needed for name in fields or ()}
        self.read(missing, select=tuple(sorted(common)) if None not in needed and missing else None)

    def time(self) -> Instant:
        """Returns the time at which everything is read; if nothing was, asks the database for its time."""
        if self.read_time is None:
            self.read_time = self.database.read([_NOWHERE]).read_time
        return self.read_time

    def resolve(self, instances: Iterable[Instance]) -> dict[Instance, Resolution]:
        """Follows the fetch plan of every instance to its end, with one BatchGet per level for all of them."""
        resolved: dict[Instance, Resolution] = {}
        pending = list(instances)
        while pending:
            found = {each: self._resolve(each) for each in pending}
            resolved.update(found)
            pending = [each for each in pending if not found[each].is_complete]
            self._fetch([found[each] for each in pending])
        self.ask(resolved.values())
        return resolved

    def read_again(self, paths: Collection[str]) -> None:
        """Forgets everything that was read, and reads these documents as they are now."""
        self.documents, self.results, self.totals, self.loaded, self.read_time = {}, {}, {}, {}, None
        self.read(paths)

    def is_as_read(self, paths: Collection[str], queries: Mapping[str, Query]) -> bool:
        """Reads these documents and queries, by key, as they are now; returns whether all are in the versions read.

        A document that a query found may have been read before it, and then counts in the version of that reading.
        """
        now = Reader(self.database)
        now._needed = self._needed
        now.read(paths, select=_VERSIONS)
        now.query(queries.values())
        found = [[(each.path, each.version) for each in now.results[key]] for key in queries]
        read = [[(each.path, self.documents[each.path].version) for each in self.results[key]] for key in queries]
        return found == read and all(now.documents[path].version == self.documents[path].version for path in paths)

    def has_versions(self, versions: Mapping[str, Version]) -> bool:
        """Reads the documents as they are now, and returns whether they are in these versions."""
        if not versions:
            return True
        now = self.database.read([*versions], select=_VERSIONS).documents
        return all(each.version == versions[each.path] for each in now)

    def reached(self, instance: Instance) -> Resolution:
        """Returns how far the fetch plan leads with what was read, for a build that failed before its end."""
        resolution = Resolution()
        if not instance.is_possible:
            return resolution
        with suppress(Permanent):
            instance.view.store_class.follow(resolution, instance.key, self.documents, self.results)
        return resolution

    def complete(self, store: type[Store], key: Mapping[str, str]) -> Resolution:
        """Follows one fetch plan to its end, for any key, such as that of a task's form."""
        while not (resolution := store.resolve(key, self.documents, self.results)).is_complete:
            self._fetch([resolution])
        self.ask([resolution])
        return resolution

    def ask(self, resolutions: Iterable[Resolution]) -> None:
        """Asks for the numbers of the resolutions; last, as no reference starts from one."""
        for each in resolutions:
            for _, aggregation in each.totals.values():
                if aggregation.key not in self.totals:
                    self.totals[aggregation.key] = self.aggregate(aggregation)
            for _, aggregation, number in each.kept.values():
                check_values(aggregation, number)

    def aggregate(self, aggregation: Aggregation) -> Aggregated:
        """Asks for a number as of the time of the other reads."""
        answer = self.database.aggregate(aggregation, at=self.read_time)
        self.read_time = self.read_time or answer.read_time
        return answer

    def from_documents(self, aggregation: Aggregation) -> Aggregated:
        """Works out a number from the documents themselves, which are read with their versions."""
        self.query([aggregation.query])
        return from_documents(aggregation, self.results[aggregation.query.key], self.read_time or 0)

    def totals_of(self, resolution: Resolution) -> dict[str, Result]:
        """Returns the numbers of a resolution, by the name of the reference."""
        asked = resolution.totals.items()
        numbers = {name: self.totals[aggregation.key].value for name, (_, aggregation) in asked}
        return {**numbers, **{name: number for name, (_, _, number) in resolution.kept.items()}}

    def _fetch(self, resolutions: Sequence[Resolution]) -> None:
        self.fetch(path for each in resolutions for path in each.missing_documents)
        self.query([query for each in resolutions for query in each.missing_queries.values()])
        self.look_up([query for each in resolutions for query in each.missing_look_ups.values()])

    def _resolve(self, instance: Instance) -> Resolution:
        if not instance.is_possible:
            return Resolution()
        root = instance.view.store_class.root()
        document = self.documents.get(instance.root)
        if root is not None and document is not None and not root.model.holds(document):
            return Resolution()
        return instance.view.store_class.resolve(instance.key, self.documents, self.results)

    def query(self, queries: Iterable[Query]) -> None:
        """Runs the queries; those that differ only in the document that they ask for run as one."""
        for group in _mergeable({query.key: query for query in queries}.values()):
            documents = self._run(_merged(group))
            for query in group:
                self.results[query.key] = tuple(documents if len(group) == 1 else _matching(query, documents))

    def look_up(self, queries: Iterable[Query]) -> None:
        """Runs queries for the one document that has a value; as one, unless some of the values are of several."""
        asked = {query._replace(limit=None).key: query for query in queries}
        for group in _mergeable(query._replace(limit=None) for query in asked.values()):
            # One document more than there are values: were the query without a limit, a value that was given to a
            # million documents would read them all.
            documents = self._run(_merged(group)._replace(limit=len(group) + 1))
            alone = [asked[each.key] for each in group]
            if len(group) > 1 and len(documents) > len(group):
                self.query(alone)
                continue
            for query in alone:
                self.results[query.key] = tuple(_matching(query, documents))[: query.limit]

    def _run(self, query: Query) -> tuple[Document, ...]:
        query = query._replace(select=self._needed.get(id_of(query.collection)))
        reading = self.database.query(query, at=self.read_time)
        self.read_time = self.read_time or reading.read_time
        for document in reading.documents:
            self.documents.setdefault(document.path, document)
        return reading.documents

    def with_image(self, image: Document, resolution: Resolution) -> Reader:
        """Returns what was read for a resolution, with one document as an image of an event has it."""
        reader = Reader(self.database)
        reader.read_time = self.read_time
        reader.documents = {**self.documents, image.path: image}
        reader.totals = self.totals
        for key, (_, query) in resolution.queries.items():
            others = [each for each in self.results[key] if each.path != image.path]
            reader.results[key] = (*others, *_matching(query, [image]))
        return reader

    def versions(self, resolution: Resolution) -> dict[str, Version]:
        """Returns the version of every document of a resolution; for a document that was read twice, the older."""
        versions = {path: self.documents[path].version for path in resolution.named}
        for key in resolution.queries:
            for document in self.results[key]:
                versions[document.path] = min(document.version, self.documents[document.path].version)
        return versions


class Seen:
    """The documents of one view as its code sees them: missing are those that do not fit and may be left out.

    They may be if every reference that reaches them has `on_invalid="skip"`. A document counts as missing for the whole
    view once a value of it is read that does not fit. Its dependency stays, so that its next change builds the view.
    """

    def __init__(self, store: type[Store], resolution: Resolution, documents: dict[str, Document]) -> None:
        self.documents = documents
        self.skipped: dict[str, InvalidDocument] = {}
        self._store = store
        self._resolution = resolution

    def skips(self, error: Exception | None) -> bool:
        """Leaves out the document that an error is about; returns False if it is not to be skipped."""
        if not isinstance(error, InvalidDocument) or error.path in self.skipped or error.path not in self._optional:
            return False
        self.skipped[error.path] = error
        self.documents[error.path] = Document(error.path)
        return True

    @cached_property
    def _optional(self) -> set[str]:
        """The documents that each reference which reaches them may skip."""
        skipping: set[str] = set()
        others: set[str] = set()
        for source in self._store.sources:
            paths = self._resolution.paths.get(source.name, ())
            (skipping if source.on_invalid == "skip" else others).update(paths)
        return skipping - others


def unit_of_work(store: type[Store], reader: Reader, resolution: Resolution) -> UnitOfWork:
    """Returns a unit of work for user code over the Store; its commit verifies everything that was read for it.

    Raises Conflict if the reads saw a document in two versions.
    """
    unit = UnitOfWork(reader.database, reader.documents, reader.read_time, reader.loaded)
    for key, (_, query) in resolution.queries.items():
        unit.add_found(query, reader.results[key])
    unit.totals.update({each.key: reader.totals[each.key] for _, each in resolution.totals.values()})
    for source in store.sources:
        if not source.verify:
            unit.unverified.update(resolution.paths.get(source.name, ()))
    return unit


def build(instance: Instance, reader: Reader, resolution: Resolution, scope: str) -> Built:
    """Returns the view computed from what was read; raises a Permanent error if its code or data is at fault."""
    built = _built(instance, reader, resolution, scope)
    if built.failure is not None:
        raise built.failure
    if built.skipped:
        log.warning("%r leaves out documents that do not fit: %s", instance, ", ".join(sorted(built.skipped)))
    return built


def build_to_store(instance: Instance, reader: Reader, resolution: Resolution, scope: str) -> Built:
    """Returns the view as `build` does, but with a failure in the result instead of raising it.

    The destinations are correct even then, so that copies can be withdrawn. A view too large for a document is a
    failure, too.
    """
    built = _built(instance, reader, resolution, scope)
    if built.content is None:
        return built
    built = built._replace(content_hash=digest(built.content))
    if built.own is not None:
        digests = {path: digest(content) for path, content in built.own.items()}
        built = built._replace(digests=digests, content_hash=digest(sorted(digests.items())))
    try:
        for path in _largest(built):
            check_document(path, built.document(path))
    except Permanent as error:
        return built._replace(content=None, content_hash=None, failure=error)
    return built


def _largest(built: Built) -> Sequence[str]:
    """Returns the destinations whose copies must fit for all to fit."""
    # Copies with one content differ only in their path, so if the one with the longest path fits, all do.
    return built.destinations if built.own is not None else sorted(built.destinations, key=len)[-1:]


def _built(instance: Instance, reader: Reader, resolution: Resolution, scope: str) -> Built:
    tokens = tokens_of(scope, resolution, instance.root)
    versions = reader.versions(resolution)
    view = instance.view
    # Only the documents that this instance's plan reached: the reader also holds those of other instances, and using
    # one of them would be a dependency without a token.
    seen = Seen(view.store_class, resolution, {path: reader.documents[path] for path in versions})
    root = view.store_class.root()
    if not instance.is_possible or (root is not None and root.name not in resolution.paths):
        return Built(None, (), tokens, versions)
    built = Built(None, (), tokens, versions, skipped=seen.skipped)
    # One for all rounds: what made a document be skipped was read, too.
    reads = Reads()
    while True:
        computed = _computed(instance, reader, resolution, seen, built, reads)
        if not any(seen.skips(each) for each in (computed.failure, *computed.refused)):
            return computed


def _computed(
    instance: Instance, reader: Reader, resolution: Resolution, seen: Seen, empty: Built, reads: Reads
) -> Built:
    """Returns the build with the view's copies, and its content or the reason why it has none."""
    store_class, name = instance.view.store_class, instance.view.__name__
    readable, looked_up = store_class.readable(), resolution.looked_up
    with active(Snapshot(seen.documents, name, reader.loaded, readable, looked_up, reads)):
        totals = reader.totals_of(resolution)
        store = store_class(resolution.paths, dict(seen.documents), reader.time, totals)
        view = instance.view.of(store, instance.key)
        copies = view.__copies__()
        try:
            content, own = _contents(view, [each for each in copies.paths if instance.copy in (None, each)])
            read = fields_read(store_class, resolution, seen.documents, reads)
        except Permanent as error:
            return empty._replace(destinations=copies.paths, view=view, refused=copies.refused, failure=error)
        return empty._replace(
            content=content,
            destinations=copies.paths,
            view=view,
            refused=copies.refused,
            wake_at=store.changes_at,
            own=own,
            reads=read,
        )


def _contents(view: ViewModel[Any], paths: Collection[str]) -> tuple[Fields, Mapping[str, Fields] | None]:
    """Returns the content of the view, and of one whose copies differ that of each copy."""
    if not view.has_own_copies():
        return content_of(view), None
    shared = view.__shared__() if len(paths) > 1 else {}
    own = {path: content_of(view.__own__(path, shared)) for path in paths}
    return {OBJ_TYPE: type(view).__name__}, own


def content_of(view: ViewModel[Any]) -> Fields:
    """Returns the fields that all copies of the view share, or those of one copy, with its version if it has one.

    They are as a copy gives them back, so that a view built now equals its copy in every spelling.
    """
    declared = as_stored(view.to_view_dict())
    content = {**declared, OBJ_TYPE: type(view).__name__}
    return {**content, DOC_VERSION: digest(declared)} if view.is_versioned() else content


def chunks(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Yields the items in lists of at most `size`."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def _mergeable(queries: Iterable[Query]) -> Iterator[list[Query]]:
    """Yields groups of queries that one query can answer: they differ only in the document of the last filter."""
    groups: dict[str, list[Query]] = {}
    for query in queries:
        groups.setdefault(_shape(query), []).append(query)
    for group in groups.values():
        yield from chunks(group, together(group[0]))


def together(query: Query) -> int:
    """Returns how many queries run as one if they differ from this one only in the document of the last filter."""
    last = query.filters[-1] if query.filters else None
    # A relation is stored as a reference, a string or a number.
    names_one = last is not None and last.op in _MERGED and isinstance(last.value, Reference | str | int)
    # Firestore refuses `in` beside `not-in`.
    if not names_one or query.limit or any(each.op == "not-in" for each in query.filters):
        return 1
    # Firestore allows 30 disjunctions, counted as the product of the alternatives of all filters.
    others = prod(len(each.value) for each in query.filters[:-1] if each.op in ("in", "array-contains-any"))
    return max(1, MAX_ALTERNATIVES // others)


def _shape(query: Query) -> str:
    if together(query) == 1:
        return query.key
    last = query.filters[-1]
    return query._replace(filters=(*query.filters[:-1], Filter(last.field, last.op, None))).key


def _merged(group: Sequence[Query]) -> Query:
    if len(group) == 1:
        return group[0]
    last = group[0].filters[-1]
    op: Any = _MERGED[last.op]
    values = tuple(query.filters[-1].value for query in group)
    return group[0]._replace(filters=(*group[0].filters[:-1], Filter(last.field, op, values)))


def _matching(query: Query, documents: Iterable[Document]) -> Iterator[Document]:
    return (document for document in documents if matches(query, document))
