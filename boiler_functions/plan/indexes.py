"""The indexes and time-to-live policies that an app's queries need, as firestore.indexes.json spells them.

https://firebase.google.com/docs/firestore/query-data/index-overview: Firestore indexes each field by itself, within a
collection, and merges these for equalities. The other queries need an index that is declared here: those of several
fields with a range, an order or a list, and those over all collections of one name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from boiler_functions.database import NAME, Query
from boiler_functions.database.matching import orders_of
from boiler_functions.modes import cloud_build, dead_letter, ledger, marker, migration, outbox, registry, secret, staged
from boiler_functions.modes.mode import Declarations
from boiler_functions.paths import id_of
from boiler_functions.views import keeping

Scope: TypeAlias = Literal["COLLECTION", "COLLECTION_GROUP"]

_EQUAL = frozenset({"==", "in"})
_LISTS = frozenset({"array-contains", "array-contains-any"})


@dataclass(frozen=True, order=True)
class IndexedField:
    """A field in an index: by its order, or, for a list, by what the list contains."""

    path: str
    descending: bool = False
    contains: bool = False

    def to_wire(self) -> dict[str, str]:
        if self.contains:
            return {"fieldPath": self.path, "arrayConfig": "CONTAINS"}
        return {"fieldPath": self.path, "order": "DESCENDING" if self.descending else "ASCENDING"}

    def __str__(self) -> str:
        return f"{self.path} {'contains' if self.contains else 'desc' if self.descending else 'asc'}"


@dataclass(frozen=True, order=True)
class Index:
    """A composite index of the collections of one name."""

    collection: str
    scope: Scope
    fields: tuple[IndexedField, ...]

    def to_wire(self) -> dict[str, Any]:
        fields = [field.to_wire() for field in self.fields]
        return {"collectionGroup": self.collection, "queryScope": self.scope, "fields": fields}

    def __str__(self) -> str:
        return f"{self.collection} ({', '.join(map(str, self.fields))})"


@dataclass(frozen=True, order=True)
class SingleField:
    """An index of one field by itself."""

    scope: Scope = "COLLECTION"
    descending: bool = False
    contains: bool = False

    def to_wire(self) -> dict[str, str]:
        config = {"arrayConfig": "CONTAINS"} if self.contains else IndexedField("", self.descending).to_wire()
        return {key: value for key, value in config.items() if key != "fieldPath"} | {"queryScope": self.scope}


AUTOMATIC = (SingleField(), SingleField(descending=True), SingleField(contains=True))
"""The indexes that Firestore keeps of every field without an override."""


@dataclass(frozen=True)
class Override:
    """The indexes of one field in the collections of one name, instead of AUTOMATIC; "*" means every field."""

    collection: str
    field: str
    indexes: tuple[SingleField, ...] = ()
    ttl: bool = False

    def to_wire(self) -> dict[str, Any]:
        ttl = {"ttl": True} if self.ttl else {}
        indexes = [index.to_wire() for index in self.indexes]
        return {"collectionGroup": self.collection, "fieldPath": self.field, **ttl, "indexes": indexes}


# An index of a rising timestamp is a hot spot, and bookkeeping is read by document name: all else is left out.
BOOKKEEPING_OVERRIDES = (
    Override(ledger.COLLECTION, "*"),
    Override(ledger.COLLECTION, "depends_on", (SingleField(contains=True),)),
    *(Override(ledger.COLLECTION, field, (SingleField(),)) for field in ledger.RANGED),
    Override(ledger.COPIES, "*"),
    Override(staged.COLLECTION, "*"),
    Override(marker.COLLECTION, "*"),
    Override(marker.COLLECTION, "expire_at", ttl=True),
    Override(dead_letter.COLLECTION, "expire_at", ttl=True),
    Override(outbox.COLLECTION, "*"),
    Override(outbox.COLLECTION, "status", (SingleField(),)),
    Override(outbox.COLLECTION, "expire_at", ttl=True),
    Override(secret.COLLECTION, "*"),
    Override(registry.COLLECTION, "*"),
    Override(migration.COLLECTION, "*"),
    Override(migration.LEFT, "*"),
    Override(migration.LEFT, "step", (SingleField(),)),
    Override(cloud_build.COLLECTION, "*"),
    Override(cloud_build.COLLECTION, "open", (SingleField(),)),
    Override(cloud_build.COLLECTION, "expire_at", ttl=True),
    Override(cloud_build.RANGES, "*"),
    Override(keeping.HEADS, "*"),
    Override(keeping.SHARDS, "*"),
    Override(keeping.SHARDS, "total", (SingleField(),)),
    Override(keeping.CONTRIBUTIONS, "*"),
    Override(keeping.CONTRIBUTIONS, "total", (SingleField(),)),
    Override(keeping.CONTRIBUTIONS, "expire_at", ttl=True),
)


@dataclass(frozen=True)
class Indexes:
    """The indexes and time-to-live policies that an app needs beside those that Firestore keeps by itself."""

    composite: tuple[Index, ...] = ()
    overrides: tuple[Override, ...] = BOOKKEEPING_OVERRIDES

    @classmethod
    def of(cls, declarations: Declarations) -> Indexes:
        """Collects what the queries of all modes need."""
        asked = (query for mode in declarations.modes for query in mode.queries(declarations))
        needed = [need for query in asked for need in needs(query)]
        composite = {each for each in needed if isinstance(each, Index)}
        singles: dict[tuple[str, str], set[SingleField]] = {}
        for each in needed:
            if not isinstance(each, Index):
                singles.setdefault((each.collection, each.field), set(AUTOMATIC)).update(each.indexes)
        overrides = (Override(*field, tuple(sorted(found))) for field, found in sorted(singles.items()))
        return cls(tuple(sorted(composite)), (*BOOKKEEPING_OVERRIDES, *overrides))

    @property
    def ttl(self) -> tuple[Override, ...]:
        """The fields that hold the time at which a document is deleted."""
        return tuple(each for each in self.overrides if each.ttl)

    @property
    def singles(self) -> tuple[Override, ...]:
        """The fields of the app's own documents that are indexed over all collections of one name."""
        return tuple(each for each in self.overrides if each not in BOOKKEEPING_OVERRIDES)

    def to_wire(self) -> dict[str, Any]:
        """Returns the content of firestore.indexes.json."""
        return {
            "indexes": [index.to_wire() for index in self.composite],
            "fieldOverrides": [override.to_wire() for override in self.overrides],
        }


def needs(query: Query) -> Iterator[Index | Override]:
    """Yields the composite index, or the indexes of single fields, that Firestore does not keep by itself."""
    scope: Scope = "COLLECTION_GROUP" if query.group else "COLLECTION"
    collection = id_of(query.collection)
    equal = sorted({each.field for each in query.filters if each.op in _EQUAL and each.field != NAME})
    lists = sorted({each.field for each in query.filters if each.op in _LISTS})
    ordered = [each for each in orders_of(query) if each.field != NAME and each.field not in equal]
    fields = (
        *(IndexedField(field) for field in equal),
        *(IndexedField(field, contains=True) for field in lists),
        *(IndexedField(each.field, descending=each.descending) for each in ordered),
    )
    if (lists or ordered) and len(fields) > 1:
        yield Index(collection, scope, fields)
    elif query.group:
        for each in fields:
            single = SingleField(scope, each.descending, each.contains)
            yield Override(collection, each.path, (single,))


def merged(existing: Any, needed: Indexes) -> dict[str, Any]:
    """Returns the content of firestore.indexes.json: what is needed, and what others have written there."""
    wire = needed.to_wire()
    own = {_key(each) for each in wire["indexes"]}
    others = [each for each in existing.get("indexes", ()) if _key(each) not in own]
    theirs = {(each["collectionGroup"], each["fieldPath"]): each for each in existing.get("fieldOverrides", ())}
    overrides = [
        _with(each, theirs.pop((each["collectionGroup"], each["fieldPath"]), {})) for each in wire["fieldOverrides"]
    ]
    return {**existing, "indexes": [*wire["indexes"], *others], "fieldOverrides": [*overrides, *theirs.values()]}


def _key(index: Any) -> str:
    fields = [(each["fieldPath"], each.get("order"), each.get("arrayConfig")) for each in index["fields"]]
    return repr((index["collectionGroup"], index.get("queryScope", "COLLECTION"), fields))


def _with(override: dict[str, Any], theirs: Any) -> dict[str, Any]:
    """Returns the override together with the indexes and the TTL that others declare for the same field."""
    more = [each for each in theirs.get("indexes", ()) if each not in override["indexes"]]
    ttl = {"ttl": theirs["ttl"]} if "ttl" in theirs else {}
    return {**override, **ttl, "indexes": [*override["indexes"], *more]}
