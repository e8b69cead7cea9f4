"""Selections of stored models, which `Model.where` returns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Final, Generic, Protocol, Self, TypeVar

from boiler_functions.database import Cursor, Document, Filter, Order, Query
from boiler_functions.database.matching import ABSENT, field_of, orders_of
from boiler_functions.exceptions import InvalidCondition, InvalidValue
from boiler_functions.models import session
from boiler_functions.models.attributes import Attribute
from boiler_functions.models.conditions import Bound, Condition
from boiler_functions.paths import Pattern, collection_of
from boiler_functions.types import subclasses


class Selectable(Protocol):
    """What a selection needs of the model that it selects."""

    attributes: ClassVar[Mapping[str, Attribute[Any]]]

    @classmethod
    def pattern(cls) -> Pattern: ...

    @classmethod
    def discriminator(cls) -> tuple[Filter, ...]: ...

    @classmethod
    def model_of(cls, document: Document) -> Self | None: ...


M = TypeVar("M")
"""What iterating gives: models, or the copies of a view."""

PAGE = 500


class Selection(Generic[M]):
    """Stored models that meet conditions, read page by page when iterated.

    for city in City.where(City.population > 1_000_000).order_by(City.population.desc()).limit(10):
        print(city.city_name)
    """

    def __init__(self, model: type[Selectable], query: Query) -> None:
        self.model: Final[type[Any]] = model
        self.query: Final = query

    def order_by(self, *orders: Order | Bound[Any, Any]) -> Selection[M]:
        """Orders by these attributes, and models with equal ones by path."""
        if self.query.start or self.query.end:
            raise InvalidCondition(
                f"{self.model.__name__}: order_by is called after a cursor; call it before start_at, start_after, "
                f"end_at and end_before."
            )
        chosen = tuple(self._order(each) for each in orders)
        return Selection(self.model, self.query._replace(orders=self.query.orders + chosen))

    def limit(self, count: int) -> Selection[M]:
        """Returns at most this many models."""
        if type(count) is not int or count < 1:
            raise InvalidValue(self.model.__name__, {"limit": [f"takes a whole number from 1; found {count!r}"]})
        return Selection(self.model, self.query._replace(limit=count))

    def start_at(self, *values: Any) -> Selection[M]:
        """Starts at these values of the orders, or at a model: `start_at(model)`."""
        return Selection(self.model, self.query._replace(start=Cursor(self._position(values), before=True)))

    def start_after(self, *values: Any) -> Selection[M]:
        """Starts after these values of the orders, or after a model: `start_after(model)`."""
        return Selection(self.model, self.query._replace(start=Cursor(self._position(values), before=False)))

    def end_at(self, *values: Any) -> Selection[M]:
        """Ends at these values of the orders, or at a model, which are included."""
        return Selection(self.model, self.query._replace(end=Cursor(self._position(values), before=False)))

    def end_before(self, *values: Any) -> Selection[M]:
        """Ends before these values of the orders, or before a model, which are excluded."""
        return Selection(self.model, self.query._replace(end=Cursor(self._position(values), before=True)))

    def first(self) -> M | None:
        """Returns the first model, or None if the selection is empty."""
        return next(iter(self.limit(1)), None)

    def __iter__(self) -> Iterator[M]:
        for page in self.pages():
            for document in page:
                if model := self.model.model_of(document):
                    yield model

    def pages(self, size: int = PAGE) -> Iterator[list[Document]]:
        """Yields the documents in lists, one for each query of at most `size` documents."""
        query, left = _ordered(self.query), self.query.limit
        while True:
            wanted = size if left is None else min(size, left)
            documents = session.current().query(query._replace(limit=wanted))
            yield list(documents)
            left = None if left is None else left - len(documents)
            if len(documents) < wanted or left == 0:
                return
            query = query._replace(start=Cursor(_values(query, documents[-1]), before=False))

    def _order(self, order: Order | Bound[Any, Any]) -> Order:
        if isinstance(order, Order):
            return order
        if not isinstance(order, Bound):
            raise InvalidCondition(
                f"{self.model.__name__}: order_by takes attributes, as `City.population` or "
                f"`City.population.desc()`; found {order!r}."
            )
        _check_owner(self.model, order.owner, "order_by takes attributes of the model itself, not of")
        return order.asc()

    def _position(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        if len(values) == 1 and hasattr(values[0], "path") and hasattr(values[0], "stored_fields"):
            place = _values(_ordered(self.query), Document(values[0].path, values[0].stored_fields()))
            if ABSENT in place:
                raise InvalidValue(self.model.__name__, {"cursor": [f"{values[0]!r} has no value for an order."]})
            return place
        if not 0 < len(values) <= len(self.query.orders):
            raise InvalidValue(
                self.model.__name__,
                {"cursor": [f"takes 1 to {len(self.query.orders)} values, one per order; found {len(values)}"]},
            )
        return tuple(self._stored(order, value) for order, value in zip(self.query.orders, values, strict=False))

    def _stored(self, order: Order, value: Any) -> Any:
        for model in (self.model, *subclasses(self.model)):
            for attribute in model.attributes.values():
                if attribute.field_path == order.field:
                    return attribute.stored(value)
        return value


def select(model: type[Selectable], conditions: Iterable[Condition[Any]], equal: Mapping[str, Any]) -> Selection[Any]:
    """Returns the selection of the models that meet the conditions.

    `equal` holds values of attributes, and of the collection's placeholders, which choose one sub-collection.
    """
    pattern = model.pattern()
    parents = {name: value for name, value in equal.items() if name in pattern.names and name != "doc_id"}
    filters = filters_of(model, conditions, {name: equal[name] for name in equal if name not in parents})
    return Selection(model, collection_query(model, parents)._replace(filters=(*model.discriminator(), *filters)))


def filters_of(
    model: type[Selectable], conditions: Iterable[Condition[Any]], equal: Mapping[str, Any]
) -> tuple[Filter, ...]:
    """Returns the filters of conditions on a model, and on the equality of its attributes."""
    conditions = [*conditions, *(_equals(model, name, value) for name, value in equal.items())]
    for condition in conditions:
        if not isinstance(condition, Condition):
            raise InvalidCondition(
                f"{model.__name__}: where takes conditions, as `City.capital == True`; found {condition!r}."
            )
        _check_owner(model, condition.owner, "where takes conditions on the model itself, not on")
    return tuple(condition.filter for condition in conditions)


def collection_query(model: type[Selectable], parents: Mapping[str, Any]) -> Query:
    """Returns the query for all documents of a model, in one collection or, without parents, in all of that name."""
    pattern = model.pattern()
    if parents.keys() >= set(pattern.names) - {"doc_id"}:
        return Query(collection_of(pattern.fill({**parents, "doc_id": "x"})))
    if parents:
        missing = ", ".join(sorted(set(pattern.names) - {"doc_id"} - parents.keys()))
        raise InvalidValue(model.__name__, {missing: [f"needed to find {pattern.text}; give all placeholders or none"]})
    return Query(pattern.segments[-2], group=True, pattern=pattern)


def _check_owner(model: type[Any], owner: type[Any], what: str) -> None:
    if not (issubclass(model, owner) or issubclass(owner, model)):
        raise InvalidCondition(f"{model.__name__}.{what} {owner.__name__}.")


def _equals(model: type[Selectable], name: str, value: Any) -> Condition[Any]:
    attribute = model.attributes.get(name)
    if attribute is None:
        owner = next((each for each in subclasses(model) if name in each.attributes), None)
        if owner is None:
            if name == "doc_id":
                raise InvalidCondition(
                    f"{model.__name__}.where(doc_id=…): an id is not an attribute; read that document by "
                    f"`{model.__name__}.get(…)`, or in a Store by `reference({model.__name__}, doc_id=…)`."
                )
            declared = ", ".join(model.attributes)
            raise InvalidValue(model.__name__, {name: [f"Undeclared; the declared attributes are {declared}."]})
        attribute = owner.attributes[name]
    return Condition(model, Filter(attribute.queried_path, "==", attribute.stored(value)))


def _ordered(query: Query) -> Query:
    """Returns the query with its implied orders written out, so that a cursor names exactly one place."""
    return query._replace(orders=orders_of(query))


def _values(query: Query, document: Document) -> tuple[Any, ...]:
    return tuple(field_of(document, order.field) for order in query.orders)
