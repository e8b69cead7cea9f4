"""References: how a Store names and finds its documents, besides the root: by an id, by a relation, or by a query."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar, cast, overload

from boiler_functions.database import Document, Filter, Query
from boiler_functions.exceptions import InvalidCondition, InvalidReference
from boiler_functions.models.attributes import Relation
from boiler_functions.models.conditions import Bound, Condition
from boiler_functions.models.domain_model import DomainModel
from boiler_functions.models.selection import Selection, collection_query, select
from boiler_functions.paths import Pattern, collection_of
from boiler_functions.views.store import Documents, Resolution, Results, Root, Source, Store

M = TypeVar("M", bound=DomainModel)

_PLACEHOLDER = re.compile(r"\{\w+(\.\w+)?\}")
_EXACT = ("==", "in", "array-contains", "array-contains-any")


class One(Source, Generic[M]):
    """One document, found by a fixed id or through a relation; on an instance of the Store, its model or None."""

    def __init__(self, model: type[M] | Relation[Any], *, doc_id: str | None, via: Source | None, verify: bool) -> None:
        self._of = model
        self._doc_id = doc_id
        self.via = via
        self.verify = verify

    @property
    def model(self) -> type[M]:
        return cast(type[M], self._of.target if isinstance(self._of, Relation) else self._of)

    def followed(self) -> Relation[Any] | None:
        """Returns the relation that leads to the document; None for a document with a fixed id."""
        return self._of if isinstance(self._of, Relation) else None

    @property
    def doc_id(self) -> str | None:
        return self._doc_id

    def _leads_by(self) -> Iterable[Any]:
        return (self._doc_id, *_led_by(self.followed()))

    def bind(self, earlier: Sequence[Source], store: str) -> None:
        if not isinstance(self._of, Relation):
            return
        self.via = starting_point(self, self._of.owner, self.via, earlier, store)
        if self.via.many or self._of.many:
            raise InvalidReference(f"{store}.{self.name} leads to many documents; declare it with `references(…)`.")

    def resolve(self, key: Mapping[str, str], resolution: Resolution, documents: Documents, results: Results) -> None:
        if isinstance(self._of, Relation):
            follow(self, self._of, self.via, resolution, documents)
        else:
            pattern = self.model.pattern()
            self._add_named(resolution, [pattern.fill({**key, "doc_id": self._filled(key)})], documents)

    def key_names(self) -> set[str]:
        if self._doc_id is None:
            return set()
        return {*Pattern(self._doc_id).names, *(name for name in self.model.pattern().names if name != "doc_id")}

    def _filled(self, key: Mapping[str, str]) -> str:
        assert self._doc_id is not None
        return Pattern(self._doc_id).fill(key)

    @overload
    def __get__(self, instance: None, owner: type[Store]) -> One[M]: ...
    @overload
    def __get__(self, instance: Store, owner: type[Store]) -> M | None: ...
    def __get__(self, instance: Store | None, owner: type[Store]) -> Any:
        return self if instance is None else next(iter(instance.models(self)), None)


class Many(Source, Generic[M]):
    """Many documents; on an instance of the Store, a sequence of the existing models, ordered by path."""

    many = True

    @overload
    def __get__(self, instance: None, owner: type[Store]) -> Many[M]: ...
    @overload
    def __get__(self, instance: Store, owner: type[Store]) -> Sequence[M]: ...
    def __get__(self, instance: Store | None, owner: type[Store]) -> Any:
        return self if instance is None else instance.models(self)


class Related(Many[M]):
    """The documents that a relation refers to."""

    def __init__(self, relation: Relation[Any], *, via: Source | None, verify: bool) -> None:
        self.relation = relation
        self.via = via
        self.verify = verify

    @property
    def model(self) -> type[M]:
        return cast(type[M], self.relation.target)

    def bind(self, earlier: Sequence[Source], store: str) -> None:
        self.via = starting_point(self, self.relation.owner, self.via, earlier, store)
        if not self.via.many and not self.relation.many:
            raise InvalidReference(f"{store}.{self.name} leads to one document; declare it with `reference(…)`.")

    def _leads_by(self) -> Iterable[Any]:
        return _led_by(self.relation)

    def resolve(self, key: Mapping[str, str], resolution: Resolution, documents: Documents, results: Results) -> None:
        follow(self, self.relation, self.via, resolution, documents)


class Queried(Many[M]):
    """Documents that a query finds."""

    @abstractmethod
    def queries_of(self, image: Document) -> list[Query]:
        """Returns the queries that any root's view may run for this reference and that may find this image."""

    def is_exact(self, query: Query) -> bool:
        """Returns whether an image says which of the queries find it, so that a change wakes their views alone."""
        return bool(query.filters) and all(each.op in _EXACT for each in query.filters)

    def _add_query(self, resolution: Resolution, query: Query, results: Results) -> None:
        key = query.key
        resolution.queries[key] = (self, query)
        if key not in results:
            resolution.missing_queries[key] = query
            return
        found = (document.path for document in results[key])
        resolution.paths[self.name] = (*resolution.paths.get(self.name, ()), *found)


class Referrers(Queried[M]):
    """All documents of a model whose relation refers to a document of another reference."""

    def __init__(self, owner: type[M], relation: Relation[Any], *, via: Source | None) -> None:
        self._owner = owner
        self.relation = relation
        self.via = via

    @property
    def model(self) -> type[M]:
        return self._owner

    def bind(self, earlier: Sequence[Source], store: str) -> None:
        self.via = starting_point(self, self.relation.target, self.via, earlier, store)

    def _leads_by(self) -> Iterable[Any]:
        return _led_by(self.relation)

    def resolve(self, key: Mapping[str, str], resolution: Resolution, documents: Documents, results: Results) -> None:
        assert self.via is not None
        starts = resolution.paths.get(self.via.name)
        if starts is None:
            return
        for start in starts:
            # Queries before the start is read, in the same level: it almost always exists and has the right class.
            if start not in documents or leads_on(self.via, self.relation.target, documents[start]):
                self._add_query(resolution, self.query(start), results)
        resolution.paths[self.name] = tuple(sorted(set(resolution.paths.get(self.name, ()))))

    def query(self, path: str) -> Query:
        """Returns the query for the documents that refer to the path."""
        op = "array-contains" if self.relation.many else "=="
        refers = Filter(self.relation.field_path, op, self.relation.stored_path(path))  # type: ignore[arg-type]
        return collection_query(self.model, {})._replace(filters=(*self.model.discriminator(), refers))

    def queries_of(self, image: Document) -> list[Query]:
        return [self.query(path) for path in self.relation.paths(image.fields)]


class Children(Queried[M]):
    """All documents of a sub-collection below the documents of another reference."""

    def __init__(self, model: type[M], *, via: Source | None) -> None:
        self._model = model
        self.via = via

    @property
    def model(self) -> type[M]:
        return self._model

    def bind(self, earlier: Sequence[Source], store: str) -> None:
        above = Pattern(collection_of(collection_of(self.model.pattern().text)))
        found = [each for each in earlier if above.overlaps(each.model.pattern())]
        if self.via is None and len(found) == 1:
            self.via = found[0]
        if self.via is None or self.via not in found:
            names = ", ".join(each.name for each in found)
            how = f"choose one with `via=`: {names}" if found else f"declare a reference to {above.text} before it"
            raise InvalidReference(f"{store}.{self.name}: a {self.model.__name__} lies below {above.text}; {how}.")

    def resolve(self, key: Mapping[str, str], resolution: Resolution, documents: Documents, results: Results) -> None:
        assert self.via is not None
        starts = resolution.paths.get(self.via.name)
        if starts is None:
            return
        for start in starts:
            # In the same level as the start itself, and below a missing document, too, as Firestore keeps those.
            if start not in documents or leads_on(self.via, self.via.model, documents[start]):
                self._add_query(resolution, self.query(start), results)
        resolution.paths[self.name] = tuple(sorted(set(resolution.paths.get(self.name, ()))))

    def query(self, path: str) -> Query:
        """Returns the query for the documents below the path."""
        name = self.model.pattern().segments[-2]
        return Query(f"{path}/{name}", filters=self.model.discriminator())

    def queries_of(self, image: Document) -> list[Query]:
        return [self.query(collection_of(image.collection))]

    def is_exact(self, query: Query) -> bool:
        return True  # The image's own path says below which document it lies, whatever its fields.


class Matching(Queried[M]):
    """All documents that a selection finds, in its order."""

    def __init__(self, selection: Selection[M]) -> None:
        self.selection = selection

    @property
    def model(self) -> type[M]:
        return self.selection.model

    def resolve(self, key: Mapping[str, str], resolution: Resolution, documents: Documents, results: Results) -> None:
        self._add_query(resolution, self.selection.query, results)

    def queries_of(self, image: Document) -> list[Query]:
        return [self.selection.query]

    def _leads_by(self) -> Iterable[Any]:
        return (self.selection.query.key,)


def _led_by(relation: Relation[Any] | None) -> Iterable[Any]:
    if relation is None:
        return ()
    target = [(each.field, each.op, each.value) for each in relation.target.discriminator()]
    # Without the default of `by`, so that upgrading this package leaves every fingerprint as it was.
    by = () if relation.by == "reference" else (relation.by,)
    return (relation.field_path, relation.many, relation.target.pattern().text, target, *by)


def starting_point(
    source: Source, model: type[DomainModel] | type[Any], via: Source | None, earlier: Sequence[Source], store: str
) -> Source:
    """Returns the earlier reference that a relation of `model` starts from.

    Raises InvalidReference if none fits, or several do and `via` chooses none.
    """
    found = [each for each in earlier if issubclass(each.model, model) or issubclass(model, each.model)]
    if via is not None:
        if via not in found:
            reachable = ", ".join(each.name for each in found) or "none"
            raise InvalidReference(
                f"{store}.{source.name} goes via {via!r}, which is not a {model.__name__} "
                f"declared before it; these are: {reachable}."
            )
        return via
    if len(found) == 1:
        return found[0]
    if not found:
        raise InvalidReference(
            f"{store}.{source.name} starts from {model.__name__}, which no reference before it reaches; "
            f"declare one, for example `{model.__name__.lower()} = reference({model.__name__})`."
        )
    raise InvalidReference(
        f"{store}.{source.name} could start from {', '.join(each.name for each in found)}; choose with `via=`."
    )


def follow(
    source: Source, relation: Relation[Any], via: Source | None, resolution: Resolution, documents: Documents
) -> None:
    """Adds to the resolution the documents that the relation refers to from those of the reference `via`."""
    assert via is not None
    starts = resolution.paths.get(via.name)
    if starts is None or any(path not in documents for path in starts):
        return
    found = [documents[start] for start in starts if leads_on(via, relation.owner, documents[start])]
    paths = [path for document in found for path in relation.paths(document.fields)]
    source._add_named(resolution, sorted(set(paths)) if source.many else paths, documents)


def leads_on(source: Source, model: type[Any], document: Document) -> bool:
    """Returns whether a relation of `model` can be followed from this document of the reference.

    It can if the document belongs to `model` and to the model of the reference. A missing document belongs to every
    class that holds a whole collection, so that documents which refer to it are found; it belongs to no subclass, as
    only the field `obj_type` says that.
    """
    models = [each for each in (source.model, model) if issubclass(each, DomainModel)]
    if not document.exists:
        return not any(each.discriminator() for each in models)
    return all(each.holds(document) for each in models)


@overload
def reference(source: type[M]) -> Root[M]: ...
@overload
def reference(source: type[M], *, doc_id: str, verify: bool = True) -> One[M]: ...
@overload
def reference(source: Bound[Any, M | None], *, via: Source | None = None, verify: bool = True) -> One[M]: ...
def reference(
    source: Any, *, doc_id: str | None = None, via: Source | None = None, verify: bool = True
) -> Root[Any] | One[Any]:
    """Declares one document of a Store.

        meeting = reference(Meeting)                     # the root, which the view's key names
        settings = reference(Settings, doc_id="main")    # a fixed id, or a placeholder of the key: "{user_id}"
        owner = reference(Meeting.owner)                 # the document that a relation refers to, or None

    `via` chooses the reference that the relation starts from if several fit. A task's commit fails if a document that
    it read has changed; `verify=False` exempts this one, for example settings that every task reads.
    """
    if isinstance(source, Bound):
        return One(_relation(source), doc_id=None, via=via, verify=verify)
    _check_model(source)
    if doc_id is None:
        return Root(source)
    if len(Pattern(doc_id).segments) > 1:
        raise InvalidReference(f"reference({source.__name__}, doc_id={doc_id!r}): an id is one segment of a path.")
    return One(source, doc_id=doc_id, via=None, verify=verify)


@overload
def references(source: Bound[Any, Sequence[M]], *, via: Source | None = None, verify: bool = True) -> Many[M]: ...
@overload
def references(source: Bound[Any, M | None], *, via: Source | None = None, verify: bool = True) -> Many[M]: ...
def references(source: Any, *, via: Source | None = None, verify: bool = True) -> Many[Any]:
    """Declares the documents that a relation refers to: a relation to many, or any relation of many documents."""
    return Related(_relation(source), via=via, verify=verify)


def referrers(relation: Bound[M, Any], *, via: Source | None = None) -> Many[M]:
    """Declares all documents whose relation refers to a document of the Store: `referrers(Ticket.meeting)`."""
    found = _relation(relation)
    return Referrers(relation.owner, found, via=via)


def children(model: type[M], *, via: Source | None = None) -> Many[M]:
    """Declares all documents of a sub-collection below a document of the Store.

        ticket = reference(Ticket)
        comments = children(Comment)    # tickets/{ticket_id}/comments of this ticket

    `via` chooses the reference whose documents they lie below if several fit.
    """
    _check_model(model)
    if len(model.pattern().segments) < 4:
        raise InvalidReference(
            f"children({model.__name__}): {model.pattern().text} is no sub-collection, so its documents lie below "
            f"nothing; use `matching(…)`, or `referrers(…)` of a relation."
        )
    return Children(model, via=via)


def matching(condition: Condition[M] | Selection[M], *more: Condition[Any]) -> Many[M]:
    """Declares all documents that meet the conditions, or that a selection finds: `matching(City.all().limit(10))`."""
    if isinstance(condition, Selection):
        selection = condition
    elif isinstance(condition, Condition):
        selection = select(condition.owner, (condition, *more), {})
    else:
        raise InvalidCondition(f"matching({condition!r}): give conditions, as `City.capital == True`, or a selection.")
    _check_no_placeholder(selection)
    return Matching(selection)


def _check_no_placeholder(selection: Selection[Any]) -> None:
    """Raises InvalidCondition for text like "{ticket_id}", which would be compared as it is and find nothing."""
    values = [*selection.query.collection.split("/"), *(each.value for each in selection.query.filters)]
    if found := next((each for each in values if isinstance(each, str) and _PLACEHOLDER.fullmatch(each)), None):
        raise InvalidCondition(
            f"matching({selection.model.__name__}.where(…)) has the value {found!r}, and a selection is the same for "
            f"every view, so it has no placeholders. Use `children({selection.model.__name__})` for the documents "
            f"below one of the Store, or `referrers(…)` for those that refer to it."
        )


def _check_model(model: Any) -> None:
    if not (isinstance(model, type) and issubclass(model, DomainModel)):
        raise InvalidReference(f"reference({model!r}): give a DomainModel, or a relation as `Ticket.user`.")


def _relation(bound: Any) -> Relation[Any]:
    attribute = bound.attribute if isinstance(bound, Bound) else bound
    if not isinstance(attribute, Relation):
        raise InvalidReference(f"{bound!r} is not a relation; give an attribute declared with `attrs.relation(…)`.")
    return attribute
