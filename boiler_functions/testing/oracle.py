"""The oracle: what a fresh build makes of the documents is what must be stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from boiler_functions.compile.compiler import View
from boiler_functions.database import Database, Document
from boiler_functions.database.sizes import check_document
from boiler_functions.exceptions import Permanent
from boiler_functions.models.model import differs
from boiler_functions.modes.ledger import COLLECTION, Ledger, ledger_path
from boiler_functions.modes.query.rebuild import scope_of
from boiler_functions.testing.app import MemoryApp
from boiler_functions.types import Fields, to_datetime
from boiler_functions.views.build import Built, Instance, Reader, build

_LONGEST_TEXT = 500


def assert_views_equal_rebuild(testing: MemoryApp) -> None:
    """Asserts that the stored views are what a fresh build makes: each copy equal, none missing, none left over.

    A view that cannot be built, or stored, may be as it was before. One without a root is expected once an event has
    concerned it.
    """
    documents = testing.documents()
    faults = [fault for view in testing.compiled.declarations.queries for fault in _faults(testing, view, documents)]
    assert not faults, "\n".join(["The stored views are not what a fresh build makes:", *faults])


def _faults(testing: MemoryApp, view: View, documents: Mapping[str, Document]) -> Iterator[str]:
    expected: dict[str, Fields] = {}
    excused: set[str] = set()
    for instance in _instances(view, documents):
        scope = scope_of(testing.compiled.declarations.app, view)
        stored = documents.get(ledger_path(scope, instance), Document(ledger_path(scope, instance)))
        ledger = Ledger.of(instance, stored)
        try:
            built = _fresh(testing.database, instance, scope)
        except Permanent:
            excused.update(ledger.destinations)
            continue
        if instance.root or ledger.document.exists:
            expected.update((path, built.document(path)) for path in built.destinations)
            yield from _ledger_faults(instance, ledger, built)
    for path, fields in expected.items():
        found = documents[path].fields if path in documents else None
        if differs(found, fields):
            yield f"{path} is {_short(found)}, and should be {_short(fields)}"
    for path in documents:
        if view.pattern().match(path) and path not in expected and path not in excused:
            yield f"{path} should not exist; it is {_short(documents[path].fields)}"


def _ledger_faults(instance: Instance, ledger: Ledger, built: Built) -> Iterator[str]:
    if ledger.destinations != built.destinations:
        yield f"the ledger of {instance!r} knows the copies {ledger.destinations}, and there are {built.destinations}"
    if ledger.document.exists and built.content is None:
        yield f"the ledger of {instance!r} is left of {to_datetime(ledger.as_of)}, and there is no such view"


def _instances(view: View, documents: Mapping[str, Document]) -> list[Instance]:
    """The instances that there should be, and those that have a ledger."""
    root = view.store_class.root()
    roots = [path for path in documents if root.model.pattern().match(path)] if root else [""]
    ledgers = [each.fields or {} for each in documents.values() if each.collection == COLLECTION]
    known = [fields["root"] for fields in ledgers if fields["view"] == view.__name__]
    return [Instance(view, path) for path in dict.fromkeys([*roots, *known])]


def _fresh(database: Database, instance: Instance, scope: str) -> Built:
    reader = Reader(database)
    built = build(instance, reader, reader.resolve([instance])[instance], scope)
    for path in built.destinations:
        check_document(path, built.document(path))
    return built


def _short(fields: Fields | None) -> str:
    text = str(fields)
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"
