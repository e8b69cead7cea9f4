"""References: how a Store names and finds its documents, besides the root: by an id, by a relation, or by a query."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar, cast, overload

from boiler_functions.database import Aggregation, Document, Filter, Function, Number, Query
from boiler_functions.exceptions import InvalidCondition, InvalidReference
from boiler_functions.models import fields
from boiler_functions.models.attributes import Attribute, Relation
from boiler_functions.models.conditions import Bound, Condition
from boiler_functions.models.domain_model import DomainModel
from boiler_functions.models.selection import Selection, collection_query, select
from boiler_functions.paths import Pattern, collection_of
from boiler_functions.views.store import Documents, Resolution, Results, Root, Source, Store

M = TypeVar("M", bound=DomainModel)
N = TypeVar("N", int, float, float | None)

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


class Queried(Source):
    """What a query finds: its documents, or a number over them."""

    @abstractmethod
    def queries_of(self, image: Document) -> list[Query]:
        """Returns the queries that any root's view may run for this reference and that may find this image."""

    def is_exact(self, query: Query) -> bool:
        """Returns whether an image says which of the queries find it, so that a change wakes their views alone."""
        return bool(query.filters) and all(each.op in _EXACT for each in query.filters)

    @abstractmethod
    def example(self) -> Query:
        """Returns its query for some document, which needs the same index as for any other."""


class Found(Queried, Many[M]):
    """Documents that a query finds."""

    @abstractmethod
    def queries(self, resolution: Resolution, documents: Documents) -> list[Query] | None:
        """Returns the queries for the documents that the fetch plan led to; None if it has not come that far."""

    def count(self) -> Total[int]:
        """Declares how many documents there are, which Firestore counts: `referrers(Like.post).count()`."""
        return Total(self, "count", None, 0)

    @overload
    def sum(self, attribute: Bound[M, int | None]) -> Total[int]: ...  # type: ignore[overload-overlap]
    @overload
    def sum(self, attribute: Bound[M, float | None]) -> Total[float]: ...
    def sum(self, attribute: Bound[M, Any]) -> Total[Any]:
        """Declares the sum of an attribute, which Firestore adds up; 0 without documents."""
        return Total(self, "sum", _number(self, attribute), 0)

    def average(self, attribute: Bound[M, Any]) -> Total[float | None]:
        """Declares the average of an attribute; None if no document has a number there."""
        return Total(self, "average", _number(self, attribute), None)

    def resolve(self, key: Mapping[str, str], resolution: Resolution, documents: Documents, results: Results) -> None:
        queries = self.queries(resolution, documents)
        for query in queries or ():
            self._add_query(resolution, query, results)
        if queries is not None:
            self._settle(resolution)

    def _settle(self, resolution: Resolution) -> None:
        """Puts the paths into their order."""

    def _add_query(self, resolution: Resolution, query: Query, results: Results) -> None:
        key = query.key
        resolution.queries[key] = (self, query)
        if key not in results:
            resolution.missing_queries[key] = query
            return
        found = (document.path for document in results[key])
        resolution.paths[self.name] = (*resolution.paths.get(self.name, ()), *found)


class Total(Queried, Generic[N]):
    """A number over the documents of a reference; on an instance of the Store, the number.

    It is asked for at the build's read time, costs a read for each 1,000 documents, and reads none of them.
    """

    leads = False

    def __init__(self, of: Found[Any], function: Function, attribute: Attribute[Any] | None, empty: N) -> None:
        self.of = of
        self.function: Function = function
        self.attribute = attribute
        self.empty: Number = empty

    def __set_name__(self, owner: type[Store], name: str) -> None:
        super().__set_name__(owner, name)
        self.of.__set_name__(owner, name)

    @property
    def model(self) -> type[DomainModel]:
        return self.of.model

    @property
    def field(self) -> str | None:
        return self.attribute.field_path if self.attribute else None

    def bind(self, earlier: Sequence[Source], store: str) -> None:
        self.of.bind(earlier, store)
        self.via = self.of.via
        if any(each.many for each in _ways(self.via)):
            raise InvalidReference(
                f"{store}.{self.name} is a {self.function} over the documents of many {self.via!r}; a total starts "
                f"from one document. Keep it in a view of each, or declare the documents themselves."
            )
        if self.of.example().pattern is not None:
            raise InvalidReference(
                f"{store}.{self.name} is a {self.function} over {self.model.pattern().text}, and Firestore would also "
                f"count documents of other collections named {self.of.example().collection!r}. Keep "
                f"{self.model.__name__} in a collection at the top, or declare the documents themselves."
            )

    def resolve(self, key: Mapping[str, str], resolution: Resolution, documents: Documents, results: Results) -> None:
        for query in self.of.queries(resolution, documents) or ():
            resolution.totals[self.name] = (self, Aggregation(query, self.function, self.field))

    def queries_of(self, image: Document) -> list[Query]:
        return self.of.queries_of(image)

    def is_exact(self, query: Query) -> bool:
        return self.of.is_exact(query)

    def example(self) -> Query:
        return Aggregation(self.of.example(), self.function, self.field).asked

    def _leads_by(self) -> Iterable[Any]:
        return (self.function, self.field, *self.of.described())

    @overload
    def __get__(self, instance: None, owner: type[Store]) -> Total[N]: ...
    @overload
    def __get__(self, instance: Store, owner: type[Store]) -> N: ...
    def __get__(self, instance: Store | None, owner: type[Store]) -> Any:
        return self if instance is None else instance.totals.get(self.name, self.empty)


class Referrers(Found[M]):
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

    def queries(self, resolution: Resolution, documents: Documents) -> list[Query] | None:
        assert self.via is not None
        starts = resolution.paths.get(self.via.name)
        if starts is None:
            return None
        return [self.query(each) for each in starts if self._has_referrers(self.via, each, documents)]

    def _has_referrers(self, via: Source, start: str, documents: Documents) -> bool:
        # Queries before the start is read, in the same level: it almost always exists and has the right class.
        return start not in documents or leads_on(via, self.relation.target, documents[start])

    def _settle(self, resolution: Resolution) -> None:
        resolution.paths[self.name] = tuple(sorted(set(resolution.paths.get(self.name, ()))))

    def example(self) -> Query:
        return self.query("any/document")

    def query(self, path: str) -> Query:
        """Returns the query for the documents that refer to the path."""
        op = "array-contains" if self.relation.many else "=="
        refers = Filter(self.relation.field_path, op, self.relation.stored_path(path))  # type: ignore[arg-type]
        return collection_query(self.model, {})._replace(filters=(*self.model.discriminator(), refers))

    def queries_of(self, image: Document) -> list[Query]:
        return [self.query(path) for path in self.relation.paths(image.fields)]


class Children(Found[M]):
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

    def queries(self, resolution: Resolution, documents: Documents) -> list[Query] | None:
        assert self.via is not None
        starts = resolution.paths.get(self.via.name)
        return (
            None if starts is None else [self.query(each) for each in starts if self._leads(self.via, each, documents)]
        )

    def _leads(self, via: Source, start: str, documents: Documents) -> bool:
        # In the same level as the start itself, and below a missing document, too, as Firestore keeps those.
        return start not in documents or leads_on(via, via.model, documents[start])

    def _settle(self, resolution: Resolution) -> None:
        resolution.paths[self.name] = tuple(sorted(set(resolution.paths.get(self.name, ()))))

    def example(self) -> Query:
        return self.query("any/document")

    def query(self, path: str) -> Query:
        """Returns the query for the documents below the path."""
        name = self.model.pattern().segments[-2]
        return Query(f"{path}/{name}", filters=self.model.discriminator())

    def queries_of(self, image: Document) -> list[Query]:
        return [self.query(collection_of(image.collection))]

    def is_exact(self, query: Query) -> bool:
        return True  # The image's own path says below which document it lies, whatever its fields.


class Matching(Found[M]):
    """All documents that a selection finds, in its order."""

    def __init__(self, selection: Selection[M]) -> None:
        self.selection = selection

    @property
    def model(self) -> type[M]:
        return self.selection.model

    def queries(self, resolution: Resolution, documents: Documents) -> list[Query]:
        return [self.selection.query]

    def example(self) -> Query:
        return self.selection.query

    def queries_of(self, image: Document) -> list[Query]:
        return [self.selection.query]

    def _leads_by(self) -> Iterable[Any]:
        return (self.selection.query.key,)


def _ways(via: Source | None) -> Iterator[Source]:
    """Yields the reference, and those that lead to it."""
    while via is not None:
        yield via
        via = via.via


def _number(of: Found[Any], bound: Any) -> Attribute[Any]:
    """Returns the attribute that is added up; raises InvalidReference unless it is a number of the model."""
    attribute = bound.attribute if isinstance(bound, Bound) else bound
    if not isinstance(attribute, Attribute) or not isinstance(attribute.field(), fields.Integer | fields.Float):
        raise InvalidReference(
            f"{bound!r} is not a number; a sum or an average takes an attribute declared with `attrs.integer()` or "
            f"`attrs.float()`, as `Review.stars`."
        )
    if not (issubclass(of.model, bound.owner) or issubclass(bound.owner, of.model)):
        raise InvalidReference(f"{bound!r} is not an attribute of {of.model.__name__}, whose documents are added up.")
    return attribute


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


def referrers(relation: Bound[M, Any], *, via: Source | None = None) -> Found[M]:
    """Declares all documents whose relation refers to a document of the Store: `referrers(Ticket.meeting)`."""
    found = _relation(relation)
    return Referrers(relation.owner, found, via=via)


def children(model: type[M], *, via: Source | None = None) -> Found[M]:
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


def matching(condition: Condition[M] | Selection[M], *more: Condition[Any]) -> Found[M]:
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
