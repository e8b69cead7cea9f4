"""The task mode: each form, a document of a declared path, takes effect exactly once."""

from __future__ import annotations

from collections.abc import Iterator

from boiler_functions.access import Owner, any_of
from boiler_functions.modes.advice import Advice, is_one_for_all
from boiler_functions.modes.clients import Exposed
from boiler_functions.modes.forms.form_mode import FormMode
from boiler_functions.modes.forms.task import Task
from boiler_functions.modes.forms.words import OUTCOME
from boiler_functions.modes.mode import Declarations
from boiler_functions.paths import Pattern


class TaskMode(FormMode[Task]):
    """Forms that take effect."""

    name = "task"
    counted = "tasks"

    def form(self, declaration: Task) -> Pattern | None:
        return declaration.pattern

    def clients(self, declarations: Declarations) -> Iterator[Exposed]:
        for task in declarations.of(self):
            senders = task.view.__writers__()
            # The owner of a form may read its outcome.
            own = (each for each in senders.parts() if isinstance(each, Owner))
            readers, schema = any_of(task.view.__readers__(), *own), task.view.schema()
            name = task.view.__name__
            yield Exposed(name, "a form", task.pattern, schema, readers, senders, True, (OUTCOME,))

    def advice(self, declarations: Declarations) -> Iterator[Advice]:
        for task in declarations.of(self):
            yield from _advice_on(task)


TASK = TaskMode()


def _advice_on(task: Task) -> Iterator[Advice]:
    for source in task.view.store_class.sources:
        if task.isolation == "serializable" and source.verify and is_one_for_all(source):
            yield Advice(
                "hot-document",
                f"{task.view.__name__}.store.{source.name}",
                "Each run of the task verifies this document in its commit, which costs a write and conflicts with all "
                "other runs. `reference(…, verify=False)` omits the check.",
            )
