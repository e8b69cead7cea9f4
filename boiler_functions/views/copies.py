"""Works out where the copies of a view belong, and so who can read one, from the sources that its path names alone.

A change that takes a copy away from somebody must take effect even when the content cannot be computed. So each
document counts by itself: one whose value does not fit its model, or cannot be a segment of a path, gives no copy.
It neither blocks the other copies nor keeps the copy of an earlier owner alive.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

from boiler_functions.database import Document
from boiler_functions.exceptions import GetterFailed, InvalidPath, Permanent
from boiler_functions.models.domain_model import DomainModel
from boiler_functions.paths import Pattern, document_id
from boiler_functions.types import described
from boiler_functions.views.store import Source, Store


class Copies(NamedTuple):
    """The paths at which copies belong, and for each document that cannot give one, the reason."""

    paths: tuple[str, ...] = ()
    refused: tuple[Permanent, ...] = ()


def copies_of(view: str, pattern: Pattern, store: Store) -> Copies:
    """Returns the copies of the view, by the pattern of its path and the documents of its Store.

    A null or empty value of a placeholder gives no copy, without a reason: an optional attribute may be unset.
    """
    refused: list[Permanent] = []
    chosen = [list(_confirmed(view, store, names, refused)) for names in _by_source(pattern.names)]
    combined = ({name: value for each in one for name, value in each.items()} for one in itertools.product(*chosen))
    return Copies(tuple(sorted({pattern.fill(values) for values in combined})), tuple(refused))


def owners_of(view: str, placeholder: str, store: Store) -> set[str]:
    """Returns the ids of the users whom `access.owner(placeholder)` admits."""
    return {each[placeholder] for each in _confirmed(view, store, [placeholder], [])}


@cache
def _by_source(placeholders: tuple[str, ...]) -> list[list[str]]:
    """Returns the placeholders grouped by reference, as one document fills all those of a group."""
    grouped: dict[str, list[str]] = {}
    for placeholder in placeholders:
        grouped.setdefault(placeholder.partition(".")[0], []).append(placeholder)
    return list(grouped.values())


def _confirmed(
    view: str, store: Store, placeholders: list[str], refused: list[Permanent]
) -> Iterator[Mapping[str, str]]:
    """Yields the values that each document of the reference gives to its placeholders.

    Adds to `refused` the error of each document that cannot give them.
    """
    source = _source(store, placeholders[0].partition(".")[0])
    for candidate in store.candidates(source):
        try:
            segments = {each: _segment(view, source, candidate, each) for each in placeholders}
        except Permanent as error:
            refused.append(error)
            continue
        if all(segments.values()):
            yield {name: value for name, value in segments.items() if value}


def _segment(view: str, source: Source, candidate: Document | DomainModel, placeholder: str) -> str | None:
    value = _value(source, candidate, placeholder.partition(".")[2])
    if value is None or value == "":
        return None
    try:
        return document_id(value)
    except InvalidPath as error:
        raise InvalidPath(f"{view} has no copy for {{{placeholder}}} of {candidate.path}. {error}") from error


def _value(source: Source, candidate: Document | DomainModel, name: str) -> Any:
    model = candidate if isinstance(candidate, DomainModel) else source.model.model_of(candidate)
    try:
        return getattr(model, name)
    except Permanent:
        raise
    except (Exception, SystemExit) as error:
        raise GetterFailed(f"{type(model).__name__}.{name} raised {described(error)}") from error


def _source(store: Store, name: str) -> Source:
    return next(source for source in store.sources if source.name == name)
