"""Tells from a change alone whether it may take a copy of a view away, without reading what the view needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from boiler_functions.database import Document
from boiler_functions.database.change import Change
from boiler_functions.exceptions import Permanent
from boiler_functions.models.model import OBJ_TYPE
from boiler_functions.types import digest, subclasses
from boiler_functions.views.narrowed import deciding
from boiler_functions.views.store import Root, Source
from boiler_functions.views.view_model import View


def placing(view: View) -> Iterator[Source]:
    """Yields the references that the view's path names, and those that lead to them; the last first."""
    named = {name.partition(".")[0] for name in view.pattern().names}
    for source in reversed(view.store_class.sources):
        if source.name in named or isinstance(source, Root):
            yield source
            if source.via is not None:
                named.add(source.via.name)


def may_withdraw(view: View, change: Change) -> bool:
    """Returns whether the change may take a copy of the view away.

    It may not if the document was there before and is after, is read by the view as before, and agrees in all that
    decides where copies belong. Each change has its own event, so one that does take a copy away says so itself.
    """
    concerned = [each for each in placing(view) if each.model.pattern().match(change.path)]
    return any(not _places_alike(view, each, change) for each in concerned)


def _places_alike(view: View, source: Source, change: Change) -> bool:
    before, after = change.before, change.after
    # The images of a continuation's change have no contents.
    if not before.fields or not after.fields:
        return False
    if source.on_invalid == "skip" or not _gives_copies(source, after):
        return before.fields == after.fields  # Any field may decide whether the document counts.
    # By digest, which tells 1 from True as a query does.
    return digest(_placement(view, source, before)) == digest(_placement(view, source, after))


def _placement(view: View, source: Source, document: Document) -> list[Any]:
    """Returns all in a document of the reference that decides where copies belong."""
    fields = document.fields or {}
    names = [each.partition(".")[2] for each in view.pattern().names if each.partition(".")[0] == source.name]
    # A subclass may store what the path names under another field.
    models = (source.model, *subclasses(source.model))
    attributes = [model.attributes[each] for each in names for model in models if each in model.attributes]
    # A getter may read everything.
    found: list[Any] = [fields if each.fget is not None else each.held_in(fields) for each in attributes]
    for other in placing(view):
        if other.via is source:
            found += (each.held_in(fields) for each in other.starts_by())
    return [fields.get(OBJ_TYPE), *found, dict(deciding(source, document))]


def _gives_copies(source: Source, document: Document) -> bool:
    """Whether a copy can be for this document; one that its model refuses gives none."""
    try:
        source.model.model_of(document)
    except Permanent:
        return False
    return True
