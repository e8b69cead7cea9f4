"""Reads: notes which attributes of documents are read while a view is built."""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, KeysView, ValuesView
from typing import Any, TypeAlias, cast

from marshmallow import EXCLUDE

Attributes: TypeAlias = tuple[tuple[Any, frozenset[str] | None], ...]
"""Models, each with the names of some of its attributes; None for all."""


class Reads:
    """The attributes that were read of the models of one session."""

    def __init__(self) -> None:
        self._names: dict[Any, set[str]] = {}
        self._whole: set[Any] = set()
        self.is_whole = False
        """Whether a getter took the documents themselves, and so may have read everything."""

    def noted(self, model: Any, values: dict[str, Any]) -> NotedValues:
        """Returns the values of a model as a dict that notes what is read of it."""
        if model.meta("unknown", EXCLUDE) != EXCLUDE:
            self._whole.add(model)  # A field that the model does not declare may refuse the document, or be read.
        return NotedValues(values, self._names.setdefault(model, set()), lambda: self._whole.add(model))

    @property
    def attributes(self) -> Attributes:
        """What was read of each model."""
        return tuple(
            (model, None if model in self._whole else frozenset(names)) for model, names in self._names.items()
        )


class NotedValues(dict[str, Any]):
    """The values of a model by attribute, which note each name that is asked for, and if all are asked for."""

    def __init__(self, values: dict[str, Any], names: set[str], note_all: Any) -> None:
        super().__init__(values)
        self._note = names.add
        self._note_all = note_all

    def __getitem__(self, name: str) -> Any:
        self._note(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self._note(cast(str, name))
        return super().__contains__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self._note(name)
        return super().get(name, default)

    def setdefault(self, name: str, default: Any = None) -> Any:
        self._note(name)
        return super().setdefault(name, default)

    def pop(self, name: str, *default: Any) -> Any:
        self._note(name)
        return super().pop(name, *default)

    def popitem(self) -> tuple[str, Any]:
        self._note_all()
        return super().popitem()

    # With its own `__iter__`, Python copies it by `keys()`: also `dict(values)` and `{**values}` are noted.
    def __iter__(self) -> Iterator[str]:
        self._note_all()
        return super().__iter__()

    def __len__(self) -> int:
        self._note_all()
        return super().__len__()

    def __reversed__(self) -> Iterator[str]:
        self._note_all()
        return super().__reversed__()

    def __repr__(self) -> str:
        self._note_all()
        return super().__repr__()

    def __eq__(self, other: object) -> bool:
        self._note_all()
        if isinstance(other, NotedValues):
            other._note_all()
        return super().__eq__(other)

    def __ne__(self, other: object) -> bool:
        # That of a dict does not ask `__eq__`.
        return not self == other

    def keys(self) -> KeysView[str]:  # type: ignore[override]
        self._note_all()
        return super().keys()

    def values(self) -> ValuesView[Any]:  # type: ignore[override]
        self._note_all()
        return super().values()

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]
        self._note_all()
        return super().items()

    def copy(self) -> dict[str, Any]:
        return dict(self)

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy, or what another process receives, notes nothing more.
        return dict, (dict(self),)


def fields_of(models: Iterable[Any], names: Iterable[str]) -> Iterator[str]:
    """Yields the names of the fields in which documents of the models may hold these attributes."""
    names = set(names)
    for model in models:
        for name in names:
            attribute = model.attributes.get(name)
            yield from (name,) if attribute is None else (attribute.data_key, *attribute.aliases)
