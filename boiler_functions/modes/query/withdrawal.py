"""What new code takes away of what a view's former fetch plan stored: whether it may, and what is somebody else's."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

from boiler_functions.database import Database, Delete, Write, unchanged
from boiler_functions.database.change import Change
from boiler_functions.models.model import OBJ_TYPE
from boiler_functions.modes.ledger import Ledger
from boiler_functions.types import MISSING
from boiler_functions.views.build import Instance, Reader, build_to_store
from boiler_functions.views.store import Resolution, Root, Source


class Withdrawal(NamedTuple):
    """What would take all copies of a view away that code of another fetch plan stored."""

    instance: Instance
    ledger: Ledger
    change: Change | None
    reader: Reader
    resolution: Resolution

    def is_by_data(self) -> bool:
        """Whether a change of data explains it, which takes effect however new the code is.

        Code of the old plan cannot be asked. But the event's document is known as it was before, and whoever had
        copies through documents that are all deleted lost them by that.
        """
        return self._is_by_event() or self._is_by_deletions()

    def _is_by_event(self) -> bool:
        """Whether this code would store copies with the document as it was before the change."""
        if self.change is None or not self.change.before.exists:
            return False
        earlier = self.reader.with_image(self.change.before, self.resolution)
        resolved = earlier.resolve([self.instance])
        return bool(build_to_store(self.instance, earlier, resolved[self.instance], "").destinations)

    def _is_by_deletions(self) -> bool:
        """Whether of some reference, through which copies are found, all documents are gone that the ledger knows."""
        for source in self._leading():
            pattern = source.model.pattern()
            versions = self.ledger.versions.items()
            known = [path for path, version in versions if version != MISSING and pattern.match(path)]
            self.reader.read(known)
            if known and not any(self.reader.documents[path].exists for path in known):
                return True
        return False

    def _leading(self) -> Iterator[Source]:
        """The references that the view's path names, and those that lead to them."""
        view = self.instance.view
        named = {name.partition(".")[0] for name in view.pattern().names}
        for source in reversed(view.store_class.sources):
            if source.name in named and not isinstance(source, Root):
                yield source
                if source.via is not None:
                    named.add(source.via.name)


def deletes_of_former(
    instance: Instance, paths: Collection[str], database: Database, ledger_path: Callable[[Instance], str]
) -> list[Write]:
    """The deletes of copies that code of another fetch plan stored, without those that belong to somebody else by now.

    A view may take the path that another had, or another root the place of one that moved to a collection of another
    name. Each delete holds only while the copy is as it is read here.
    """
    others = {path: other for path in paths if (other := _belonging_at(instance, path))}
    ledgers = {path: ledger_path(other) for path, other in others.items()}
    found = {each.path: each for each in database.read([*paths, *ledgers.values()]).documents}
    taken = {
        path
        for path, ledger in ledgers.items()
        if found[ledger].exists and path in Ledger.of(others[path], found[ledger]).destinations
    }
    copies = (found[path] for path in paths if found[path].exists and path not in taken)
    own = instance.view.__name__
    return [Delete(each.path, unchanged(each)) for each in copies if (each.fields or {}).get(OBJ_TYPE, own) == own]


def _belonging_at(instance: Instance, path: str) -> Instance | None:
    """The other instance of the view that has a copy at the path, by the declarations of now."""
    root = instance.view.store_class.root()
    filled = instance.view.pattern().match(path)
    if root is None or filled is None:
        return None
    key = {name: filled[f"{root.name}.{name}"] for name in root.model.pattern().names}
    other = Instance(instance.view, root.model.pattern().fill(key))
    return None if other == instance else other
