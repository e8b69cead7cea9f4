"""The oracle: computes each view from all documents in the plainest way, and compares it with what is stored.

It shares no code for filters, orders, patterns or relations with the engine that it judges: `plain` reads the
documents, and `reached` fills the Stores by hand. Getters run a second time, and in a process with another hash seed;
their results must be the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from boiler_functions.database import Put
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.exceptions import Permanent
from boiler_functions.models.model import DOC_VERSION, OBJ_TYPE, RESERVED_KEYS
from boiler_functions.modes.ledger import COLLECTION
from boiler_functions.modes.ledger_lists import Lists
from boiler_functions.testing.app import MemoryApp
from boiler_functions.testing.other_process import BuiltContents, contents
from boiler_functions.testing.plain import AllDocuments, is_a, is_at
from boiler_functions.testing.reached import Reach, Reached, key_of
from boiler_functions.types import Fields, Instant, digest
from boiler_functions.views.view_model import View

_LONGEST_TEXT = 500
_MISSING = object()


def assert_views_equal_rebuild(testing: MemoryApp) -> None:
    """Asserts that every stored view equals a fresh build: each copy is correct, none is missing, none is left over.

    A view that cannot be built or stored may keep earlier content, but only where its copies still belong. A view whose
    Store has no root is expected to be stored only after an event has concerned it.
    """
    documents, now = testing.documents(), testing.surroundings.clock()
    faults = [fault for view in testing.compiled.declarations.stored for fault in _faults(view, documents, now)]
    assert not faults, "\n".join(["The stored views are not what a fresh build makes:", *faults])


class _Expected(NamedTuple):
    """The copies that one root should have, as stored: None for a copy whose content cannot be computed.

    `copies` is None if not even their paths can be; then any copy may be left.
    """

    name: str
    copies: Mapping[str, Fields | None] | None
    reached: Reached | None = None
    content: Fields | None = None


def _faults(view: View, documents: AllDocuments, now: Instant) -> Iterator[str]:
    ledgers = {
        str((each.fields or {})["root"]): each.fields or {}
        for each in documents.values()
        if each.collection == COLLECTION and (each.fields or {}).get("view") == view.__name__
    }
    wanted: dict[str, Fields | None] = {}
    built: list[_Expected] = []
    for root in _roots(view, documents, ledgers):
        ledger = ledgers.get(root)
        known = tuple(Lists.of(ledger).destinations) if ledger else ()
        expected = _expected(view, root, documents, now) if root or ledger else _Expected(view.__name__, {})
        built.append(expected)
        if expected.copies is None:
            wanted.update(dict.fromkeys(known))
            continue
        wanted.update(expected.copies)
        right = tuple(sorted(expected.copies))
        if None not in expected.copies.values() and known != right:
            yield f"the ledger of {expected.name} lists the copies {known}, and should list {right}"
        if ledger is not None and root and not _has_root(view, root, documents):
            yield f"the ledger of {expected.name} exists, and its root does not"
    yield from _compared(view, documents, wanted)
    yield from _unsteady([each for each in built if each.content is not None])


def _unsteady(built: Sequence[_Expected]) -> Iterator[str]:
    """Yields how views differ when they are built from the same documents again, or in another process."""
    views = [each.reached for each in built if each.reached is not None]
    builds: list[tuple[str, BuiltContents]] = [("a second time", [each.content() for each in views])]
    builds += [("in another process", found) for found in contents(views)]
    for where, found in builds:
        for expected, content in zip(built, found, strict=True):
            differing = [] if content is None else _differing(content, expected.content or {})
            yield from (f"{expected.name} differs when it is built {where}: {each}" for each in differing)


def _compared(view: View, documents: AllDocuments, wanted: Mapping[str, Fields | None]) -> Iterator[str]:
    for path, fields in wanted.items():
        if fields is None:
            continue
        stored = documents[path].fields if path in documents else None
        differing = [] if stored is None else list(_differing(stored, fields))
        if stored is None or differing:
            details = "" if stored is None else f": {'; '.join(differing)}"
            yield f"{path} is {_short(stored)}, and should be {_short(fields)}{details}"
    for path in documents:
        if is_at(view.pattern().text, path) and path not in wanted:
            yield f"{path} should not exist; it is {_short(documents[path].fields)}"


def _roots(view: View, documents: AllDocuments, ledgers: Mapping[str, Fields]) -> list[str]:
    """Returns the roots that exist, and those that have a ledger."""
    root = view.store_class.root()
    found = [path for path, each in documents.items() if is_a(root.model, each)] if root else [""]
    return list(dict.fromkeys([*found, *ledgers]))


def _has_root(view: View, path: str, documents: AllDocuments) -> bool:
    root = view.store_class.root()
    return root is not None and is_a(root.model, documents.get(path))


def _expected(view: View, path: str, documents: AllDocuments, now: Instant) -> _Expected:
    name = f"{view.__name__} of {path}" if path else view.__name__
    root = view.store_class.root()
    if root is not None and not is_a(root.model, documents.get(path)):
        return _Expected(name, {})
    try:
        reached = Reach(view, key_of(root.model.pattern().text, path) if root else {}, documents, now).reached()
        reached = reached.without_skipped()
    except Permanent:
        return _Expected(name, None)
    copies = reached.copies()
    try:
        content = reached.content()
        shown = {copy: _document(reached, reached.content_of(copy, content), copy) for copy in copies}
        stored = {copy: _as_stored(copy, fields) for copy, fields in shown.items()}
    except Permanent:
        return _Expected(name, dict.fromkeys(copies))
    return _Expected(name, stored, reached, content)


def _document(reached: Reached, content: Fields, path: str) -> dict[str, Any]:
    version = {DOC_VERSION: digest(content)} if reached.view.meta("versioned") else {}
    return {**content, OBJ_TYPE: reached.view.__name__, **version, "doc_ref": path}


def _as_stored(path: str, fields: Fields) -> Fields:
    """Returns the fields as a database gives them back; raises a Permanent error for fields that it cannot hold."""
    database = MemoryDatabase()
    database.commit([Put(path, fields)])
    return database.read([path]).documents[0].fields or {}


def _differing(found: Fields, wanted: Fields) -> list[str]:
    """Returns what is wrong with each field; extra bookkeeping fields are allowed."""
    names = [*wanted, *(name for name in found if name not in wanted and name not in RESERVED_KEYS)]
    return [
        f"{name} is {_shown(found, name)}, and should be {_shown(wanted, name)}"
        for name in names
        if not _is_same(found.get(name, _MISSING), wanted.get(name, _MISSING))
    ]


def _is_same(one: Any, other: Any) -> bool:
    """Returns whether Firestore stores the two values alike: 1 differs from True and from 1.0, and NaN equals NaN."""
    if isinstance(one, float) and isinstance(other, float):
        both = (math.isnan(one), math.isnan(other))
        return all(both) or (not any(both) and one == other and math.copysign(1, one) == math.copysign(1, other))
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_is_same(one[name], other[name]) for name in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_is_same, one, other))
    return isinstance(one, type(other)) and isinstance(other, type(one)) and bool(one == other)


def _shown(fields: Fields, name: str) -> str:
    return _short(fields[name]) if name in fields else "missing"


def _short(value: Any) -> str:
    text = str(value) if not isinstance(value, str) else repr(value)
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"
