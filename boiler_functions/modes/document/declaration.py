"""Declares that clients may change a view by creating documents beside its copies: `@app.document`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from boiler_functions.access import Nobody, Where
from boiler_functions.exceptions import InvalidAccess, InvalidAttribute, InvalidPattern
from boiler_functions.modes.decorated import check_view, models
from boiler_functions.modes.document.mutation_task import IF_VERSION, MutationTask, trigger_path
from boiler_functions.modes.forms.checks import check_effect
from boiler_functions.modes.forms.task import Completion, Isolation
from boiler_functions.modes.forms.words import OUTCOME
from boiler_functions.modes.mode import Declarations
from boiler_functions.settings.options import EventOptions, Options
from boiler_functions.views.view_model import View


def document(
    strict: bool,
    writes: Any,
    max_retries: int | None,
    isolation: Isolation,
    on_completion: Completion,
    options: Mapping[str, Any],
) -> Callable[[Declarations, Any], MutationTask]:
    """Returns a decorator that declares the view."""

    def declare(declarations: Declarations, decorated: Any) -> MutationTask:
        view = check_view("@app.document", decorated)
        where = f"@app.document of {view.__name__}: "
        _check_mutable(view, strict=strict)
        declared = models(f"{where}writes", writes)
        written = dict.fromkeys([*(source.model for source in view.store_class.sources), *declared])
        check_effect(where, max_retries, isolation, on_completion)
        return MutationTask(
            "@app.document",
            view,
            trigger_path(view),
            tuple(written),
            max_retries=declarations.max_retries if max_retries is None else max_retries,
            isolation=isolation,
            on_completion=on_completion,
            max_event_age=declarations.max_event_age,
            options=Options.of(f"@app.document of {view.__name__}", options, EventOptions),
            strict=strict,
        )

    return declare


def _check_mutable(view: View, *, strict: bool) -> None:
    """Raises DeclarationError if no client could change the view by a document beside its copy."""
    name = view.__name__
    view.pattern()
    if view.store_class.root() is None:
        raise InvalidPattern(
            f"{name} has no root, so the path of a copy does not say which documents a mutation changes; add a "
            f"`reference(Model)` to {view.store_class.__name__}, and name its key in {name}.Meta.path."
        )
    if not view.settable():
        raise InvalidAttribute(f"{name} has no setter, so a mutation could change nothing; add one: `@name.setter`.")
    for each in view.settable():
        if each == IF_VERSION or view.attributes[each].data_key in (OUTCOME, IF_VERSION):
            raise InvalidAttribute(
                f"{name}.{each} is stored as {view.attributes[each].data_key!r}, but {OUTCOME!r} and {IF_VERSION!r} "
                f"are reserved fields of a mutation; rename the attribute, or give it another `data_key`."
            )
    if strict and not view.is_versioned():
        raise InvalidAttribute(
            f"@app.document(strict=True) of {name}: its copies do not hold their version; add `versioned = True` to "
            f"{name}.Meta."
        )
    if all(isinstance(part, Nobody | Where) for part in view.__writers__().parts()):
        raise InvalidAccess(
            f"{name}.Meta.write admits nobody, as far as security rules can tell, so clients could create no mutation; "
            f"add `write = access.owner({view.pattern().names[0]!r})`."
        )
    view.view_schema()
