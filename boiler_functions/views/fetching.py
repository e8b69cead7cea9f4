"""What it costs to fetch a Store: RPCs and reads, worked out from its fetch plan before anything runs.

It follows the plan as a Reader does, with references instead of documents: what is known already costs nothing, each
level is one BatchGet for all of its documents and one query for each kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, prod
from typing import Any

from boiler_functions.database.metered import Usage
from boiler_functions.models.attributes import Relation
from boiler_functions.models.conditions import MAX_ALTERNATIVES
from boiler_functions.views.store import Matching, One, Queried, Referrers, Related, Source, Store
from boiler_functions.views.view_model import View


@dataclass(frozen=True)
class Assumed:
    """What no declaration tells: how many documents a reference to many has, and how many views name one document."""

    many: int = 10
    dependents: int = 1


def size_of(source: Source, assumed: Assumed) -> int:
    """How many documents a reference has."""
    if isinstance(source, Matching):
        return source.selection.query.limit or assumed.many
    above = size_of(source.via, assumed) if source.via else 1
    relation = relation_of(source)
    is_many = isinstance(source, Referrers) or (relation is not None and relation.many)
    return above * (assumed.many if is_many else 1)


def relation_of(source: Source) -> Relation[Any] | None:
    """The relation that a reference follows, if it follows one."""
    if isinstance(source, One):
        return source.followed()
    return source.relation if isinstance(source, Related | Referrers) else None


def is_keyed(source: Source) -> bool:
    """Whether the key alone names the document: a root, or one of a fixed id."""
    return not isinstance(source, Queried) and source.via is None


class Walk:
    """A fetch plan that is followed for some instances at once; `known` are the references whose documents are read."""

    def __init__(self, store: type[Store], assumed: Assumed, instances: int = 1) -> None:
        self.store = store
        self.assumed = assumed
        self.instances = instances
        self.known: set[Source] = set()
        self.usage = Usage()

    def read(self, sources: list[Source], beside: int = 0) -> None:
        """One BatchGet of references, and of other documents `beside` them."""
        self.known.update(sources)
        reads = beside + sum(size_of(each, self.assumed) * self.instances for each in sources)
        self.usage += Usage(rpcs=int(reads > 0), reads=reads)

    def follow(self) -> None:
        """What is left, level by level."""
        while level := [each for each in self.store.sources if each not in self.known and self._is_due(each)]:
            queried = [each for each in level if isinstance(each, Queried)]
            self.read([each for each in level if each not in queried])
            for each in queried:
                self.usage += self.query(each)
            self.known.update(queried)

    def commit(self, writes: int) -> None:
        self.usage += Usage(rpcs=1, writes=writes)

    def named(self) -> list[Source]:
        """The references that the key names, or the document that is known."""
        return [each for each in self.store.sources if not isinstance(each, Queried) and self._is_due(each)]

    def _is_due(self, source: Source) -> bool:
        if source.via is None:
            return True
        return self._has_paths(source.via) if isinstance(source, Referrers) else source.via in self.known

    def _has_paths(self, source: Source) -> bool:
        return source in self.known if isinstance(source, Queried) else self._is_due(source)

    def query(self, source: Queried[Any]) -> Usage:
        size = size_of(source, self.assumed)
        if not isinstance(source, Referrers):
            return Usage(rpcs=1, reads=max(size, 1))
        asked = self.instances * (size_of(source.via, self.assumed) if source.via else 1)
        others = prod(len(each.value) for each in source.model.discriminator() if each.op == "in")
        queries = ceil(asked / max(1, MAX_ALTERNATIVES // others))
        return Usage(rpcs=queries, reads=max(size * self.instances, queries))


def copies_of(view: View, assumed: Assumed) -> int:
    """How many documents one instance is written to."""
    if view.meta("path") is None:
        return 0
    named = {name.partition(".")[0] for name in view.pattern().names}
    return prod(size_of(each, assumed) for each in view.store_class.sources if each.name in named)
