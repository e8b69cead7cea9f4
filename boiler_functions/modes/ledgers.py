"""Finds ledgers: those that depend on a document, those of a view, those that owe a build."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from boiler_functions.database import (
    NAME,
    Aggregation,
    Cursor,
    Database,
    Document,
    Filter,
    Order,
    Query,
    Reading,
)
from boiler_functions.database.matching import field_of
from boiler_functions.database.sizes import document_size
from boiler_functions.modes.edition import Edition
from boiler_functions.modes.ledger import COLLECTION, due_at
from boiler_functions.types import Instant, Reference
from boiler_functions.views.build import chunks

LOOKED_UP = 10
"""The most pages of ledgers that one query returns."""

NAMED = 100
"""The same, of ledgers of which no more than the root and the plan is read."""

LOOKED_UP_BYTES = 4 * 1024 * 1024
"""The most bytes of ledgers that one query should return, estimated from those of the query before."""


_EVER = 10 * 365 * 24 * 3600 * 1_000_000_000
"""Ten years, within which all is due that is owed."""


def dependents(
    database: Database, tokens: Iterable[str], page: int, after: str = "", until: str = ""
) -> Iterator[Reading]:
    """Yields the ledgers that depend on one of the tokens, in pages by path; `after` and `until` are ledger ids."""
    query = Query(
        COLLECTION,
        filters=(Filter("depends_on", "array-contains-any", tuple(tokens)),),
        orders=(Order(NAME),),
        start=cursor(after) if after else None,
        end=cursor(until) if until else None,
    )
    return _pages(database, query, page)


def owed_by(database: Database, app: str, now: Instant, page: int) -> Iterator[Reading]:
    """Yields the ledgers of an app whose debt is due, or whose moment has come, the longest due first, in pages."""
    due = (Filter("due", ">=", f"{app}/"), Filter("due", "<=", due_at(app, now)))
    return _pages(database, Query(COLLECTION, filters=due, orders=(Order("due"), Order(NAME))), page)


def owed_to(database: Database, app: str, view: str, now: Instant, page: int) -> Iterator[Document]:
    """Yields the ledgers of a view that owe a build, now or later, the longest due first."""
    for found in owed_by(database, app, now + _EVER, page):
        yield from (each for each in found.documents if (each.fields or {})["view"] == view)


def of_view(database: Database, scope: str, page: int) -> Iterator[Reading]:
    """Yields the ledgers of a view in pages, with no more of each than the root and the plan."""
    # Whoever asks for all of them wants to know of which instances there are any.
    return _pages(database, _of_plans(scope)._replace(select=("plan", "root")), page, NAMED)


def of_other_plan(database: Database, scope: str, page: int, edition: Edition) -> Iterator[Reading]:
    """Yields the ledgers of a view that another fetch plan than that of this edition wrote, in pages."""
    return _pages(database, _of_plans(scope, Filter("plan", "!=", edition.plan)), page)


def _of_plans(scope: str, *filters: Filter) -> Query:
    return Query(COLLECTION, filters=(*_within(scope, "plan"), *filters), orders=(Order("plan"), Order(NAME)))


def of_view_after(database: Database, scope: str, limit: int, after: str) -> Sequence[Document]:
    """Returns the next ledgers of a view after a `place_of` one, or the first ones."""
    query = Query(COLLECTION, filters=_within(scope, "plan"), orders=(Order("plan"), Order(NAME)), limit=limit)
    if after:
        plan, _, path = after.partition(" ")
        query = query._replace(start=Cursor((plan, Reference(path)), before=False))
    return database.query(query).documents


def place_of(ledger: Document) -> str:
    """Returns the place of a ledger in the order of `of_view_after`, as text."""
    return f"{(ledger.fields or {})['plan']} {ledger.path}"


def number_of_view(database: Database, scope: str) -> int:
    """Returns the number of ledgers of a view, for a read of every thousandth."""
    return _number(database, _within(scope, "plan"))


def sampled(database: Database, scope: str, edition: Edition, after: str, number: int) -> Sequence[Document]:
    """Returns up to so many ledgers of a view from the id `after` on, which makes it a sample: ids are digests."""
    orders = (Order("plan"), Order(NAME))
    query = Query(COLLECTION, filters=_within(scope, "plan"), orders=orders, limit=number)
    start = Cursor((edition.plan, Reference(f"{COLLECTION}/{after}")), before=False)
    found = database.query(query._replace(start=start)).documents
    return found if len(found) == number else database.query(query).documents


def with_skipped(database: Database, scope: str, page: int) -> Iterator[Reading]:
    """Yields the ledgers of a view that leaves out documents, in pages."""
    orders = (Order("skips"), Order(NAME))
    return _pages(database, Query(COLLECTION, filters=_within(scope, "skips"), orders=orders), page)


def has_others(database: Database, scope: str, edition: Edition) -> bool:
    """Whether other code than that of this edition built some copies of the view."""
    query = Query(COLLECTION, filters=_of_other_code(scope, edition), limit=1, select=())
    return bool(database.query(query).documents)


def number_of_other_code(database: Database, scope: str, own: Collection[str]) -> int:
    """Returns how many copies of the view were built by none of these codes, for a read of every thousandth."""
    same = (_number(database, (Filter("code", "==", code),)) for code in own)
    return _number(database, _within(scope, "code")) - sum(same)


def _number(database: Database, filters: tuple[Filter, ...]) -> int:
    found = database.aggregate(Aggregation(Query(COLLECTION, filters=filters), "count")).value
    assert isinstance(found, int)
    return found


def of_other_code(database: Database, scope: str, page: int, edition: Edition) -> Iterator[Reading]:
    """Yields the ledgers of a view that other code than that of this edition wrote, in pages."""
    filters, orders = _of_other_code(scope, edition), (Order("code"), Order(NAME))
    return _pages(database, Query(COLLECTION, filters=filters, orders=orders), page)


def _of_other_code(scope: str, edition: Edition) -> tuple[Filter, ...]:
    return (*_within(scope, "code"), Filter("code", "!=", edition.code))


def _within(scope: str, field: str) -> tuple[Filter, ...]:
    """Returns the range of the values that start with the scope and a slash; `0` follows the slash."""
    return (Filter(field, ">=", f"{scope}/"), Filter(field, "<", f"{scope}0"))


def _pages(database: Database, query: Query, page: int, most: int = LOOKED_UP) -> Iterator[Reading]:
    """Yields what the query finds in pages. After the first, one query finds up to `most` pages of small ledgers."""
    limit = page
    while True:
        reading = database.query(query._replace(limit=limit))
        documents = reading.documents
        yield from (reading._replace(documents=tuple(chunk)) for chunk in chunks(documents, page))
        if len(documents) < limit:
            return
        # The next page starts after this one, not at the beginning: ledgers that could not be built are still found.
        last = tuple(field_of(documents[-1], order.field) for order in query.orders)
        query = query._replace(start=Cursor(last, before=False))
        limit = page * _number_of_pages(documents[:page], most)


def look_ups(number: int, page: int) -> Iterator[int]:
    """Yields how many ledgers each query returns when `number` small ones are looked up; the last may return none."""
    limit = page
    while number >= limit:
        yield limit
        number, limit = number - limit, page * LOOKED_UP
    yield number


def _number_of_pages(documents: Sequence[Document], most: int) -> int:
    size = sum(document_size(each.path, each.fields or {}) for each in documents)
    return max(1, min(most, LOOKED_UP_BYTES // size))


def cursor(ledger_id: str) -> Cursor:
    """Returns the cursor just after a ledger in the order of paths."""
    return Cursor((Reference(f"{COLLECTION}/{ledger_id}"),), before=False)
