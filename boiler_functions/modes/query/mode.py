"""The query mode: a stored view is rebuilt when a document that it has read changes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from boiler_functions.database import Database, Document
from boiler_functions.database.change import Change
from boiler_functions.database.metered import Usage
from boiler_functions.exceptions import NameCollision, OverlappingPaths
from boiler_functions.manifest import Function, QueueTrigger, collection_name, function_name, snake_case
from boiler_functions.modes.advice import Advice
from boiler_functions.modes.clients import Exposed
from boiler_functions.modes.dead_letter import Letter
from boiler_functions.modes.drawing import Look, Node, source_node, view_node
from boiler_functions.modes.event_function import Enqueue, EventFunction
from boiler_functions.modes.invocation import Invocation, Outcome, Surroundings
from boiler_functions.modes.mode import Declarations, Mode
from boiler_functions.modes.outbox import Recipient
from boiler_functions.modes.query.advice import advice_on, advice_on_fields, advice_on_grouping, advice_on_time
from boiler_functions.modes.query.build_ranges import BUILD, Builder, BuildTask, BuildWorker
from boiler_functions.modes.query.continuation import CONTINUATIONS, Continuation
from boiler_functions.modes.query.costs import cost_of, cost_of_build, instances_of
from boiler_functions.modes.query.declaration import Stored, periods
from boiler_functions.modes.query.explained import dependents_of, explained
from boiler_functions.modes.query.letters import Letters
from boiler_functions.modes.query.rebuild import Rebuild
from boiler_functions.modes.query.standing import standing_of
from boiler_functions.modes.query.upkeep import Upkeep
from boiler_functions.modes.release import Release
from boiler_functions.modes.standing import Asked, Standing
from boiler_functions.modes.stored_copies import Moved
from boiler_functions.paths import Pattern
from boiler_functions.types import Instant
from boiler_functions.views.fetching import Assumed, copies_of
from boiler_functions.views.narrowed import matters
from boiler_functions.views.stored_copy import copy_model, views_read
from boiler_functions.views.view_model import View

if TYPE_CHECKING:
    from boiler_functions.modes.query.audit import Audit
    from boiler_functions.modes.query.leftovers import Leftovers
    from boiler_functions.modes.query.rebuild_all import RebuildAll
    from boiler_functions.modes.query.shelf import Shelf

LOOK = Look("query", "#e0edff", "#2563eb")


@dataclass(frozen=True, eq=False)
class QueryFunction(EventFunction):
    """Rebuilds the views that a change of one collection concerns."""

    stored: tuple[Stored, ...]
    recipients: tuple[Recipient, ...]
    """The receivers of the changes that this function makes to views."""
    periods: Mapping[View, Instant]
    """How often each quiet view is written at most, in nanoseconds."""

    @property
    def views(self) -> tuple[View, ...]:
        return tuple(each.view for each in self.stored)

    @property
    def written(self) -> tuple[Pattern, ...]:
        return tuple(view.pattern() for view in self.views)

    @property
    def hands_on(self) -> bool:
        return True

    def drawn(self) -> Iterator[tuple[Node, ...]]:
        name = self.entry_point
        middle = Node(f"function {name}", LOOK, name, "convergent")
        read = (each for view in self.views for each in views_read(view.store_class).values())
        copied = {each.__name__ for each in read if copy_model(each).pattern() == self.source}
        detail = f"copies of {', '.join(sorted(copied))}" if copied else ""
        for view in self.views:
            yield source_node(self.source.text, detail), middle, view_node(view)

    def cost(self, view: View, assumed: Assumed) -> Usage:
        records = sum(each.view is view for each in self.recipients)
        return cost_of(view, self.source.text, assumed, records)

    def copies(self, view: View, assumed: Assumed) -> int:
        return instances_of(view, self.source.text, assumed) * copies_of(view, assumed)

    def at_most_every(self, view: View) -> timedelta | None:
        return next(each.at_most_every for each in self.stored if each.view is view)

    def work(self, invocation: Invocation, change: Change, enqueue: Enqueue | None) -> None:
        served = _served(self.views, invocation)
        views = tuple(each for each in served if not each.store_class.reads_fields or matters(each.store_class, change))
        if not views:
            invocation.note(Outcome.UNAFFECTED)
            return  # Without an RPC: the two images agree in all that the views read.
        self._rebuild(invocation, change, enqueue)._replace(views=views).run()

    def take_up(self, invocation: Invocation, rest: Continuation, enqueue: Enqueue | None) -> None:
        rebuild = self._rebuild(invocation, rest.change(), enqueue)._replace(changed=rest.fields_changed)
        rebuild.follow(rest.tokens, rest.after, rest.until)

    def _rebuild(self, invocation: Invocation, change: Change, enqueue: Enqueue | None) -> Rebuild:
        return Rebuild(
            invocation,
            _served(self.views, invocation),
            change,
            enqueue=enqueue,
            recipients=self.recipients,
            at_most_every=self.periods,
            changed=change.fields,
        )


class QueryMode(Mode[Stored]):
    """Stored views."""

    name = "query"
    counted = "stored views"
    look = LOOK
    takes_kept_totals = True
    takes_own_copies = True
    stores = True

    def check(self, declarations: Declarations) -> None:
        views = [each.view for each in declarations.of(self)]
        for position, view in enumerate(views):
            for other in views[:position]:
                _check_apart(view, other)

    def reads_copies(self, declaration: Stored) -> bool:
        return True

    def event_functions(self, declarations: Declarations) -> Iterator[EventFunction]:
        """Yields a function for each view and collection that it reads; with `group_by="source"`, one a collection."""
        reached: dict[tuple[str, str], list[Stored]] = {}
        for each in declarations.of(self):
            for pattern in dict.fromkeys(source.model.pattern().text for source in each.view.store_class.sources):
                group = "" if declarations.group_by == "source" else snake_case(each.view.__name__) + "_"
                reached.setdefault((group, pattern), []).append(each)
        for (group, pattern), stored in reached.items():
            name = f"{group}on_{collection_name(pattern)}"
            options = declarations.options_of(self, name, stored)
            views = [each.view for each in stored]
            recipients = tuple(each for each in declarations.recipients if each.view in views)
            about = (tuple(stored), recipients, periods(stored))
            yield QueryFunction(declarations.app, self.name, name, Pattern(pattern), options, *about)

    def functions(self, declarations: Declarations) -> Iterator[Function]:
        """Yields the function that handles continuations, the rest of a fan-out."""
        if stored := declarations.of(self):
            options = declarations.options_of(self, CONTINUATIONS, stored)
            name = function_name(declarations.app, CONTINUATIONS)
            views = tuple(each.view.__name__ for each in stored)
            yield Function(name, CONTINUATIONS, "continuation", QueueTrigger(), views, options, "tasks", hands_on=True)

    def rest_of(self, payload: Any) -> Continuation | BuildTask:
        if isinstance(payload, dict) and payload.get("function") == BUILD:
            return BuildTask.from_json(payload)
        return Continuation.from_json(payload)

    def worker(self, declarations: Declarations, function: str) -> BuildWorker | None:
        stored = declarations.of(self)
        if function != BUILD or not stored:
            return None
        options = declarations.options_of(self, CONTINUATIONS, stored)
        views = declarations.views_of(self)
        return BuildWorker(declarations.app, CONTINUATIONS, views, declarations.recipients, options)

    def go_on(self, declarations: Declarations, invocation: Invocation, enqueue: Enqueue | None) -> None:
        """Begins what a build in the cloud is to do next, and what stands still in one."""
        Builder(invocation, declarations.views_of(self), declarations.recipients, enqueue).run_all()

    def look_after(self, declarations: Declarations, invocation: Invocation, due_by: Instant) -> None:
        """Builds the views whose ledgers say that a build is owed, and compares some copies with a fresh build.

        For a staged version, it promotes what came after the promotion.
        """
        self._upkeep(declarations, invocation).run(due_by)
        if invocation.surroundings.release.staged:
            self._promote_later(declarations, invocation)
        elif declarations.spot_checks and not invocation.is_out_of_time:
            from boiler_functions.modes.query.spot_check import spot_check

            spot_check(invocation, declarations.views_of(self), declarations.spot_checks)

    def _promote_later(self, declarations: Declarations, invocation: Invocation) -> None:
        for view in _served(declarations.views_of(self), invocation):
            shelf = self.staging(declarations, view, invocation.database, invocation.surroundings)
            for moved in shelf.promote_later():
                invocation.note(Outcome.BUILT, moved[Moved.MOVED])

    def follow_code(self, declarations: Declarations, invocation: Invocation) -> None:
        self._upkeep(declarations, invocation).follow_code()

    def _upkeep(self, declarations: Declarations, invocation: Invocation) -> Upkeep:
        stored = declarations.of(self)
        views = _served(declarations.views_of(self), invocation)
        return Upkeep(invocation, views, declarations.recipients, periods(stored))

    def retry(self, declarations: Declarations, letter: Letter) -> Callable[[Invocation], None] | None:
        return _letters(self, declarations).retry(letter)

    def settled_letters(
        self, declarations: Declarations, letters: Collection[Letter], database: Database
    ) -> Iterator[Letter]:
        return _letters(self, declarations).settled(letters, database)

    def standings(self, declarations: Declarations, asked: Asked) -> Iterator[tuple[str, Callable[[], Standing]]]:
        for view in declarations.views_of(self):
            yield view.__name__, partial(standing_of, declarations.app, view, self.name, asked)

    def explained(
        self, declarations: Declarations, path: str, database: Database, release: Release
    ) -> Iterator[dict[str, Any]]:
        found = (explained(declarations.app, view, path, database, release) for view in declarations.views_of(self))
        return (each for each in found if each is not None)

    def dependents(self, declarations: Declarations, document: Document, database: Database) -> dict[str, list[str]]:
        return dependents_of(declarations.app, declarations.views_of(self), document, database)

    def build_of_all(
        self,
        declarations: Declarations,
        view: View,
        database: Database,
        surroundings: Surroundings,
        *,
        withdraw: bool = False,
    ) -> RebuildAll:
        from boiler_functions.modes.query.rebuild_all import RebuildAll

        return RebuildAll(declarations.app, view, database, surroundings, declarations.recipients, withdraw)

    def cost_of_build(self, declarations: Declarations, view: View, assumed: Assumed) -> Usage:
        return cost_of_build(view, assumed, sum(each.view is view for each in declarations.recipients))

    def comparison(
        self, declarations: Declarations, view: View, database: Database, surroundings: Surroundings, late: timedelta
    ) -> Audit:
        from boiler_functions.modes.query.audit import Audit

        return Audit(self.build_of_all(declarations, view, database, surroundings), late)

    def staging(self, declarations: Declarations, view: View, database: Database, surroundings: Surroundings) -> Shelf:
        from boiler_functions.modes.query.shelf import Shelf

        return Shelf(self.build_of_all(declarations, view, database, surroundings))

    def removal(
        self, declarations: Declarations, app: str, view: str, database: Database, surroundings: Surroundings
    ) -> Leftovers:
        from boiler_functions.modes.query.leftovers import Leftovers

        heirs = (self.build_of_all(declarations, each, database, surroundings) for each in declarations.views_of(self))
        return Leftovers(app, view, database, tuple(heirs))

    def clients(self, declarations: Declarations) -> Iterator[Exposed]:
        for view in declarations.views_of(self):
            yield Exposed(view.__name__, "a view", view.pattern(), view.copy_schema(), view.__readers__())

    def advice(self, declarations: Declarations) -> Iterator[Advice]:
        for each in declarations.of(self):
            yield from advice_on(each.view, each.at_most_every)
            yield from advice_on_fields(each.view)
            if not declarations.upkeep:
                yield from advice_on_time(each.view)
        if declarations.group_by == "view":
            yield from advice_on_grouping(self.event_functions(declarations))


QUERY = QueryMode()


def _letters(mode: QueryMode, declarations: Declarations) -> Letters:
    return Letters(declarations.app, declarations.views_of(mode), declarations.recipients)


def _served(views: tuple[View, ...], invocation: Invocation) -> tuple[View, ...]:
    """Returns the views that this deployment builds: all, or the one of which it is a staged version."""
    staged = invocation.surroundings.release.staged
    return tuple(each for each in views if each.__name__ == staged) if staged else views


def _check_apart(view: View, other: View) -> None:
    """Raises DeclarationError if the two views could write one document, or have one name."""
    if snake_case(view.__name__) == snake_case(other.__name__):
        raise NameCollision(
            f"Two views are called {view.__name__}, spelled {snake_case(view.__name__)!r} "
            f"(in {other.__module__} and {view.__module__}), so their functions and ledgers would mix; rename one."
        )
    if view.pattern().overlaps(other.pattern()):
        raise OverlappingPaths(
            f"{view.__name__} is stored at {view.pattern().text!r} and {other.__name__} at "
            f"{other.pattern().text!r}; one document could be both. Give one of them another collection."
        )
