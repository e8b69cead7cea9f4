"""The content of a view for one caller: a stored copy, or the view built now; only what the caller may read."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from boiler_functions.access import Audience, Caller, Where
from boiler_functions.database import Document
from boiler_functions.exceptions import Permanent
from boiler_functions.models.session import Snapshot, active
from boiler_functions.modes.edition import Edition
from boiler_functions.modes.ledger import due_since, is_current, ledger_path
from boiler_functions.modes.ledgers import has_others
from boiler_functions.modes.rest.copies import At, CopyPaths
from boiler_functions.types import Fields
from boiler_functions.views.build import Instance, Reader, build
from boiler_functions.views.store import Resolution

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Contents:
    """Reads or builds the instances of one view; `is_stored` says whether Query mode stores copies of it."""

    copies: CopyPaths
    scope: str
    is_stored: bool
    edition: Edition
    """The running code; a view that other code stored is built instead of read."""

    def one(self, instance: Instance, reader: Reader, caller: Caller | None, *, fresh: bool) -> Fields | None:
        """Returns the caller's copy, or the view built now; None if it does not exist, or is not theirs."""
        if self.is_never(instance, caller):
            return None
        stored = self._stored([instance], reader, caller, fresh)
        if instance in stored:
            return stored[instance]
        return self._built(instance, reader, reader.resolve([instance])[instance], caller)

    def many(
        self, instances: Sequence[Instance], reader: Reader, caller: Caller | None, *, fresh: bool
    ) -> dict[Instance, Fields]:
        """Returns contents as `one` does, with one read per level for all; logs and omits what cannot be built."""
        stored = self._stored(instances, reader, caller, fresh)
        resolved = reader.resolve(each for each in instances if each not in stored)
        contents = {
            each: stored[each] if each in stored else self._built_or_logged(each, reader, resolved[each], caller)
            for each in instances
        }
        return {each: content for each, content in contents.items() if content is not None}

    def of_copy(self, document: Document, caller: Caller | None) -> Fields | None:
        """Returns the fields of a copy if its path, which tells all (`is_told_by_path`), admits the caller."""
        admitted = self.copies.readers.admits(caller, At(self.copies.pattern, [document.path]))
        return document.fields if admitted else None

    def is_never(self, instance: Instance, caller: Caller | None) -> bool:
        """Returns whether the path of the only copy already rules the caller out, without a read."""
        if self.copies.view.meta("path") is None or self.copies.owner or not self.is_told_by_path:
            return False
        path = self.copies.own(instance.key, caller)
        return path is not None and not self.copies.readers.admits(caller, At(self.copies.pattern, [path]))

    @property
    def is_told_by_path(self) -> bool:
        """Whether the path of a copy determines who may see it, so that no predicate has to look into the view."""
        return not any(isinstance(part, Where) for part in self.copies.readers.parts())

    def _built(
        self, instance: Instance, reader: Reader, resolution: Resolution, caller: Caller | None
    ) -> Fields | None:
        is_missing = bool(instance.root) and not resolution.paths
        if is_missing or not admits(self.copies.readers, instance, reader, resolution, caller):
            return None
        if instance.view.has_own_copies():
            instance = self.copies.own_of(instance, caller)
            if instance.copy is None:
                return None
        return build(instance, reader, resolution, self.scope).at(instance.copy)

    def _built_or_logged(
        self, instance: Instance, reader: Reader, resolution: Resolution, caller: Caller | None
    ) -> Fields | None:
        try:
            return self._built(instance, reader, resolution, caller)
        except Permanent as error:
            log.error("%r is left out of a list: %s", instance, error, exc_info=error)
            return None

    def _stored(
        self, instances: Iterable[Instance], reader: Reader, caller: Caller | None, fresh: bool
    ) -> dict[Instance, Fields]:
        # Where a predicate looks into the view, a copy decides nothing, so none is read.
        if fresh or not self.is_stored or not self.is_told_by_path:
            return {}
        places = {each: path for each in instances if (path := self.copies.own(each.key, caller)) is not None}
        current = self.current(places, reader, [*places.values()])
        found = {each: self.of_copy(reader.documents[places[each]], caller) for each in current}
        return {each: fields for each, fields in found.items() if fields is not None}

    def has_others(self, reader: Reader) -> bool:
        """Returns whether other code stored some copies; a query by a field may miss or misplace those."""
        return has_others(reader.database, self.scope, self.edition)

    def current(self, instances: Iterable[Instance], reader: Reader, beside: Iterable[str] = ()) -> list[Instance]:
        """Returns the instances whose copies this code stored, and that no passing of time has changed since.

        Their ledgers say so; reads `beside` in the same request.
        """
        ledgers = {each: ledger_path(self.scope, each) for each in instances}
        reader.read([*beside, *ledgers.values()])
        found = {each: reader.documents[path] for each, path in ledgers.items()}
        return [
            each
            for each, ledger in found.items()
            if is_current(ledger, self.edition) and due_since(ledger, reader.time()) is None
        ]


def admits(
    audience: Audience, instance: Instance, reader: Reader, resolution: Resolution, caller: Caller | None
) -> bool:
    """Returns whether the audience admits the caller to the view, computed from what was read."""
    documents = {path: reader.documents[path] for path in reader.versions(resolution)}
    readable = instance.view.store_class.readable()
    with active(Snapshot(documents, instance.view.__name__, None, readable, resolution.looked_up)):
        totals = reader.totals_of(resolution)
        store = instance.view.store_class(resolution.paths, documents, reader.time, totals)
        return audience.admits(caller, instance.view.of(store, instance.key))
