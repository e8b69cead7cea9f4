"""Kept totals: numbers that commits keep up to date, in documents of their own, so that reading one costs the same
however many documents it is over.

A *contribution* records what one document adds, and to which groups. A group has a number of *shards*, which increments
change in the commit of a contribution. A *head* says that every document that was there before has its contribution.
A shard of a total by value holds the numbers of each value, so that a document which moves between two values changes
one shard, once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from boiler_functions.database import AggregateFunction, Document, Groups, Number, Put, Query, unchanged
from boiler_functions.database.matching import sort_key
from boiler_functions.paths import field_path
from boiler_functions.types import Instant, Reference, digest, to_datetime

HEADS = "boilerTotals"
SHARDS = "boilerShards"
CONTRIBUTIONS = "boilerContributions"

COUNT, NUMBERS, SUM = FIELDS = ("count", "numbers", "sum")
"""The fields of a shard: how many documents there are, how many of them have a number, and the sum of the numbers."""

VALUES = "values"
"""The field of a shard of a total by value: a map with the other fields of each value, by `name_of` the value."""

MAX_NAME_BYTES = 1_400
"""The longest name of a value: a field path has 1,500 bytes at most."""

TOMBSTONES_KEPT: Instant = 8 * 24 * 3600 * 1_000_000_000
"""Longer than any event is delivered."""

DEFAULT_SHARDS = 10
MOST_SHARDS = 100


class Contribution(NamedTuple):
    """What a document adds: one to the count of each of its groups, and its number if it has one.

    It adds them to the numbers of its value, by `name_of` this, if the total is one by value.
    """

    groups: tuple[str, ...] = ()
    number: int | None = None
    value: str | None = None

    def amounts(self, group: str) -> Mapping[str, int]:
        """Returns what is added to each field of a shard of the group, by the path of the field."""
        if group not in self.groups:
            return {}
        amounts = {COUNT: 1} if self.number is None else {COUNT: 1, NUMBERS: 1, SUM: self.number}
        return amounts if self.value is None else _below(self.value, amounts)


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
        contribution = Contribution(tuple(fields["groups"]), fields["number"], fields.get("value"))
        return cls(document, contribution, fields["seen"])

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
        if contribution.value is not None:
            fields["value"] = contribution.value
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
            yield self.shard_of(group, path), {name: new.get(name, 0) - old.get(name, 0) for name in {**old, **new}}

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


def name_of(value: Any) -> str | None:
    """Returns the name of a value in shards; None for one that no attribute has whose values can be keys.

    Its type is part of the name, as "5" and 5 are two values, but no attribute: its former documents stay counted when
    an enum gets another member. Firestore holds 2 and 2.0 for equal, so that they have one name.
    """
    match value:
        case bool():
            name = f"b:{'true' if value else 'false'}"
        case int():
            name = f"i:{value}"
        case float() if value.is_integer():
            name = f"i:{int(value)}"
        case str():
            name = f"s:{value}"
        case Reference():
            name = f"r:{value.path}"
        case _:
            return None
    return name if len(name.encode()) <= MAX_NAME_BYTES else None


def value_of(name: str) -> Any:
    """Returns the value of a name.

    >>> value_of(name_of("yes")), value_of(name_of(5)), value_of(name_of(True))
    ('yes', 5, True)
    """
    kind, _, text = name.partition(":")
    match kind:
        case "b":
            return text == "true"
        case "i":
            return int(text)
        case "r":
            return Reference(text)
        case _:
            return text


def amounts_of(shard: Document) -> Mapping[str, int]:
    """Returns what a shard holds, by the path of the field."""
    fields = shard.fields or {}
    amounts = {name: int(fields[name]) for name in FIELDS if name in fields}
    for name, each in _values(shard):
        amounts.update(_below(name, each))
    return amounts


def number_of_shards(function: AggregateFunction, shards: Iterable[Document]) -> Number:
    """Returns the number that the shards of a group add up to."""
    return _number(function, _sums(each.fields or {} for each in shards))


def numbers_by_value(function: AggregateFunction, shards: Iterable[Document]) -> Groups:
    """Returns the number of each value that some document has, in Firestore's order of values."""
    held: dict[str, list[Mapping[str, Any]]] = {}
    for name, amounts in (item for shard in shards for item in _values(shard)):
        held.setdefault(name, []).append(amounts)
    sums = ((value_of(name), _sums(each)) for name, each in held.items())
    found = [(value, _number(function, each)) for value, each in sums if each[COUNT]]
    return tuple(sorted(found, key=lambda each: sort_key(each[0])))


def values_left(shard: Document) -> tuple[str, ...]:
    """Returns the paths of the values in a shard that no document has any more, which take room in it."""
    names = (name for name, amounts in _values(shard) if not any(amounts.values()))
    return tuple(f"{VALUES}.{field_path(name)}" for name in names)


def _values(shard: Document) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield from (shard.fields or {}).get(VALUES, {}).items()


def _below(name: str, amounts: Mapping[str, Any]) -> dict[str, int]:
    return {f"{VALUES}.{field_path(name)}.{each}": int(number) for each, number in amounts.items()}


def _sums(held: Iterable[Mapping[str, Any]]) -> Counter[str]:
    sums: Counter[str] = Counter()
    for fields in held:
        sums.update({name: int(fields.get(name, 0)) for name in FIELDS})
    return sums


def _number(function: AggregateFunction, sums: Mapping[str, int]) -> Number:
    if function == "count":
        return sums[COUNT]
    if function == "sum":
        return sums[SUM]
    return sums[SUM] / sums[NUMBERS] if sums[NUMBERS] else None
