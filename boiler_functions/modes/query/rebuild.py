"""Query mode: a change of any document that a view read rebuilds the view; at least once, and convergent.

For each view that a change may concern: read the ledger, then the sources; register dependencies that the ledger lacks
and read these once more; build; commit ledger and view together, on the condition that the ledger is unchanged since it
was read. A conflict starts again with reading the ledger. `tests/model` checks this protocol over all its
interleavings; the words are in docs/glossary.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from boiler_functions.database import Document, Query, Reading, Write, check
from boiler_functions.database.change import Change
from boiler_functions.exceptions import (
    Conflict,
    NewerSchema,
    Permanent,
    UnknownOutcome,
)
from boiler_functions.models.conditions import MAX_ALTERNATIVES
from boiler_functions.modes.edition import Edition, scope_of
from boiler_functions.modes.event_function import Enqueue
from boiler_functions.modes.in_order import in_order
from boiler_functions.modes.invocation import Invocation, Outcome
from boiler_functions.modes.ledger import COLLECTION, SETTLING, Debt, Ledger, instance_of
from boiler_functions.modes.ledgers import dependents
from boiler_functions.modes.outbox import Recipient
from boiler_functions.modes.query.commits import Commits, Prepared
from boiler_functions.modes.query.composition import Composition
from boiler_functions.modes.query.continuation import Continuation, hand_on
from boiler_functions.modes.query.debts import Debts
from boiler_functions.modes.query.keep import Keep
from boiler_functions.modes.query.quiet import QuietViews
from boiler_functions.modes.query.sides import Sides
from boiler_functions.paths import Pattern
from boiler_functions.types import MISSING, Instant, Version
from boiler_functions.views.build import Built, Instance, Reader, build_to_store, chunks
from boiler_functions.views.dependencies import (
    adds_to,
    depends_on_document,
    new_in,
    sources_of,
    tokens_of,
    tokens_of_change,
)
from boiler_functions.views.store import Resolution
from boiler_functions.views.totals import Total
from boiler_functions.views.view_model import ViewModel

PAGE = 100
"""Views that are rebuilt together: with one BatchGet per level of references, and one Commit unless they are large."""

MAX_ATTEMPTS = 12
"""Attempts at one view before the event fails, so that the platform delivers it again."""

Ledgers = dict[Instance, Ledger]


class LedgerPages:
    """Pages of ledgers until the time is over; `last` is then the last page that was given out."""

    def __init__(self, pages: Iterable[Reading], is_over: Callable[[], bool]) -> None:
        self.last: Reading | None = None
        self._pages = pages
        self._is_over = is_over

    def __iter__(self) -> Iterator[Reading]:
        for page in self._pages:
            yield page
            # Asked after a page, never before the first: a continuation that did nothing would hand on a task with its
            # own name, which the queue refuses as a duplicate.
            if self._is_over():
                self.last = page
                return


class Rebuild(NamedTuple):
    """Rebuilds the views that a change may concern; without a change, those that a person or upkeep asks for."""

    invocation: Invocation
    views: tuple[type[ViewModel[Any]], ...]
    change: Change | None = None
    force: bool = False
    enqueue: Enqueue | None = None
    """Queues the rest of a fan-out once the invocation is out of time; without it, the invocation goes on."""
    recipients: tuple[Recipient, ...] = ()
    """The functions that receive the views' changes."""
    withdraw: bool = False
    """Whether a build by another fetch plan may withdraw every copy of a view whose root exists."""
    at_most_every: Mapping[type[ViewModel[Any]], Instant] = {}
    """The views that are written at most so often, in nanoseconds."""
    taken: Mapping[Instance, Document] | None = None
    """The other version's ledgers in the place where this code looks first, while it builds in the second place."""
    changed: frozenset[str] | None = None
    """The names of the fields that the change changes; None if that is not known."""
    kept: Mapping[str, Version] | None = None
    """The shards of kept totals that the change may have changed, and since when; None if that is not known."""

    def run(self) -> None:
        """Keeps the totals that the change concerns, and rebuilds every view that it concerns.

        Raises a Transient error when it must be delivered again.
        """
        assert self.change is not None
        if not any(source.is_kept for view in self.views for source in view.store_class.sources):
            self._run()
            return
        # Also for an event that was delivered before: the contribution has it, and the views may not.
        self._replace(kept=Keep(self.invocation, self.views).follow(self.change))._run()

    def _run(self) -> None:
        assert self.change is not None
        named = list(self._named_by(self.change))
        if named:
            self.rebuild(named)
        tokens = {token for view in self.views if view.store_class.root() for token in self._tokens(view)}
        for chunk in chunks(sorted(tokens), MAX_ALTERNATIVES):
            self.follow(chunk)

    def follow(self, tokens: Sequence[str], after: str = "", until: str = "") -> None:
        """Rebuilds the views whose ledgers hold one of the tokens; hands the rest on once the time is over."""
        enqueue = self.enqueue
        pages = LedgerPages(
            dependents(self.invocation.database, tokens, PAGE, after, until),
            lambda: enqueue is not None and self.invocation.is_out_of_time,
        )
        newer = self.rebuild_pages(pages)
        if enqueue is not None and pages.last is not None:
            self._hand_on(enqueue, tokens, after=pages.last.documents[-1].id, until=until)
        if newer is not None:
            raise newer

    def rebuild_pages(self, pages: Iterable[Reading]) -> NewerSchema | None:
        """Rebuilds the views of the ledgers, some pages at once; each page is read, built and committed by itself.

        Returns the error of a ledger that only a newer package can read; the others are still built.
        """
        errors = in_order(self._rebuild_page, pages, self.invocation.surroundings.threads)
        return next((error for error in list(errors) if error is not None), None)

    def _rebuild_page(self, page: Reading) -> NewerSchema | None:
        views = {view.__name__: view for view in self.views}
        ledgers: Ledgers = {}
        others: list[Instance] = []
        newer: NewerSchema | None = None
        for document in page.documents:
            view = views.get((document.fields or {})["view"])
            if view is None:
                continue
            instance = instance_of(view, document)
            # A forged continuation may name the token of a view of another app.
            if document.path != self._ledger_path(instance):
                if self._sides.is_own_elsewhere(instance, document):
                    others.append(instance)
                continue
            try:
                ledgers[instance] = Ledger.of(instance, document, page.read_time)
            except NewerSchema as error:
                newer = error  # The other views of the page are still built.
        if ledgers:
            self.rebuild(list(ledgers), ledgers)
        if others := [each for each in dict.fromkeys(others) if each not in ledgers]:
            self.rebuild(others)
        return newer

    def _hand_on(self, enqueue: Enqueue, tokens: Sequence[str], after: str, until: str) -> None:
        assert self.change is not None
        rest = Continuation.of(self.invocation.function, tokens, self.change, self.changed)
        rest = rest._replace(after=after, until=until)
        hand_on(rest, self.invocation, enqueue)

    def rebuild(self, instances: list[Instance], ledgers: Ledgers | None = None) -> None:
        """Rebuilds the instances together; in halves, each anew, if their common commit fails."""
        failure: Permanent | None = None
        for attempt in range(MAX_ATTEMPTS):
            try:
                self._attempt_or_owe(instances, ledgers, failure)
                return
            except Permanent as error:
                if len(instances) > 1:
                    break
                if failure is not None:
                    raise
                # Once more, to withdraw copies that must go although the new content cannot be committed.
                ledgers, failure = None, error
            except (Conflict, UnknownOutcome):
                if len(instances) > 1:
                    break
                if attempt == MAX_ATTEMPTS - 1:
                    raise
                # The builder that was faster may have covered the change: read the ledger again.
                ledgers, failure = None, None
                self.invocation.note_contested(instances[0].view, instances[0].root)
                self.invocation.pause(attempt)
        # By halves, since mostly one view is at fault: it is found, and the others are built, in a few commits.
        middle = len(instances) // 2
        self.rebuild(instances[:middle])
        self.rebuild(instances[middle:])

    def _attempt_or_owe(self, instances: list[Instance], known: Ledgers | None, failure: Permanent | None) -> None:
        """Tries the instances; after a second failure of one, commits its debt alone and the dead letter."""
        reader = Reader(self.invocation.database, {each.view.store_class for each in instances})
        try:
            self._attempt(instances, known, reader, failure)
        except Permanent:
            if failure is None:
                raise
            self._debts.give_up(instances[0], failure, reader)

    def _attempt(
        self, instances: list[Instance], known: Ledgers | None, reader: Reader, failure: Permanent | None
    ) -> None:
        ledgers = known if known is not None else self._look_up(instances, reader)
        if self.taken is not None:
            self._sides.check(ledgers)
        elif others := [each for each in instances if ledgers[each].is_the_others(self._edition(each))]:
            apart = self._sides.apart(others)
            # One attempt: after a conflict, it may be in the first place again.
            taken = {each: ledgers[each].document for each in apart}
            second = self._replace(invocation=self.invocation.elsewhere(), taken=taken)
            second._attempt_or_owe(apart, None, failure)
            instances = [each for each in instances if each not in apart]
        concerned = [each for each in instances if self._is_concerned(each, ledgers[each])]
        left = [each for each in concerned if self._is_left(each, ledgers[each])]
        mine = [each for each in concerned if each not in left]
        results = [self._debts.left(each, ledgers[each]) for each in left]
        if mine:
            results += self._built_anew(mine, ledgers, reader, failure, is_page=known is not None)
        self._commits.commit(results)

    def _built_anew(
        self, instances: list[Instance], ledgers: Ledgers, reader: Reader, failure: Permanent | None, *, is_page: bool
    ) -> Iterator[Prepared]:
        """Registers all that the instances depend on, then builds them."""
        if not is_page and any(self._is_behind(ledgers[each], reader) for each in instances):
            reader.read_again(reader.documents.keys() - {ledger.document.path for ledger in ledgers.values()})
        elif is_page or self.change is None:
            reader.fetch(path for each in instances for path in self._known_documents(each, ledgers[each]))
        resolved = reader.resolve(instances)
        while unregistered := [each for each in instances if self._must_register(each, ledgers[each], resolved[each])]:
            former, ledgers = ledgers, {**ledgers, **self._register(unregistered, ledgers, resolved)}
            if not self._is_still_so(reader, former, resolved):
                reader.read_again({path for each in resolved.values() for path in each.named})
                resolved = reader.resolve(instances)
        new: list[tuple[Instance, Built]] = []
        composition = self._composition
        for each in instances:
            built = build_to_store(each, reader, resolved[each], self._scope(each))
            if adds_to(ledgers[each].reads, built.reads):
                new.append((each, built))
            else:
                yield composition.result(each, ledgers[each], built, reader, resolved[each], failure)
        if new:
            ledgers = {**ledgers, **self._register_reads(new, ledgers)}
        for each, built in new:
            yield composition.result(each, ledgers[each], built, reader, resolved[each], failure)

    def _register_reads(self, new: Sequence[tuple[Instance, Built]], ledgers: Ledgers) -> Ledgers:
        """Commits the ledgers with fields that getters read for the first time, and reads their documents once more.

        Until then, handlers left changes of these fields alone. Raises Conflict if there was one: what was read may be
        from before it, and no event will come.
        """
        registered = self._commit_ledgers({each: ledgers[each].reading(built.reads) for each, built in new})
        read: dict[str, Version] = {}
        for each, built in new:
            patterns = [Pattern(text) for text in adds_to(ledgers[each].reads, built.reads)]
            read.update((path, at) for path, at in built.versions.items() if any(p.match(path) for p in patterns))
        if not Reader(self.invocation.database).has_versions(read):
            raise Conflict("A document has changed before its fields were registered. Nothing was built. Read again.")
        return registered

    def _is_still_so(self, reader: Reader, former: Ledgers, resolved: Mapping[Instance, Resolution]) -> bool:
        """Reads once more what the former ledgers did not name; returns whether it is as the first reading saw it.

        A change of it before the registration found no view; a change of anything else did. So if it is the same, the
        first reading stands. If not, everything is read again: a new document beside the older result of a query that
        finds it would let the ledger record its version, which covers its event, without what the query finds now.
        """
        documents: set[str] = set()
        queries: dict[str, Query] = {}
        for each, resolution in resolved.items():
            if resolution.totals:
                return False  # Numbers bring no versions to compare.
            ledger = former[each]
            new_documents, new_queries = new_in(resolution, ledger.depends_on, self._scope(each))
            # Without a ledger, the root too: a torn read may have seen it before a deletion that removed its ledger.
            documents |= new_documents - ({each.root} if ledger.document.exists else set())
            queries |= new_queries
        return reader.is_as_read(documents, queries)

    def _look_up(self, instances: list[Instance], reader: Reader) -> Ledgers:
        """Reads the ledgers, together with the sources that can be named from the change's own image."""
        paths = {each: self._ledger_path(each) for each in instances}
        hint = {image.path: image for image in (self.change.after,) if image.exists} if self.change else {}
        wanted = [path for each in instances for path in self._named(each, hint)]
        reader.read([*paths.values(), *wanted])
        return {each: Ledger.of(each, reader.documents[path], reader.time()) for each, path in paths.items()}

    def _named(self, instance: Instance, hint: Mapping[str, Document]) -> Iterable[str]:
        if instance.is_possible:
            return instance.view.store_class.resolve(instance.key, hint, {}).named
        return [instance.root] if instance.root else []

    def _is_concerned(self, instance: Instance, ledger: Ledger) -> bool:
        if self.force or not ledger.document.exists or ledger.is_owed_to(self._edition(instance)):
            return True
        if self.invocation.on_shelf and ledger.is_the_others(self._edition(instance)):
            return True  # Production's ledger is shown, too, so this one is left over, and says nothing of any event.
        is_left = self._is_left(instance, ledger)
        if self.change is None:
            return not is_left
        if self._is_read(instance, ledger, self.change) or self._is_counted(instance, ledger):
            self.invocation.note(Outcome.COVERED)
            return False
        # The tokens are those of this edition's plan; of a later edition's, they say nothing.
        if not is_left and not instance.root and not self._tokens(instance.view) & ledger.depends_on:
            self.invocation.note(Outcome.UNAFFECTED)
            return False
        if not is_left and ledger.leaves(instance, self._edition(instance), self.change.path, self.changed):
            self.invocation.note(Outcome.UNAFFECTED)
            return False
        if self._quiet.every and not is_left and self._quiet.is_postponed(instance, ledger, self.change):
            self.invocation.note(Outcome.POSTPONED)
            return False
        return True

    def _is_read(self, instance: Instance, ledger: Ledger, change: Change) -> bool:
        """Whether the view was built from the document as the change made it, or as it was later.

        A kept total has the document only after its event: the view may have read the one before, and then the other.
        """
        if not change.covered_by(ledger.versions.get(change.path)):
            return False
        sources = sources_of(instance.view.store_class, change.path)
        return all(self._has_counted(each, ledger) for each in sources if isinstance(each, Total) and each.is_kept)

    def _is_counted(self, instance: Instance, ledger: Ledger) -> bool:
        """Whether the change concerns only totals of the view, and these have it."""
        change = self.change
        if change is None or change.path == instance.root or change.path in ledger.versions:
            return False
        totals = list(sources_of(instance.view.store_class, change.path))
        return bool(totals) and all(isinstance(each, Total) and self._has_counted(each, ledger) for each in totals)

    def _has_counted(self, total: Total[Any], ledger: Ledger) -> bool:
        """Whether the view was built from a number that has the change."""
        if total.keeping is not None and ledger.versions.get(total.keeping.head, MISSING) != MISSING:
            # As of the shard to which its document adds. A shard that is not in the ledger is of another view's total.
            if self.kept is None or not ledger.is_whole:
                return False
            return all(ledger.versions.get(shard, since) >= since for shard, since in self.kept.items())
        # What is asked for brings no versions, so the ledger's read time tells: it had every commit up to it. The time
        # of an event of a deletion, or without images, is not that of its commit.
        change = self.change
        return change is not None and change.after.exists and change.after.version <= ledger.as_of - SETTLING

    def _is_left(self, instance: Instance, ledger: Ledger) -> bool:
        """Whether a later edition builds the view, and this one records a debt, unless a person asks for a build."""
        return not self.force and ledger.is_left_by(self._edition(instance))

    def _known_documents(self, instance: Instance, ledger: Ledger) -> Iterator[str]:
        """Yields the paths that the last build read by name; this build needs most of them again."""
        if instance.root:
            yield instance.root
        yield from (
            path
            for path in ledger.versions
            if path != instance.root and depends_on_document(ledger.depends_on, self._scope(instance), path)
        )

    def _is_behind(self, ledger: Ledger, reader: Reader) -> bool:
        """Whether some source may have been read before the ledger's last commit, so that all must be read again.

        One BatchGet may be torn: it may read a source before another builder's commit, and the ledger after it. That is
        so if a source is older than the version in the ledger, and may be so if the ledger does not know its version.
        """
        if ledger.is_unpaid or ledger.is_registered or ledger.postponed is not None:
            # A failed build records no versions, but it may have withdrawn a copy. Older sources would restore it.
            # Neither does a registration; a change before it found no view, and older sources may lack it.
            # A postponed change is in no version either, and one by older sources could end its postponement.
            return True
        if ledger.as_of > (reader.read_time or 0):
            # The documents may be the same and the answers about the time older.
            return True
        sources = (each for each in reader.documents.values() if each.collection != COLLECTION)
        if not ledger.is_whole and any(each.path not in ledger.versions for each in sources):
            return True
        for path, known in ledger.versions.items():
            read = reader.documents.get(path)
            if read is None or (not read.exists and self._tells_of_deletion(path, known)):
                continue
            if read.version < known or (known == MISSING and read.exists):
                return True
        return False

    def _tells_of_deletion(self, path: str, known: Version) -> bool:
        change = self.change
        return change is not None and change.path == path and not change.after.exists and change.before.version >= known

    def _must_register(self, instance: Instance, ledger: Ledger, resolution: Resolution) -> bool:
        """Whether the ledger lacks a token, so that a change of the source would not find the view."""
        if not resolution.paths:
            return False
        return not ledger.document.exists or bool(
            tokens_of(self._scope(instance), resolution, instance.root) - ledger.depends_on
        )

    def _register(
        self, instances: list[Instance], ledgers: Ledgers, resolved: Mapping[Instance, Resolution]
    ) -> Ledgers:
        """Commits the ledgers with the new tokens added: from now on, a change of a source finds the view."""
        registering = {
            each: ledgers[each].registering(
                tokens_of(self._scope(each), resolved[each], each.root),
                self._edition(each),
                Debt.of(self.invocation.keeper, "not built yet", self.invocation.now()),
            )
            for each in instances
        }
        # That the second place is empty does not say whose it is. The other's ledger in the first place does: after a
        # swap, and the deletion of what was swapped, this code belongs there.
        new = [each for each in instances if not ledgers[each].document.exists]
        return self._commit_ledgers(registering, [check(self.taken[each]) for each in new] if self.taken else [])

    def _commit_ledgers(self, ledgers: Ledgers, checks: Sequence[Write] = ()) -> Ledgers:
        writes = [ledger.put(each) for each, ledger in ledgers.items()]
        committed = self.invocation.database.commit([*writes, *checks])
        return {
            each: ledger.committed(version)
            for (each, ledger), version in zip(ledgers.items(), committed.versions[: len(ledgers)], strict=True)
        }

    def _named_by(self, change: Change) -> Iterator[Instance]:
        """Yields the instances that need no look-up: those whose root changed, and those of views without a root."""
        for view in self.views:
            root = view.store_class.root()
            if root is None:
                if self._tokens(view):
                    yield Instance(view, "")
            elif root.model.pattern().match(change.path):
                yield Instance(view, change.path)

    def _tokens(self, view: type[ViewModel[Any]]) -> frozenset[str]:
        if self.change is None:
            return frozenset()
        return tokens_of_change(scope_of(self.invocation.app, view), view.store_class, self.change)

    @property
    def _commits(self) -> Commits:
        return Commits(self.invocation, self.change)

    @property
    def _quiet(self) -> QuietViews:
        # What nobody sees is built at once.
        return QuietViews(self.invocation.app, {} if self.invocation.on_shelf else self.at_most_every)

    @property
    def _sides(self) -> Sides:
        return Sides(self.invocation)

    @property
    def _debts(self) -> Debts:
        return Debts(self._commits, self.force)

    @property
    def _composition(self) -> Composition:
        return Composition(self._commits, self.recipients, self.force, self.withdraw, self._quiet)

    def _edition(self, instance: Instance) -> Edition:
        return self.invocation.edition_of(instance.view)

    def _ledger_path(self, instance: Instance) -> str:
        return self.invocation.ledger_of(instance)

    def _scope(self, instance: Instance) -> str:
        return scope_of(self.invocation.app, instance.view)
