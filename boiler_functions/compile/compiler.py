"""Compiles declarations into the manifest to deploy and the functions that do the work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from boiler_functions.compile.checks import (
    check_copies,
    check_cycles,
    check_kept,
    check_named,
    check_names,
    check_own_copies,
    check_owners,
)
from boiler_functions.exceptions import DeclarationError
from boiler_functions.manifest import (
    EventTrigger,
    Function,
    HttpTrigger,
    Manifest,
    QueueTrigger,
    ScheduleTrigger,
    function_name,
)
from boiler_functions.modes.event_function import EventFunction
from boiler_functions.modes.mode import Declarations
from boiler_functions.modes.scheduled_function import ScheduledFunction
from boiler_functions.settings.options import ANY

_ORDER = (EventTrigger, HttpTrigger, QueueTrigger, ScheduleTrigger)


class Compiled(NamedTuple):
    """A compiled app: what to deploy, and by entry point the functions that events and schedules invoke."""

    manifest: Manifest
    functions: Mapping[str, EventFunction]
    declarations: Declarations
    scheduled: Mapping[str, ScheduledFunction] = {}


def compile_app(declarations: Declarations) -> Compiled:
    """Checks and compiles the declarations; raises DeclarationError for an app that cannot work.

    For a stage, compile them again with its options: `compile_app(declarations.with_options(stage))`.
    """
    if not any(declarations.all):
        decorators = ", ".join(f"`@app.{mode.name}`" for mode in declarations.modes if mode.has_decorator)
        raise DeclarationError(
            f"The app {declarations.app!r} declares nothing; decorate a view model, or a function that receives "
            f"changes, with one of {decorators}, and import its module before `app.export(globals())`."
        )
    return compile_declarations(declarations)


def compile_declarations(declarations: Declarations) -> Compiled:
    """Compiles as `compile_app` does, but also an app without declarations, whose deployment removes its functions."""
    modes = declarations.modes
    functions = [each for mode in modes for each in mode.event_functions(declarations)]
    check_owners(declarations)
    check_kept(declarations)
    check_copies(declarations)
    check_own_copies(declarations)
    check_cycles(functions)
    for mode in modes:
        mode.check(declarations)
    scheduled = [each for mode in modes for each in mode.scheduled_functions(declarations)]
    others = [each for mode in modes for each in mode.functions(declarations)]
    records = sorted(
        [*(_record(declarations, each) for each in functions), *others, *map(_scheduled_record, scheduled)],
        key=lambda each: _ORDER.index(type(each.trigger)),
    )
    services = tuple(each for mode in modes for each in mode.services(declarations))
    check_names([*records, *services])
    check_named(declarations, [*records, *services])
    by_entry_point = {each.entry_point: each for each in functions}
    by_schedule = {each.entry_point: each for each in scheduled}
    return Compiled(Manifest(declarations.app, tuple(records), services), by_entry_point, declarations, by_schedule)


def _record(declarations: Declarations, function: EventFunction) -> Function:
    at, options = declarations.options, function.options
    trigger = EventTrigger(
        function.source.text,
        function.event_type,
        database=declarations.database,
        namespace=at.namespace or ANY,
        retry=options.retry is not False,
        location=at.trigger_location,
    )
    name = function_name(declarations.app, function.entry_point)
    return Function(
        name,
        function.entry_point,
        function.mode,
        trigger,
        function.serves,
        options,
        hands_on=function.hands_on,
        receives=function.receives,
    )


def _scheduled_record(function: ScheduledFunction) -> Function:
    name = function_name(function.app, function.entry_point)
    trigger = ScheduleTrigger()
    options, served = function.options, function.serves
    return Function(name, function.entry_point, function.mode, trigger, served, options, hands_on=True)
