"""The task mode: each form, a document of a declared path, takes effect exactly once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from boiler_functions.access import Owner, any_of
from boiler_functions.database import Database
from boiler_functions.database.change import Change
from boiler_functions.database.metered import Usage
from boiler_functions.manifest import snake_case
from boiler_functions.modes.advice import Advice, is_one_for_all
from boiler_functions.modes.clients import Documents
from boiler_functions.modes.dead_letter import Letter
from boiler_functions.modes.drawing import MODEL, Look, Node, source_node
from boiler_functions.modes.event_function import Enqueue, EventFunction
from boiler_functions.modes.invocation import Invocation
from boiler_functions.modes.mode import Declarations, Mode
from boiler_functions.modes.release import Release
from boiler_functions.modes.standing import Asked, Standing, State, told_letters
from boiler_functions.modes.task.checks import check_forms, check_writes
from boiler_functions.modes.task.costs import cost_of
from boiler_functions.modes.task.effect import is_settled, retry_form, run_task
from boiler_functions.modes.task.task import Task
from boiler_functions.modes.task.words import OUTCOME
from boiler_functions.paths import Pattern
from boiler_functions.views.fetching import Assumed
from boiler_functions.views.view_model import View

T = TypeVar("T", bound=Task)

LOOK = Look("task", "#fdecd8", "#d97706")


@dataclass(frozen=True, eq=False)
class TaskFunction(EventFunction):
    """Lets each document of a path take effect."""

    task: Task

    @property
    def views(self) -> tuple[View, ...]:
        return (self.task.view,)

    @property
    def written(self) -> tuple[Pattern, ...]:
        return tuple(model.pattern() for model in self.task.writes)

    def drawn(self) -> Iterator[tuple[Node, ...]]:
        source, name = source_node(self.source.text), self.entry_point
        middle = Node(f"function {name}", LOOK, name, "exactly once")
        yield source, middle
        for model in self.task.writes:
            yield source, middle, Node(f"model {model.__name__}", MODEL, model.__name__, model.pattern().text)

    def cost(self, view: View, assumed: Assumed) -> Usage:
        return cost_of(self.task, assumed)

    def work(self, invocation: Invocation, change: Change, enqueue: Enqueue | None) -> None:
        run_task(invocation, self.task, change)


class TaskMode(Mode[Task]):
    """Forms that take effect."""

    name = "task"
    counted = "tasks"
    look = LOOK

    def form(self, declaration: Task) -> Pattern | None:
        return declaration.pattern

    def check(self, declarations: Declarations) -> None:
        check_forms(declarations.of(self))
        check_writes(declarations.of(self), declarations.stored)

    def event_functions(self, declarations: Declarations) -> Iterator[EventFunction]:
        return functions_of(self, declarations)

    def retry(self, declarations: Declarations, letter: Letter) -> Callable[[Invocation], None] | None:
        return retry_of(declarations.of(self), letter)

    def settled_letters(
        self, declarations: Declarations, letters: Collection[Letter], database: Database
    ) -> Iterator[Letter]:
        return settled_of(declarations.of(self), letters, database)

    def standings(self, declarations: Declarations, asked: Asked) -> Iterator[tuple[str, Callable[[], Standing]]]:
        return standings_of(self.name, declarations.of(self), asked)

    def explained(
        self, declarations: Declarations, path: str, database: Database, release: Release
    ) -> Iterator[dict[str, Any]]:
        return forms_at(declarations.of(self), path, database)

    def clients(self, declarations: Declarations) -> Iterator[Documents]:
        for task in declarations.of(self):
            senders = task.view.__writers__()
            # The owner of a form may read its outcome.
            own = (each for each in senders.parts() if isinstance(each, Owner))
            readers, schema = any_of(task.view.__readers__(), *own), task.view.schema()
            yield Documents(f"{task.view.__name__}, a form", task.pattern, readers, senders, schema, (OUTCOME,))

    def advice(self, declarations: Declarations) -> Iterator[Advice]:
        for task in declarations.of(self):
            yield from _advice_on(task)


TASK = TaskMode()


def functions_of(mode: Mode[T], declarations: Declarations) -> Iterator[EventFunction]:
    """Returns one function for each declaration of a mode whose documents take effect."""
    for task in declarations.of(mode):
        name = f"{snake_case(task.view.__name__)}_{mode.name}"
        options = declarations.options_of(mode, name, [task])
        yield TaskFunction(declarations.app, mode.name, name, task.pattern, options, task)


def standings_of(mode: str, tasks: Iterable[Task], asked: Asked) -> Iterator[tuple[str, Callable[[], Standing]]]:
    """Yields the tasks with how to find their standing, which follows from their letters.

    No query finds the forms that wait, so without a deployment nothing is known of them.
    """
    for task in tasks:
        yield task.view.__name__, partial(_standing_of, mode, task.view.__name__, asked)


def _standing_of(mode: str, name: str, asked: Asked) -> Standing:
    letters = asked.letters_of(name)
    is_known = asked.registration.deployment > 0
    whys = {
        State.UNKNOWN: "" if is_known else "no deployment is registered here",
        State.FAILING: told_letters(letters),
    }
    return Standing.worst(mode, name, {"letters": letters}, whys)


def forms_at(tasks: Iterable[Task], path: str, database: Database) -> Iterator[dict[str, Any]]:
    """Yields what is known of a form, without its values."""
    for task in tasks:
        if task.pattern.match(path):
            form = database.read([path]).documents[0]
            stamp = (form.fields or {}).get(OUTCOME)
            told = stamp if isinstance(stamp, dict) else {}
            yield {
                "what": f"a form of {task.view.__name__}",
                "exists": form.exists,
                "outcome": told.get("status"),
                "time": told.get("time"),
                "on_completion": task.on_completion,
                "writes": [model.__name__ for model in task.writes],
            }


def retry_of(tasks: Iterable[Task], letter: Letter) -> Callable[[Invocation], None] | None:
    """Returns the work of the letter's form, if it belongs to one of the tasks."""
    task = _task_of(tasks, letter)
    return None if task is None else lambda invocation: retry_form(invocation, task, letter.subject)


def settled_of(tasks: Collection[Task], letters: Iterable[Letter], database: Database) -> Iterator[Letter]:
    """Yields the letters of forms that took effect since, or that are gone."""
    found = [(letter, task) for letter in letters if (task := _task_of(tasks, letter))]
    if found:
        forms = {each.path: each for each in database.read({letter.subject for letter, _ in found}).documents}
        yield from (letter for letter, task in found if is_settled(forms[letter.subject], task))


def _task_of(tasks: Iterable[Task], letter: Letter) -> Task | None:
    own = (each for each in tasks if each.view.__name__ == letter.view and each.pattern.match(letter.subject))
    return next(own, None)


def _advice_on(task: Task) -> Iterator[Advice]:
    for source in task.view.store_class.sources:
        if task.isolation == "serializable" and source.verify and is_one_for_all(source):
            yield Advice(
                "hot-document",
                f"{task.view.__name__}.store.{source.name}",
                "Each run of the task verifies this document in its commit, which costs a write and conflicts with all "
                "other runs. `reference(…, verify=False)` omits the check.",
            )
