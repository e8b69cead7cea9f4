"""The document mode: clients change a view by creating documents beside its copies."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

from boiler_functions.database import Database
from boiler_functions.exceptions import InvalidPattern
from boiler_functions.modes.clients import Documents
from boiler_functions.modes.dead_letter import Letter
from boiler_functions.modes.document.mutation_task import MutationTask, mutation_path, mutation_schema
from boiler_functions.modes.event_function import EventFunction
from boiler_functions.modes.invocation import Invocation
from boiler_functions.modes.mode import Declarations, Mode
from boiler_functions.modes.release import Release
from boiler_functions.modes.standing import Asked, Standing
from boiler_functions.modes.task.checks import check_forms, check_writes
from boiler_functions.modes.task.mode import TASK, forms_at, functions_of, retry_of, settled_of, standings_of
from boiler_functions.modes.task.words import OUTCOME


class DocumentMode(Mode[MutationTask]):
    """Mutations beside copies. Each is a task whose effect is to run the view's setters."""

    name = "document"
    counted = "mutable views"
    look = TASK.look

    def check(self, declarations: Declarations) -> None:
        for each in declarations.of(self):
            if each.view not in declarations.stored:
                raise InvalidPattern(
                    f"{each.view.__name__} is changed by documents beside its copies, but {declarations.app!r} does "
                    f"not store it; decorate it with `@app.query` too."
                )
        mutations = declarations.of(self)
        check_forms((*declarations.of(TASK), *mutations))
        check_writes(mutations, declarations.stored)

    def event_functions(self, declarations: Declarations) -> Iterator[EventFunction]:
        return functions_of(self, declarations)

    def retry(self, declarations: Declarations, letter: Letter) -> Callable[[Invocation], None] | None:
        mutations = declarations.of(self)
        return retry_of(mutations, letter)

    def settled_letters(
        self, declarations: Declarations, letters: Collection[Letter], database: Database
    ) -> Iterator[Letter]:
        mutations = declarations.of(self)
        return settled_of(mutations, letters, database)

    def standings(self, declarations: Declarations, asked: Asked) -> Iterator[tuple[str, Callable[[], Standing]]]:
        mutations = declarations.of(self)
        return standings_of(self.name, mutations, asked)

    def explained(
        self, declarations: Declarations, path: str, database: Database, release: Release
    ) -> Iterator[dict[str, Any]]:
        mutations = declarations.of(self)
        return forms_at(mutations, path, database)

    def clients(self, declarations: Declarations) -> Iterator[Documents]:
        for each in declarations.of(self):
            # Readers of the view need not see who asked for which change; only its senders read a mutation's outcome.
            senders, schema = each.view.__writers__(), mutation_schema(each.view, strict=each.strict)
            title, path = f"{each.view.__name__}, its mutations", mutation_path(each.view)
            yield Documents(title, path, senders, senders, schema, (OUTCOME,))


DOCUMENT = DocumentMode()
