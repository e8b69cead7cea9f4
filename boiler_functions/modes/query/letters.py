"""Dead letters about stored views: what is built again, and which letters a build since has settled."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import NamedTuple

from boiler_functions.database import Database, Document
from boiler_functions.modes.dead_letter import Letter
from boiler_functions.modes.edition import scope_of
from boiler_functions.modes.invocation import Invocation
from boiler_functions.modes.ledger import Ledger, ledger_path
from boiler_functions.modes.outbox import Recipient
from boiler_functions.modes.query.rebuild import Rebuild
from boiler_functions.modes.run import nothing
from boiler_functions.types import to_instant
from boiler_functions.views.build import Instance
from boiler_functions.views.view_model import View


class Letters(NamedTuple):
    """The letters of an app's stored views."""

    app: str
    views: tuple[View, ...]
    recipients: tuple[Recipient, ...]

    def retry(self, letter: Letter) -> Callable[[Invocation], None] | None:
        """Returns the build that a letter asks for: of one view, or of all that a change concerns."""
        named = tuple(view for view in self.views if view.__name__ in letter.views)
        if not named:
            return None
        instance = self._instance(letter)
        if instance is not None and letter.source != letter.subject:
            return lambda invocation: self._rebuild(invocation, named).rebuild([instance])
        # The look-up may have failed for any of the views. As if the event came again, too large to hold images.
        return lambda invocation: self._rebuild(invocation, named, letter.subject).run()

    def settled(self, letters: Collection[Letter], database: Database) -> Iterator[Letter]:
        """Yields the letters of views that were built since and owe nothing, or whose root and ledger are gone."""
        found = [(letter, each) for letter in letters if (each := self._instance(letter))]
        paths = {each: ledger_path(scope_of(self.app, each.view), each) for _, each in found}
        wanted = {*paths.values(), *(each.root for each in paths if each.root)}
        if not wanted:
            return
        documents = {each.path: each for each in database.read(sorted(wanted)).documents}
        yield from (letter for letter, each in found if _is_settled(letter, each, documents[paths[each]], documents))

    def _instance(self, letter: Letter) -> Instance | None:
        view = next((each for each in self.views if each.__name__ == letter.view), None)
        if view is None:
            return None
        root = "" if view.store_class.root() is None else letter.subject
        instance = Instance(view, root)
        is_about_it = letter.subject == view.__name__ if not root else instance.is_possible
        return instance if is_about_it else None

    def _rebuild(self, invocation: Invocation, views: tuple[View, ...], path: str = "") -> Rebuild:
        change = nothing(f"retry-{invocation.function}")._replace(path=path) if path else None
        return Rebuild(invocation, views, change, recipients=self.recipients)


def _is_settled(letter: Letter, instance: Instance, stored: Document, documents: Mapping[str, Document]) -> bool:
    if not stored.exists:
        return bool(instance.root) and not documents[instance.root].exists
    ledger = Ledger.of(instance, stored)
    return not ledger.is_unpaid and ledger.content_hash is not None and ledger.as_of > to_instant(letter.last_time)
