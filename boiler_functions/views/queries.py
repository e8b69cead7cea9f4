"""One query of each kind that a Store asks: what must be indexed, and what wakes a view."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from boiler_functions.database import Query
from boiler_functions.views.store import Matching, Queried, Referrers, Store


def queries_of(store: type[Store]) -> Iterator[Query]:
    """One query of each kind that the Store asks."""
    return (query_of(source) for source in store.sources if isinstance(source, Queried))


def query_of(source: Queried[Any]) -> Query:
    """The query of a reference; of one document, where it depends on which."""
    match source:
        case Referrers():
            # Which document is asked for makes no difference to an index.
            return source.query("any/document")
        case Matching():
            return source.selection.query
    raise TypeError(f"{source!r} asks in no way that is known here.")
