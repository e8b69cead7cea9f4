"""Query mode: a change of any document that a view read rebuilds the view; at least once, and convergent.

The protocol is checked over its interleavings by `tests/model`. In short, for each view that a change may concern:
read the ledger, then the sources; register dependencies that the ledger lacks and read again; build; commit ledger and
view together, on the condition that the ledger is as it was read. A conflict starts again at the look-up.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from boiler_functions.database import Delete, Document, Put, Write, unchanged
from boiler_functions.database.change import Change
from boiler_functions.database.sizes import MAX_DOCUMENT_BYTES, document_size, name_size
from boiler_functions.exceptions import (
    Conflict,
    NewerSchema,
    Permanent,
    Unavailable,
    UnknownOutcome,
    WithdrawalHeld,
)
from boiler_functions.models.conditions import MAX_ALTERNATIVES
from boiler_functions.modes.dead_letter import write_dead_letter
from boiler_functions.modes.edition import Edition, scope_of
from boiler_functions.modes.event_function import Enqueue
from boiler_functions.modes.invocation import Invocation, Outcome
from boiler_functions.modes.ledger import (
    COLLECTION,
    ROLL_OUT,
    Debt,
    Ledger,
    dependents,
    due_at,
    instance_of,
    ledger_path,
)
from boiler_functions.modes.outbox import Recipient, records
from boiler_functions.modes.query.continuation import Continuation, ranges
from boiler_functions.modes.query.withdrawal import Withdrawal
from boiler_functions.types import MISSING, Version
from boiler_functions.views.build import Built, Instance, Reader, build_to_store, chunks
from boiler_functions.views.dependencies import depends_on_document, tokens_of, tokens_of_change
from boiler_functions.views.store import Resolution
from boiler_functions.views.view_model import ViewModel

PAGE = 100
"""Views that are rebuilt together: one BatchGet a level, and one Commit unless they are large."""

MAX_ATTEMPTS = 12
"""Times that one view is tried before the event goes back to the platform."""

COMMIT_BYTES = 3 * 1024 * 1024
"""Where a page is cut into several commits: the emulator refuses more than 4 MiB, Firestore more than 10."""

Ledgers = dict[Instance, Ledger]


class Result(NamedTuple):
    """What is written for one view, and what is noted of it; with the error that a dead letter names."""

    instance: Instance
    writes: list[Write]
    outcome: Outcome
    error: Permanent | None = None
    unfinished: Ledger | None = None
    """The ledger while copies are written that are too large together for one commit."""


class Rebuild(NamedTuple):
    """One change, or none when views are built by hand, and the views that it may concern."""

    invocation: Invocation
    views: tuple[type[ViewModel[Any]], ...]
    change: Change | None = None
    force: bool = False
    enqueue: Enqueue | None = None
    """Where the rest of a fan-out goes once the invocation is out of time; without it, the invocation goes on."""
    recipients: tuple[Recipient, ...] = ()
    """Who receives the views' changes."""
    withdraw: bool = False
    """Whether a build by another fetch plan may withdraw every copy of a view whose root exists."""

    def run(self) -> None:
        """Rebuilds every view that the change concerns; raises a Transient error when it must be delivered again."""
        assert self.change is not None
        named = list(self._named_by(self.change))
        if named:
            self.rebuild(named)
        tokens = {token for view in self.views if view.store_class.root() for token in self._tokens(view)}
        for chunk in chunks(sorted(tokens), MAX_ALTERNATIVES):
            self.follow(chunk)

    def follow(self, tokens: Sequence[str], after: str = "", until: str = "") -> None:
        """Rebuilds the views whose ledgers hold one of the tokens, page by page."""
        newer: NewerSchema | None = None
        for page in dependents(self.invocation.database, tokens, PAGE, after, until):
            newer = self.rebuild_page(page) or newer
            # Asked after a page, never before it: a continuation that did nothing would hand on work of its own name,
            # which the queue refuses as known.
            if self.enqueue and self.invocation.is_out_of_time:
                self._hand_on(self.enqueue, tokens, after=page[-1].id, until=until)
                break
        if newer is not None:
            raise newer

    def rebuild_page(self, page: Iterable[Document]) -> NewerSchema | None:
        """Rebuilds the views of the ledgers, and returns the error of one that only a newer package can read."""
        views = {view.__name__: view for view in self.views}
        ledgers: Ledgers = {}
        newer: NewerSchema | None = None
        for document in page:
            view = views.get((document.fields or {})["view"])
            # A token is of one view of one app; a payload that somebody made up may name another's.
            if view is None or document.path != self._ledger_path(instance := instance_of(view, document)):
                continue
            try:
                ledgers[instance] = Ledger.of(instance, document)
            except NewerSchema as error:
                newer = error  # Its neighbours are built all the same.
        if ledgers:
            self.rebuild(list(ledgers), ledgers)
        return newer

    def _hand_on(self, enqueue: Enqueue, tokens: Sequence[str], after: str, until: str) -> None:
        assert self.change is not None
        whole = Continuation.of(self.invocation.function, tokens, self.change)._replace(after=after, until=until)
        for part in ranges(self.invocation.database, whole):
            try:
                enqueue(part)
            except Permanent as error:
                # A dead letter would acknowledge the event, and nobody would do the rest; each delivery does a part.
                raise Unavailable(f"A change of {whole.path} must be delivered again: {error}") from error
            self.invocation.note(Outcome.CONTINUED)

    def rebuild(self, instances: list[Instance], ledgers: Ledgers | None = None) -> None:
        """Rebuilds the instances; those of a page one by one when one of them spoils their common commit."""
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
                # Once more, to take away what must go though the view itself cannot be committed.
                ledgers, failure = None, error
            except (Conflict, UnknownOutcome):
                if len(instances) > 1:
                    break
                if attempt == MAX_ATTEMPTS - 1:
                    raise
                # Whoever was faster may have covered the change: look the ledger up again.
                ledgers, failure = None, None
                self.invocation.pause(attempt)
        for each in instances:
            self.rebuild([each])

    def _attempt_or_owe(self, instances: list[Instance], known: Ledgers | None, failure: Permanent | None) -> None:
        """Tries the instances; one that fails once more, though only its debt would be committed, leaves that alone."""
        reader = Reader(self.invocation.database)
        try:
            self._attempt(instances, known, reader, failure)
        except Permanent:
            if failure is None:
                raise
            self._give_up(instances[0], failure, reader)

    def _attempt(
        self, instances: list[Instance], known: Ledgers | None, reader: Reader, failure: Permanent | None
    ) -> None:
        ledgers = known if known is not None else self._look_up(instances, reader)
        concerned = [each for each in instances if self._is_concerned(each, ledgers[each])]
        left = [each for each in concerned if self._is_left(each, ledgers[each])]
        mine = [each for each in concerned if each not in left]
        results = [self._left(each, ledgers[each]) for each in left]
        if mine:
            results += self._built_anew(mine, ledgers, reader, failure, is_page=known is not None)
        self._commit(results)

    def _built_anew(
        self, instances: list[Instance], ledgers: Ledgers, reader: Reader, failure: Permanent | None, *, is_page: bool
    ) -> Iterator[Result]:
        """What is written for the instances, once all that they depend on is registered."""
        if is_page:
            reader.read(path for each in instances for path in self._known_documents(each, ledgers[each]))
        elif any(self._is_behind(each, ledgers[each], reader) for each in instances):
            reader.read_again(reader.documents.keys() - {ledger.document.path for ledger in ledgers.values()})
        resolved = reader.resolve(instances)
        while unregistered := [each for each in instances if self._must_register(each, ledgers[each], resolved[each])]:
            ledgers = {**ledgers, **self._register(unregistered, ledgers, resolved)}
            reader.read_again(path for each in resolved.values() for path in each.named)
            resolved = reader.resolve(instances)
        return self._built(instances, ledgers, resolved, reader, failure)

    def _look_up(self, instances: list[Instance], reader: Reader) -> Ledgers:
        """The ledgers, read together with what the instances need as far as the change's own image tells."""
        paths = {each: ledger_path(self._scope(each), each) for each in instances}
        hint = {image.path: image for image in (self.change.after,) if image.exists} if self.change else {}
        wanted = [path for each in instances for path in self._named(each, hint)]
        reader.read([*paths.values(), *wanted])
        return {each: Ledger.of(each, reader.documents[path]) for each, path in paths.items()}

    def _named(self, instance: Instance, hint: Mapping[str, Document]) -> Iterable[str]:
        if instance.is_possible:
            return instance.view.store_class.resolve(instance.key, hint, {}).named
        return [instance.root] if instance.root else []

    def _is_concerned(self, instance: Instance, ledger: Ledger) -> bool:
        if self.force or not ledger.document.exists or ledger.is_owed_to(self._edition(instance)):
            return True
        is_left = self._is_left(instance, ledger)
        if self.change is None:
            return not is_left
        if self.change.covered_by(ledger.versions.get(self.change.path)):
            self.invocation.note(Outcome.COVERED)
            return False
        # What a later edition depends on, its own tokens say.
        if not is_left and not instance.root and not self._tokens(instance.view) & ledger.depends_on:
            self.invocation.note(Outcome.UNAFFECTED)
            return False
        return True

    def _is_left(self, instance: Instance, ledger: Ledger) -> bool:
        """Whether the view is left to a later edition, unless a person builds it."""
        is_later = ledger.document.exists and ledger.edition.is_later_than(self._edition(instance))
        return is_later and not self.force

    def _left(self, instance: Instance, ledger: Ledger) -> Result:
        """The debt to a later edition, which does not know of this event."""
        now, app = self.invocation.now(), self.invocation.app
        debt = ledger.debt if ledger.is_unpaid else None
        debt = debt or Debt(now, "an event came to older code", 0, due_at(app, now))
        return Result(instance, [ledger.put_debt(debt, self._cause)], Outcome.LEFT)

    def _once_more(self) -> Debt | None:
        """A debt that is due once the code before takes no more events; None where there is none such."""
        now, settled_at = self.invocation.now(), self.invocation.surroundings.release.settled_at
        return Debt(now, ROLL_OUT, 0, due_at(self.invocation.app, settled_at)) if now < settled_at else None

    def _known_documents(self, instance: Instance, ledger: Ledger) -> Iterator[str]:
        """What the last build read by name: this one will need most of it again."""
        if instance.root:
            yield instance.root
        yield from (
            path for path in ledger.versions if depends_on_document(ledger.depends_on, self._scope(instance), path)
        )

    def _is_behind(self, instance: Instance, ledger: Ledger, reader: Reader) -> bool:
        # One BatchGet may be torn: a source read before, and the ledger after, another builder's commit. What is older
        # than the ledger knows it, or was deleted by then, is read again, now surely after the ledger; and so is all of
        # a view of which the ledger does not say what was read: it had no room, its event failed, or nothing was built
        # since it was registered.
        if ledger.is_unpaid:
            # It may have withdrawn a copy, by versions that it did not record: what is older would give it back.
            return True
        for path, document in reader.documents.items():
            is_unknown = document.collection != COLLECTION and path not in ledger.versions
            is_registered = depends_on_document(ledger.depends_on, self._scope(instance), path)
            if is_unknown and (is_registered or not ledger.is_whole):
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
        """Whether a change could come now and find nobody: of a new dependency, or of a root that has no ledger yet."""
        if not resolution.paths:
            return False
        return not ledger.document.exists or bool(
            tokens_of(self._scope(instance), resolution, instance.root) - ledger.depends_on
        )

    def _register(
        self, instances: list[Instance], ledgers: Ledgers, resolved: Mapping[Instance, Resolution]
    ) -> Ledgers:
        """Commits the ledgers with the new tokens added: a source that changes from now on finds the view."""
        registering = {
            each: ledgers[each].registering(
                tokens_of(self._scope(each), resolved[each], each.root),
                self._edition(each),
                Debt.of(self.invocation.app, "not built yet", self.invocation.now()),
            )
            for each in instances
        }
        committed = self.invocation.database.commit([ledger.put(each) for each, ledger in registering.items()])
        return {
            each: ledger.committed(version)
            for (each, ledger), version in zip(registering.items(), committed.versions, strict=True)
        }

    def _built(
        self,
        instances: list[Instance],
        ledgers: Ledgers,
        resolved: Mapping[Instance, Resolution],
        reader: Reader,
        failure: Permanent | None,
    ) -> Iterator[Result]:
        for each in instances:
            ledger = ledgers[each]
            built = build_to_store(each, reader, resolved[each], self._scope(each))
            held = self._held(each, ledger, built, reader, resolved[each])
            if fault := failure or built.failure or held:
                # The debt is committed with the neighbours, before the letter says why.
                gone = [] if held else [path for path in ledger.destinations if path not in built.destinations]
                is_owed = ledger.document.exists or bool(resolved[each].paths)
                owing = [self._owing(each, ledger, built.tokens, fault, gone)] if is_owed else []
                writes = [*owing, *map(Delete, gone)]
                yield Result(each, writes, Outcome.WITHDRAWN if gone else Outcome.DEAD_LETTER, fault)
            else:
                writes, outcome = self._writes(each, ledger, built, reader)
                refused = next(iter(built.refused), None)
                yield Result(each, writes, outcome, refused, self._unfinished(each, ledger, built))

    def _owing(
        self, instance: Instance, ledger: Ledger, tokens: frozenset[str], error: Permanent, gone: Collection[str] = ()
    ) -> Write:
        """The ledger of a view that cannot be stored as it is: who has no right to a copy loses it, all else stays.

        With its hash and versions as they were, the next good build writes what is due, and no event of now is taken
        for covered.
        """
        earlier = ledger.debt if ledger.is_unpaid else None
        debt = Debt.of(self.invocation.app, type(error).__name__, self.invocation.now(), earlier)
        kept = tuple(path for path in ledger.destinations if path not in gone)
        return ledger._replace(destinations=kept).owing(tokens, self._edition(instance), debt).put(instance)

    def _give_up(self, instance: Instance, error: Permanent, reader: Reader) -> None:
        """Commits a debt and then the letter: a repair finds the view by what was reached, and upkeep in any case."""
        for reaches in (True, False):
            try:
                self._owe(instance, error, reader if reaches else None)
                break
            except Permanent:
                continue  # With so many tokens the ledger is too large; or no document can be its root.
        self._dead_letter(instance, error)

    def _owe(self, instance: Instance, error: Permanent, reader: Reader | None) -> None:
        path = self._ledger_path(instance)
        wanted = [path, instance.root] if instance.root else [path]
        documents = {each.path: each for each in self.invocation.database.read(wanted).documents}
        ledger = Ledger.of(instance, documents[path])
        root = instance.view.store_class.root()
        if not ledger.document.exists and root and not root.model.holds(documents[instance.root]):
            return
        if self._is_left(instance, ledger):
            self.invocation.database.commit(self._left(instance, ledger).writes)
            return
        tokens: frozenset[str] = frozenset()
        if reader is not None:
            reader.documents = {**documents, **reader.documents}
            tokens = tokens_of(self._scope(instance), reader.reached(instance), instance.root)
        self.invocation.database.commit([self._owing(instance, ledger, tokens, error)])

    def _held(
        self, instance: Instance, ledger: Ledger, built: Built, reader: Reader, resolution: Resolution
    ) -> WithdrawalHeld | None:
        """The error where new code, rather than a change of data, would take all copies away."""
        if self.withdraw or ledger.edition.plan == self._edition(instance).plan:
            return None
        is_there = not instance.root or reader.documents[instance.root].exists
        if not ledger.destinations or built.destinations or not is_there:
            return None
        if Withdrawal(instance, ledger, self.change, reader, resolution).is_by_data():
            return None
        return WithdrawalHeld(
            f"New code would withdraw every copy of {instance!r} ({len(ledger.destinations)}, the first is "
            f"{ledger.destinations[0]}), although its root exists. A relation or condition that was changed and "
            f"finds nobody looks like this, so the copies stay. Correct {instance.view.store_class.__name__} or "
            f"the data; if they are to go, run `boiler build {instance.view.__name__} --withdraw`."
        )

    def _writes(self, instance: Instance, ledger: Ledger, built: Built, reader: Reader) -> tuple[list[Write], Outcome]:
        if built.content is None:
            if not ledger.document.exists:
                return [], Outcome.IGNORED
            told = self._records(instance, ledger, built)
            return [ledger.delete(), *map(Delete, ledger.destinations), *told], Outcome.DELETED
        same = built.content_hash == ledger.content_hash and not self.force
        wanted = [path for path in built.destinations if not same or path not in ledger.destinations]
        gone = [path for path in ledger.destinations if path not in built.destinations]
        # The ledger is written even when nothing else is: a builder with an older snapshot must meet a conflict.
        is_told = any(each.view is instance.view for each in self.recipients)
        edition = self._edition(instance)
        if ledger.document.exists and not ledger.edition.plan:
            self.invocation.has_met_earlier_ledgers = True
        debt = self._once_more()
        described = ledger.describing(built, reader.read_time or 0, self._cause, edition, debt, with_content=is_told)
        writes = [described.put(instance), *(Put(path, built.document(path)) for path in wanted), *map(Delete, gone)]
        writes += self._records(instance, ledger, built)
        return writes, Outcome.BUILT if wanted or gone else Outcome.UNCHANGED

    def _records(self, instance: Instance, ledger: Ledger, built: Built) -> list[Write]:
        """What is told of the change, if it is one: nothing when the content is the same, or a build by hand made it.

        A build by hand may be faster than the event of a source, which then is covered: that change is told here.
        """
        # A root that the view cannot have any more was not deleted: the view's declaration changed.
        if built.content_hash == ledger.content_hash or not instance.is_possible:
            return []
        is_by_hand = self.change is None or self.force
        if is_by_hand and (ledger.content_hash is None or ledger.knows(built.versions)):
            return []
        return list(records(self.invocation, self.recipients, instance, ledger, built))

    def _commit(self, results: Iterable[Result]) -> None:
        for page in _by_size(results):
            if len(page) == 1 and page[0].unfinished and sum(map(_weight, page[0].writes)) > COMMIT_BYTES:
                self._commit_in_parts(page[0].instance, page[0].unfinished, page[0].writes)
            elif writes := [write for each in page for write in each.writes]:
                self.invocation.database.commit(writes)
            for each in page:
                if each.outcome is not Outcome.DEAD_LETTER:  # The letter notes itself.
                    self.invocation.note(each.outcome)
                if each.error is not None:
                    self._dead_letter(each.instance, each.error)

    def _unfinished(self, instance: Instance, ledger: Ledger, built: Built) -> Ledger | None:
        """The ledger that knows old and new copies, and no content that they all have: whoever meets it builds anew."""
        if built.content is None:
            return None
        debt = Debt.of(self.invocation.app, "not all copies are written", self.invocation.now(), ledger.debt)
        copies = tuple(dict.fromkeys((*ledger.destinations, *built.destinations)))
        owing = ledger.owing(built.tokens, self._edition(instance), debt)
        return owing._replace(destinations=copies, content_hash="")

    def _commit_in_parts(self, instance: Instance, unfinished: Ledger, writes: Sequence[Write]) -> None:
        """Commits the copies part by part, each on the ledger of the one before; with the last, the ledger is right.

        No two ledgers are equal, as an equal write would keep the version, and let another builder in unseen.
        """
        final, *others = writes
        assert isinstance(final, Put)
        # Records are told once: in the commit that makes the ledger right.
        last = [each for each in others if each.precondition is not None]
        attempt = self.invocation.surroundings.random.getrandbits(64)
        for number, part in enumerate(_parts(each for each in others if each.precondition is None)):
            unfinished = unfinished._replace(cause=f"{self._cause}, part {number} of {attempt:x}")
            committed = self.invocation.database.commit([unfinished.put(instance), *part])
            unfinished = unfinished.committed(committed.versions[0])
        self.invocation.database.commit([final._replace(precondition=unchanged(unfinished.document)), *last])

    def _dead_letter(self, instance: Instance, error: Permanent) -> None:
        write_dead_letter(
            self.invocation,
            view=instance.view.__name__,
            subject=instance.root or instance.view.__name__,
            source=self.change.path if self.change else self.invocation.function,
            event=self._cause,
            error=error,
        )

    def _named_by(self, change: Change) -> Iterator[Instance]:
        """The instances that are found by key: those the change is the root of, and those that have no root."""
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
    def _cause(self) -> str:
        """What led to the build: an event, or a function without one."""
        return self.change.id if self.change else self.invocation.function

    def _edition(self, instance: Instance) -> Edition:
        return self.invocation.edition_of(instance.view)

    def _ledger_path(self, instance: Instance) -> str:
        return ledger_path(self._scope(instance), instance)

    def _scope(self, instance: Instance) -> str:
        return scope_of(self.invocation.app, instance.view)


def _by_size(results: Iterable[Result]) -> Iterator[list[Result]]:
    """The views in commits that stay under the request limit."""
    page: list[Result] = []
    size = 0
    for each in results:
        weight = sum(map(_weight, each.writes))
        if page and size + weight > COMMIT_BYTES:
            yield page
            page, size = [], 0
        page.append(each)
        size += weight
    if page:
        yield page


def _parts(writes: Iterable[Write]) -> Iterator[list[Write]]:
    """The writes in commits that stay under the request limit; each has room for a ledger, too."""
    part: list[Write] = []
    size = 0
    for each in sorted(writes, key=lambda write: isinstance(write, Put)):  # who lost a copy loses it first
        weight = _weight(each)
        if part and size + weight > COMMIT_BYTES - MAX_DOCUMENT_BYTES:
            yield part
            part, size = [], 0
        part.append(each)
        size += weight
    if part:
        yield part


def _weight(write: Write) -> int:
    return document_size(write.path, write.fields) if isinstance(write, Put) else name_size(write.path)
