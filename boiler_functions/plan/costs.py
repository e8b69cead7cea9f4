"""What one change costs each view: RPCs, reads and writes, told from the fetch plan of its Store before anything runs.

It follows the plan as `modes.query` and `modes.task` do, with references instead of documents: what is known already
costs nothing, each level is one BatchGet for all of its documents and one query for each kind. It speaks of a change
that reaches the view when all of its dependencies are known; a new one costs two RPCs more, a covered event one in all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, prod
from typing import Any

from boiler_functions.compile.compiler import EventFunction, View
from boiler_functions.database.metered import Usage
from boiler_functions.models.attributes import Relation
from boiler_functions.models.conditions import MAX_ALTERNATIVES
from boiler_functions.modes.query.rebuild import PAGE
from boiler_functions.modes.task.task import Task
from boiler_functions.views.store import Matching, One, Queried, Referrers, Related, Root, Source, Store


@dataclass(frozen=True)
class Assumed:
    """What no declaration tells: how many documents a reference to many has, and how many views name one document."""

    many: int = 10
    dependents: int = 1


def cost_of(function: EventFunction, view: View, assumed: Assumed) -> Usage:
    """What a change of the function's source costs it for one view."""
    if function.task:
        return _of_task(function.task, assumed)
    told = sum(sink.view is view for sink in function.sinks)
    return _of_query(view, function.source.text, assumed, told)


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


class _Walk:
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
                self.usage += self._query(each)
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

    def _query(self, source: Queried[Any]) -> Usage:
        size = size_of(source, self.assumed)
        if not isinstance(source, Referrers):
            return Usage(rpcs=1, reads=max(size, 1))
        asked = self.instances * (size_of(source.via, self.assumed) if source.via else 1)
        others = prod(len(each.value) for each in source.model.discriminator() if each.op == "in")
        queries = ceil(asked / max(1, MAX_ALTERNATIVES // others))
        return Usage(rpcs=queries, reads=max(size * self.instances, queries))


def _of_query(view: View, pattern: str, assumed: Assumed, told: int) -> Usage:
    root = view.store_class.root()
    changed = [each for each in view.store_class.sources if each.model.pattern().text == pattern]
    if root is None:
        return _by_key(view, changed, assumed, told)
    usage = _by_key(view, changed, assumed, told) if root in changed else Usage()
    if others := [each for each in changed if not isinstance(each, Root)]:
        usage += _by_ledgers(view, others, assumed, told)
    return usage


def _by_key(view: View, changed: list[Source], assumed: Assumed, told: int) -> Usage:
    """Of an instance that the event names: its ledger is read with what the event's own image leads to."""
    walk = _Walk(view.store_class, assumed)
    walk.known = {each for each in changed if is_keyed(each)}
    first = walk.named()
    walk.read(first, beside=1)
    walk.follow()
    walk.commit(1 + copies_of(view, assumed) + told)
    return walk.usage


def _by_ledgers(view: View, changed: list[Source], assumed: Assumed, told: int) -> Usage:
    """Of the instances whose ledgers name the document: these are found by a query, page by page."""
    usage = Usage()
    for size in _pages(assumed.dependents):
        walk = _Walk(view.store_class, assumed, size)
        walk.usage += Usage(rpcs=1, reads=max(size, 1))
        if size:
            named = [each for each in view.store_class.sources if not isinstance(each, Queried)]
            # The document that changed is one for all of them.
            shared = size - 1 if any(each in named for each in changed) else 0
            walk.read(named, beside=-shared)
            walk.follow()
            walk.commit(size * (1 + copies_of(view, assumed) + told))
        usage += walk.usage
    return usage


def _pages(dependents: int) -> Iterator[int]:
    """The sizes of the pages; a full one is followed by another, if an empty one."""
    yield from [PAGE] * (dependents // PAGE)
    yield dependents % PAGE


def _of_task(task: Task, assumed: Assumed) -> Usage:
    """At least: what user code reads besides its Store adds to it."""
    markers = 2 if task.on_completion == "keep" else 1
    walk = _Walk(task.view.store_class, assumed)
    # Of a kept form also the marker that the version before this one of the package may have left.
    walk.read(walk.named(), beside=markers + 1 + (task.on_completion == "keep"))
    walk.follow()
    read = [each for each in task.view.store_class.sources if not isinstance(each, Queried) and each.verify]
    found = [each for each in task.view.store_class.sources if isinstance(each, Queried)]
    serializable = task.isolation == "serializable"
    checked = sum(size_of(each, assumed) for each in read) if serializable else 0
    again = [walk._query(each) for each in found] if serializable else []
    walk.commit(markers + 1 + max(1, len(task.writes)) + checked)
    return sum(again, walk.usage)


def copies_of(view: View, assumed: Assumed) -> int:
    """How many documents one instance is written to."""
    if view.meta("path") is None:
        return 0
    named = {name.partition(".")[0] for name in view.pattern().names}
    return prod(size_of(each, assumed) for each in view.store_class.sources if each.name in named)
