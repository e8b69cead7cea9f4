"""Reads the documents that a collection already has: all of them, or some chosen by chance."""

from __future__ import annotations

from collections.abc import Iterator

from boiler_functions.database import NAME, Cursor, Database, Document, Order, Query
from boiler_functions.models.domain_model import random_id
from boiler_functions.types import Reference

PAGE = 300

BLOCKS = 10
"""The number of random places from which a sample is read: neighbouring documents are often from one time."""


def documents_of(database: Database, query: Query, number: int | None) -> Iterator[Document]:
    """Yields the documents that a query finds, or about so many of them, each once.

    Of a collection group it yields the first ones, as no place in the order of their paths can be chosen by chance.
    """
    query = query._replace(orders=(Order(NAME),))
    if number is None or query.group:
        yield from _first(database, query, number)
        return
    seen: set[str] = set()
    # Random ids are spread over the alphabet, others may lie anywhere in it: the next document is taken.
    starts = sorted(random_id() for _ in range(BLOCKS))
    size = -(-number // BLOCKS)
    for each in (*starts, ""):
        start = Cursor((Reference(f"{query.collection}/{each}"),), before=True) if each else None
        limit = min(size if each else number, number - len(seen))
        for document in database.query(query._replace(start=start, limit=limit)).documents if limit else ():
            if document.path not in seen:
                seen.add(document.path)
                yield document


def _first(database: Database, query: Query, number: int | None) -> Iterator[Document]:
    left = number
    while left is None or left > 0:
        limit = PAGE if left is None else min(PAGE, left)
        documents = database.query(query._replace(limit=limit)).documents
        yield from documents
        if len(documents) < limit:
            return
        left = None if left is None else left - len(documents)
        query = query._replace(start=Cursor((Reference(documents[-1].path),), before=False))
