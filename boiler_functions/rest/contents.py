"""What the instances of a view are: as Query mode stored them, or built now."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from boiler_functions.build import Instance, Reader, build
from boiler_functions.exceptions import NewerSchema, Permanent
from boiler_functions.modes.ledger import Ledger, ledger_path
from boiler_functions.store import Resolution
from boiler_functions.types import Fields
from boiler_functions.view_models import ViewModel

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Contents:
    """The contents of one view's instances; `is_stored` when Query mode keeps the view."""

    view: type[ViewModel[Any]]
    scope: str
    is_stored: bool

    def one(self, instance: Instance, reader: Reader, *, fresh: bool) -> Fields | None:
        """The stored content, or one that is built now; None when its root does not exist."""
        stored = self._stored([instance], reader, fresh)
        if instance in stored:
            return stored[instance]
        return self._built(instance, reader, reader.resolve([instance])[instance])

    def many(self, instances: Sequence[Instance], reader: Reader, *, fresh: bool) -> dict[Instance, Fields]:
        """As `one`, with one read a level for all; what cannot be built is left out and logged, as Query mode does."""
        stored = self._stored(instances, reader, fresh)
        resolved = reader.resolve(each for each in instances if each not in stored)
        contents = {
            each: stored[each] if each in stored else self._built_or_logged(each, reader, resolved[each])
            for each in instances
        }
        return {each: content for each, content in contents.items() if content is not None}

    def _built(self, instance: Instance, reader: Reader, resolution: Resolution) -> Fields | None:
        return build(instance, reader, resolution, self.scope).content

    def _built_or_logged(self, instance: Instance, reader: Reader, resolution: Resolution) -> Fields | None:
        try:
            return self._built(instance, reader, resolution)
        except Permanent as error:
            log.error("%r is left out of a list: %s", instance, error, exc_info=error)
            return None

    def _stored(self, instances: Iterable[Instance], reader: Reader, fresh: bool) -> dict[Instance, Fields]:
        if fresh or not self.is_stored:
            return {}
        places = self._places(list(instances), reader)
        reader.read(places.values())
        documents = {each: reader.documents[path].fields for each, path in places.items()}
        return {each: fields for each, fields in documents.items() if fields is not None}

    def _places(self, instances: Sequence[Instance], reader: Reader) -> Mapping[Instance, str]:
        """Where a copy of each is; any copy will do, as all have one content."""
        if self._has_one_copy:
            return {each: self.view.pattern().fill(self._root_key(each.key)) for each in instances}
        ledgers = {each: ledger_path(self.scope, each) for each in instances}
        reader.read(ledgers.values())
        copies = {each: _destinations(each, reader, path) for each, path in ledgers.items()}
        return {each: paths[0] for each, paths in copies.items() if paths}

    @property
    def _has_one_copy(self) -> bool:
        """Whether the root's key alone says where the view is."""
        root = self.view.store_class.root()
        key = dict.fromkeys(root.model.pattern().names, "") if root else {}
        return set(self.view.pattern().names) <= self._root_key(key).keys()

    def _root_key(self, key: Mapping[str, str]) -> dict[str, str]:
        """The key by the placeholders that `Meta.path` has for it: `{"meeting.doc_id": "m1"}`."""
        root = self.view.store_class.root()
        return {f"{root.name}.{name}": value for name, value in key.items()} if root else {}


def _destinations(instance: Instance, reader: Reader, path: str) -> tuple[str, ...]:
    try:
        return Ledger.of(instance, reader.documents[path]).destinations
    except NewerSchema:
        # What newer code stored may look different; this code builds the view as it documents it.
        return ()
