"""Explains a copy by its ledger, and finds the instances that depend on a document; everything here only reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from boiler_functions.database import Database, Document
from boiler_functions.modes.edition import Edition, scope_of
from boiler_functions.modes.ledger import Ledger, ledger_path, root_of
from boiler_functions.modes.ledgers import dependents
from boiler_functions.modes.query.withdrawal import instance_at
from boiler_functions.modes.release import Release
from boiler_functions.modes.run import nothing
from boiler_functions.types import MISSING, Version, to_datetime
from boiler_functions.views.build import Instance
from boiler_functions.views.dependencies import tokens_of_change
from boiler_functions.views.stored_copy import views_read
from boiler_functions.views.view_model import View

PAGE = 300


def explained(app: str, view: View, path: str, database: Database, release: Release) -> dict[str, Any] | None:
    """Returns what a copy was built from, by what code and why; None if the path is not one of the view's."""
    instance = instance_at(view, path)
    if instance is None:
        return None
    ledger = Ledger.of(instance, database.read([ledger_path(scope_of(app, view), instance)]).documents[0])
    own = {Edition.of(app, view, each).code for each in (release, Release())}
    paths = sorted(ledger.versions)
    now = {each.path: each.version for each in database.read(paths).documents} if paths else {}
    return {
        "what": f"a copy of {view.__name__}",
        "view": view.__name__,
        "root": instance.root or None,
        "has_ledger": ledger.document.exists,
        "is_listed": path in ledger.destinations,
        "copies": list(ledger.destinations),
        "copies_differ": bool(ledger.digests) or None,
        "built_at": to_datetime(ledger.as_of) if ledger.as_of else None,
        "cause": ledger.cause or None,
        "is_this_code": ledger.edition.code in own,
        "deployment": ledger.edition.deployment,
        "postponed_until": to_datetime(ledger.postponed.at) if ledger.postponed else None,
        "owed": ledger.debt.why if ledger.debt and ledger.is_unpaid else None,
        "sources": [_source(each, ledger.versions[each], now[each]) for each in paths],
        "has_all_sources": ledger.is_whole,
        "skipped": [f"{path} ({why})" for path, why in ledger.skipped.items()],
        "number_skipped": ledger.number_skipped or None,
    }


def dependents_of(app: str, views: tuple[View, ...], document: Document, database: Database) -> dict[str, list[str]]:
    """Returns the roots of the instances that a change of the document would build, by view; to the end of a chain."""
    found: dict[View, set[str]] = {view: set() for view in views}
    read = {each for view in views for each in views_read(view.store_class).values()}
    pending = [document]
    while pending:
        changed = pending.pop()
        for view, roots in found.items():
            new = set(_dependents(app, view, changed, database)) - roots
            roots |= new
            pending += _copies(app, view, new, database) if view in read else []
    return {view.__name__: sorted(roots) for view, roots in found.items()}


def _copies(app: str, view: View, roots: Iterable[str], database: Database) -> list[Document]:
    """Returns the copies of the instances of these roots."""
    instances = {ledger_path(scope_of(app, view), each): each for each in (Instance(view, root) for root in roots)}
    ledgers = database.read([*instances]).documents if instances else ()
    paths = [path for each in ledgers for path in Ledger.of(instances[each.path], each).destinations]
    return list(database.read(paths).documents) if paths else []


def _dependents(app: str, view: View, document: Document, database: Database) -> Iterator[str]:
    root = view.store_class.root()
    scope = scope_of(app, view)
    if root is not None and root.model.pattern().match(document.path):
        own = ledger_path(scope, Instance(view, document.path))
        if document.exists or database.read([own]).documents[0].exists:
            yield document.path
    change = nothing("impact")._replace(path=document.path, before=document, after=document)
    if tokens := tokens_of_change(scope, view.store_class, change):
        for page in dependents(database, sorted(tokens), PAGE):
            yield from (root_of(each) for each in page.documents)


def _source(path: str, then: Version, now: Version) -> dict[str, Any]:
    return {"path": path, "then": _time(then), "now": _time(now), "has_changed": then != now}


def _time(version: Version) -> Any:
    return None if version == MISSING else to_datetime(version)
