"""Computes a view for the oracle: fills its Store from plainly read documents, runs its getters, names its copies."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, product
from typing import Any, NamedTuple

from boiler_functions.database import Document, Result
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.exceptions import InvalidDocument, InvalidPath, Permanent
from boiler_functions.models.relation import NamingRelation, Relation, ValueRelation
from boiler_functions.models.session import Snapshot, active
from boiler_functions.paths import document_id
from boiler_functions.testing.plain import (
    AllDocuments,
    by_value,
    compare,
    found,
    has_whole_collection,
    is_a,
    is_at,
    named,
    number,
    values,
)
from boiler_functions.types import Fields, Instant
from boiler_functions.views.choice import ALL, Choosing
from boiler_functions.views.followed import Above, One, RelatedMany
from boiler_functions.views.found import Children, LookedUpMany, LookedUpOne, Matching, Referrers
from boiler_functions.views.store import Root, Source
from boiler_functions.views.stored_copy import Copied
from boiler_functions.views.totals import Total
from boiler_functions.views.view_model import View

_PLACEHOLDER = re.compile(r"\{([^/}]+)\}")


class Reached(NamedTuple):
    """A view of one root, with the content of its Store: the paths by reference, and the documents at the paths."""

    view: View
    key: Mapping[str, str]
    paths: Mapping[str, tuple[str, ...]]
    documents: Mapping[str, Document]
    now: Instant
    totals: Mapping[str, Result]
    looked_up: Mapping[str, tuple[str, ...]]
    """The paths that a relation finds by a value, by the key of its query."""

    def _snapshot(self) -> Snapshot:
        return Snapshot(self.documents, self.view.__name__, looked_up=self.looked_up)

    def content(self) -> dict[str, Any]:
        """Returns the content that the getters compute; of a view whose copies differ, that of each copy by its path.

        Raises a Permanent error if getters or documents are at fault.
        """
        if not self.view.has_own_copies():
            return self._content(None)
        return {path: self._content(path) for path in self.copies()}

    def content_of(self, path: str, content: Mapping[str, Any]) -> Mapping[str, Any]:
        """Returns the part of `content` that belongs to one copy."""
        found: Mapping[str, Any] = content[path] if self.view.has_own_copies() else content
        return found

    def _content(self, path: str | None) -> dict[str, Any]:
        with active(self._snapshot()):
            store = self.view.store_class(self.paths, self.documents, lambda: self.now, self.totals)
            return self.view.of(store, self.key, copy_path=path).to_view_dict()

    def copies(self) -> list[str]:
        """Returns the paths of the copies; a document that cannot be read, or has no usable value, gives none."""
        names = _PLACEHOLDER.findall(self.view.pattern().text)
        by_reference = {name: [each for each in names if each.startswith(f"{name}.")] for name in _references(names)}
        with active(self._snapshot()):
            chosen = [list(self._values(name, each)) for name, each in by_reference.items()]
        places = ({key: value for one in each for key, value in one.items()} for each in product(*chosen))
        return sorted({_filled(self.view.pattern().text, values) for values in places})

    def without_skipped(self) -> Reached:
        """Returns the view with those documents missing that cannot be read, and that all their references skip."""
        sources = self.view.store_class.sources
        needed = {path for each in sources if each.on_invalid != "skip" for path in self.paths.get(each.name, ())}
        for error in self._unreadable():
            document = self.documents.get(error.path)
            if document is not None and document.exists and error.path not in needed:
                left = {**self.documents, error.path: Document(error.path)}
                return self._replace(documents=left).without_skipped()
        return self

    def _unreadable(self) -> Iterator[InvalidDocument]:
        """Yields the errors of what the getters, and then the placeholders of the path, read of documents."""
        sources = {each.name: each for each in self.view.store_class.sources}
        placeholders = (each.partition(".") for each in _PLACEHOLDER.findall(self.view.pattern().text))
        asked = ((sources[name], path, what) for name, _, what in placeholders for path in self.paths[name])
        reads: list[Callable[[], Any]] = [self.content, *(partial(self._value, *each) for each in asked)]
        for read in reads:
            try:
                with active(self._snapshot()):
                    read()
            except InvalidDocument as error:
                yield error
            except Exception:
                continue  # Another error; the build reports it.

    def _values(self, reference: str, placeholders: list[str]) -> Iterator[dict[str, str]]:
        source = next(each for each in self.view.store_class.sources if each.name == reference)
        for path in self.paths[reference]:
            if not self.documents[path].exists:
                continue  # It is skipped.
            try:
                values = {each: self._value(source, path, each.partition(".")[2]) for each in placeholders}
                yield {each: document_id(value) for each, value in values.items()}
            except (Permanent, InvalidPath):
                continue

    def _value(self, source: Source, path: str, name: str) -> Any:
        """Returns a document's value for a placeholder, even if another of its fields does not fit."""
        return getattr(source.model.from_document(self.documents[path]), name)


@dataclass
class Reach:
    """Follows the references of a view's Store through all documents, from one root."""

    view: View
    key: Mapping[str, str]
    all: AllDocuments
    now: Instant
    named: dict[str, list[str]] = field(default_factory=dict)
    """The paths that each reference leads to, including those of missing documents and of other classes."""

    followed: list[str] = field(default_factory=list)
    """The paths of all documents that relations refer to, also of those that a choice leaves out."""

    looked_up: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The paths of the documents that have a value, by the key of the query that a relation finds them by."""

    def reached(self) -> Reached:
        """Follows the references to their ends; raises a Permanent error for a query that Firestore refuses."""
        sources = self.view.store_class.sources
        leading = [each for each in sources if not isinstance(each, Total)]
        for source in leading:
            self.named[source.name] = self._named(source)
        members = {each.name: tuple(self._members(each, self.named[each.name])) for each in leading}
        read = [*self.followed, *chain.from_iterable([*self.named.values(), *self.looked_up.values()])]
        documents = {path: self.all.get(path) or Document(path) for path in read}
        totals = {each.name: self._total(each) for each in sources if isinstance(each, Total)}
        return Reached(self.view, self.key, members, documents, self.now, totals, self.looked_up)

    def _total(self, source: Total[Any]) -> Result:
        match source.of:
            case Matching():
                counted = [each.path for each in found(source.of.example(), self.all)]
            case _:
                counted = self._named(source.of)
        fields = [self.all[path].fields or {} for path in counted]
        key = source.attribute.data_key if source.attribute else ""
        if source.shards:
            values = [each.get(key) for each in fields]
            return number(source.function, [each for each in values if type(each) is int] if key else values)
        if source.by is None:
            return number(source.function, [each.get(key) for each in fields])
        grouped = by_value(fields, source.by.data_key)
        return tuple((value, number(source.function, [each.get(key) for each in group])) for value, group in grouped)

    def _members(self, source: Source, paths: Iterable[str]) -> Iterator[str]:
        return (path for path in paths if is_a(source.model, self.all.get(path)))

    def _named(self, source: Source) -> list[str]:
        match source:
            case Root():
                return [_filled(source.model.pattern().text, self.key)]
            case One(doc_id=str(doc_id)):
                return [_filled(source.model.pattern().text, {**self.key, "doc_id": _filled(doc_id, self.key)})]
            case One():
                relation = source.followed()
                assert relation is not None
                return list(self._followed(source.via, relation))
            case LookedUpOne():
                return sorted(set(self._having(source.via, source.followed())))
            case Above(via=Source() as via):
                above = (each.rsplit("/", 2)[0] for each in self._leading(via))
                return sorted({each for each in above if is_at(source.model.pattern().text, each)})
            case Copied(via=Source() as via):
                pattern, place = source.root.model.pattern().text, source.view.pattern().text
                keys = (key_of(pattern, each) for each in self._leading(via) if is_at(pattern, each))
                named = ({f"{source.root.name}.{name}": value for name, value in key.items()} for key in keys)
                others = {name: _filled(each.text, self.key) for name, each in source.others.items()}
                return sorted({_filled(place, {**each, **others}) for each in named})
            case RelatedMany() | LookedUpMany():
                if isinstance(source, LookedUpMany):
                    paths = sorted(set(self._having(source.via, source.followed())))
                else:
                    paths = sorted(set(self._followed(source.via, source.relation)))
                self.followed += paths
                if source.choice == ALL:
                    return paths
                return self._chosen(source, [[each for each in paths if is_a(source.model, self.all.get(each))]])
            case Referrers():
                return self._chosen(source, (self._referring(source, each) for each in self._starts(source)))
            case Children(via=Source() as via):
                return self._chosen(source, (self._below(source, each) for each in self._leading(via)))
            case Matching():
                return [each.path for each in found(source.selection.query, self.all)]
        raise TypeError(f"{source!r} is a kind of reference that the oracle does not know.")

    def _followed(self, via: Source | None, relation: NamingRelation[Any]) -> Iterator[str]:
        for fields, key in self._fields_of(via, relation):
            yield from named(fields, key, relation.target.pattern().text, relation.by)

    def _having(self, via: Source | None, relation: ValueRelation[Any]) -> Iterator[str]:
        """Yields the documents that alone have a value which a relation finds them by."""
        for fields, key in self._fields_of(via, relation):
            for value in values(fields, key):
                if isinstance(value, str | int | float) and not isinstance(value, bool):
                    having = [path for path, each in sorted(self.all.items()) if _has(each, relation, value)][:2]
                    self.looked_up[relation.look_up(value).key] = tuple(having)
                    yield from having if len(having) == 1 else ()

    def _fields_of(self, via: Source | None, relation: Relation[Any]) -> Iterator[tuple[Fields, str]]:
        """Yields the fields of the documents that a relation starts from, each with the name that it has there."""
        assert via is not None
        for path in self._members(via, self.named[via.name]):
            if is_a(relation.owner, self.all[path]):
                fields = self.all[path].fields or {}
                names = (relation.data_key, *relation.aliases)
                yield fields, next((each for each in names if each in fields), relation.data_key)

    def _chosen(self, source: Choosing[Any], groups: Iterable[Iterable[str]]) -> list[str]:
        """Returns what conditions and the limit leave of the documents found from each, in the order of all."""
        group = source.choice._replace(collection=source.model.pattern().text.split("/")[-2], group=True)
        chosen = [each.path for one in groups for each in found(group, {path: self.all[path] for path in one})]
        if not group.orders:
            return sorted(set(chosen))
        return [each.path for each in found(group._replace(limit=None), {path: self.all[path] for path in chosen})]

    def _below(self, source: Children[Any], start: str) -> Iterator[str]:
        below = (each for each in self.all.values() if each.path.startswith(f"{start}/"))
        return (each.path for each in below if is_a(source.model, each))

    def _leading(self, source: Source) -> Iterator[str]:
        """Yields the paths of a reference's documents, with missing ones unless a subclass is required."""
        for path in self.named[source.name]:
            if is_a(source.model, self.all.get(path)) or (path not in self.all and has_whole_collection(source.model)):
                yield path

    def _starts(self, source: Referrers[Any]) -> Iterator[str]:
        """Yields the documents whose referrers count; a missing one does unless a subclass is required."""
        assert source.via is not None
        models = (source.via.model, source.relation.target)
        for path in self.named[source.via.name]:
            is_one = has_whole_collection if path not in self.all else partial(is_a, document=self.all[path])
            if all(map(is_one, models)):
                yield path

    def _referring(self, source: Referrers[Any], start: str) -> Iterator[str]:
        relation, target = source.relation, self.all.get(start) or Document(start)
        if (query := source.query(target)) is not None:
            MemoryDatabase().query(query)  # Raises for a path that filters refuse.
        for document in self.all.values():
            if is_a(source.model, document) and _refers(document, relation, target):
                yield document.path


def _has(document: Document, relation: ValueRelation[Any], value: Any) -> bool:
    """Returns whether a document is one that the relation finds by the value."""
    held = (document.fields or {}).get(relation.by.data_key)
    return is_a(relation.target, document) and held is not None and compare(held, value) == 0


def _refers(document: Document, relation: Relation[Any], target: Document) -> bool:
    if isinstance(relation, NamingRelation):
        pattern = relation.target.pattern().text
        return target.path in named(document.fields, relation.data_key, pattern, relation.by)
    assert isinstance(relation, ValueRelation)
    is_list = isinstance((document.fields or {}).get(relation.data_key), list)
    held = [each for each in values(document.fields, relation.data_key) if each is not None]
    return is_list is relation.many and any(_has(target, relation, each) for each in held)


def key_of(pattern: str, path: str) -> dict[str, str]:
    """Returns the values of the placeholders of the pattern in a path that matches it."""
    assert is_at(pattern, path)
    pairs = zip(pattern.split("/"), path.split("/"), strict=True)
    return {name[1:-1]: value for name, value in pairs if name.startswith("{")}


def _references(placeholders: list[str]) -> list[str]:
    return list(dict.fromkeys(each.partition(".")[0] for each in placeholders))


def _filled(pattern: str, values: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda placeholder: values[placeholder[1]], pattern)
