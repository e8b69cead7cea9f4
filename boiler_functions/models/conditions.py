"""Conditions from attributes: `City.population < 1000` is a Condition, which a query can carry."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from boiler_functions.database import Filter, Operator, Order
from boiler_functions.exceptions import InvalidCondition

Own = TypeVar("Own", covariant=True)
T = TypeVar("T", covariant=True)

# https://firebase.google.com/docs/firestore/query-data/queries#in_and_array-contains-any
MAX_ALTERNATIVES = 30
MAX_EXCLUSIONS = 10


class Condition(NamedTuple, Generic[Own]):
    """One condition on an attribute of a model, as `Model.where` and `matching` take it."""

    owner: type[Own]
    filter: Filter


class Compared(Protocol):
    """What a condition needs of an attribute."""

    name: str

    @property
    def field_path(self) -> str:
        """Where documents have it."""

    def stored(self, value: Any) -> Any:
        """The value as documents have it; raises InvalidCondition for one that none has."""

    def stored_item(self, value: Any) -> Any:
        """An item of the list as documents have it."""


class Bound(Generic[Own, T]):
    """An attribute as seen on its class: `City.population`; compared, it gives a Condition."""

    def __init__(self, owner: type[Own], attribute: Compared) -> None:
        self.owner = owner
        self.attribute = attribute

    def __repr__(self) -> str:
        return f"{self.owner.__name__}.{self.attribute.name}"

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> Condition[Own]:  # type: ignore[override]
        return self._condition("==", self.attribute.stored(other))

    def __ne__(self, other: object) -> Condition[Own]:  # type: ignore[override]
        return self._condition("!=", self.attribute.stored(other))

    def __lt__(self, other: object) -> Condition[Own]:
        return self._condition("<", self.attribute.stored(other))

    def __le__(self, other: object) -> Condition[Own]:
        return self._condition("<=", self.attribute.stored(other))

    def __gt__(self, other: object) -> Condition[Own]:
        return self._condition(">", self.attribute.stored(other))

    def __ge__(self, other: object) -> Condition[Own]:
        return self._condition(">=", self.attribute.stored(other))

    def in_(self, values: Iterable[object]) -> Condition[Own]:
        """The attribute equals one of at most 30 values."""
        return self._condition("in", self._alternatives(map(self.attribute.stored, values)))

    def not_in(self, values: Iterable[object]) -> Condition[Own]:
        """The attribute is there and equals none of at most 10 values."""
        return self._condition("not-in", self._alternatives(map(self.attribute.stored, values), MAX_EXCLUSIONS))

    def contains(self, value: object) -> Condition[Own]:
        """The list holds the value."""
        return self._condition("array-contains", self.attribute.stored_item(value))

    def contains_any(self, values: Iterable[object]) -> Condition[Own]:
        """The list holds one of at most 30 values."""
        return self._condition("array-contains-any", self._alternatives(map(self.attribute.stored_item, values)))

    def asc(self) -> Order:
        return Order(self.attribute.field_path)

    def desc(self) -> Order:
        """The order from high to low: `City.all().order_by(City.population.desc())`."""
        return Order(self.attribute.field_path, descending=True)

    def _alternatives(self, values: Iterable[object], most: int = MAX_ALTERNATIVES) -> tuple[object, ...]:
        found = tuple(values)
        if not 0 < len(found) <= most:
            raise InvalidCondition(f"{self!r} is compared with {len(found)} values; Firestore takes 1 to {most}.")
        return found

    def _condition(self, op: Operator, value: object) -> Condition[Own]:
        return Condition(self.owner, Filter(self.attribute.field_path, op, value))
