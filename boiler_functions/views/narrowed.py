"""Which changes matter to a view whose references read some fields of their documents.

It follows from the same list as what its getters may read, so that a change which is acknowledged unseen is one that no
getter could have seen. Of what getters have read, without such a list, the ledger knows: see `dependencies`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from boiler_functions.database import Document
from boiler_functions.database.change import Change
from boiler_functions.database.matching import ABSENT, field_of
from boiler_functions.models.model import OBJ_TYPE
from boiler_functions.types import digest, subclasses
from boiler_functions.views.store import Source, Store


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
