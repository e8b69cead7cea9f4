"""Declares a task: `@app.task`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from boiler_functions.exceptions import DeclarationError, InvalidAttribute, InvalidPattern, InvalidReference
from boiler_functions.modes.decorated import check_view, models
from boiler_functions.modes.forms.checks import check_effect
from boiler_functions.modes.forms.task import Completion, Isolation, Task
from boiler_functions.modes.forms.words import OUTCOME
from boiler_functions.modes.mode import Declarations
from boiler_functions.paths import Pattern
from boiler_functions.settings.options import EventOptions, Options
from boiler_functions.views.view_model import View, ViewModel


def task(
    path: str,
    writes: Any,
    max_retries: int | None,
    isolation: Isolation,
    on_completion: Completion,
    options: Mapping[str, Any],
) -> Callable[[Declarations, Any], Task]:
    """Returns a decorator that declares the view."""
    pattern = Pattern(path)
    if not pattern.is_document or not pattern.names:
        raise InvalidPattern(
            f"@app.task({path!r}): the path of forms needs an even number of segments and a placeholder, such as "
            f"'users/{{user_id}}/cityForms/{{city_id}}'."
        )
    if pattern.open_collections:
        raise InvalidPattern(
            f"@app.task({path!r}) has the placeholder {{{pattern.open_collections[0]}}} for a collection, so that "
            f"any document could be a form; write the collection's name there."
        )

    def declare(declarations: Declarations, decorated: Any) -> Task:
        view = check_view(f"@app.task({path!r})", decorated)
        where = f"@app.task({path!r}) of {view.__name__}: "
        _check_form(view, pattern)
        check_effect(where, max_retries, isolation, on_completion)
        return Task(
            f"@app.task({path!r})",
            view,
            pattern,
            models(f"{where}writes", writes),
            max_retries=declarations.max_retries if max_retries is None else max_retries,
            isolation=isolation,
            on_completion=on_completion,
            max_event_age=declarations.max_event_age,
            options=Options.of(f"@app.task of {view.__name__}", options, EventOptions),
        )

    return declare


def _check_form(view: View, pattern: Pattern) -> None:
    if skipping := [each.name for each in view.store_class.sources if each.on_invalid == "skip"]:
        raise InvalidReference(
            f"@app.task of {view.__name__}: {view.store_class.__name__}.{skipping[0]} has on_invalid='skip', and an "
            f"effect without that document could be wrong. Leave `on_invalid` out; a value that does not fit fails the "
            f"form when `propagate_change` reads it."
        )
    if view.propagate_change is ViewModel.propagate_change and not view.store_class.sources:
        raise DeclarationError(
            f"{view.__name__} is a task without an effect; define `propagate_change`, or setters over a Store."
        )
    for name, attribute in view.attributes.items():
        if attribute.data_key == OUTCOME:
            raise InvalidAttribute(
                f"{view.__name__}.{name} is stored as {OUTCOME!r}, the field in which a form's outcome is stamped; "
                f"rename it, or give it another `data_key`."
            )
    if unknown := view.store_class.key_names() - {*pattern.names, "doc_id"}:
        raise InvalidPattern(
            f"{view.__name__}: {view.store_class.__name__} needs {sorted(unknown)}, which the path of its forms, "
            f"{pattern.text!r}, does not name; add a placeholder of that name."
        )
    view.view_schema()
