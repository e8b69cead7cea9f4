"""Kept totals: numbers that commits keep up to date, in documents of their own, so that reading one costs the same
however many documents it is over.

A *contribution* records what one document adds, and to which groups. A group has a number of *shards*, which increments
change in the commit of a contribution. A *head* says that every document that was there before has its contribution.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from boiler_functions.database import AggregateFunction, Document, Number, Put, Query, unchanged
from boiler_functions.types import Instant, digest, to_datetime

HEADS = "boilerTotals"
SHARDS = "boilerShards"
CONTRIBUTIONS = "boilerContributions"

COUNT, NUMBERS, SUM = FIELDS = ("count", "numbers", "sum")
"""The fields of a shard: how many documents there are, how many of them have a number, and the sum of the numbers."""

TOMBSTONES_KEPT: Instant = 8 * 24 * 3600 * 1_000_000_000
"""Longer than any event is delivered."""

DEFAULT_SHARDS = 10
MOST_SHARDS = 100


class Contribution(NamedTuple):
    """What a document adds: one to the count of each of its groups, and its number if it has one."""

    groups: tuple[str, ...] = ()
    number: int | None = None

    def amounts(self, group: str) -> Mapping[str, int]:
        """Returns what is added to each field of a shard of the group."""
        if group not in self.groups:
            return {}
        return {COUNT: 1} if self.number is None else {COUNT: 1, NUMBERS: 1, SUM: self.number}


class Recorded(NamedTuple):
    """A contribution as it is stored, and when its document was seen so; missing if none was recorded yet."""

    document: Document
    contribution: Contribution = Contribution()
    seen: Instant = 0

    @classmethod
    def of(cls, document: Document) -> Recorded:
        if document.fields is None:
            return cls(document)
        fields = document.fields
        return cls(document, Contribution(tuple(fields["groups"]), fields["number"]), fields["seen"])

    def may_be_after(self, member: Document) -> bool:
        """Whether the member may have been read before what is recorded, so that it must be read again."""
        return self.document.exists and (not member.exists or member.version < self.seen)

    def has(self, member: Document, contribution: Contribution) -> bool:
        """Whether it records just this: then nothing is to be written.

        What a missing document adds is always written anew, as is what is the same as before in a later version: a
        handler that saw the document as it was in between, and is slow, must meet a conflict.
        """
        return member.exists and self.seen == member.version and self.contribution == contribution

    def put(self, total: str, member: Document, contribution: Contribution, seen: Instant, now: Instant) -> Put:
        """Returns the write of what the member adds now, on the condition that the contribution is as it was read.

        What adds nothing is a tombstone, which is deleted once no event can be as old as it.
        """
        fields: dict[str, object] = {
            "total": total,
            "path": member.path,
            "groups": list(contribution.groups),
            "number": contribution.number,
            "seen": seen,
        }
        if not contribution.groups:
            fields["expire_at"] = to_datetime(now + TOMBSTONES_KEPT)
        return Put(self.document.path, fields, precondition=unchanged(self.document))


class Keeping(NamedTuple):
    """How a total is kept. `total` is a digest of what is counted, which equal declarations share."""

    total: str
    shards: int

    @property
    def head(self) -> str:
        return f"{HEADS}/{self.total}"

    def contribution_path(self, path: str) -> str:
        return f"{CONTRIBUTIONS}/{digest(self.total, path)}"

    def shards_of(self, group: str) -> tuple[str, ...]:
        """Returns the paths of all shards of a group."""
        return tuple(self._shard(group, number) for number in range(self.shards))

    def shard_of(self, group: str, path: str) -> str:
        """Returns the shard to which the document at the path adds: always the same, so that an event names it."""
        return self._shard(group, int.from_bytes(digest(path).encode()) % self.shards)

    def _shard(self, group: str, number: int) -> str:
        return f"{SHARDS}/{digest(self.total, group)}-{number}"

    def changes(self, path: str, before: Contribution, after: Contribution) -> Iterable[tuple[str, Mapping[str, int]]]:
        """Yields what is to be added to each shard when a document adds something else than before."""
        for group in dict.fromkeys((*before.groups, *after.groups)):
            old, new = before.amounts(group), after.amounts(group)
            yield self.shard_of(group, path), {name: new.get(name, 0) - old.get(name, 0) for name in FIELDS}

    def increments(self, changes: Iterable[tuple[str, Mapping[str, int]]]) -> list[Put]:
        """Returns one write for each shard, which adds the changes to its fields, whatever these hold."""
        sums: dict[str, Counter[str]] = {}
        for shard, change in changes:
            sums.setdefault(shard, Counter()).update(change)
        adds = {shard: tuple((name, number) for name, number in each.items() if number) for shard, each in sums.items()}
        return [Put(shard, {"total": self.total}, mask=("total",), adds=each) for shard, each in adds.items() if each]


def group_of(query: Query) -> str:
    """Returns the group of the documents that a query finds."""
    return query.key


def number_of_shards(function: AggregateFunction, shards: Iterable[Document]) -> Number:
    """Returns the number that the shards of a group add up to."""
    fields = [each.fields or {} for each in shards]
    count, numbers, total = (sum(int(each.get(name, 0)) for each in fields) for name in FIELDS)
    if function == "count":
        return count
    if function == "sum":
        return total
    return total / numbers if numbers else None
