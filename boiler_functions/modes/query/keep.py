"""Keeps totals up to date: brings the contribution of a document in line with the document, and the shards with it.

The contribution is read no later than the document, and committed on the condition that it is as it was read. So an
event that comes twice, late or out of order adds nothing twice. `tests/model/kept.py` checks this protocol over all its
interleavings. The views follow afterwards, as after any change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from boiler_functions.database import Document, Put
from boiler_functions.database.change import Change
from boiler_functions.exceptions import Conflict, UnknownOutcome
from boiler_functions.modes.invocation import Invocation
from boiler_functions.types import Instant, Version
from boiler_functions.views.keeping import Contribution, Keeping, Recorded
from boiler_functions.views.totals import Total, kept_totals
from boiler_functions.views.view_model import ViewModel

MAX_ATTEMPTS = 12


class Counted:
    """A document that a kept total counts, or counted."""

    def __init__(self, total: Total[Any], keeping: Keeping, path: str) -> None:
        self.total = total
        self.keeping = keeping
        self.path = path

    @property
    def contribution_path(self) -> str:
        return self.keeping.contribution_path(self.path)

    def shards(self, contributions: Iterable[Contribution]) -> Iterable[str]:
        """Yields the shards to which the document adds by one of the contributions."""
        groups = {group for each in contributions for group in each.groups}
        return (self.keeping.shard_of(group, self.path) for group in groups)


class Kept(NamedTuple):
    """What a member added before and adds now, and when its contribution was written so."""

    before: Contribution
    after: Contribution
    version: Version


class Keep(NamedTuple):
    """Keeps the totals of some views."""

    invocation: Invocation
    views: tuple[type[ViewModel[Any]], ...]

    def follow(self, change: Change) -> Mapping[str, Version] | None:
        """Keeps what the change concerns; returns the shards that it may have changed, each with the latest version.

        Returns None if the event does not tell which groups its document was in. Nothing is called for a change that
        matters to no kept total.
        """
        members = [each for each in members_of(self.views, change.path) if each.total.is_changed_by(change)]
        if not members:
            return {}
        kept = self.keep(members)
        if not change.has_images:
            return None
        found: dict[str, Version] = {}
        for member in members:
            before, after, version = kept[member]
            told = (member.total.contribution_of(image) for image in change.images)
            found.update(dict.fromkeys(member.shards((before, after, *told)), version))
        return found

    def keep(self, members: Sequence[Counted]) -> dict[Counted, Kept]:
        """Brings the contributions up to date together; one by one if their common commit meets a conflict."""
        for attempt in range(MAX_ATTEMPTS):
            try:
                return self._attempt(members)
            except (Conflict, UnknownOutcome):
                if len(members) > 1:
                    break
                if attempt == MAX_ATTEMPTS - 1:
                    raise
                self.invocation.pause(attempt)
        return {each: self.keep([each])[each] for each in members}

    def _attempt(self, members: Sequence[Counted]) -> dict[Counted, Kept]:
        documents, read_time = self._read([*(each.path for each in members), *(m.contribution_path for m in members)])
        recorded = {each: Recorded.of(documents[each.contribution_path]) for each in members}
        times = dict.fromkeys((each.path for each in members), read_time)
        if late := [each.path for each in members if recorded[each].may_be_after(documents[each.path])]:
            again, read_time = self._read(late)
            documents.update(again)
            times.update(dict.fromkeys(late, read_time))
        kept: dict[Counted, Kept] = {}
        written: list[Counted] = []
        writes: list[Put] = []
        changes: dict[Keeping, list[tuple[str, Mapping[str, int]]]] = {}
        for each in members:
            member, known = documents[each.path], recorded[each]
            adds = each.total.contribution_of(member)
            kept[each] = Kept(known.contribution, adds, known.document.version)
            if not known.has(member, adds):
                seen = member.version if member.exists else times[each.path]
                written.append(each)
                writes.append(known.put(each.keeping.total, member, adds, seen, self.invocation.now()))
                changes.setdefault(each.keeping, []).extend(each.keeping.changes(each.path, known.contribution, adds))
        if written:
            writes += [write for keeping, each in changes.items() for write in keeping.increments(each)]
            committed = self.invocation.database.commit(writes)
            kept.update((each, kept[each]._replace(version=committed.commit_time)) for each in written)
        return kept

    def _read(self, paths: Sequence[str]) -> tuple[dict[str, Document], Instant]:
        reading = self.invocation.database.read(list(dict.fromkeys(paths)))
        return {each.path: each for each in reading.documents}, reading.read_time


def members_of(views: Iterable[type[ViewModel[Any]]], path: str) -> list[Counted]:
    """Returns the document at the path once for each kept total of the views that may count it."""
    found = kept_totals(view.store_class for view in views)
    return [Counted(total, keeping, path) for total, keeping in found if total.model.pattern().match(path)]
