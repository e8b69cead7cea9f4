"""Fills kept totals: records what documents add that were there before, and then lets views read the numbers.

Events go on meanwhile, as a fill does for each document what its event would do. Until it is done, views ask for the
number instead. A fill of a total that is whole finds what was changed by hand, and puts it right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from boiler_functions.database import Document, Filter, Put, Query, unchanged
from boiler_functions.exceptions import Conflict, UnknownOutcome
from boiler_functions.models.selection import collection_query
from boiler_functions.modes.query.keep import MAX_ATTEMPTS, Counted, Keep
from boiler_functions.modes.query.paging import pages
from boiler_functions.views.keeping import (
    CONTRIBUTIONS,
    SHARDS,
    Contribution,
    Keeping,
    Recorded,
    amounts_of,
    values_left,
)
from boiler_functions.views.totals import Total, kept_totals

PAGE = 100

Amounts = dict[str, Counter[str]]
"""What shards hold, or what is to be added to them: a number for each field, by the path of the shard."""


class Fill(NamedTuple):
    """Fills the kept totals of some views."""

    keep: Keep

    def run(self) -> Iterator[int]:
        """Fills page by page, and yields how many documents each had."""
        for total, keeping in kept_totals(view.store_class for view in self.keep.views):
            self._sweep(keeping)
            yield from self._members(total, keeping)
            for attempt in range(MAX_ATTEMPTS):
                try:
                    yield from self._finish(total, keeping)
                    break
                except (Conflict, UnknownOutcome):
                    # Another fill was faster, and has corrected what this one found, or the answer was lost.
                    if attempt == MAX_ATTEMPTS - 1:
                        raise

    def _sweep(self, keeping: Keeping) -> None:
        """Removes the values that no document has any more, first of all, so that there is room for others.

        A shard that changes meanwhile is left to another fill: a document may have the value again.
        """
        database = self.keep.invocation.database
        for page in pages(database, _of(SHARDS, keeping)):
            for shard in page:
                if left := values_left(shard):
                    with suppress(Conflict, UnknownOutcome):
                        database.commit([Put(shard.path, {}, mask=left, precondition=unchanged(shard))])

    def _members(self, total: Total[Any], keeping: Keeping) -> Iterator[int]:
        query = collection_query(total.model, {})._replace(limit=PAGE, select=())
        for page in pages(self.keep.invocation.database, query):
            yield self._keep(total, keeping, [each.path for each in page])

    def _finish(self, total: Total[Any], keeping: Keeping) -> Iterator[int]:
        """Goes through what is recorded, as documents may be gone since a former time, and says that this is all."""
        database = self.keep.invocation.database
        reading = database.read([keeping.head])
        (head,), at = reading.documents, reading.read_time
        recorded: Amounts = {}
        for page in pages(database, _of(CONTRIBUTIONS, keeping), at=at):
            paths = [(each.fields or {})["path"] for each in page]
            for path, each in zip(paths, page, strict=True):
                _add(recorded, keeping.changes(path, Contribution(), Recorded.of(each).contribution))
            yield self._keep(total, keeping, paths)
        shards = (each for page in pages(database, _of(SHARDS, keeping), at=at) for each in page)
        # What was added since is in both, so that the differences of that time are right at any time.
        changes = _differences(_held(shards), recorded)
        whole = {"app": self.keep.invocation.app, "total": repr(total), "as_of": at}
        database.commit([Put(keeping.head, whole, precondition=unchanged(head)), *keeping.increments(changes.items())])

    def _keep(self, total: Total[Any], keeping: Keeping, paths: list[str]) -> int:
        self.keep.keep([Counted(total, keeping, path) for path in paths])
        return len(paths)


def _of(collection: str, keeping: Keeping) -> Query:
    return Query(collection, filters=(Filter("total", "==", keeping.total),), limit=PAGE)


def _held(shards: Iterable[Document]) -> Amounts:
    return {each.path: Counter(amounts_of(each)) for each in shards}


def _add(amounts: Amounts, changes: Iterable[tuple[str, Mapping[str, int]]]) -> None:
    for shard, change in changes:
        amounts.setdefault(shard, Counter()).update(change)


def _differences(held: Amounts, recorded: Amounts) -> Amounts:
    """Returns what is to be added to the shards so that they hold what is recorded."""
    differences: Amounts = {}
    for shard in {**held, **recorded}:
        wanted = recorded.get(shard, Counter())
        difference = Counter(wanted)
        difference.subtract(held.get(shard, Counter()))
        differences[shard] = difference
    return differences
