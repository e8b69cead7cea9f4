"""Totals: numbers over the documents that a query finds, which Firestore works out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar, overload

from boiler_functions.database import Aggregation, Document, Function, Number, Query
from boiler_functions.exceptions import InvalidReference
from boiler_functions.models import fields
from boiler_functions.models.attributes import Attribute
from boiler_functions.models.conditions import Bound
from boiler_functions.models.domain_model import DomainModel
from boiler_functions.views.queries import Queried
from boiler_functions.views.store import Documents, Resolution, Results, Source, Store

N = TypeVar("N", int, float, float | None)


class Total(Queried, Generic[N]):
    """A number over the documents of a reference; on an instance of the Store, the number.

    It is asked for at the build's read time, costs a read for each 1,000 documents, and reads none of them.
    """

    leads = False

    def __init__(self, of: Queried, function: Function, attribute: Attribute[Any] | None, empty: N) -> None:
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
        for query in self.queries(resolution, documents) or ():
            resolution.totals[self.name] = (self, Aggregation(query, self.function, self.field))

    def queries(self, resolution: Resolution, documents: Documents) -> list[Query] | None:
        return self.of.queries(resolution, documents)

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


def _ways(via: Source | None) -> Iterator[Source]:
    """Yields the reference, and those that lead to it."""
    while via is not None:
        yield via
        via = via.via


def number_of(of: Queried, bound: Any) -> Attribute[Any]:
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
