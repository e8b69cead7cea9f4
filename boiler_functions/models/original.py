"""Original: what a model was when it was last read or saved, from which follows what has changed since."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum
from functools import cached_property
from types import NoneType
from typing import Any

from boiler_functions.models.model import RESERVED_KEYS, differs
from boiler_functions.types import Fields, GeoPoint, Reference

IMMUTABLE = (str, int, float, bytes, datetime, Reference, GeoPoint, Enum, NoneType)
"""Types whose values cannot change in place."""


class Original:
    """The document and the values of a model as it was last read or saved.

    It compares values rather than noting assignments, so that a list changed in place counts. It compares them as the
    model spells them, not with the document, where a filled-in default, or a 5 that reads as 5.0, would look like a
    change.
    """

    def __init__(
        self, stored: Fields | None, values: Mapping[str, Any], spell: Callable[[], Mapping[str, Any]]
    ) -> None:
        self._stored = stored
        self._values = dict(values)
        self._spell = spell

    @classmethod
    def saved(cls, fields: Fields, values: Mapping[str, Any]) -> Original:
        """Returns the original of a model that was saved with these fields."""
        spelled = copy.deepcopy(fields)  # Some values of the model may be the same objects, and may change in place.
        return cls(fields, values, lambda: spelled)

    @classmethod
    def deleted(cls) -> Original:
        """Returns the original of a model whose document was deleted."""
        return cls(None, {}, dict)

    @property
    def exists(self) -> bool:
        return self._stored is not None

    def holds(self, key: str) -> bool:
        """Returns whether the document has the field."""
        return key in (self._stored or {})

    def is_untouched(self, values: Mapping[str, Any]) -> bool:
        """Returns whether all values are the same objects as then, and of types that cannot change in place.

        A shortcut: it spares most models the full comparison.
        """
        then = self._values
        return values.keys() == then.keys() and all(
            value is then[name] and isinstance(value, IMMUTABLE) for name, value in values.items()
        )

    def changed(self, fields: Mapping[str, Any]) -> list[str]:
        """Returns the names of the fields to write or delete, so that the document holds these fields."""
        then, stored = self._fields, self._stored or {}
        declared = {key: value for key, value in fields.items() if key not in RESERVED_KEYS}
        changed = [key for key, value in declared.items() if key not in then or differs(then[key], value)]
        new = [key for key in RESERVED_KEYS if key in fields and key not in stored]
        return [*(key for key in then if key not in fields), *changed, *(new if changed else ())]

    @cached_property
    def _fields(self) -> Fields:
        # Computed at the first comparison, as most models that are read do not change.
        return {key: value for key, value in self._spell().items() if key not in RESERVED_KEYS}
