"""What a Store asks Firestore for by a query: for documents, or for a number over them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator

from boiler_functions.database import Document, Query
from boiler_functions.database.matching import check_query
from boiler_functions.exceptions import InvalidReference, InvalidRequest
from boiler_functions.views.store import Documents, Resolution, Source, Store


class Queried(Source):
    """What a query finds: its documents, or a number over them."""

    is_alone: bool = False
    """Whether nothing may be asked beside its condition: Firestore would need an index for each document asked for."""
    reads_start: bool = False
    """Whether its queries are known only once the documents that it starts from are read, rather than their names."""

    @abstractmethod
    def queries(self, resolution: Resolution, documents: Documents) -> list[Query] | None:
        """Returns the queries for the documents that the fetch plan led to; None if it has not come that far."""

    @abstractmethod
    def queries_of(self, image: Document) -> list[Query]:
        """Returns the queries that any root's view may run for this reference and that may find this image."""

    @abstractmethod
    def example(self) -> Query:
        """Returns its query for some document, which needs the same index as for any other."""

    def decided_by(self) -> Iterable[Query]:
        return self.examples()

    def examples(self) -> Iterable[Query]:
        """Returns an example of each kind of query that it takes."""
        return (self.example(),)

    def _check_query(self, store: str) -> None:
        try:
            check_query(self.example())
        except InvalidRequest as error:
            raise InvalidReference(f"{store}.{self.name}: {error}") from error


def queries_of(store: type[Store]) -> Iterator[Query]:
    """Yields an example of each kind of query that the Store runs."""
    return (query for source in store.sources if isinstance(source, Queried) for query in source.examples())
