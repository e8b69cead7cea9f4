"""Advice: declarations that work, but will be slow or costly with many documents, views or changes."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from boiler_functions.views.followed import One
from boiler_functions.views.store import Source


@dataclass(frozen=True)
class Advice:
    """One warning: its stable name, its subject, and a text that says what may happen and what to do."""

    name: str
    about: str
    text: str

    def to_json(self) -> dict[str, str]:
        return asdict(self)


def is_one_for_all(source: Source) -> bool:
    """Whether it is the same document for every root: a fixed id in a fixed collection."""
    return isinstance(source, One) and source.via is None and not source.key_names()
