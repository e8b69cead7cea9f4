"""Goes through a query page by page."""

from __future__ import annotations

from collections.abc import Iterator

from boiler_functions.database import NAME, Cursor, Database, Document, Order, Query
from boiler_functions.types import Instant, Reference


def pages(database: Database, query: Query, after: str = "", at: Instant | None = None) -> Iterator[list[Document]]:
    """Yields the documents of a query in pages of its limit, ordered by path, from after the document path `after`.

    With `at`, all pages are as of that time.
    """
    query = query._replace(orders=(Order(NAME),))
    while True:
        start = Cursor((Reference(after),), before=False) if after else None
        documents = list(database.query(query._replace(start=start), at=at).documents)
        if documents:
            yield documents
        if len(documents) != query.limit:
            return
        after = documents[-1].path
