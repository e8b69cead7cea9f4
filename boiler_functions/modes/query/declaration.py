"""Declares a stored view: `@app.query`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from boiler_functions.access import Where
from boiler_functions.exceptions import InvalidAttribute, InvalidOption, InvalidReference
from boiler_functions.modes.decorated import check_view
from boiler_functions.modes.mode import Declarations
from boiler_functions.settings.checks import duration
from boiler_functions.settings.options import EventOptions, Options
from boiler_functions.types import Instant
from boiler_functions.views.purity import check_getters
from boiler_functions.views.view_model import View

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, eq=False)
class Stored:
    """A view that is stored, and rebuilt when a document that it has read changes."""

    view: View
    options: Options = field(default_factory=Options)
    at_most_every: timedelta | None = None


def stored(at_most_every: timedelta | None, options: Mapping[str, Any]) -> Callable[[Declarations, Any], Stored]:
    """Returns a decorator that declares the view."""

    def declare(declarations: Declarations, decorated: Any) -> Stored:
        view = check_view("@app.query", decorated)
        _check_stored(view)
        if at_most_every is not None:
            _check_quiet(declarations, view, at_most_every)
        return Stored(view, Options.of(f"@app.query of {view.__name__}", options, EventOptions), at_most_every)

    return declare


def periods(stored: Iterable[Stored]) -> dict[View, Instant]:
    """Returns how often each quiet view is written at most, in nanoseconds."""
    return {each.view: each.at_most_every // _MICROSECOND * 1000 for each in stored if each.at_most_every}


def _check_quiet(declarations: Declarations, view: View, at_most_every: timedelta) -> None:
    duration(f"@app.query of {view.__name__}, at_most_every", at_most_every)
    if not declarations.upkeep:
        raise InvalidOption(
            f"@app.query(at_most_every=…) of {view.__name__} needs upkeep, which writes the last state of a view; "
            f"{declarations.app} is declared with `upkeep=False`. Leave out one of the two."
        )
    if any(isinstance(each, Where) for each in view.__readers__().parts()):
        raise InvalidOption(
            f"@app.query(at_most_every=…) of {view.__name__}, whose `Meta.read` has a function: a change that takes "
            f"somebody's right away would wait with the view. Name the readers by the path, as `access.owner(…)`, or "
            f"leave out at_most_every."
        )


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
    _check_readable(view)
    view.view_schema()
    check_getters(view)


def _check_readable(view: View) -> None:
    """Raises InvalidReference for a placeholder of the path that no reference reads."""
    sources = {each.name: each for each in view.store_class.sources}
    for name in view.pattern().names:
        reference, _, attribute = name.partition(".")
        source = sources[reference]
        fields = source.fields
        declared = source.model.attributes.get(attribute)
        if fields is None or declared is None or declared.fget is not None:
            continue
        if attribute not in {each.name for each in fields}:
            raise InvalidReference(
                f"{view.__name__} is stored by {{{name}}}, and {view.store_class.__name__}.{reference} does not read "
                f"{source.model.__name__}.{attribute}; add it to `fields`."
            )
