"""Swaps what is shown of a view with what its shelf holds: a promotion, or a rollback.

Each instance is swapped in one commit, on the condition that both ledgers and the record of the staged version are as
they were read, and only if what comes is at least as new as what goes. So no listener sees a gap, a mixture in one
document, or an old value after a new one; and a run that was stopped goes on with those that are left.
`tests/model/staged.py` checks it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

from boiler_functions.database import Database, Delete, Document, Precondition, Put, Write, check, unchanged
from boiler_functions.database.metered import Metered
from boiler_functions.exceptions import Conflict, UnknownOutcome
from boiler_functions.modes.edition import FORMER, SHELF, STAGED, Edition, scope_of, shelf_of
from boiler_functions.modes.invocation import Invocation, Outcome
from boiler_functions.modes.ledger import Debt, Ledger, debt_of, instance_of, ledger_path, shelved
from boiler_functions.modes.ledgers import number_of_view, of_view, owed_to
from boiler_functions.modes.outbox import changes, records
from boiler_functions.modes.query.commits import COMMIT_BYTES, Prepared, by_size, weight_of
from boiler_functions.modes.query.rebuild_all import RebuildAll
from boiler_functions.modes.query.withdrawal import deletes_of_former
from boiler_functions.modes.staged import StagedProgress, StagedVersion
from boiler_functions.modes.stored_copies import BuiltPage, Finding, Moved, OnShelf, Verdict
from boiler_functions.types import MISSING, Fields, is_same
from boiler_functions.views.build import Built, Instance
from boiler_functions.views.totals import Total

PAGE = 100

MAX_ATTEMPTS = 12

MAX_PASSES = 5
"""How often what is behind is looked at again, with pauses in which its events may come."""

_SLOWER = 5
"""Added to the number of the attempt, from which a pause is computed: an event takes longer than a conflict."""


class Pair(NamedTuple):
    """The two ledgers of an instance, as they were read."""

    instance: Instance
    shown: Ledger
    shelf: Ledger


Writing = Callable[[Pair], Iterator[Write]]
"""Yields the writes for an instance."""


class _Copies(NamedTuple):
    """The copies of an instance that are shown, and those on the shelf, each by the path that readers use."""

    shown: dict[str, Any]
    shelf: dict[str, Any]


class Shelf(NamedTuple):
    """The work on the shelf of one view; `work` builds with the code of the staged version."""

    work: RebuildAll

    def build(self) -> Iterator[BuiltPage]:
        """Builds all instances on the shelf, and those that were promoted where they are."""
        return self.work.run()

    def number_of_roots(self) -> int:
        """Returns how many instances there may be; reads the names of their roots alone."""
        return sum(len(page) for page in self.work.roots())

    def on_shelf(self) -> OnShelf:
        """Counts what is on the shelf, and reads the ledgers that owe a build."""
        return OnShelf(
            number_of_view(self._database, self._scope(STAGED)),
            number_of_view(self._database, self._scope(FORMER)),
            tuple((each.since, each.why if each.is_failure else "") for each in self._owed()),
        )

    def promote(self, staged: StagedVersion) -> Iterator[Counter[Moved]]:
        """Shows the staged version, page by page, until nothing is left; yields what became of each page.

        What is left is behind: another run, or upkeep, promotes it.
        """
        staged = staged.write(self._database, progress=StagedProgress.PROMOTING)
        yield from self._passes(staged)
        staged.write(self._database, progress=StagedProgress.PROMOTED)

    def roll_back(self, staged: StagedVersion) -> Iterator[Counter[Moved]]:
        """Shows the former version again, page by page; yields what became of each page."""
        staged = staged.write(self._database, progress=StagedProgress.ROLLING_BACK)
        if not (yield from self._passes(staged)):
            staged.write(self._database, progress=StagedProgress.BUILT)

    def promote_later(self) -> Iterator[Counter[Moved]]:
        """Promotes what has been built since the version was promoted: views of new roots, and what was behind."""
        staged = StagedVersion.of(self._database, self.work.app, self.work.view.__name__)
        if staged.progress is StagedProgress.PROMOTED:
            yield from self._move_all(staged)

    def _passes(self, staged: StagedVersion) -> Generator[Counter[Moved], None, int]:
        """Moves what there is, again as long as events that are on their way bring what is left; returns the rest."""
        left: Counter[Moved] = Counter()
        for attempt in range(MAX_PASSES):
            left = Counter()
            for page in self._move_all(staged):
                moved = page.pop(Moved.MOVED, 0)
                left += page
                yield Counter({Moved.MOVED: moved})
            if not left[Moved.BEHIND]:
                break
            self._invocation().pause(attempt + _SLOWER)
        # What is left after the last pass: what one pass leaves, the next may move.
        yield left
        return left.total()

    def _move_all(self, staged: StagedVersion) -> Iterator[Counter[Moved]]:
        comes = FORMER if staged.progress is StagedProgress.ROLLING_BACK else STAGED
        for page in of_view(self._database, self._scope(comes), PAGE):
            yield self._move([instance_of(self.work.view, each) for each in page.documents], staged)

    def differences(self, roots: Collection[str] | None = None) -> Iterator[Finding]:
        """Yields, for each instance on the shelf, where what it shows would change."""
        for page in of_view(self._database, self._scope(STAGED), PAGE):
            instances = [instance_of(self.work.view, each) for each in page.documents]
            pairs = self._pairs([each for each in instances if roots is None or each.root in roots])
            copies = self._copies(pairs)
            for pair in pairs:
                differing = tuple(_differing(*copies[pair.instance]))
                verdict = Verdict.OTHER_CODE if differing else Verdict.RIGHT
                yield Finding(verdict, pair.instance.root, differing)

    def clear(self) -> Iterator[int]:
        """Deletes the shelf page by page; yields how many instances each page had."""
        return self._clear_all(self._deletes)

    def finish(self) -> Iterator[int]:
        """Leaves what is shown to production, which has the promoted code, and deletes the shelf; yields as `clear`."""
        return self._clear_all(self._leaves)

    def _clear_all(self, writes: Writing) -> Iterator[int]:
        for shelf in (STAGED, FORMER):
            for page in of_view(self._database, self._scope(shelf), PAGE):
                yield self._clear([instance_of(self.work.view, each) for each in page.documents], writes)

    def _clear(self, instances: list[Instance], writes: Writing) -> int:
        for attempt in range(MAX_ATTEMPTS - 1):
            with suppress(Conflict, UnknownOutcome):
                return self._cleared(instances, writes)
            self._invocation().pause(attempt)
        return self._cleared(instances, writes)

    def _cleared(self, instances: list[Instance], writes: Writing) -> int:
        clearing = [Prepared(each.instance, [*writes(each)], Outcome.DELETED) for each in self._pairs(instances)]
        for group in by_size(clearing):
            self._database.commit([write for each in group for write in each.writes])
        return len(instances)

    def _owed(self) -> Iterator[Debt]:
        """Yields the debts of the staged version, which its ledgers are found by."""
        app, now = shelf_of(self.work.app, STAGED), self.work.surroundings.clock()
        for ledger in owed_to(self._database, app, self.work.view.__name__, now, PAGE):
            debt = debt_of(ledger.fields or {})
            if debt is not None and debt.is_unpaid:
                yield debt

    def _move(self, instances: list[Instance], staged: StagedVersion) -> Counter[Moved]:
        """Moves the instances together; each by itself if their common commit meets a conflict."""
        for attempt in range(MAX_ATTEMPTS):
            try:
                return self._attempt(instances, staged)
            except (Conflict, UnknownOutcome):
                now = StagedVersion.of(self._database, staged.app, staged.view)
                if now.document.version != staged.document.version:
                    raise  # Another command has begun, which stops this one.
                if len(instances) > 1:
                    break
                self._invocation().pause(attempt)
        if len(instances) == 1:
            return Counter({Moved.BEHIND: 1})
        return sum((self._move([each], staged) for each in instances), Counter[Moved]())

    def _attempt(self, instances: list[Instance], staged: StagedVersion) -> Counter[Moved]:
        is_back = staged.progress is StagedProgress.ROLLING_BACK
        found = self._pairs(instances)
        pairs = [each for each in found if _is_to_move(each, is_back)]
        left_over = [each for each in found if is_back and _is_left_over(each)]
        kept = len(left_over) - self._removed(left_over, staged)
        ready = [each for each in pairs if self._is_as_new(each, is_back)]
        behind = [each for each in pairs if each not in ready]
        if is_back:
            self._ask_for([each for each in behind if not self._is_asked_for(each.shelf)])
        elif behind:
            ready += self._built_anew(behind)
        copies = self._copies(ready)
        prepared = [
            Prepared(each.instance, list(self._swap(each, copies[each.instance])), Outcome.BUILT) for each in ready
        ]
        fitting = [each for each in prepared if sum(map(weight_of, each.writes)) <= COMMIT_BYTES]
        for group in by_size(fitting):
            self._database.commit([check(staged.document), *(write for each in group for write in each.writes)])
        moved = {
            Moved.MOVED: len(fitting),
            Moved.BEHIND: len(pairs) - len(ready) + kept,
            Moved.TOO_LARGE: len(ready) - len(fitting),
        }
        return Counter({each: number for each, number in moved.items() if number})

    def _built_anew(self, pairs: list[Pair]) -> list[Pair]:
        """Builds what is behind on the shelf; returns those that are as new now, as what is shown did not change."""
        self.work.rebuild([each.instance.root for each in pairs])
        before = {each.instance: each.shown.document.version for each in pairs}
        again = self._pairs([each.instance for each in pairs])
        # What was read after the ledger that is shown is as new as it: of deletions, versions do not tell.
        return [
            each
            for each in again
            if each.shown.document.version == before[each.instance]
            and _is_to_move(each, is_back=False)
            and not each.shelf.is_unpaid
        ]

    def _removed(self, left_over: list[Pair], staged: StagedVersion) -> int:
        """Removes former ledgers whose roots are deleted; returns how many.

        A root that came back would otherwise be shown by the staged version's code, which finds the shelf taken. If it
        is back already, the event is on its way, and what it builds can be moved.
        """
        source = self.work.view.store_class.root()
        if source is None or not left_over:
            return 0
        roots = self._database.read([each.instance.root for each in left_over]).documents
        gone = [each for each, root in zip(left_over, roots, strict=True) if not source.model.holds(root)]
        for each in gone:
            # If the root is back meanwhile, the former code's event finds either ledger changed, or both gone.
            checks = [check(document) for document in (staged.document, each.shown.document)]
            self._database.commit([*checks, *self._deletes(each)])
        return len(gone)

    def _ask_for(self, pairs: list[Pair]) -> None:
        """Has the functions of the former code build what is behind; its own code is not here.

        The event may be on its way. It may also have left the view alone, as what it changed only this code reads, and
        then no other will come.
        """
        # With the app's own upkeep, which builds by that code wherever the ledger is.
        debt = Debt.of(self.work.app, "older than what is shown", self.work.surroundings.clock())
        for each in pairs:
            with suppress(Conflict):  # It has just been built.
                self._database.commit([each.shelf.put_debt(debt, "rollback")])

    def _is_asked_for(self, ledger: Ledger) -> bool:
        """Whether production's upkeep is to build it; a debt that came to the shelf with a ledger is nobody's there."""
        return ledger.is_unpaid and ledger.debt is not None and ledger.debt.due.startswith(f"{self.work.app}/")

    def _is_as_new(self, pair: Pair, is_back: bool) -> bool:
        """Whether what comes was built from documents that are all as new as those of what goes."""
        shown, shelf = pair.shown, pair.shelf
        if not shown.document.exists:
            return not shelf.is_unpaid
        if shelf.is_unpaid or any(_is_older(shelf.versions.get(path), at) for path, at in shown.versions.items()):
            return False
        if is_back:
            # The former code is not here to build it once more; its functions follow each event. Where it found no
            # root there are no versions: then the root may have come back since, and what is shown must stay.
            return shelf.content_hash is not None or shelf.as_of >= shown.as_of
        has_numbers = any(isinstance(each, Total) for each in self.work.view.store_class.sources)
        is_known = shelf.is_whole and shown.is_whole and not has_numbers and shelf.wake is shown.wake is None
        return is_known or shelf.as_of >= shown.as_of

    def _swap(self, pair: Pair, copies: _Copies) -> Iterator[Write]:
        """Yields the writes that swap the two: ledgers first, then what is shown, then the shelf."""
        instance, shown, shelf = pair
        shown_copies, shelf_copies = copies
        went = FORMER if shelf.edition.is_staged else STAGED
        if shelf.content_hash is None:
            yield Delete(shown.document.path, Precondition(version=shown.document.version))
        else:
            comes = _kept_by(self.work.app, shelf.document.fields or {})
            yield Put(shown.document.path, comes, precondition=unchanged(shown.document))
        keeper = shelf_of(self.work.app, went)
        if (fields := shown.document.fields) is not None:
            yield Put(shelf.document.path, _kept_by(keeper, fields), precondition=unchanged(shelf.document))
        else:
            scope = scope_of(keeper, self.work.view)
            yield shelf.emptied(Edition(f"{scope}/", f"{scope}/"), shelf.cause, as_of=0).put(instance)
        yield from self._records(pair)
        place = self._place_of(instance)
        yield from (Put(path, fields) for path, fields in shelf_copies.items())
        gone = [path for path in shown.destinations if path not in shelf.destinations]
        yield from deletes_of_former(instance, gone, self._database, self._shown_path) if gone else ()
        yield from (Put(place(path), fields) for path, fields in shown_copies.items())
        yield from (Delete(place(path)) for path in shelf.destinations if path not in shown_copies)

    def _records(self, pair: Pair) -> Iterator[Write]:
        """Yields the records of a change of data that came with the other version, and that nobody else will write."""
        instance, shown, shelf = pair
        recipients = [each for each in self.work.recipients if each.view is instance.view]
        is_newer = any(_is_older(at, shelf.versions.get(path, at)) for path, at in shown.versions.items())
        if recipients and shown.content_hash != shelf.content_hash and (is_newer or not shown.document.exists):
            contents = {path: each for path, each in shelf.contents.items() if each is not None}
            own = contents if instance.view.has_own_copies() else None
            content = shelf.content if own is None else {}
            built = Built(content, shelf.destinations, shelf.depends_on, shelf.versions, own=own)
            built = built._replace(content_hash=shelf.content_hash, digests=shelf.digests)
            yield from records(self._invocation(), recipients, instance, shown, changes(instance, shown, built))

    def _copies(self, pairs: Sequence[Pair]) -> dict[Instance, _Copies]:
        """Reads the copies that are shown and those on the shelf, of all pairs at once."""
        shelved_at = {each.instance: self._shelved_at(each) for each in pairs}
        shown = (path for each in pairs for path in each.shown.destinations)
        paths = [*shown, *(at for each in shelved_at.values() for at in each.values())]
        found = {each.path: each.fields for each in self._database.read(paths).documents} if paths else {}
        return {each.instance: _copies_of(each, shelved_at[each.instance], found) for each in pairs}

    def _shelved_at(self, pair: Pair) -> dict[str, str]:
        place = self._place_of(pair.instance)
        return {path: place(path) for path in pair.shelf.destinations}

    def _leaves(self, pair: Pair) -> Iterator[Write]:
        """Yields the writes that leave production alone: what is shown of the staged version is production's then.

        Else another version could not be staged: what is shown would be taken for its own.
        """
        shown = pair.shown
        if shown.edition.is_staged:
            yield Put(shown.document.path, {}, mask=("staged",), precondition=unchanged(shown.document))
        elif shown.document.exists and pair.shelf.edition.is_staged:
            # It was not promoted, as of a root that came later. The former code has built it, and no event need come.
            debt = Debt.of(self.work.app, "built by the former code", self.work.surroundings.clock())
            yield shown.put_debt(debt, "finish")
        yield from self._deletes(pair)

    def _deletes(self, pair: Pair) -> Iterator[Write]:
        yield Delete(pair.shelf.document.path, Precondition(version=pair.shelf.document.version))
        place = self._place_of(pair.instance)
        yield from (Delete(place(path)) for path in pair.shelf.destinations)

    def _pairs(self, instances: list[Instance]) -> list[Pair]:
        if not instances:
            return []
        shown = [self._shown_path(each) for each in instances]
        shelf = [ledger_path(self._scope(SHELF), each) for each in instances]
        found: dict[str, Document] = {}
        for paths in (shown, shelf):
            found.update((each.path, each) for each in self._database.read(paths).documents)
        return [
            Pair(each, Ledger.of(each, found.get(at, Document(at))), Ledger.of(each, found[there]))
            for each, at, there in zip(instances, shown, shelf, strict=True)
            if found[there].exists
        ]

    def _place_of(self, instance: Instance) -> Callable[[str], str]:
        """Returns what gives the place on the shelf of each copy."""
        return partial(shelved, self.work.app, instance)

    def _shown_path(self, instance: Instance) -> str:
        return ledger_path(scope_of(self.work.app, instance.view), instance)

    def _scope(self, shelf: str) -> str:
        return scope_of(shelf_of(self.work.app, shelf), self.work.view)

    @property
    def _database(self) -> Database:
        return self.work.database

    def _invocation(self) -> Invocation:
        return Invocation(self.work.app, "promote", Metered(self._database), self.work.surroundings)


def _copies_of(pair: Pair, shelved_at: Mapping[str, str], found: Mapping[str, Fields | None]) -> _Copies:
    """Returns the copies of a pair among the documents that were read."""
    shown = {path: fields for path in pair.shown.destinations if (fields := found[path]) is not None}
    shelf = {path: fields for path, at in shelved_at.items() if (fields := found[at]) is not None}
    if pair.shelf.edition.is_staged and len(shelf) < len(shelved_at):
        raise Conflict(f"A copy of {pair.instance!r} was built or deleted on the shelf meanwhile.")
    return _Copies(shown, shelf)


def _is_to_move(pair: Pair, is_back: bool) -> bool:
    """Whether the two are still as a move in this direction finds them."""
    shown, shelf = pair.shown, pair.shelf
    if shelf.edition.is_staged is is_back:
        return False
    return shown.edition.is_staged is is_back and (shown.document.exists or not is_back)


def _is_left_over(pair: Pair) -> bool:
    """Whether the former code has a ledger on the shelf, and nothing is shown for which it could come back."""
    return bool(pair.instance.root) and not pair.shown.document.exists and not pair.shelf.edition.is_staged


def _is_older(version: int | None, other: int) -> bool:
    """Whether a document was read in an earlier version than the other one, as far as it was read."""
    if version is None:
        return False
    return version < other or (version != other and MISSING in (version, other))


def _kept_by(keeper: str, fields: Any) -> dict[str, Any]:
    """Returns a ledger's fields as the app, or one of its shelves, keeps them."""
    kept = {name: f"{keeper}/{fields[name].partition('/')[2]}" for name in _PLACED if fields.get(name)}
    return {**fields, **kept}


_PLACED = ("plan", "code", "due", "skips")
"""The fields of a ledger that begin with the app, so that a range finds those of one app, or of one of its shelves."""


def _differing(shown: dict[str, Any], shelf: dict[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for path in sorted({*shown, *shelf}):
        before, after = shown.get(path), shelf.get(path)
        if before is None or after is None:
            yield path, ()
        elif not is_same(before, after):
            names = sorted({*before, *after})
            yield path, tuple(name for name in names if not is_same(before.get(name), after.get(name)))
