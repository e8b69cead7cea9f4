"""Declares a stored view: `@app.query`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from boiler_functions.exceptions import InvalidAttribute, InvalidReference
from boiler_functions.modes.decorated import check_view
from boiler_functions.modes.mode import Declarations
from boiler_functions.settings.options import EventOptions, Options
from boiler_functions.views.purity import check_getters
from boiler_functions.views.view_model import View


@dataclass(frozen=True, eq=False)
class Stored:
    """A view that is stored, and rebuilt when a document that it has read changes."""

    view: View
    options: Options = field(default_factory=Options)


def stored(options: Mapping[str, Any]) -> Callable[[Declarations, Any], Stored]:
    """Returns a decorator that declares the view."""

    def declare(_: Declarations, decorated: Any) -> Stored:
        view = check_view("@app.query", decorated)
        _check_stored(view)
        return Stored(view, Options.of(f"@app.query of {view.__name__}", options, EventOptions))

    return declare


def _check_stored(view: View) -> None:
    view.pattern()
    plain = [name for name, each in view.exported().items() if each.fget is None]
    if plain:
        raise InvalidAttribute(
            f"{view.__name__}.{plain[0]} has no getter, so a build could not compute its value; decorate a method "
            f"with `@attrs.computed`."
        )
    if not view.store_class.sources:
        raise InvalidReference(
            f"{view.__name__} reads nothing; declare its Store: `class {view.__name__}(ViewModel[MyStore])`."
        )
    if view.store_class.root() is None and (names := view.store_class.key_names()):
        raise InvalidReference(
            f"{view.__name__}: {view.store_class.__name__} uses the placeholder {{{min(names)}}}, but has no root, and "
            f"so no key that gives it a value; add a `reference(Model)`."
        )
    view.view_schema()
    check_getters(view)
