"""Conditions on attributes: `City.population < 1000` makes a Condition, which becomes a filter of a query."""

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

    def __bool__(self) -> bool:
        # Python would drop one of the two from `a and b`, and from `1 < a < 5`, without a word.
        raise InvalidCondition(
            f"A condition of {self.owner.__name__} is neither true nor false, so `and`, `or`, `not` and `1 < … < 5` "
            f"cannot combine it. Give all that must hold as arguments, as `where(a, b)`; for alternatives of one "
            f"attribute use `.in_([…])`."
        )


class Compared(Protocol):
    """The part of an attribute that a condition uses; a protocol, as attributes.py imports this module."""

    name: str

    @property
    def queried_path(self) -> str:
        """The path of the attribute's field in documents; raises InvalidCondition if a query would miss some."""
        ...

    def stored(self, value: Any) -> Any:
        """Returns the value as documents hold it; raises InvalidCondition for one that no document can hold."""
        ...

    def stored_item(self, value: Any) -> Any:
        """Returns an item of the list as documents hold it; raises InvalidCondition for an attribute of one value."""
        ...


class Bound(Generic[Own, T]):
    """An attribute read on its class, as `City.population`; comparing it makes a Condition."""

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
        return self._condition("<", self._present(other))

    def __le__(self, other: object) -> Condition[Own]:
        return self._condition("<=", self._present(other))

    def __gt__(self, other: object) -> Condition[Own]:
        return self._condition(">", self._present(other))

    def __ge__(self, other: object) -> Condition[Own]:
        return self._condition(">=", self._present(other))

    def is_null(self) -> Condition[Own]:
        """Matches documents whose attribute is null, as `== None` does; a document without the field has none."""
        return self._condition("==", None)

    def is_not_null(self) -> Condition[Own]:
        """Matches documents that have the attribute, with a value that is not null, as `!= None` does."""
        return self._condition("!=", None)

    def in_(self, values: Iterable[object]) -> Condition[Own]:
        """Matches documents whose attribute equals one of at most 30 values."""
        return self._condition("in", self._alternatives(map(self._present, values)))

    def not_in(self, values: Iterable[object]) -> Condition[Own]:
        """Matches documents that have the attribute, with a value that equals none of at most 10 values."""
        return self._condition("not-in", self._alternatives(map(self._present, values), MAX_EXCLUSIONS))

    def contains(self, value: object) -> Condition[Own]:
        """Matches documents whose list holds the value."""
        return self._condition("array-contains", self._item(value))

    def contains_any(self, values: Iterable[object]) -> Condition[Own]:
        """Matches documents whose list holds one of at most 30 values."""
        return self._condition("array-contains-any", self._alternatives(map(self._item, values)))

    def asc(self) -> Order:
        return Order(self.attribute.queried_path)

    def desc(self) -> Order:
        """Orders from high to low: `City.all().order_by(City.population.desc())`."""
        return Order(self.attribute.queried_path, descending=True)

    def _present(self, value: object) -> Any:
        return self._not_null(self.attribute.stored(value))

    def _item(self, value: object) -> Any:
        return self._not_null(self.attribute.stored_item(value))

    def _not_null(self, value: Any) -> Any:
        """Returns the value; raises InvalidCondition for null, with which Firestore would find nothing."""
        if value is None:
            raise InvalidCondition(
                f"{self!r} is compared with None by an operator with which Firestore finds no document; use "
                f"`is_null()` or `is_not_null()`."
            )
        return value

    def _alternatives(self, values: Iterable[object], most: int = MAX_ALTERNATIVES) -> tuple[object, ...]:
        found = tuple(values)
        if not 0 < len(found) <= most:
            raise InvalidCondition(f"{self!r} is compared with {len(found)} values; Firestore accepts 1 to {most}.")
        return found

    def _condition(self, op: Operator, value: object) -> Condition[Own]:
        return Condition(self.owner, Filter(self.attribute.queried_path, op, value))
