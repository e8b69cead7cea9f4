"""An example of each kind of query that a Store runs, to find the indexes that it needs and the events that wake it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from boiler_functions.database import Query
from boiler_functions.views.references import Children, Matching, Queried, Referrers
from boiler_functions.views.store import Store


def queries_of(store: type[Store]) -> Iterator[Query]:
    """Yields an example of each kind of query that the Store runs."""
    return (query_of(source) for source in store.sources if isinstance(source, Queried))


def query_of(source: Queried[Any]) -> Query:
    """Returns the query of a reference, for an arbitrary document where it depends on one."""
    match source:
        case Referrers() | Children():
            # The document makes no difference to an index.
            return source.query("any/document")
        case Matching():
            return source.selection.query
    raise TypeError(f"{source!r} is a kind of reference whose query is not known here.")
