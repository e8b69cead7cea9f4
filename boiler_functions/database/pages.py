"""The pages of a query over a group: the server fills a limit with documents of every collection of the name."""

from collections.abc import Sequence
from typing import Final

from boiler_functions.database import Cursor, Document, Query, Reading
from boiler_functions.database.matching import field_of, is_of_pattern, orders_of
from boiler_functions.types import Instant

PAGE: Final = 300
"""Documents that each page after the first asks for."""


class Pages:
    """What to ask one after the other, until the limit is full of documents of the query's pattern.

    A query without a pattern, or without a limit, is one page. The pages are read at one time, that of the first.
    """

    def __init__(self, query: Query, at: Instant | None = None) -> None:
        self._query = query
        self._found: list[Document] = []
        self._rpcs = 0
        self._reads = 0
        self.next: Query | None = query
        self.read_time = at

    def add(self, documents: Sequence[Document], read_time: Instant) -> None:
        """Takes what the server answers to `next`; then `next` is the following page, or None after the last."""
        asked = self.next
        assert asked is not None
        self.read_time = read_time
        self._rpcs += 1
        self._reads += len(documents)
        self._found += (each for each in documents if is_of_pattern(self._query, each))
        is_full = self._query.limit is None or len(self._found) >= self._query.limit
        is_end = asked.limit is None or len(documents) < asked.limit
        self.next = None if is_full or is_end else self._after(documents[-1])

    def reading(self) -> Reading:
        """The result of the query, and what it took."""
        assert self.read_time is not None
        found = self._found[: self._query.limit]
        documents = (each._replace(fields={}) for each in found) if self._query.names_only else found
        return Reading(tuple(documents), self.read_time, self._rpcs, self._reads)

    def _after(self, last: Document) -> Query:
        orders = orders_of(self._query)
        start = Cursor(tuple(field_of(last, order.field) for order in orders), before=False)
        # Not of the query's own limit: with a limit of 1, each document that stands between would cost a call.
        return self._query._replace(orders=orders, start=start, limit=PAGE)
