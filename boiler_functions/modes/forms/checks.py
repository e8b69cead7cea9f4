"""Checks of forms: their options, and that a document is a form of one task, which writes where no view is stored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from boiler_functions.exceptions import OverlappingPaths
from boiler_functions.modes.forms.task import Completion, Isolation, Task
from boiler_functions.modes.written import check_written
from boiler_functions.paths import Pattern
from boiler_functions.settings.checks import check_each, one_of, optional, whole
from boiler_functions.views.view_model import ViewModel

_CHECKS = {
    "max_retries": optional(whole(0)),
    "isolation": one_of(Isolation),
    "on_completion": one_of(Completion),
}


def check_effect(where: str, max_retries: int | None, isolation: Isolation, on_completion: Completion) -> None:
    """Raises InvalidOption if the options contradict each other."""
    said = {"max_retries": max_retries, "isolation": isolation, "on_completion": on_completion}
    check_each(where, said, _CHECKS)


def check_forms(tasks: Sequence[Task]) -> None:
    """Raises OverlappingPaths if one document could be a form of two tasks.

    Only the first task would take effect, as the outcome is stamped on the form, and the marker names only the form.
    """
    for position, task in enumerate(tasks):
        for other in tasks[:position]:
            if task.pattern.overlaps(other.pattern):
                raise OverlappingPaths(
                    f"{_declared(other)} and {_declared(task)} take the same documents, and a form has one outcome. "
                    f"Let one `propagate_change` do both, or give the forms of {task.view.__name__} another collection."
                )


def check_writes(tasks: Sequence[Task], stored: Sequence[type[ViewModel[Any]]]) -> None:
    """Raises OverlappingPaths if a task could write a document in which a view is stored: a build would undo that."""
    for task in tasks:
        check_written(_declared(task), _written(task), stored)


def _written(task: Task) -> list[tuple[Pattern, str]]:
    models = [(model.pattern(), model.__name__) for model in task.writes]
    forms = [] if task.on_completion == "keep" else [(task.pattern, "its forms' outcomes")]
    return [*models, *forms]


def _declared(task: Task) -> str:
    return f"{task.decorator} of {task.view.__name__}"
