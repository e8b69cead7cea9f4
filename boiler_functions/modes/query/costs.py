"""What a change of a source costs a stored view.

It speaks of a change that reaches the view when all of its dependencies are known; a new one costs two RPCs more, a
covered event one in all.
"""

from __future__ import annotations

from collections.abc import Iterator

from boiler_functions.database.metered import Usage
from boiler_functions.modes.query.rebuild import PAGE
from boiler_functions.views.fetching import Assumed, Walk, copies_of, is_keyed
from boiler_functions.views.references import Queried
from boiler_functions.views.store import Root, Source
from boiler_functions.views.view_model import View


def cost_of(view: View, pattern: str, assumed: Assumed, told: int) -> Usage:
    """What a change of a document of the pattern costs the view; `told` records are written of each change."""
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
    walk = Walk(view.store_class, assumed)
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
        walk = Walk(view.store_class, assumed, size)
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
