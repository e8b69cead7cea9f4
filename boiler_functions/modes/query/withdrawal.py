"""Withdrawals by new code: whether it may delete the copies that a former fetch plan stored, and which of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import NamedTuple

from boiler_functions.database import Database, Delete, Write, unchanged
from boiler_functions.database.change import Change
from boiler_functions.exceptions import Permanent, WithdrawalHeld
from boiler_functions.models.model import OBJ_TYPE
from boiler_functions.modes.ledger import Ledger
from boiler_functions.types import MISSING, Instant
from boiler_functions.views.build import Built, Instance, Reader, build_to_store
from boiler_functions.views.placing import placing
from boiler_functions.views.store import Resolution, Root
from boiler_functions.views.view_model import View

_MICROSECOND = 1_000
"""In nanoseconds: the smallest step between two times of Firestore."""


class Withdrawal(NamedTuple):
    """A build that would delete all copies of an instance that code of another fetch plan stored."""

    instance: Instance
    ledger: Ledger
    change: Change | None
    reader: Reader
    resolution: Resolution

    def held(self, built: Built) -> WithdrawalHeld | None:
        """Returns the error if the new code, rather than a change of data, would withdraw every copy."""
        instance, copies = self.instance, self.ledger.destinations
        is_there = not instance.root or self.reader.documents[instance.root].exists
        if not copies or built.destinations or not is_there or self.is_by_data():
            return None
        return WithdrawalHeld(
            f"New code would withdraw every copy of {instance!r} ({len(copies)}, the first is {copies[0]}), although "
            f"its root exists. A mistake in a changed relation or condition looks like this, so the copies stay. "
            f"Correct {instance.view.store_class.__name__} or the data; if the copies are to go, run "
            f"`boiler build {instance.view.__name__} --withdraw`."
        )

    def is_by_data(self) -> bool:
        """Whether a change of data explains the withdrawal, which then takes effect although the code is new.

        The old code is not there to say what it would store now. Three cases are certain without it: this code would
        store copies if the event's document was still as before; all documents of a reference through which the copies
        were found are deleted; or this code would have stored copies at a time since the last build.
        """
        return self._is_by_event() or self._is_by_deletions() or self._is_since_last_build()

    def _is_by_event(self) -> bool:
        """Whether this code would store copies if the document was as it was before the change."""
        if self.change is None or not self.change.before.exists:
            return False
        earlier = self.reader.with_image(self.change.before, self.resolution)
        resolved = earlier.resolve([self.instance])
        return bool(build_to_store(self.instance, earlier, resolved[self.instance], "").destinations)

    def _is_by_deletions(self) -> bool:
        """Whether, for a reference through which copies are found, all documents in the ledger are deleted."""
        for source in placing(self.instance.view):
            if isinstance(source, Root):
                continue
            pattern = source.model.pattern()
            versions = self.ledger.versions.items()
            known = [path for path, version in versions if version != MISSING and pattern.match(path)]
            self.reader.read(known)
            if known and not any(self.reader.documents[path].exists for path in known):
                return True
        return False

    def _is_since_last_build(self) -> bool:
        """Whether this code would have stored copies over the documents of a time at which the old code did.

        It needs no image of the change, but a database that still knows that time: Firestore looks back an hour, or
        seven days with point-in-time recovery.
        """
        return any(self._would_have_stored(each) for each in self._moments() if each >= self.ledger.as_of)

    def _moments(self) -> Iterator[Instant]:
        """Yields the time of the last build, and those just before the change and before its document's last write."""
        yield self.ledger.as_of
        if self.change is not None:
            self.reader.read([self.change.path])
            last = self.reader.documents[self.change.path].version
            yield from (each - _MICROSECOND for each in dict.fromkeys((self.change.time, last)) if each)

    def _would_have_stored(self, at: Instant) -> bool:
        reader = Reader(self.reader.database)
        reader.read_time = at
        try:
            resolved = reader.resolve([self.instance])
            return bool(build_to_store(self.instance, reader, resolved[self.instance], "").destinations)
        except Permanent:
            return False  # The database does not look back so far.


def deletes_of_former(
    instance: Instance, paths: Collection[str], database: Database, ledger_path: Callable[[Instance], str]
) -> list[Write]:
    """Returns the deletes of copies that code of another fetch plan stored, except copies that others have now.

    A new view may use the path of a former one, or a new root may replace one whose collection was renamed. Each delete
    succeeds only if the copy is unchanged since it was read here.
    """
    taken = [path for path, other in having(instance.view, paths, database, ledger_path).items() if other != instance]
    copies = [each for each in database.read(paths).documents if each.exists and each.path not in taken]
    own = instance.view.__name__
    return [Delete(each.path, unchanged(each)) for each in copies if (each.fields or {}).get(OBJ_TYPE, own) == own]


def having(
    view: View, paths: Iterable[str], database: Database, ledger_path: Callable[[Instance], str]
) -> dict[str, Instance]:
    """Returns the instances of a view that have copies at the paths, as their ledgers say."""
    instances = {path: each for path in paths if (each := instance_at(view, path))}
    ledgers = {path: ledger_path(each) for path, each in instances.items()}
    documents = {each.path: each for each in database.read({*ledgers.values()}).documents}
    return {
        path: each for path, each in instances.items() if path in Ledger.of(each, documents[ledgers[path]]).destinations
    }


def instance_at(view: View, path: str) -> Instance | None:
    """Returns the instance of the view whose copy belongs at the path by the current declarations, or None."""
    filled = view.pattern().match(path)
    if filled is None:
        return None
    root = view.store_class.root()
    if root is None:
        return Instance(view, "")
    pattern = root.model.pattern()
    return Instance(view, pattern.fill({name: filled[f"{root.name}.{name}"] for name in pattern.names}))
