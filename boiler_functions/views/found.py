"""Documents that a query finds: those that refer to a document, those below one, and those of a selection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar, overload

from boiler_functions.database import Document, Filter, Query
from boiler_functions.exceptions import InvalidReference
from boiler_functions.models.attributes import Relation
from boiler_functions.models.conditions import Bound
from boiler_functions.models.domain_model import DomainModel
from boiler_functions.models.selection import Selection, collection_query
from boiler_functions.paths import Pattern, collection_of
from boiler_functions.views.followed import Many, leads_on, led_by, starting_point
from boiler_functions.views.queries import Queried
from boiler_functions.views.store import Documents, Resolution, Results, Source
from boiler_functions.views.totals import Total, number_of

M = TypeVar("M", bound=DomainModel)
K = TypeVar("K")
Q = TypeVar("Q", int, float)


class Found(Queried, Many[M]):
    """Documents that a query finds."""

    @overload
    def count(self) -> Total[int]: ...
    @overload
    def count(self, *, by: Bound[M, DomainModel | None]) -> Total[dict[str, int]]: ...
    @overload
    def count(self, *, by: Bound[M, K | None]) -> Total[dict[K, int]]: ...
    def count(self, *, by: Any = None) -> Total[Any]:
        """Declares how many documents there are, which Firestore counts: `referrers(Like.post).count()`.

        With `by`, declares how many there are of each value: `children(Vote).count(by=Vote.answer)`. A relation's
        values are the paths of the documents that it leads to.
        """
        return Total(self, "count", None, 0, by)

    @overload
    def sum(self, attribute: Bound[M, int | None]) -> Total[int]: ...  # type: ignore[overload-overlap]
    @overload
    def sum(self, attribute: Bound[M, float | None]) -> Total[float]: ...
    @overload
    def sum(self, attribute: Bound[M, Q], *, by: Bound[M, DomainModel | None]) -> Total[dict[str, Q]]: ...
    @overload
    def sum(self, attribute: Bound[M, Q | None], *, by: Bound[M, K | None]) -> Total[dict[K, Q]]: ...
    def sum(self, attribute: Bound[M, Any], *, by: Any = None) -> Total[Any]:
        """Declares the sum of an attribute, which Firestore adds up; 0 without documents. With `by`, of each value."""
        return Total(self, "sum", number_of(self, attribute), 0, by)

    @overload
    def average(self, attribute: Bound[M, Any]) -> Total[float | None]: ...
    @overload
    def average(
        self, attribute: Bound[M, Any], *, by: Bound[M, DomainModel | None]
    ) -> Total[dict[str, float | None]]: ...
    @overload
    def average(self, attribute: Bound[M, Any], *, by: Bound[M, K | None]) -> Total[dict[K, float | None]]: ...
    def average(self, attribute: Bound[M, Any], *, by: Any = None) -> Total[Any]:
        """Declares the average of an attribute; None if no document has a number there. With `by`, of each value."""
        return Total(self, "average", number_of(self, attribute), None, by)

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
        return led_by(self.relation)

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
