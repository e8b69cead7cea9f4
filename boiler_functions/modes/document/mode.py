"""The document mode: clients change a view by creating documents beside its copies."""

from __future__ import annotations

from collections.abc import Iterator

from boiler_functions.exceptions import InvalidPattern
from boiler_functions.modes.clients import Exposed
from boiler_functions.modes.document.mutation_task import MutationTask, mutation_path, mutation_schema
from boiler_functions.modes.forms.form_mode import FormMode
from boiler_functions.modes.forms.words import OUTCOME
from boiler_functions.modes.mode import Declarations


class DocumentMode(FormMode[MutationTask]):
    """Mutations beside copies. Each is a form whose effect is to run the view's setters."""

    name = "document"
    counted = "mutable views"
    takes_own_copies = True

    def check(self, declarations: Declarations) -> None:
        for each in declarations.of(self):
            if each.view not in declarations.stored:
                raise InvalidPattern(
                    f"{each.view.__name__} is changed by documents beside its copies, but {declarations.app!r} does "
                    f"not store it; decorate it with `@app.query` too."
                )
        super().check(declarations)

    def clients(self, declarations: Declarations) -> Iterator[Exposed]:
        for each in declarations.of(self):
            # Readers of the view need not see who asked for which change; only its senders read a mutation's outcome.
            senders, schema = each.view.__writers__(), mutation_schema(each.view, strict=each.strict)
            name, kind = f"{each.view.__name__}Mutation", f"a change of {each.view.__name__}"
            yield Exposed(name, kind, mutation_path(each.view), schema, senders, senders, True, (OUTCOME,))


DOCUMENT = DocumentMode()
