"""An example of each kind of query that a Store runs, to find the indexes that it needs and the events that wake it."""

from __future__ import annotations

from collections.abc import Iterator

from boiler_functions.database import Query
from boiler_functions.views.references import Queried
from boiler_functions.views.store import Store


def queries_of(store: type[Store]) -> Iterator[Query]:
    """Yields an example of each kind of query that the Store runs."""
    return (source.example() for source in store.sources if isinstance(source, Queried))
