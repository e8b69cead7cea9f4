"""Totals: numbers over the documents that a query finds, which Firestore works out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Generic, TypeVar, overload

from marshmallow import ValidationError

from boiler_functions.database import AggregateFunction, Aggregation, Document, Groups, Number, Query
from boiler_functions.exceptions import InvalidReference
from boiler_functions.models import fields
from boiler_functions.models.attributes import Attribute
from boiler_functions.models.conditions import Bound
from boiler_functions.models.domain_model import DomainModel
from boiler_functions.types import Reference
from boiler_functions.views.queries import Queried
from boiler_functions.views.store import Documents, Resolution, Results, Source, Store

N = TypeVar("N")

_KEYS = (fields.String, fields.Integer, fields.Boolean, fields.Member, fields.Related)


class Total(Queried, Generic[N]):
    """A number over the documents of a reference; on an instance of the Store, the number.

    It is asked for at the build's read time, costs a read for each 1,000 documents, and reads none of them. With `by`,
    it is a dict of such numbers by the values of an attribute.
    """

    leads = False

    def __init__(
        self, of: Queried, function: AggregateFunction, attribute: Attribute[Any] | None, empty: Number, by: Any = None
    ) -> None:
        if of.on_invalid != "letter":
            raise InvalidReference(
                f"A {function} over {of.model.__name__} with on_invalid={of.on_invalid!r}: a total reads no documents, "
                f"so that none can be left out. Leave `on_invalid` out."
            )
        self.of = of
        self.function: AggregateFunction = function
        self.attribute = attribute
        self.empty = empty
        self.by = None if by is None else _grouping(of, by)

    def __set_name__(self, owner: type[Store], name: str) -> None:
        super().__set_name__(owner, name)
        self.of.__set_name__(owner, name)

    @property
    def model(self) -> type[DomainModel]:
        return self.of.model

    def asked_of(self, query: Query) -> Aggregation:
        """Returns the question for the number, or the numbers by value, of what the query finds."""
        field = self.attribute.queried_path if self.attribute else None
        return Aggregation(query, self.function, field, self.by.queried_path if self.by else None)

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

        example = self.of.example()
        if self.by is not None and (example.orders or example.limit is not None):
            raise InvalidReference(
                f"{store}.{self.name} is a {self.function} by {self.by!r} of a selection in an order, or with a limit, "
                f"and Firestore asks for each value by itself. Leave out `order_by` and `limit`, or `by`."
            )

    def resolve(self, key: Mapping[str, str], resolution: Resolution, documents: Documents, results: Results) -> None:
        for query in self.queries(resolution, documents) or ():
            resolution.totals[self.name] = (self, self.asked_of(query))

    def queries(self, resolution: Resolution, documents: Documents) -> list[Query] | None:
        return self.of.queries(resolution, documents)

    def queries_of(self, image: Document) -> list[Query]:
        return self.of.queries_of(image)

    def example(self) -> Query:
        return self.asked_of(self.of.example()).asked

    def examples(self) -> Iterable[Query]:
        question = self.asked_of(self.of.example())
        return (question.asked,) if self.by is None else (question.first_value, question.of("any").asked)

    def _leads_by(self) -> Iterable[Any]:
        # A total without `by` has none here, so that upgrading this package leaves every fingerprint as it was.
        by = (self.by.queried_path,) if self.by else ()
        field = self.attribute.queried_path if self.attribute else None
        return (self.function, field, *self.of.described(), *by)

    @overload
    def __get__(self, instance: None, owner: type[Store]) -> Total[N]: ...
    @overload
    def __get__(self, instance: Store, owner: type[Store]) -> N: ...
    def __get__(self, instance: Store | None, owner: type[Store]) -> Any:
        if instance is None:
            return self
        found = instance.totals.get(self.name, self.empty if self.by is None else ())
        return dict(self._keyed(found)) if isinstance(found, tuple) else found

    def _keyed(self, groups: Groups) -> Iterator[tuple[Any, Number]]:
        """Yields each number after the value as a model has it; without values that the attribute cannot have."""
        assert self.by is not None
        for value, number in groups:
            with suppress(ValidationError):
                yield _key_of(self.by, value), number


def _ways(via: Source | None) -> Iterator[Source]:
    """Yields the reference, and those that lead to it."""
    while via is not None:
        yield via
        via = via.via


def _grouping(of: Queried, bound: Any) -> Attribute[Any]:
    """Returns the attribute whose values have a number each; raises InvalidReference unless they can be keys."""
    attribute = bound.attribute if isinstance(bound, Bound) else bound
    if not isinstance(attribute, Attribute) or not isinstance(attribute.field(), _KEYS):
        raise InvalidReference(
            f"by={bound!r} has no values that could be the keys of a dict; a total by value takes an attribute "
            f"declared with `attrs.string()`, `integer()`, `boolean()`, `enum(…)`, or a relation to one document."
        )
    if not (issubclass(of.model, bound.owner) or issubclass(bound.owner, of.model)):
        raise InvalidReference(f"by={bound!r} is not an attribute of {of.model.__name__}, whose documents are counted.")
    return attribute


def _key_of(attribute: Attribute[Any], value: Any) -> Any:
    """Returns a stored value as the key of a dict; raises ValidationError if the attribute cannot have it."""
    if value is None:
        raise ValidationError("A missing value cannot be a key.")
    # Firestore holds 2 and 2.0 for equal, and returns one of them for both.
    is_whole = isinstance(value, float) and value.is_integer()
    key = attribute.field().deserialize(int(value) if is_whole else value)
    return key.path if isinstance(key, Reference) else key


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
