"""The two lists of a ledger, versions and destinations: readable while they are short, packed when they are long.

A view of one number may rest on tens of thousands of documents. Its ledger must fit into one document all the same: it
knows as many versions as there is room for, the newest, whose events may still come.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from boiler_functions.database.sizes import text_size
from boiler_functions.database.values import fault_of_name
from boiler_functions.types import Fields, Version

READABLE_BYTES = 64 * 1024
"""Shorter lists are stored as plain fields, which are readable in the console."""

_PARENTS = len("versions.")
"""Bytes of the names that lead to a version."""

_SPARE = 0.95
"""The part of the room to fill if versions must be left out; less than all, because not all compress alike."""


class Lists(NamedTuple):
    """`versions` is whole unless some had to be left out; a document that is not there may have any version."""

    versions: Mapping[str, Version] = {}
    destinations: Sequence[str] = ()
    is_whole: bool = True

    @classmethod
    def of(cls, fields: Fields) -> Lists:
        """Returns the lists in a ledger's fields."""
        if "packed" not in fields:
            return cls(fields["versions"], tuple(fields["destinations"]))
        paths, versions, destinations = json.loads(zlib.decompress(fields["packed"]))
        return cls(dict(zip(paths, versions, strict=True)), tuple(destinations), fields["is_whole"])

    def fitting(self, room: int) -> Lists:
        """Returns the lists with as many of the newest versions as fit into the room."""
        lists = self
        while lists.versions and not lists._is_readable() and (size := len(lists._packed())) > room:
            kept = int(len(lists.versions) * min(room / size, 1) * _SPARE)
            newest = sorted(lists.versions.items(), key=lambda each: each[1], reverse=True)[:kept]
            lists = lists._replace(versions=dict(newest), is_whole=False)
        return lists

    @property
    def is_packed(self) -> bool:
        return not (self.is_whole and self._is_readable())

    def fields(self) -> dict[str, Any]:
        """Returns the lists as a ledger's fields."""
        if self.is_packed:
            return {"packed": self._packed(), "is_whole": self.is_whole}
        return {"versions": dict(self.versions), "destinations": list(self.destinations)}

    def _is_readable(self) -> bool:
        size = sum(text_size(path) + 8 for path in self.versions) + sum(map(text_size, self.destinations))
        # Not every path can be the key of a map: not one over 1,500 bytes, nor `__a/b__`.
        return size <= READABLE_BYTES and not any(fault_of_name(path, _PARENTS) for path in self.versions)

    def _packed(self) -> bytes:
        # Sorted, because the paths of one collection compress best next to each other.
        versions = sorted(self.versions.items())
        listed = [path for path, _ in versions], [version for _, version in versions], list(self.destinations)
        return zlib.compress(json.dumps(listed, separators=(",", ":"), ensure_ascii=False).encode())
