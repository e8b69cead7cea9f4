"""Estimates the cost of a change of a source for a stored view.

The estimate is for a change that reaches a view whose dependencies are all known. A new dependency costs two more RPCs
and is read twice; if it changes in between, everything is. So does a field that getters read for the first time. An
event that is covered, or changes nothing that getters have read, costs one RPC in all, or the look-up.
"""

from __future__ import annotations

from collections.abc import Iterator

from boiler_functions.database.metered import Usage
from boiler_functions.modes.ledgers import look_ups
from boiler_functions.modes.query.rebuild import PAGE
from boiler_functions.views.fetching import Assumed, Walk, copies_of, is_keyed, is_queried
from boiler_functions.views.queries import Queried
from boiler_functions.views.store import Root, Source
from boiler_functions.views.totals import Total
from boiler_functions.views.view_model import View


def cost_of(view: View, pattern: str, assumed: Assumed, records: int) -> Usage:
    """Returns the cost of a change of a document of the pattern; `records` is the number of outbox records of one."""
    if view.has_own_copies():
        records *= copies_of(view, assumed)  # Each copy that changed has its own.
    root = view.store_class.root()
    changed = [each for each in view.store_class.sources if each.model.pattern().text == pattern]
    if root is None:
        return _of_keeping(changed) + _by_key(view, changed, assumed, records)
    usage = _of_keeping(changed) + (_by_key(view, changed, assumed, records) if root in changed else Usage())
    if others := [each for each in changed if not isinstance(each, Root)]:
        usage += _by_ledgers(view, others, assumed, records)
    return usage


def cost_of_build(view: View, assumed: Assumed, records: int) -> Usage:
    """Returns the cost of a build of one instance by itself, from its root; builds of a page share their RPCs."""
    root = view.store_class.root()
    return _by_key(view, [] if root is None else [root], assumed, records)


def instances_of(view: View, pattern: str, assumed: Assumed) -> int:
    """Returns how many instances a change of a document of the pattern builds: by its key, and by their ledgers."""
    root = view.store_class.root()
    changed = [each for each in view.store_class.sources if each.model.pattern().text == pattern]
    if root is None:
        return 1
    return int(root in changed) + assumed.dependents * any(each is not root for each in changed)


def _of_keeping(changed: list[Source]) -> Usage:
    """Returns the cost of kept totals: the document and its contributions are read, and with each a shard written."""
    kept = {each.keeping for each in changed if isinstance(each, Total) and each.keeping is not None}
    return Usage(rpcs=2, reads=1 + len(kept), writes=2 * len(kept)) if kept else Usage()


def _by_key(view: View, changed: list[Source], assumed: Assumed, records: int) -> Usage:
    """Returns the cost for the instance that the event names.

    The first read is of its ledger, together with the documents that the event's image leads to.
    """
    walk = Walk(view.store_class, assumed)
    walk.known = {each for each in changed if is_keyed(each)}
    first = walk.named()
    walk.read(first, beside=1)
    walk.follow()
    walk.commit(1 + copies_of(view, assumed) + records)
    return walk.usage


def _by_ledgers(view: View, changed: list[Source], assumed: Assumed, records: int) -> Usage:
    """Returns the cost for the instances whose ledgers name the document, which a query finds page by page."""
    usage = Usage()
    for size in look_ups(assumed.dependents, PAGE):
        usage += Usage(rpcs=1, reads=max(size, 1))
    for size in _pages(assumed.dependents):
        walk = Walk(view.store_class, assumed, size)
        named = [each for each in view.store_class.sources if not is_queried(each)]
        # All instances of the page share the changed document.
        shared = size - 1 if any(each in named and not isinstance(each, Queried) for each in changed) else 0
        walk.read(named, beside=-shared)
        walk.follow()
        walk.commit(size * (1 + copies_of(view, assumed) + records))
        usage += walk.usage
    return usage


def _pages(dependents: int) -> Iterator[int]:
    yield from [PAGE] * (dependents // PAGE)
    if rest := dependents % PAGE:
        yield rest
