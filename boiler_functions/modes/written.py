"""Checks, for all modes, that no declaration writes a document in which a view is stored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from boiler_functions.exceptions import OverlappingPaths
from boiler_functions.paths import Pattern
from boiler_functions.views.view_model import View


def check_written(who: str, written: Iterable[tuple[Pattern, str]], stored: Sequence[View]) -> None:
    """Raises OverlappingPaths when a document that is written could be a stored view's copy: a build would undo it."""
    for pattern, what in written:
        for view in stored:
            if pattern.overlaps(view.pattern()):
                raise OverlappingPaths(
                    f"{who} writes {what} at {pattern.text!r}, where {view.__name__} is stored "
                    f"({view.pattern().text!r}); each would overwrite the other. Write the documents that "
                    f"{view.__name__} is built of, or store it in another collection."
                )


def changed_by(view: View) -> list[tuple[Pattern, str]]:
    """The documents that the setters of a view may change: those of its Store."""
    models = dict.fromkeys(source.model for source in view.store_class.sources)
    return [(model.pattern(), model.__name__) for model in models]
