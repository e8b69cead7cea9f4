"""Reads a query in pages, because the server's limit also counts documents that the query's pattern drops."""

from collections.abc import Sequence
from typing import Final

from boiler_functions.database import Cursor, Document, Query, Reading
from boiler_functions.database.matching import field_of, is_of_pattern, orders_of, selected
from boiler_functions.types import Instant

PAGE: Final = 300
"""The limit of each page after the first."""


class Pages:
    """The pages of one query, until the limit is reached by documents that match its pattern.

    A query without a pattern, or without a limit, is one page. All pages have the read time of the first.
    """

    def __init__(self, query: Query, at: Instant | None = None) -> None:
        self._query = query
        self._found: list[Document] = []
        self._rpcs = 0
        self._reads = 0
        self.next: Query | None = query
        self.read_time = at

    def add(self, documents: Sequence[Document], read_time: Instant) -> None:
        """Adds the server's answer to `next`, and sets `next` to the following page, or None after the last."""
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
        """Returns the result of the query, with its RPCs and reads."""
        assert self.read_time is not None
        found = self._found[: self._query.limit]
        documents = tuple(selected(self._query.select, each) for each in found)
        return Reading(documents, self.read_time, self._rpcs, self._reads)

    def _after(self, last: Document) -> Query:
        orders = orders_of(self._query)
        start = Cursor(tuple(field_of(last, order.field) for order in orders), before=False)
        # The query's own limit would be too small: with a limit of 1, each document outside the pattern costs a call.
        return self._query._replace(orders=orders, start=start, limit=PAGE)
