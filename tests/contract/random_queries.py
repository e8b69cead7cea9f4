"""Random documents and queries, drawn so that many match, and some are refused."""

import math
from datetime import UTC, datetime
from random import Random
from typing import Any

from boiler_functions.database import NAME, Cursor, Filter, Operator, Order, Put, Query
from boiler_functions.types import GeoPoint, Reference

SCALARS: tuple[Any, ...] = (
    None,
    False,
    True,
    math.nan,
    -math.inf,
    -1,
    -0.0,
    0,
    1,
    1.0,
    1.5,
    2**53,
    math.inf,
    datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    datetime(2026, 1, 1, tzinfo=UTC),
    "",
    "a",
    "aa",
    "b",
    "é",
    "\uffff",
    "😀",
    b"",
    b"a",
    b"\xff",
    Reference("rooms/a"),
    Reference("rooms/a/seats/1"),
    Reference("rooms-2/a"),
    GeoPoint(-1.0, 5.0),
    GeoPoint(1.0, -5.0),
)
FIELDS = ("v", "w", "m.a", "`odd name`.b")
COLLECTIONS = ("rooms", "houses/1/rooms", "houses/2/rooms", "other")
OPERATORS: tuple[Operator, ...] = (
    "==",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "in",
    "not-in",
    "array-contains",
    "array-contains-any",
)
LISTS: tuple[Operator, ...] = ("in", "not-in", "array-contains-any")


def random_value(random: Random, depth: int = 0) -> Any:
    kind = random.random()
    if depth < 2 and kind < 0.15:
        return {
            name: random_value(random, depth + 1) for name in random.sample(["a", "b", "c d"], random.randint(0, 2))
        }
    if depth < 2 and kind < 0.35:
        values = [random_value(random, depth + 1) for _ in range(random.randint(0, 3))]
        return [value for value in values if not isinstance(value, list)]
    return random.choice(SCALARS)


def random_put(random: Random) -> Put:
    fields: dict[str, Any] = {}
    if random.random() < 0.9:
        fields["v"] = random_value(random)
    if random.random() < 0.7:
        fields["w"] = random.choice(SCALARS)
    if random.random() < 0.5:
        fields["m"] = random.choice([{"a": random_value(random)}, {}, 1])
    if random.random() < 0.5:
        fields["odd name"] = {"b": random.choice((0, 1, 2))}
    return Put(f"{random.choice(COLLECTIONS)}/{random.choice('abcdefghij')}", fields)


def _comparable(random: Random) -> Any:
    # The emulator answers a comparison with null or NaN with nothing, and skips its other checks.
    while (value := random_value(random)) is None or (isinstance(value, float) and math.isnan(value)):
        pass
    return value


def _operand(random: Random, field: str, op: Operator) -> Any:
    def value() -> Any:
        if field == NAME:
            return Reference(f"{random.choice(COLLECTIONS)}/{random.choice('abcde')}")
        exact = op in ("==", "!=") or op in LISTS
        return random_value(random) if exact else _comparable(random)

    if op not in LISTS:
        return value()
    values = tuple(value() for _ in range(random.randint(1, 4)))
    # A `not-in` of null alone is such a comparison, too.
    return (0,) if op == "not-in" and not any(each is not None for each in values) else values


def random_filter(random: Random) -> Filter:
    field = random.choice((*FIELDS, *FIELDS, NAME))
    op = random.choice(OPERATORS[:8] if field == NAME else OPERATORS)
    return Filter(field, op, _operand(random, field, op))


def random_cursor(random: Random, orders: tuple[Order, ...]) -> Cursor | None:
    if not orders or random.random() < 0.6:
        return None
    values = tuple(
        Reference("rooms/d") if order.field == NAME else random_value(random)
        for order in orders[: random.randint(1, len(orders))]
    )
    return Cursor(values, before=random.random() < 0.5)


def random_query(random: Random) -> Query:
    fields = random.sample((*FIELDS, NAME), random.choice((0, 0, 1, 1, 2)))
    orders = tuple(Order(field, random.random() < 0.5) for field in fields)
    group = random.random() < 0.3
    return Query(
        collection="rooms" if group else random.choice(COLLECTIONS),
        group=group,
        filters=tuple(random_filter(random) for _ in range(random.choice((0, 1, 1, 1, 2, 2, 3)))),
        orders=orders,
        start=random_cursor(random, orders),
        end=random_cursor(random, orders),
        limit=random.choice((None, None, 1, 3)),
    )
