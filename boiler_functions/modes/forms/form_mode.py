"""What the modes of forms have in common: their functions, their letters, and what status and explain say of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from boiler_functions.database import Database, Document
from boiler_functions.database.change import Change
from boiler_functions.database.metered import Usage
from boiler_functions.manifest import snake_case
from boiler_functions.modes.dead_letter import Letter
from boiler_functions.modes.drawing import MODEL, Look, Node, source_node
from boiler_functions.modes.event_function import Enqueue, EventFunction
from boiler_functions.modes.forms.checks import check_forms, check_writes
from boiler_functions.modes.forms.costs import cost_of
from boiler_functions.modes.forms.effect import is_settled, retry_form, run_task
from boiler_functions.modes.forms.task import Task
from boiler_functions.modes.forms.words import OUTCOME
from boiler_functions.modes.invocation import Invocation
from boiler_functions.modes.mode import Declarations, Mode
from boiler_functions.modes.release import Release
from boiler_functions.modes.standing import Asked, Standing, State, told_letters
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


class FormMode(Mode[T]):
    """A mode whose declarations say how forms take effect."""

    look = LOOK

    def check(self, declarations: Declarations) -> None:
        check_forms([each for _, each in declarations.all if isinstance(each, Task)])
        own = declarations.of(self)
        check_writes(own, declarations.stored)

    def event_functions(self, declarations: Declarations) -> Iterator[EventFunction]:
        """Yields one function for each declaration."""
        for task in declarations.of(self):
            name = f"{snake_case(task.view.__name__)}_{self.name}"
            options = declarations.options_of(self, name, [task])
            yield TaskFunction(declarations.app, self.name, name, task.pattern, options, task)

    def retry(self, declarations: Declarations, letter: Letter) -> Callable[[Invocation], None] | None:
        task = self._task_of(declarations, letter)
        return None if task is None else lambda invocation: retry_form(invocation, task, letter.subject)

    def settled_letters(
        self, declarations: Declarations, letters: Collection[Letter], database: Database
    ) -> Iterator[Letter]:
        """Yields the letters of forms that took effect since, or that are gone."""
        found = [(letter, task) for letter in letters if (task := self._task_of(declarations, letter))]
        if found:
            forms = {each.path: each for each in database.read({letter.subject for letter, _ in found}).documents}
            yield from (letter for letter, task in found if is_settled(forms[letter.subject], task))

    def standings(self, declarations: Declarations, asked: Asked) -> Iterator[tuple[str, Callable[[], Standing]]]:
        """Yields the declarations with how to find their standing, which follows from their letters.

        No query finds the forms that wait, so without a deployment nothing is known of them.
        """
        for task in declarations.of(self):
            yield task.view.__name__, partial(_standing_of, self.name, task.view.__name__, asked)

    def explained(
        self, declarations: Declarations, path: str, database: Database, release: Release
    ) -> Iterator[dict[str, Any]]:
        """Yields what is known of a form, without its values."""
        for task in declarations.of(self):
            if task.pattern.match(path):
                yield _explained(task, database.read([path]).documents[0])

    def _task_of(self, declarations: Declarations, letter: Letter) -> T | None:
        own = (each for each in declarations.of(self) if each.view.__name__ == letter.view)
        return next((each for each in own if each.pattern.match(letter.subject)), None)


def _explained(task: Task, form: Document) -> dict[str, Any]:
    stamp = (form.fields or {}).get(OUTCOME)
    told = stamp if isinstance(stamp, dict) else {}
    return {
        "what": f"a form of {task.view.__name__}",
        "exists": form.exists,
        "outcome": told.get("status"),
        "time": told.get("time"),
        "on_completion": task.on_completion,
        "writes": [model.__name__ for model in task.writes],
    }


def _standing_of(mode: str, name: str, asked: Asked) -> Standing:
    letters = asked.letters_of(name)
    # A letter says that the function runs, also where nothing was deployed, as in a local stack.
    is_known = asked.registration.deployment > 0 or bool(letters)
    whys = {
        State.UNKNOWN: "" if is_known else "no deployment is registered here",
        State.FAILING: told_letters(letters),
    }
    return Standing.worst(mode, name, {"letters": letters}, whys)
