"""What a handler decides between two calls: no step of its own, as no other handler can see it."""

from collections.abc import Iterable, Mapping

from tests.model.views import build, digits, is_refused, matches, named, resolve, tokens_of, with_tombstones
from tests.model.world import (
    COPIED,
    EACH,
    FOLLOW,
    MISSING,
    NOW,
    OWNED,
    PERIOD,
    UNTAKEN,
    UPKEEP,
    WHOLE,
    Built,
    Change,
    Commit,
    Document,
    Handler,
    Known,
    Ledger,
    Resolution,
    Scenario,
    Stored,
    View,
    anew,
    pairs,
)

_PLACED = (COPIED, EACH, *OWNED)
"""The values of a root by which other documents say where its view is stored."""


class Decisions:
    """The decisions of handlers under one scenario, with some devices switched off."""

    def __init__(self, scenario: Scenario, off: Iterable[str] = ()) -> None:
        self.scenario = scenario
        self.off = frozenset(off)
        self.views = {view.name: view for view in scenario.views}
        self.paths = sorted({path for path, _ in (*scenario.script, *scenario.initial)} | {"a", "b", "c", "x", "y"})
        self.last_write = {path: number for number, (path, _) in enumerate(scenario.script, 1)}
        self._commits: dict[Handler, Commit | None] = {}

    def _code(self, edition: int) -> int:
        return (1, *self.scenario.deployments)[edition]

    def _declared(self, edition: int) -> list[View]:
        """Returns the views as the code of a deployment declares them."""
        return [view.by(self._code(edition)) for view in self.views.values()]

    def _view(self, name: str, handler: Handler) -> View:
        return self.views[name].by(self._code(handler.edition))

    def _is_later(self, ledger: Ledger | None, edition: int) -> bool:
        """Returns whether a later deployment of other code built the view."""
        if ledger is None or "later_stays" in self.off:
            return False
        return ledger.edition > edition and self._code(ledger.edition) != self._code(edition)

    def _is_owed(self, ledger: Ledger | None, edition: int) -> bool:
        """Returns whether the code of a deployment must build the view, whatever the event says."""
        if ledger is None or self._is_later(ledger, edition):
            return False
        unbuilt = ledger.content is None and "registered_owed" not in self.off
        other = self._code(ledger.edition) != self._code(edition) and "other_plan" not in self.off
        return ledger.owed or unbuilt or other

    def _is_beside(self, handler: Handler, other: Handler) -> bool:
        """Returns whether the other works on another page of the same delivery, and so ends with it."""
        return self.scenario.at_once and other.change == handler.change

    def _delivered(self, change: Change) -> Handler:
        """Starts a handler, which the code of a deployment takes at once if there is only one."""
        is_untaken = self.scenario.deployments and change.path
        return Handler(change, (), edition=UNTAKEN) if is_untaken else self._taken(change, 0)

    def _taken(self, change: Change, edition: int) -> Handler:
        """Returns the handler of a deployment: it finds views by key, then by token."""
        if self._matters_to_none(change, edition):
            return Handler(change, (), edition=edition)
        tokens = self._tokens(change, edition)
        named = tuple(
            view.name for view in self.views.values() if change.path in ("", view.root) or (not view.root and tokens)
        )
        return Handler(change, (*named, FOLLOW) if tokens else named, edition=edition)

    def _matters_to_none(self, change: Change, edition: int) -> bool:
        """Returns whether the two images of the change agree in all that a view reads of the document."""
        if not self.scenario.fields or change.path in ("", "a", UPKEEP):
            return False
        before, after = change.before, change.after
        if not change.tells or None in (before.value, after.value):
            return "images_agree" in self.off
        parts = [[view.shown(each) for view in self._declared(edition)] for each in (before, after)]
        if ("leads_matter" if change.path == "b" else "conditions_matter") not in self.off:
            parts = [[*each, (image.value or 0) % 10] for each, image in zip(parts, (before, after), strict=True)]
        is_read_whole = change.path == "y" and self.scenario.fields == WHOLE and "all_references_matter" not in self.off
        return parts[0] == parts[1] and not is_read_whole

    def _found(self, handler: Handler, hits: tuple[tuple[str, Document], ...]) -> Handler:
        return handler._replace(hits=hits, seen=pairs({**dict(hits), **dict(handler.seen)}))

    def _missing(self, handler: Handler) -> list[str]:
        seen = dict(handler.seen)
        resolved = [resolve(self._view(name, handler), seen) for name in self._mine(handler)]
        missing = {path for each in resolved for path in each.named if path not in seen}
        if handler.hits is None and any(each.queries for each in resolved):
            missing.add("query")
        if handler.total is None and any(each.counts for each in resolved):
            missing.add("total")
        return sorted(missing)

    def _mine(self, handler: Handler) -> list[str]:
        """Returns the views that it builds; the others, of a later deployment, get a debt."""
        ledgers = {name: known.ledger for name, known in handler.ledgers}
        return [name for name in handler.views if not self._is_later(ledgers.get(name), handler.edition)]

    def _look_up(self, handler: Handler) -> Handler:
        """Reads the ledger, and the documents that the view needs by the event's image, in one BatchGet."""
        view = self._view(handler.todo[0], handler)
        change = handler.change
        hint = {change.path: change.after} if change.after.value is not None else {}
        awaited = frozenset((view.name, *named(view, hint)))
        return handler._replace(todo=handler.todo[1:], phase="look-up", views=(view.name,), awaited=awaited)

    def _looked_up(self, handler: Handler) -> Handler:
        ledger = handler.ledgers[0][1].ledger
        if self._is_later(ledger, handler.edition):
            if handler.change.path == UPKEEP or self._is_covered(handler.change, ledger):
                return anew(handler)
            return handler._replace(phase="commit") if self._commit_of(handler) else anew(handler)
        is_known = self._is_covered(handler.change, ledger) or self._is_unaffected(handler, ledger)
        is_known |= self._is_postponed(handler.change, ledger, handler.read_at)
        is_known |= self._is_unread(handler.change, ledger)
        if is_known and not self._is_owed(ledger, handler.edition):
            return anew(handler)
        is_owed = ledger and (
            (ledger.owed and "reread_owed" not in self.off)
            or (ledger.postponed_until and "reread_postponed" not in self.off)
        )
        if ledger and (self._is_behind(handler, ledger) or is_owed):
            return handler._replace(phase="read", awaited=frozenset(dict(handler.seen)) - {NOW}, seen=(), read_at=0)
        return handler._replace(phase="read")

    def _is_unaffected(self, handler: Handler, ledger: Ledger | None) -> bool:
        """Returns whether a view without root depends on no document of the change."""
        (name,) = handler.views
        if ledger is None or self.views[name].root or handler.change.path in ("", UPKEEP):
            return False
        return not self._tokens(handler.change, handler.edition) & ledger.tokens

    def _is_covered(self, change: Change, ledger: Ledger | None) -> bool:
        if ledger is None or change.path in ("", UPKEEP):
            return False
        if self._is_counted(change, ledger):
            return True
        if "versions" in self.off:
            return change.tells and ledger.as_of >= change.number
        known = ledger.version(change.path)
        if "tombstones" in self.off and known is not None and known <= MISSING.version:
            return change.over > 0
        return change.covered_by(known)

    def _is_counted(self, change: Change, ledger: Ledger) -> bool:
        """Returns whether the change concerns only the total of the view, which was asked for after it.

        An event of a deletion does not say when that was, and one without images says nothing.
        """
        if not ledger.as_of or not change.tells or change.path not in ("x", "y") or "versions" in self.off:
            return False
        if ledger.version(change.path) is not None and "counted_alone" not in self.off:
            return False
        is_dated = change.after.value is not None or "deletions_counted" in self.off
        return is_dated and change.after.version <= ledger.as_of

    def _is_postponed(self, change: Change, ledger: Ledger | None, read_at: int) -> bool:
        """Returns whether a build is to come, from a reading after that of the ledger, and so after the change."""
        if not self.scenario.quiet or ledger is None or change.path in ("", UPKEEP) or self._may_withdraw(change):
            return False
        if "postponed" in self.off:
            return read_at < ledger.written_at + PERIOD
        return read_at < ledger.postponed_until or (bool(ledger.postponed_until) and "postponed_in_time" in self.off)

    def _is_unread(self, change: Change, ledger: Ledger | None) -> bool:
        """Returns whether the images of the change agree in all that getters read of it, and that decides."""
        if ledger is None or ledger.reads is None or change.path in ("", "a", UPKEEP):
            return False
        if not change.tells or None in (change.before.value, change.after.value):
            return "images_agree" in self.off
        decides = ("leads_matter" if change.path == "b" else "conditions_matter") not in self.off
        read = ledger.reads | {1} if decides else ledger.reads
        return digits(change.before, read) == digits(change.after, read)

    def _may_withdraw(self, change: Change) -> bool:
        """Returns whether the change may take a copy away: of a root that comes, goes, or places the view elsewhere."""
        if change.path not in self.scenario.places or "withdrawn_at_once" in self.off:
            return False
        if change.path != "a" or not change.tells:
            return True
        before, after = change.before.value, change.after.value
        return None in (before, after) or (before in _PLACED) != (after in _PLACED)

    def _is_behind(self, handler: Handler, ledger: Ledger) -> bool:
        if ledger.registered and "reread_registered" not in self.off:
            return True  # What was read may be older than the registration.
        if "reread_older_answer" not in self.off and ledger.now > (dict(handler.seen).get(NOW, MISSING).value or 0):
            return True
        return any(self._is_older(handler.change, path, read, ledger) for path, read in handler.seen if path != NOW)

    def _is_older(self, change: Change, path: str, read: Document, ledger: Ledger) -> bool:
        known = ledger.version(path)
        if known is None or "reread_behind" in self.off:
            return False
        if read.value is None:
            return known > (change.over if change.path == path else 0)
        return known <= 0 or read.version < known

    def _decided(self, handler: Handler) -> Handler:
        """Continues after a read: with more levels, a registration or the commit."""
        if missing := self._missing(handler):
            return (
                handler._replace(awaited=frozenset(missing)) if self.scenario.live else handler._replace(phase="deeper")
            )
        if self._unregistered(handler):
            return handler._replace(phase="register")
        if self._unrecorded(handler):
            return handler._replace(phase="record")
        return handler._replace(phase="commit") if self._commit_of(handler) else anew(handler)

    def _unregistered(self, handler: Handler) -> dict[str, frozenset[str]]:
        """Returns the views that a change could miss now, with their tokens: with new ones, or without a ledger."""
        if "register" in self.off:
            return {}
        seen = dict(handler.seen)
        found = {}
        for name, known in handler.ledgers:
            if name not in self._mine(handler):
                continue
            resolution = resolve(self._view(name, handler), seen)
            tokens = self._tokens_of(self._view(name, handler), resolution, seen)
            if resolution.exists and (known.ledger is None or tokens - known.ledger.tokens):
                found[name] = tokens
        return found

    def _registration(self, handler: Handler) -> Commit:
        ledgers = dict(handler.ledgers)
        return Commit(
            tuple(
                (
                    name,
                    ledgers[name],
                    (old or Ledger(frozenset(), edition=handler.edition))._replace(
                        tokens=old.tokens | tokens if old else tokens, registered=True
                    ),
                )
                for name, tokens in self._unregistered(handler).items()
                for old in (ledgers[name].ledger,)
            )
        )

    def _unrecorded(self, handler: Handler) -> dict[str, frozenset[int]]:
        """Returns the views whose getters read attributes that the ledger does not have, so that others left them."""
        if "attributes_registered" in self.off:
            return {}
        found = {}
        for name, known in handler.ledgers:
            if name in self._mine(handler) and known.ledger and known.ledger.reads is not None:
                view = self._view(name, handler)
                built = build(view, dict(handler.seen), handler.hits or (), handler.total)
                if built and not built.failed and built.ledger.reads and built.ledger.reads - known.ledger.reads:
                    found[name] = built.ledger.reads
        return found

    def _recording(self, handler: Handler) -> Commit:
        ledgers = dict(handler.ledgers)
        registered = ((name, ledgers[name].ledger, reads) for name, reads in self._unrecorded(handler).items())
        return Commit(
            tuple(
                (name, ledgers[name], old._replace(reads=(old.reads or frozenset()) | reads, registered=True))
                for name, old, reads in registered
                if old
            )
        )

    def _recorded(self, handler: Handler) -> Handler:
        """Reads once more what has the attributes; a change of it starts again at the look-up."""
        written = {name: Known(ledger) for name, _, ledger in self._recording(handler).ledgers}
        seen = dict(handler.seen)
        paths = {path for name in written for path in resolve(self._view(name, handler), seen).named}
        paths |= {path for path, _ in handler.hits or ()}
        awaited = frozenset() if "attributes_reread" in self.off else frozenset(paths - {"a"})
        ledgers = pairs({**dict(handler.ledgers), **written})
        return handler._replace(phase="verify", ledgers=ledgers, awaited=awaited)

    def _verified(self, handler: Handler, path: str, document: Document) -> Handler:
        read = [each for name, each in (*handler.seen, *(handler.hits or ())) if name == path]
        return handler if all(each == document for each in read) else self._conflicted(handler)

    def _registered(self, handler: Handler) -> Handler:
        """Reads what was new once more, with the ledgers as this commit left them; with a total, all of it."""
        written = {name: Known(ledger) for name, _, ledger in self._registration(handler).ledgers}
        new = self._new(handler)
        handler = handler._replace(phase="check", ledgers=pairs({**dict(handler.ledgers), **written}), awaited=new)
        if "reread" in self.off:
            return handler._replace(awaited=frozenset())
        return handler if handler.total is None else self._all_again(handler)

    def _new(self, handler: Handler) -> frozenset[str]:
        """Returns what was read of which a change would have found no view by the ledgers as they were."""
        seen = dict(handler.seen)
        new: set[str] = set()
        for name, known in handler.ledgers:
            if name in self._mine(handler):
                view = self._view(name, handler)
                resolution = resolve(view, seen)
                tokens = known.ledger.tokens | {view.root} if known.ledger else frozenset()
                new |= {path for path in resolution.named if path not in tokens}
                new |= {"query"} if resolution.queries and "xy:1" not in tokens else set()
        return frozenset(new)

    def _all_again(self, handler: Handler) -> Handler:
        seen = dict(handler.seen)
        named = {path for name in self._mine(handler) for path in resolve(self._view(name, handler), seen).named}
        return handler._replace(phase="read", awaited=frozenset(named), seen=(), hits=None, total=None, read_at=0)

    def _read_again(self, handler: Handler, path: str, document: Document) -> Handler:
        if dict(handler.seen)[path] == document:
            return handler
        if "reread_all" in self.off:
            return handler._replace(seen=pairs({**dict(handler.seen), path: document}))
        return self._all_again(handler)

    def _found_again(self, handler: Handler, hits: tuple[tuple[str, Document], ...]) -> Handler:
        # A document may have been read before the query, by the event's image, in an older version.
        if handler.hits == hits and all(dict(handler.seen)[path] == document for path, document in hits):
            return handler
        return self._found(handler, hits) if "reread_all" in self.off else self._all_again(handler)

    def _commit_of(self, handler: Handler) -> Commit | None:
        """Returns the commit of the handler, which is worked out once: most states differ in other handlers."""
        if handler not in self._commits:
            self._commits[handler] = self._worked_out(handler)
        return self._commits[handler]

    def _worked_out(self, handler: Handler) -> Commit | None:
        """Returns the writes for the views; the debt for one that cannot be built, or is of later code."""
        seen = dict(handler.seen)
        ledgers: list[tuple[str, Known, Ledger | None]] = []
        stored: dict[tuple[str, int], tuple[object, ...] | None] = {}
        refused = False
        for name, known in handler.ledgers:
            old = known.ledger
            view = self._view(name, handler)
            if self._is_later(old, handler.edition):
                assert old is not None
                if "debt_to_later" not in self.off and not (old.owed and "debt_always_written" in self.off):
                    ledgers.append((name, known, old._replace(owed=True, once_more=False)))
                continue
            built = None if handler.owes else build(view, seen, handler.hits or (), handler.total)
            if built is None or built.failed:
                kept = built.destinations if built and "withdrawal" not in self.off else None
                ledgers += self._debt(name, known, handler, kept)
                gone = {to for to in old.destinations if kept is not None and to not in kept} if old else set()
                stored.update({(name, to): None for to in gone})
                continue
            if built.content is None:
                if old:
                    ledgers.append((name, known, None))
                    stored.update({(name, to): None for to in old.destinations})
                continue
            tokens = self._tokens_of(view, resolve(view, seen), seen)
            known_copies = self._known_copies(old) if handler.change.path else {}
            read_at = handler.read_at
            if self._is_quiet(old, read_at) and handler.change.path:
                ledgers += self._postponed(name, known, built.destinations, read_at)
                gone = set(old.destinations if old else ()) - set(built.destinations)
                if "withdrawn_at_once" not in self.off:
                    stored.update({(name, to): None for to in gone})
                continue
            wanted = {to for to in built.destinations if self._digest_at(built, to) != known_copies.get(to)}
            gone = {to for to in (old.destinations if old else ()) if to not in built.destinations}
            if not ("always_ledger" in self.off and old and old.tokens == tokens and not wanted | gone):
                versions = with_tombstones(built.ledger, old, handler.change)
                edition = max(handler.edition, old.edition if old and "later_stays" not in self.off else 0)
                new = built.ledger._replace(tokens=tokens, versions=versions, as_of=handler.as_of, edition=edition)
                if old and old.reads is not None and new.reads is not None:
                    new = new._replace(reads=old.reads | new.reads)
                new = new._replace(once_more=handler.is_early and "once_more" not in self.off)
                if self.scenario.quiet:
                    written_at = read_at if wanted or old is None else old.written_at
                    new = new._replace(written_at=written_at, postponed_until=self._still_postponed(old, read_at))
                if "wake_with_content" in self.off:
                    new = new._replace(wakes=False)
                ledgers.append((name, known, new))
            stored.update({(name, to): built.at(to) for to in wanted})
            stored.update({(name, to): None for to in gone})
            refused |= bool(wanted) and is_refused(view, seen)
        return Commit(tuple(ledgers), pairs(stored), refused) if ledgers else None

    def _known_copies(self, old: Ledger | None) -> dict[int, object]:
        """Returns the digest of each copy by its destination, as the ledger has it."""
        if old is None:
            return {}
        if "digest_of_each" in self.off:
            return dict.fromkeys(old.destinations, old.own[0][1] if old.own else old.content)
        kept = old.destinations if "digest_withdrawn" not in self.off else (*old.destinations, *dict(old.own))
        return {to: dict(old.own).get(to, old.content) for to in kept}

    def _digest_at(self, built: Built, to: int) -> object:
        """Returns the digest of a copy; without the device, that of the first for all."""
        return built.at(built.destinations[0] if "digest_of_each" in self.off else to)

    def _is_quiet(self, old: Ledger | None, read_at: int) -> bool:
        if not self.scenario.quiet or old is None or old.content is None or "quiet" in self.off:
            return False
        return read_at < old.written_at + PERIOD

    def _postponed(
        self, name: str, known: Known, kept: tuple[int, ...], read_at: int
    ) -> list[tuple[str, Known, Ledger | None]]:
        """Returns the ledger of a view that is not written yet, if it must say more: of a withdrawal, or until when."""
        old = known.ledger
        assert old
        destinations = tuple(to for to in old.destinations if to in kept or "withdrawn_at_once" in self.off)
        until = old.postponed_until
        if read_at >= until and "postponed" not in self.off:
            until = old.written_at + PERIOD
        new = old._replace(destinations=destinations, postponed_until=until)
        return [] if new == old else [(name, known, new)]

    def _still_postponed(self, old: Ledger | None, read_at: int) -> int:
        """Returns until when changes are still postponed after a build: those that came after its reading may be."""
        if old is None or read_at >= old.postponed_until or "postponed_until_read" in self.off:
            return 0
        return max(old.postponed_until, read_at + PERIOD)

    def _debt(
        self, name: str, known: Known, handler: Handler, kept: tuple[int, ...] | None = None
    ) -> list[tuple[str, Known, Ledger | None]]:
        """Returns the ledger that is owed a build: old and new tokens, as far as was read, and the rest unchanged.

        Of its copies only those are `kept` that still belong there, where that is known.
        """
        seen = dict(handler.seen)
        view = self._view(name, handler)
        resolution = resolve(view, seen)
        if "debt" in self.off or (known.ledger is None and not resolution.exists):
            return []
        old = known.ledger or Ledger(frozenset(), edition=handler.edition)
        reached = frozenset({path for path in resolution.named if path and path != view.root})
        tokens = (
            old.tokens
            | reached
            | (tokens_of(view, resolution) if resolution.queries or resolution.counts else frozenset())
        )
        destinations = tuple(to for to in old.destinations if kept is None or to in kept)
        owing = old._replace(tokens=tokens, owed=True, once_more=False, wakes=False, destinations=destinations)
        return [(name, known, owing)]

    def _in_parts(self, commit: Commit) -> tuple[tuple[Ledger | None, tuple[Stored, ...]], ...]:
        """Returns the parts of a commit with several copies: first the deletes, last the ledger that describes all."""
        ((_, known, final),) = commit.ledgers
        assert known.ledger
        assert final
        copies = known.ledger.destinations
        if "part_copies" not in self.off:
            copies = tuple(dict.fromkeys((*copies, *final.destinations)))
        owing = known.ledger._replace(
            tokens=known.ledger.tokens | final.tokens, owed=True, once_more=False, wakes=False, destinations=copies
        )
        unfinished = owing if "part_content" in self.off else owing._replace(content=())
        unfinished = unfinished if "part_digests" in self.off else unfinished._replace(own=())
        first = [(unfinished, (each,)) for each in sorted(commit.stored, key=lambda each: each[1] is not None)]
        return (*first, (final, ()))

    def _is_in_parts(self, commit: Commit) -> bool:
        if not self.scenario.parts or len(commit.ledgers) != 1 or len(commit.stored) < 2:
            return False
        (_, known, final) = commit.ledgers[0]
        return bool(known.ledger and final and not final.owed)

    def _divided(self, handler: Handler) -> Handler:
        """Returns the handler with the parts of its commit, if it is to have any."""
        if handler.phase in ("register", "record") or handler.parts:
            return handler
        commit = self._commit_of(handler)
        return handler._replace(parts=self._in_parts(commit)) if commit and self._is_in_parts(commit) else handler

    def _next_commit(self, handler: Handler) -> Commit | None:
        if handler.phase == "register":
            return self._registration(handler)
        if handler.phase == "record":
            return self._recording(handler)
        if not handler.parts:
            return self._commit_of(handler)
        ((name, known),) = handler.ledgers
        (ledger, stored), *rest = handler.parts
        return Commit((((name, known, ledger),) if not rest or "part_ledger" not in self.off else ()), stored)

    def _after_commit(self, handler: Handler) -> Handler:
        if handler.phase == "register":
            return self._registered(handler)
        if handler.phase == "record":
            return self._recorded(handler)
        if len(handler.parts) < 2:
            return self._committed(handler)
        ((name, known),) = handler.ledgers
        if "part_ledger" not in self.off:
            known = Known(handler.parts[0][0])
        return handler._replace(ledgers=((name, known),), parts=handler.parts[1:])

    def _committed(self, handler: Handler) -> Handler:
        """Returns the handler after its commit; without the device, another commit is to say when the views wake."""
        is_timed = self.scenario.moment and dict(handler.seen).get(NOW) == Document(0, 0)
        if "wake_with_content" in self.off and is_timed:
            return handler._replace(phase="wake", ledgers=(), seen=())
        return anew(handler)

    def _conflicted(self, handler: Handler) -> Handler:
        """Starts again at the look-up; the views of a page one by one."""
        if "restart" in self.off:
            return anew(handler)
        return anew(handler, handler.views)

    def _refused(self, handler: Handler) -> Handler:
        """Continues view by view after a page failed, so that only the failing view gets a dead letter."""
        if len(handler.views) == 1:
            return handler._replace(phase="owe", awaited=frozenset())
        return anew(handler) if "page_fallback" in self.off else anew(handler, handler.views)

    def _tokens_of(self, view: View, resolution: Resolution, seen: Mapping[str, Document]) -> frozenset[str]:
        tokens = tokens_of(view, resolution)
        if "miss_tokens" in self.off:
            return tokens - {path for path in resolution.named if seen[path].value is None}
        return tokens

    def _tokens(self, change: Change, edition: int) -> frozenset[str]:
        """Returns the tokens of a change: of its two images; without images, of the document and its collection.

        Code has none of what only later code reads.
        """
        added = {path for view in self.views.values() for path in view.added}
        if change.path in ("", "a", "c", UPKEEP) or (change.path in added and self._code(edition) == 1):
            return frozenset()
        tokens = {change.path} if change.path in ("b", "y") else set()
        images = (change.after,) if "before_image" in self.off else (change.before, change.after)
        if change.path in ("x", "y"):
            if not change.tells:
                tokens.add("xy")
            elif any(map(matches, images)):
                tokens.add("xy:1")
        return frozenset(tokens)
