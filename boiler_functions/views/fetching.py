"""Estimates the RPCs and reads that fetching a Store costs, from its fetch plan, before anything runs.

Follows the plan as a Reader does, but with references in place of documents: documents that are known already cost
nothing, and a level costs one BatchGet for all of its documents and one query for each queried reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, prod
from typing import Any

from boiler_functions.database.groups import MAX_VALUES
from boiler_functions.database.matching import billed
from boiler_functions.database.metered import Usage
from boiler_functions.models.attributes import Attribute
from boiler_functions.models.fields import Boolean
from boiler_functions.models.relation import Relation
from boiler_functions.views.build import together
from boiler_functions.views.choice import ALL
from boiler_functions.views.followed import Beside, RelatedMany
from boiler_functions.views.found import Children, Chosen, LookedUp, Matching, Referrers
from boiler_functions.views.queries import Queried
from boiler_functions.views.store import Source, Store
from boiler_functions.views.totals import Total
from boiler_functions.views.view_model import View


@dataclass(frozen=True)
class Assumed:
    """Assumptions where declarations say nothing: documents per reference to many, and views per document."""

    many: int = 10
    dependents: int = 1


def size_of(source: Source, assumed: Assumed) -> int:
    """Returns how many documents a reference is assumed to have."""
    if isinstance(source, Total) and source.is_kept:
        return source.shards + 1
    if isinstance(source, Matching):
        return source.selection.query.limit or assumed.many
    above = size_of(source.via, assumed) if source.via else 1
    if isinstance(source, Chosen):
        return above * (source.choice.limit or assumed.many)
    relation = relation_of(source)
    return above * (assumed.many if relation is not None and relation.many else 1)


def is_queried(source: Source) -> bool:
    """Returns whether a query finds what the reference has; a kept total is read by name."""
    return isinstance(source, Queried) and not source.is_kept


def relation_of(source: Source) -> Relation[Any] | None:
    """Returns the relation that a reference follows, or None."""
    return source.relation if isinstance(source, Referrers) else source.followed()


def is_keyed(source: Source) -> bool:
    """Returns whether the key alone names the document, as of a root or a reference with `doc_id`."""
    return not isinstance(source, Queried) and source.via is None


class Walk:
    """Follows a fetch plan for several instances at once; `known` holds the references whose documents were read."""

    def __init__(self, store: type[Store], assumed: Assumed, instances: int = 1) -> None:
        self.store = store
        self.assumed = assumed
        self.instances = instances
        self.known: set[Source] = set()
        self.usage = Usage()

    def read(self, sources: list[Source], beside: int = 0) -> None:
        """Adds one BatchGet for the references, and for `beside` more documents."""
        self.known.update(sources)
        reads = beside + sum(size_of(each, self.assumed) * self.instances for each in sources)
        self.usage += Usage(rpcs=int(reads > 0), reads=reads)

    def follow(self) -> None:
        """Adds the rest of the plan, level by level."""
        while level := [each for each in self.store.sources if each not in self.known and self._is_due(each)]:
            queried = [each for each in level if isinstance(each, Queried) and is_queried(each)]
            self.read([each for each in level if each not in queried])
            for each in queried:
                self.usage += self.query(each)
            self.known.update(queried)

    def commit(self, writes: int) -> None:
        self.usage += Usage(rpcs=1, writes=writes)

    def named(self) -> list[Source]:
        """Returns the references whose documents are named by the key or by known documents."""
        return [each for each in self.store.sources if not is_queried(each) and self._is_due(each)]

    def _is_due(self, source: Source) -> bool:
        if source.via is None:
            return True
        by_name = isinstance(source, Beside) or (isinstance(source, Queried) and not source.reads_start)
        return self._has_paths(source.via) if by_name else source.via in self.known

    def _has_paths(self, source: Source) -> bool:
        # Which documents a choice leaves is known once all are read.
        is_read = isinstance(source, Queried) or (isinstance(source, RelatedMany) and source.choice != ALL)
        return source in self.known if is_read else self._is_due(source)

    def query(self, source: Queried) -> Usage:
        if isinstance(source, Total):
            # One for each instance: a number over the documents of several says nothing of each.
            one = cost_of_asking(source, self.assumed)
            asked = self.instances if source.via else 1
            return Usage(rpcs=asked * one.rpcs, reads=asked * one.reads)
        size = size_of(source, self.assumed)
        if source.via is None:
            return Usage(rpcs=1, reads=max(size, 1))
        # There is a query for each value that is looked up, and for each document that others are found from.
        asked = self.instances * size_of(source if isinstance(source, LookedUp) else source.via, self.assumed)
        # The children of several documents take a query each, since a query reads one collection.
        queries = asked if isinstance(source, Children) else ceil(asked / _together(source))
        return Usage(rpcs=queries, reads=max(size * self.instances, queries))


def cost_of_asking(total: Total[Any], assumed: Assumed) -> Usage:
    """Returns the cost of asking once for a number, or for that of each value."""
    documents = size_of(total.of, assumed)
    if total.by is None:
        return Usage(rpcs=1, reads=billed(documents))
    values = min(values_of(total.by, assumed), documents, MAX_VALUES)
    each = billed(ceil(documents / values))
    return Usage(rpcs=2 * values + 1, reads=1 + values * (1 + each))


def values_of(attribute: Attribute[Any], assumed: Assumed) -> int:
    """Returns how many values an attribute is assumed to have in the documents of one total."""
    return 2 if isinstance(attribute.field(), Boolean) else assumed.many


def _together(source: Queried) -> int:
    """Returns how many of its queries run as one."""
    example = source.example()
    return together(example._replace(limit=None) if isinstance(source, LookedUp) else example)


def copies_of(view: View, assumed: Assumed) -> int:
    """Returns how many copies one instance has."""
    if view.meta("path") is None:
        return 0
    named = {name.partition(".")[0] for name in view.pattern().names}
    return prod(size_of(each, assumed) for each in view.store_class.sources if each.name in named)
