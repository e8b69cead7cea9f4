"""Which changes matter to a view: by the fields that its references list, and by those that its getters have read.

What the references list decides before anything is read. It is the same list as that of what getters may read, so that
a change which is acknowledged unseen is one that no getter could have seen. What getters have read is in the ledger,
and decides once that is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import reduce
from typing import Any, TypeAlias

from boiler_functions.database import NAME, Document
from boiler_functions.database.change import Change
from boiler_functions.database.matching import ABSENT, field_of, segments_of
from boiler_functions.models.model import OBJ_TYPE, differs
from boiler_functions.models.reads import Reads, fields_of
from boiler_functions.types import digest, subclasses
from boiler_functions.views.store import Resolution, Source, Store

FieldsRead: TypeAlias = Mapping[str, frozenset[str] | None]
"""The names of the fields that a build read, by the pattern of their documents; None for all.

A pattern that is not there had no document, so nothing is known of what getters read of one.
"""


def matters(store: type[Store], change: Change) -> bool:
    """Returns whether a view over the Store may differ after the change.

    It cannot if the document was there before and is after, and both images agree in all that a reference reads of it,
    follows, or finds it by. An event without images does not say so.
    """
    before, after = change.before, change.after
    # A continuation's images have no contents either.
    if not before.fields or not after.fields:
        return True
    return any(_seen(store, each, before) != _seen(store, each, after) for each in store.reaching(change.path))


def _seen(store: type[Store], source: Source, document: Document) -> str:
    """Returns a digest of all in the document that the reference reads, or decides by."""
    fields = document.fields or {}
    if source.fields is None:
        return digest(fields)
    found = {OBJ_TYPE: [fields.get(OBJ_TYPE)]}
    models = (source.model, *subclasses(source.model))
    for name in store.read_by(source):
        attributes = (each.attributes[name] for each in models if name in each.attributes)
        found.update({key: [value] for each in attributes for key, value in each.held_in(fields).items()})
    found.update({f"by {name}": [value] for name, value in deciding(source, document)})
    return digest(found)


def deciding(source: Source, document: Document) -> Iterator[tuple[str, Any]]:
    """Yields the fields of the document by which the reference chooses, with their values."""
    for query in source.decided_by():
        for name in (*(each.field for each in query.filters), *(each.field for each in query.orders)):
            if (value := field_of(document, name)) is not ABSENT:
                yield name, value


def fields_read(
    store: type[Store], resolution: Resolution, documents: Mapping[str, Document], reads: Reads
) -> FieldsRead:
    """Returns what a build read, followed and found documents by: for each pattern, not for each document."""
    found: dict[str, frozenset[str] | None] = {}
    for source in store.sources:
        paths = resolution.paths.get(source.name, ())
        if source.leads and any(path in documents and documents[path].exists for path in paths):
            found[source.model.pattern().text] = frozenset()
    for source in store.sources:
        pattern = source.model.pattern()
        if pattern.text in found:
            noted = (fields for model, fields in reads.fields() if model.pattern().overlaps(pattern))
            found[pattern.text] = reduce(_both, noted, _both(found[pattern.text], _decided(store, source)))
    return dict.fromkeys(found) if reads.is_whole else found


def _decided(store: type[Store], source: Source) -> frozenset[str]:
    """Returns the fields that say a document's class, where it leads, and whether the reference finds it."""
    followed = fields_of((source.model, *subclasses(source.model)), store.followed_from(source))
    queries = list(source.decided_by())
    filtered = (each.field for query in queries for each in query.filters)
    ordered = (each.field for query in queries for each in query.orders)
    compared = (segments_of(each)[0] for each in (*filtered, *ordered) if each != NAME)
    return frozenset({OBJ_TYPE, *followed, *compared})


def _both(some: frozenset[str] | None, others: frozenset[str] | None) -> frozenset[str] | None:
    return None if some is None or others is None else some | others


def both(some: FieldsRead, others: FieldsRead) -> FieldsRead:
    """Returns what either build read."""
    common = {each: _both(some[each], others[each]) for each in some.keys() & others.keys()}
    return {**some, **others, **common}


def adds_to(known: FieldsRead, read: FieldsRead) -> frozenset[str]:
    """Returns the patterns of which a build read fields that are not known yet, so that a change of one was left."""
    return frozenset(each for each in known.keys() & read.keys() if _both(known[each], read[each]) != known[each])


def fields_changed(change: Change) -> frozenset[str] | None:
    """Returns the names of the fields in which the images of a change differ; None if they do not say so."""
    before, after = change.before.fields, change.after.fields
    # The images of a continuation's change have no contents.
    if not before or not after:
        return None
    names = {*before, *after}
    different = {
        name for name in names if name not in before or name not in after or differs(before[name], after[name])
    }
    # The emulator has events of equal writes. They tell nothing, also not that nothing has changed.
    return frozenset(different) or None


def is_unread(store: type[Store], known: FieldsRead, path: str, changed: frozenset[str] | None) -> bool:
    """Returns whether a build that read these fields is as it would be after the change of others in a document."""
    sources = list(store.reaching(path))
    if changed is None or not sources:
        return False
    read = [known.get(each.model.pattern().text) for each in sources]
    return all(each is not None and not each & changed for each in read)
