"""Compares the stored copies of a view with a fresh build, while writers and functions go on; it only reads.

All of one page is read at one time. What differs is looked at again by itself, since the emulator tears batched reads:
it counts only if the ledger did not change while its sources and copies were read. The ledger's versions then tell a
copy that is wrong from one that is late, whose sources have changed since.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any, NamedTuple

from boiler_functions.database import Database, Delete, Document, Query, unchanged
from boiler_functions.database.change import Change
from boiler_functions.exceptions import Conflict
from boiler_functions.models.model import OBJ_TYPE
from boiler_functions.models.selection import collection_query
from boiler_functions.modes.edition import Edition, scope_of
from boiler_functions.modes.in_order import in_order
from boiler_functions.modes.ledger import Ledger, due_since, ledger_path, root_of
from boiler_functions.modes.ledgers import of_view, sampled
from boiler_functions.modes.query.by_halves import by_halves
from boiler_functions.modes.query.explained import dependents_of
from boiler_functions.modes.query.kept_audit import KeptAudit
from boiler_functions.modes.query.paging import pages
from boiler_functions.modes.query.rebuild_all import NAMES, RebuildAll
from boiler_functions.modes.release import Release
from boiler_functions.modes.stored_copies import Finding, Verdict, WrongTotal
from boiler_functions.paths import collection_of
from boiler_functions.types import MISSING, Fields, Instant, digest, is_same
from boiler_functions.views.build import Built, Instance, Reader, build_to_store, chunks
from boiler_functions.views.narrowed import matters

PAGE = 100

LOOKS = 5
"""The most looks at an instance whose ledger changes during each of them; then it counts as late."""


class _Look(NamedTuple):
    """All that one look at an instance saw."""

    instance: Instance
    ledger: Ledger
    built: Built
    copies: tuple[Document, ...]
    reader: Reader

    @property
    def is_of_this_content(self) -> bool:
        """Whether the ledger says that the copies are as they are wanted, whatever has changed since."""
        ledger, built = self.ledger, self.built
        return ledger.content_hash == built.content_hash and {*ledger.destinations} == {*built.destinations}

    @property
    def changed(self) -> list[str]:
        """The paths of the documents in whose versions ledger and build differ."""
        known, now = self.ledger.versions, self.built.versions
        return sorted(path for path in {*known, *now} if known.get(path) != now.get(path))

    @property
    def may_lack_unseen_changes(self) -> bool:
        """Whether the ledger may differ in changes alone that mattered to nobody, and so were acknowledged unseen."""
        known, now = self.ledger.versions, self.built.versions
        came_or_went = (MISSING in (known.get(each, MISSING), now.get(each, MISSING)) for each in self.changed)
        is_narrow = self.instance.view.store_class.reads_fields or bool(self.ledger.reads)
        return is_narrow and not any(came_or_went)


class Audit(NamedTuple):
    """The audit of one view; `late` is how long an event may take."""

    work: RebuildAll
    late: timedelta

    def whole(self) -> Iterator[Finding]:
        """Yields a finding for each root, each ledger whose root is gone, and each copy without a ledger."""
        roots, ledgers = self.work.listed()
        known = {*roots, ""}
        strangers = [root for root in ledgers.values() if root not in known]
        del known, ledgers  # Each has as many paths as there are views.
        named: set[str] = set()
        yield from self._of(roots, named)
        yield from self._ghosts(strangers)
        yield from self._without_ledger(named)

    def sample(self, number: int) -> Iterator[Finding]:
        """Yields findings of about so many instances that have a ledger, chosen by chance."""
        start = digest(random.SystemRandom().getrandbits(64))
        found = sampled(self._database, self._scope, self._edition, start, number)
        for page in chunks((root_of(each) for each in found), PAGE):
            yield from self.of(page)

    def since(self, time: Instant) -> Iterator[Finding]:
        """Yields findings of the instances of which a source, the ledger or a copy was written since the time.

        Compares versions, for which the names of all of them are enough. A document that is gone has none.
        """
        copies = [each.path for each in self._written(self._all_copies(), time)]
        built = (each for page in of_view(self._database, self._scope, PAGE) for each in page.documents)
        roots = {
            *(each.root for each in self.work.having(copies).values()),
            *(root_of(each) for each in built if each.version >= time),
            *self._concerned(time),
        }
        yield from self.of(sorted(roots))
        yield from self.without_ledger(copies)

    def of(self, roots: Iterable[str]) -> Iterator[Finding]:
        """Yields a finding for each of the roots."""
        yield from self._of(roots, set())

    def _of(self, roots: Iterable[str], named: set[str]) -> Iterator[Finding]:
        """Yields a finding for each of the roots, and adds the copies that their ledgers name."""
        for found, copies in in_order(self._compare, chunks(roots, PAGE), self.work.surroundings.threads):
            named.update(copies)
            yield from found

    def _compare(self, roots: list[str]) -> tuple[list[Finding], list[str]]:
        """Returns the findings, and the copies that the ledgers name; a build is owed where there can be none."""
        parts = list(by_halves(self._compare_together, roots, lambda root: ([Finding(Verdict.OWED, root)], [])))
        return [each for found, _ in parts for each in found], [path for _, copies in parts for path in copies]

    def _compare_together(self, roots: list[str]) -> tuple[list[Finding], list[str]]:
        looks = list(self._look([Instance(self.work.view, root) for root in roots]))
        judged = ((each.instance, self._judged(each)) for each in looks)
        found = [each if each.verdict is Verdict.RIGHT else self._again(instance) for instance, each in judged]
        return found, [path for each in looks for path in each.ledger.destinations]

    def fresh(self, root: str) -> dict[str, Fields]:
        """Returns the copies of a root, by path, as the code builds them; none if it cannot be built."""
        (look,) = self._look([Instance(self.work.view, root)])
        return _wanted(look.built)

    def repair(self, findings: Iterable[Finding]) -> None:
        """Builds the faulty instances again, and deletes the copies of this view that no ledger names even then."""
        roots = [each.root for each in findings if each.verdict in (Verdict.LOST, Verdict.WRONG)]
        for page in chunks(roots, PAGE):
            self.work.rebuild(page)
        for path in [each.root for each in findings if each.verdict is Verdict.NO_LEDGER]:
            self._delete(path)

    def wrong_totals(self, roots: Iterable[str]) -> Iterator[WrongTotal]:
        """Yields the kept totals of these roots that are not what Firestore counts."""
        return KeptAudit(self.work.view, self._database, self._limit).wrong(roots)

    def repair_totals(self, wrong: Iterable[WrongTotal]) -> None:
        """Fills the kept totals of the view again, and builds the instances that show the wrong ones.

        A fill does for each document what its event would do, so that events may go on. It corrects other groups, too:
        the document of a lost event may have left one for another.
        """
        self.work.fill()
        for page in chunks(dict.fromkeys(each.root for each in wrong), PAGE):
            self.work.rebuild(page)

    def _look(self, instances: list[Instance]) -> Iterator[_Look]:
        """Reads ledgers, sources and copies at one time, and builds."""
        reader = Reader(self._database)
        paths = {each: ledger_path(self._scope, each) for each in instances}
        reader.read([*paths.values(), *(each.root for each in instances if each.root)])
        resolved = reader.resolve(instances)
        ledgers = {each: Ledger.of(each, reader.documents[path]) for each, path in paths.items()}
        built = {each: build_to_store(each, reader, resolved[each], self._scope) for each in instances}
        copies = {each: sorted({*ledgers[each].destinations, *built[each].destinations}) for each in instances}
        reader.read(path for each in copies.values() for path in each)
        for each in instances:
            found = tuple(reader.documents[path] for path in copies[each])
            yield _Look(each, ledgers[each], built[each], found, reader)

    def _again(self, instance: Instance) -> Finding:
        """Looks again, each time as of now, until the ledger stayed as it was from the first read to the last."""
        path = ledger_path(self._scope, instance)
        for _ in range(LOOKS):
            before = self._database.read([path]).documents[0]
            (look,) = self._look([instance])
            stored = self._database.read([each.path for each in look.copies]).documents if look.copies else ()
            after = self._database.read([path]).documents[0]
            if before.version == look.ledger.document.version == after.version:
                return self._judged(look._replace(copies=tuple(stored)))
        return Finding(Verdict.LATE, instance.root)

    def _judged(self, look: _Look) -> Finding:
        differing = tuple(_differing(look.copies, _wanted(look.built)))
        return Finding(self._verdict(look, differing), look.instance.root, differing)

    def _verdict(self, look: _Look, differing: tuple[Any, ...]) -> Verdict:
        ledger, built = look.ledger, look.built
        if ledger.is_unpaid or built.failure is not None:
            # What cannot be built keeps its earlier copies, as far as they still belong to somebody.
            return Verdict.OWED
        # A view without a root is stored once an event has concerned it.
        is_unasked = not look.instance.root and not any(each.exists for each in look.copies)
        if not ledger.document.exists and (is_unasked or built.content is None):
            return Verdict.RIGHT
        if not differing and ledger.document.exists and built.content is not None:
            return Verdict.RIGHT
        if ledger.document.exists and look.is_of_this_content:
            return Verdict.WRONG  # No event would write the copies: the ledger says that they are as they should be.
        if ledger.postponed is not None and look.reader.time() - ledger.postponed.at < self._limit:
            return Verdict.LATE
        is_same_code = ledger.edition.code in self._own_codes
        if not ledger.knows(built.versions) or not ledger.document.exists:
            if self._is_recent(look):
                return Verdict.LATE
            if is_same_code or not look.may_lack_unseen_changes:
                return Verdict.LOST
        if (since := due_since(ledger.document, look.reader.time())) is not None:
            return Verdict.LATE if look.reader.time() - since < self._limit else Verdict.LOST
        return Verdict.WRONG if is_same_code or self._is_edited(look) else Verdict.OTHER_CODE

    def _is_edited(self, look: _Look) -> bool:
        """Whether the copies are not what any code built, by the digest in the ledger."""
        stored = {each.path: each.fields for each in look.copies if each.exists}
        return {path: _hash(fields or {}) for path, fields in stored.items()} != look.ledger.copies

    def _is_recent(self, look: _Look) -> bool:
        """Whether a document in which ledger and build differ has changed just now, so that its event may come.

        One is enough: what a changed document leads to, or no longer leads to, may be old. A change of what the view
        does not read does not count: its event finds nothing to do.
        """
        known = look.ledger.versions
        if not look.changed:
            return False
        since = look.reader.time() - self._limit
        current = {each.path: each for each in self._database.read(look.changed).documents}
        recent = [path for path, each in current.items() if max(each.version, known.get(path, MISSING)) > since]
        # Of a document that is gone, only the past says since when.
        gone = [path for path, each in current.items() if not each.exists and path not in recent]
        earlier = self._as_it_was({path: max(known.get(path, MISSING), since) for path in (*recent, *gone)})
        if any(self._matters(look, Change("", "", path, earlier[path], current[path], 0)) for path in recent):
            return True
        return any(earlier[path].exists for path in gone)

    def _matters(self, look: _Look, change: Change) -> bool:
        """Whether the event of the change would build the view."""
        ledger = look.ledger
        # A function without a release knows the class alone; both are this code.
        edition = ledger.edition if ledger.edition.code in self._own_codes else self._edition
        if ledger.leaves(look.instance, edition, change.path, change.fields):
            return False
        return matters(look.instance.view.store_class, change)

    def _as_it_was(self, times: Mapping[str, Instant]) -> dict[str, Document]:
        """Returns the documents, each as it was at its time."""
        found: dict[str, Document] = {}
        for at in {*times.values()}:
            paths = [path for path, each in times.items() if each == at]
            found.update((each.path, each) for each in self._database.read(paths, at=at).documents)
        return found

    def _ghosts(self, strangers: Iterable[str]) -> Iterator[Finding]:
        """Yields a finding for each of the roots in ledgers that were not among those that live, and are gone."""
        for roots in chunks(strangers, PAGE):
            # Read again: a root may be younger than the list of those that live.
            found = self._database.read(roots).documents
            yield from self.of([each.path for each in found if not each.exists])

    def _without_ledger(self, named: Collection[str]) -> Iterator[Finding]:
        """Yields the copies that no ledger names; those that one named just now need no second look at it."""
        there = (each.path for page in pages(self._database, self._all_copies()) for each in page)
        copies = (path for path in there if path not in named)
        threads = self.work.surroundings.threads
        for found in in_order(lambda paths: list(self.without_ledger(paths)), chunks(copies, PAGE), threads):
            yield from found

    def _all_copies(self) -> Query:
        pattern = self.work.view.pattern()
        *_, collection, _ = pattern.segments
        is_one = not any("{" in each for each in pattern.segments[:-1])
        query = Query(collection_of(pattern.text)) if is_one else Query(collection, group=True, pattern=pattern)
        return query._replace(limit=NAMES, select=())

    def _concerned(self, time: Instant) -> Iterator[str]:
        """Yields the roots of the instances that the sources concern which were written since the time."""
        view = self.work.view
        models = dict.fromkeys(source.model for source in view.store_class.sources)
        queries = [collection_query(model, {})._replace(limit=NAMES, select=()) for model in models]
        for found in chunks((each.path for query in queries for each in self._written(query, time)), PAGE):
            for document in self._database.read(found).documents:
                yield from dependents_of(self.work.app, (view,), document, self._database)[view.__name__]

    def _written(self, query: Query, time: Instant) -> Iterator[Document]:
        return (each for page in pages(self._database, query) for each in page if each.version >= time)

    def without_ledger(self, paths: list[str]) -> Iterator[Finding]:
        """Yields those of the copies that no ledger names."""
        having = self.work.having(paths)
        left = [path for path in paths if path not in having]
        yield from (Finding(Verdict.NO_LEDGER, path) for path in left if self._is_without_ledger(path))

    def _is_without_ledger(self, path: str) -> bool:
        """Whether the copy is there, and its ledger names it neither before nor after that was read."""
        if path in self.work.having([path]) or not self._database.read([path]).documents[0].exists:
            return False
        return path not in self.work.having([path])

    def _delete(self, path: str) -> None:
        (copy,) = self._database.read([path]).documents
        if (copy.fields or {}).get(OBJ_TYPE) == self.work.view.__name__ and self._is_without_ledger(path):
            try:
                self._database.commit([Delete(path, precondition=unchanged(copy))])
            except Conflict:
                return  # A function has written it since: then a ledger names it.

    @property
    def _database(self) -> Database:
        return self.work.database

    @property
    def _scope(self) -> str:
        return scope_of(self.work.app, self.work.view)

    @property
    def _edition(self) -> Edition:
        return Edition.of(self.work.app, self.work.view, self.work.surroundings.release)

    @property
    def _own_codes(self) -> tuple[str, str]:
        """The fingerprint of this source, and that of the class, which a function without a release records."""
        return self._edition.code, Edition.of(self.work.app, self.work.view, Release()).code

    @property
    def _limit(self) -> Instant:
        return int(self.late.total_seconds() * 1_000_000_000)


def _differing(copies: Iterable[Document], wanted: Mapping[str, Fields]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yields the copies that differ from what is wanted, with the names of the fields."""
    for each in copies:
        expected = wanted.get(each.path)
        if each.fields is None or expected is None:
            if each.exists or expected is not None:
                yield each.path, ()
        elif not is_same(each.fields, expected):
            names = sorted({*each.fields, *expected})
            yield each.path, tuple(name for name in names if _told(each.fields, name) != _told(expected, name))


def _told(fields: Fields, name: str) -> str | None:
    return digest(fields[name]) if name in fields else None


def _hash(copy: Fields) -> str:
    return digest({name: value for name, value in copy.items() if name != "doc_ref"})


def _wanted(built: Built) -> dict[str, Fields]:
    return {path: built.document(path) for path in built.destinations} if built.content is not None else {}
