"""Checks of all declarations together; each mode has its own checks of what concerns that mode only."""

from __future__ import annotations

from collections.abc import Sequence

from boiler_functions.access import Owner
from boiler_functions.exceptions import InvalidAccess, InvalidOption, InvalidReference, NameCollision, TriggersItself
from boiler_functions.manifest import CREATED, Function, Service
from boiler_functions.modes.bookkeeping import BOOKKEEPING
from boiler_functions.modes.event_function import EventFunction
from boiler_functions.modes.mode import Declarations
from boiler_functions.paths import Pattern
from boiler_functions.views.stored_copy import late_access, relation_in, views_read
from boiler_functions.views.totals import kept_totals
from boiler_functions.views.view_model import View, owner_names


def check_named(declarations: Declarations, functions: Sequence[Function | Service]) -> None:
    known = {function.entry_point for function in functions}
    if unknown := sorted(declarations.named.keys() - known):
        raise InvalidOption(
            f"Boiler({declarations.app!r}, functions=…) names {unknown[0]!r}, which is not a function of the app; "
            f"it has {', '.join(sorted(known))}."
        )


def check_names(functions: Sequence[Function | Service]) -> None:
    seen: dict[str, Function | Service] = {}
    for function in functions:
        if other := seen.get(function.cloud_run_name):
            raise NameCollision(
                f"The functions {other.entry_point} and {function.entry_point} would both be the Cloud Run service "
                f"{function.cloud_run_name!r}; rename one of {', '.join((*other.views, *function.views))}."
            )
        seen[function.cloud_run_name] = function


def check_owners(declarations: Declarations) -> None:
    """Raises InvalidAccess for an `access.owner` of a form if the path of its task lacks that placeholder."""
    paths: dict[View, list[Pattern]] = {view: [] for view in declarations.views}
    for mode, each in declarations.all:
        if each.view is not None and (form := mode.form(each)):
            paths[each.view].append(form)
    for view, patterns in paths.items():
        for part in (*view.__readers__().parts(), *view.__writers__().parts()):
            if not isinstance(part, Owner) or "." in part.placeholder:
                continue
            for pattern in patterns or [Pattern(view.meta("path") or view.__name__)]:
                if part.placeholder not in pattern.names:
                    raise InvalidAccess(
                        f"{view.__name__}.Meta has owner({part.placeholder!r}), which is not a placeholder of its path "
                        f"{pattern.text!r}; there are {', '.join((*pattern.names, *owner_names(view))) or 'none'}."
                    )


def check_kept(declarations: Declarations) -> None:
    """Raises InvalidReference for a kept total in a Store that something else than a stored view reads."""
    for mode, each in declarations.all:
        if each.view is None or mode.takes_kept_totals:
            continue
        for total, _ in kept_totals([each.view.store_class]):
            raise InvalidReference(
                f"{each.view.store_class.__name__}.{total.name} is kept, and @app.{mode.name} of {each.view.__name__} "
                f"reads it where it may not have the last change yet: a kept total follows events, as stored views "
                f"do. Leave out `kept`, or give @app.{mode.name} a view model whose Store asks for the number."
            )


def check_copies(declarations: Declarations) -> None:
    """Raises InvalidReference for a reference to copies that nobody stores, or that it would be wrong to read."""
    for mode, each in declarations.all:
        if each.view is None:
            continue
        if late := late_access(each.view):
            raise InvalidAccess(
                f"{each.view.__name__}.Meta.read {late}, which would decide by what a copy holds who may read the "
                f"view, and a copy keeps its content while it cannot be built. Name the readers by the key of a copy, "
                f"or by a document that the Store reads."
            )
        for source, read in views_read(each.view.store_class).items():
            where = f"{each.view.store_class.__name__}.{source.name}"
            if read not in declarations.stored:
                raise InvalidReference(
                    f"{where} reads the copies of {read.__name__}, which {declarations.app} does not store; decorate "
                    f"{read.__name__} with `@app.query`."
                )
            if relation := relation_in(read):
                raise InvalidReference(
                    f"{where} reads the copies of {read.__name__}, whose {relation} holds a relation: a copy holds "
                    f"the path as text. Return `str` there, or a `dict` of plain values."
                )
            if not mode.reads_copies(each):
                raise InvalidReference(
                    f"{where} reads the copies of {read.__name__}, which may not have the last change yet, and "
                    f"@app.{mode.name} of {each.view.__name__} writes by what its Store reads. Reference the documents "
                    f"that {read.__name__} is built of."
                )


def check_own_copies(declarations: Declarations) -> None:
    """Raises InvalidReference for a view whose getters may ask for whom a copy is, where there is no copy."""
    for mode, each in declarations.all:
        if each.view is not None and each.view.has_own_copies() and not mode.takes_own_copies:
            raise InvalidReference(
                f"@app.{mode.name} of {each.view.__name__} has no copies, and the getters of {each.view.__name__} may "
                f"ask for whom a copy is ({each.view.copy_class.__name__}). Give it a view model without a Copy."
            )


def check_cycles(functions: Sequence[EventFunction]) -> None:
    """Raises TriggersItself if a function's writes would trigger it again, directly or through other functions."""
    for function in functions:
        # Only the trigger of the outbox may be on bookkeeping. It cannot make a cycle: a function of `@app.on_change`
        # may not write models, and the trigger fires when a record is created, not when it is stamped.
        is_of_outbox = function.event_type == CREATED
        for pattern in (*function.written, *(() if is_of_outbox else (function.source,))):
            if collection := _bookkeeping(pattern):
                raise TriggersItself(
                    f"{function.serves[0]} reads or writes {pattern.text!r}, which matches {collection!r}, "
                    f"the bookkeeping of this package; choose another collection."
                )
    for function in functions:
        if cycle := _cycle(function, functions, ()):
            steps = " → ".join(f"{each.entry_point} (on {each.source.text})" for each in cycle)
            raise TriggersItself(
                f"{cycle[0].serves[0]} would trigger itself for ever: {steps}. Store the view, or write "
                f"the model, outside of the collections that trigger it."
            )


def _cycle(
    function: EventFunction, functions: Sequence[EventFunction], path: tuple[EventFunction, ...]
) -> tuple[EventFunction, ...] | None:
    """Returns the functions that lead from this one back to one on the path, or None."""
    if function in path:
        return (*path[path.index(function) :], function)
    triggered = (each for each in functions if any(written.overlaps(each.source) for written in function.written))
    return next((cycle for each in triggered if (cycle := _cycle(each, functions, (*path, function)))), None)


def _bookkeeping(pattern: Pattern) -> str | None:
    """Returns the bookkeeping collection that a document of the pattern is in, or could be in."""
    paths = {name: Pattern(f"{name}/{{id}}") for name in BOOKKEEPING}
    return next((name for name in paths if pattern.overlaps(paths[name]) or name in pattern.segments[::2]), None)
