"""Documents that a query finds: those that refer to a document, those below one, and those of a selection."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Self, TypeVar, overload

from boiler_functions.database import Document, Filter, Query
from boiler_functions.exceptions import InvalidReference
from boiler_functions.models.attributes import Attribute
from boiler_functions.models.conditions import Bound
from boiler_functions.models.domain_model import DomainModel
from boiler_functions.models.model import Model
from boiler_functions.models.relation import Relation, ValueRelation
from boiler_functions.models.selection import Selection, collection_query
from boiler_functions.paths import collection_of
from boiler_functions.views.choice import ALL, Choosing
from boiler_functions.views.followed import (
    Many,
    Single,
    Targets,
    check_followed,
    leads_on,
    led_by,
    lies_below,
    place_of,
    start_of_one,
    starting_point,
    starts_of,
)
from boiler_functions.views.keeping import DEFAULT_SHARDS
from boiler_functions.views.queries import Queried
from boiler_functions.views.store import Documents, Resolution, Results, Source, Store
from boiler_functions.views.totals import Total, number_of, shards_of

M = TypeVar("M", bound=Model)
K = TypeVar("K")
Q = TypeVar("Q", int, float)

_EQUALITIES = ("==", "in", "array-contains", "array-contains-any")


class Found(Queried, Many[M]):
    """Documents that a query finds."""

    @overload
    def count(self, *, kept: bool = ..., shards: int = ...) -> Total[int]: ...
    @overload
    def count(
        self, *, by: Bound[M, DomainModel | None], kept: bool = ..., shards: int = ...
    ) -> Total[dict[str, int]]: ...
    @overload
    def count(self, *, by: Bound[M, K | None], kept: bool = ..., shards: int = ...) -> Total[dict[K, int]]: ...
    def count(self, *, by: Any = None, kept: bool = False, shards: int = DEFAULT_SHARDS) -> Total[Any]:
        """Declares how many documents there are, which Firestore counts: `referrers(Like.post).count()`.

        With `by`, declares how many there are of each value: `children(Vote).count(by=Vote.answer)`. A relation's
        values are the paths of the documents that it leads to. With `kept`, the number is kept in as many documents as
        `shards` says, rather than asked for: for many documents, or many changes at once.
        """
        return Total(self, "count", None, 0, by, shards_of("count", kept, shards))

    @overload
    def sum(self, attribute: Bound[M, int | None], *, kept: bool = ..., shards: int = ...) -> Total[int]: ...  # type: ignore[overload-overlap]
    @overload
    def sum(self, attribute: Bound[M, float | None]) -> Total[float]: ...
    @overload
    def sum(
        self, attribute: Bound[M, Q], *, by: Bound[M, DomainModel | None], kept: bool = ..., shards: int = ...
    ) -> Total[dict[str, Q]]: ...
    @overload
    def sum(
        self, attribute: Bound[M, Q | None], *, by: Bound[M, K | None], kept: bool = ..., shards: int = ...
    ) -> Total[dict[K, Q]]: ...
    def sum(
        self, attribute: Bound[M, Any], *, by: Any = None, kept: bool = False, shards: int = DEFAULT_SHARDS
    ) -> Total[Any]:
        """Declares the sum of an attribute, which Firestore adds up; 0 without documents. With `by`, of each value."""
        return Total(self, "sum", number_of(self, attribute, kept=kept), 0, by, shards_of("sum", kept, shards))

    @overload
    def average(self, attribute: Bound[M, Any], *, kept: bool = ..., shards: int = ...) -> Total[float | None]: ...
    @overload
    def average(
        self, attribute: Bound[M, Any], *, by: Bound[M, DomainModel | None], kept: bool = ..., shards: int = ...
    ) -> Total[dict[str, float | None]]: ...
    @overload
    def average(
        self, attribute: Bound[M, Any], *, by: Bound[M, K | None], kept: bool = ..., shards: int = ...
    ) -> Total[dict[K, float | None]]: ...
    def average(
        self, attribute: Bound[M, Any], *, by: Any = None, kept: bool = False, shards: int = DEFAULT_SHARDS
    ) -> Total[Any]:
        """Declares the average of an attribute; None if no document has a number there. With `by`, of each value."""
        added = number_of(self, attribute, kept=kept)
        return Total(self, "average", added, None, by, shards_of("average", kept, shards))

    def resolve(self, key: Mapping[str, str], resolution: Resolution, documents: Documents, results: Results) -> None:
        queries = self.queries(resolution, documents)
        if queries is None:
            return
        found: dict[str, Document] = {}
        for query in queries:
            resolution.queries[query.key] = (self, query)
            if query.key in results:
                found.update((document.path, document) for document in results[query.key])
            else:
                resolution.missing_queries[query.key] = query
        resolution.paths[self.name] = tuple(self._in_order(found))

    def _in_order(self, found: Mapping[str, Document]) -> Iterable[str]:
        """Returns the paths of what all queries found, in the order that the Store gives them."""
        return found


class Chosen(Choosing[M], Found[M]):
    """Documents found from those of another reference, among which conditions, an order and a limit choose."""

    def __init__(self, model: type[DomainModel], *, via: Source | None) -> None:
        self._model = model
        self.via = via

    @property
    def model(self) -> type[DomainModel]:
        return self._model

    def limit(self, count: int) -> Self:
        """Keeps at most this many documents for each document that they are found from."""
        return self._choosing(Selection(self.model, self.choice).limit(count).query)

    def queries(self, resolution: Resolution, documents: Documents) -> list[Query] | None:
        assert self.via is not None
        starts = resolution.paths.get(self.via.name)
        if starts is None or (self.reads_start and any(each not in documents for each in starts)):
            return None
        leading = (each for each in starts if self._leads(self.via, each, documents))
        queries = (self.query(documents.get(each) or Document(each)) for each in leading)
        return [each for each in queries if each is not None]

    @abstractmethod
    def _leads(self, via: Source, start: str, documents: Documents) -> bool:
        """Returns whether documents are found from this one; so it is while the document itself is not read.

        Queries run in the same level as their start is read, as it almost always exists and has the right class.
        """

    @abstractmethod
    def query(self, start: Document) -> Query | None:
        """Returns the query for the documents that are found from this one, which may not be read yet."""

    def _leads_by(self) -> Iterable[Any]:
        return self._chosen_by()


class Referrers(Chosen[M]):
    """All documents of a model whose relation refers to a document of another reference."""

    def __init__(self, owner: type[DomainModel], relation: Relation[Any], *, via: Source | None) -> None:
        super().__init__(owner, via=via)
        self.relation = relation
        self.is_alone = relation.is_keyed
        self.reads_start = relation.reads_target

    def bind(self, earlier: Sequence[Source], store: str) -> None:
        self.via = starting_point(self, self.relation.target, self.via, earlier, store)
        if self.is_alone and (self.choice != ALL or self.model.discriminator()):
            raise InvalidReference(
                f"{store}.{self.name}: {self.relation!r} holds documents by the keys of a map, and Firestore would "
                f"need an index for each key to choose among those that have it. Leave out `where`, `order_by` and "
                f"`limit`, and subclasses of a collection; or keep the ids in a list as well."
            )
        self._check_query(store)

    def _leads_by(self) -> Iterable[Any]:
        return (*led_by(self.relation), *super()._leads_by())

    def _leads(self, via: Source, start: str, documents: Documents) -> bool:
        return start not in documents or leads_on(via, self.relation.target, documents[start])

    def query(self, start: Document) -> Query | None:
        refers = self.relation.filter_to(start)
        return None if refers is None else self._query(refers)

    def example(self) -> Query:
        return self._query(self.relation.example_filter())

    def _query(self, refers: Filter) -> Query:
        where = collection_query(self.model, {})
        # The relation comes last, so that queries which differ in it alone run as one.
        filters = (*self.model.discriminator(), *self.choice.filters, refers)
        return self.choice._replace(
            collection=where.collection, group=where.group, pattern=where.pattern, filters=filters
        )

    def starts_by(self) -> Iterator[Attribute[Any]]:
        if isinstance(self.relation, ValueRelation):
            yield self.relation.by

    def queries_of(self, image: Document) -> list[Query]:
        return [self._query(each) for each in self.relation.filters_in(image.fields or {})]


class Children(Chosen[M]):
    """All documents of a sub-collection below the documents of another reference."""

    def bind(self, earlier: Sequence[Source], store: str) -> None:
        found = [each for each in earlier if lies_below(self.model, each.model)]
        above = collection_of(collection_of(self.model.pattern().text))
        missing = f"a {self.model.__name__} lies below {above}; declare a reference to that"
        self.via = place_of(self, found, missing, store)
        self._check_query(store)

    def _leads(self, via: Source, start: str, documents: Documents) -> bool:
        # Below a missing document, too, as Firestore keeps those.
        return start not in documents or leads_on(via, via.model, documents[start])

    def query(self, start: Document) -> Query:
        name = self.model.pattern().segments[-2]
        filters = (*self.model.discriminator(), *self.choice.filters)
        return self.choice._replace(collection=f"{start.path}/{name}", filters=filters)

    def example(self) -> Query:
        return self.query(Document("any/document"))

    def queries_of(self, image: Document) -> list[Query]:
        return [self.query(Document(collection_of(image.collection)))]


class Matching(Found[M]):
    """All documents that a selection finds, in its order."""

    def __init__(self, selection: Selection[M]) -> None:
        self.selection = selection

    @property
    def model(self) -> type[DomainModel]:
        return self.selection.model

    def bind(self, earlier: Sequence[Source], store: str) -> None:
        self._check_query(store)

    def queries(self, resolution: Resolution, documents: Documents) -> list[Query]:
        return [self.selection.query]

    def example(self) -> Query:
        return self.selection.query

    def queries_of(self, image: Document) -> list[Query]:
        return [self.selection.query]

    def _leads_by(self) -> Iterable[Any]:
        query = self.selection.query
        # Earlier versions of this package kept no token of a range: another fingerprint has those ledgers built again.
        has_own_token = query.filters and all(each.op in _EQUALITIES for each in query.filters)
        return (query.key,) if has_own_token else (query.key, "token")


class LookedUp(Queried):
    """What a relation finds by a value that only one document has: a query for each value."""

    reads_start = True

    def __init__(self, relation: ValueRelation[Any], *, via: Source | None) -> None:
        self._relation = relation
        self.via = via

    def followed(self) -> ValueRelation[Any]:
        return self._relation

    def queries(self, resolution: Resolution, documents: Documents) -> list[Query] | None:
        starts = starts_of(self._relation, self.via, resolution, documents)
        if starts is None:
            return None
        values = dict.fromkeys(value for each in starts for value in self._relation.values_in(each.fields))
        return [self._relation.look_up(each) for each in values]

    def queries_of(self, image: Document) -> list[Query]:
        return self._relation.look_ups_of(image)

    def example(self) -> Query:
        return self._relation.example_look_up()

    def _look_up(self, resolution: Resolution, documents: Documents, results: Results) -> list[str] | None:
        """Adds the queries to the resolution; returns the paths that they found, None before all are known.

        A value of two documents leads to neither, and the relation raises as it is followed.
        """
        queries = self.queries(resolution, documents)
        if queries is None:
            return None
        for query in queries:
            resolution.queries[query.key] = (self, query)
            if query.key in results:
                resolution.looked_up[query.key] = tuple(document.path for document in results[query.key])
            else:
                resolution.missing_look_ups[query.key] = query
        if any(query.key not in results for query in queries):
            return None
        found = (resolution.looked_up[query.key] for query in queries)
        return sorted({paths[0] for paths in found if len(paths) == 1})


class LookedUpOne(LookedUp, Single[M]):
    """The document that has the value; a view whose value two documents have fails with a letter that names both."""

    @property
    def model(self) -> type[DomainModel]:
        found: type[DomainModel] = self._relation.target
        return found

    def bind(self, earlier: Sequence[Source], store: str) -> None:
        self.via = start_of_one(self, self._relation, self.via, earlier, store)
        self._check_query(store)

    def resolve(self, key: Mapping[str, str], resolution: Resolution, documents: Documents, results: Results) -> None:
        found = self._look_up(resolution, documents, results)
        if found is not None:
            resolution.paths[self.name] = tuple(found)

    def _leads_by(self) -> Iterable[Any]:
        return led_by(self._relation)

    def _models(self, store: Store) -> list[Any]:
        check_followed(self._relation, self.via, store)
        return super()._models(store)


class LookedUpMany(LookedUp, Targets[M]):
    """The documents that have the values; all are read, and then the conditions and the order choose."""

    def decided_by(self) -> Iterable[Query]:
        return (self.example(), self.choice)

    def bind(self, earlier: Sequence[Source], store: str) -> None:
        super().bind(earlier, store)
        self._check_query(store)

    def resolve(self, key: Mapping[str, str], resolution: Resolution, documents: Documents, results: Results) -> None:
        found = self._look_up(resolution, documents, results)
        if found is not None:
            resolution.paths[self.name] = self._chosen_of(found, documents)
