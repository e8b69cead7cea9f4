"""`boiler plan`: the functions that an app deploys, as a table, as blocks where that is too wide, or as JSON."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from boiler_functions.manifest import EventTrigger, Function, Manifest

_COLUMNS = ("name", "mode", "event type", "path pattern", "retry", "entry point")
_INDENT = max(map(len, _COLUMNS)) + 2


def show_plan(manifest: Manifest, console: Console) -> None:
    """Prints the functions, a row each where the console is wide enough."""
    rows = [_row(function) for function in manifest.functions]
    table = _table(rows)
    if Measurement.get(console, console.options.update(width=10_000), table).maximum <= console.width:
        console.print(table)
        return
    for name, *rest in rows:
        console.print(name, soft_wrap=True, highlight=False, style="bold")
        for column, value in zip(_COLUMNS[1:], rest, strict=True):
            console.print(f"  {column:<{_INDENT}}{value}", soft_wrap=True, highlight=False)


def plan_as_json(manifest: Manifest) -> dict[str, Any]:
    """The plan for programs; a field that a function does not have is None."""
    return {"app": manifest.app, "functions": [_record(function) for function in manifest.functions]}


def _table(rows: list[tuple[str, ...]]) -> Table:
    table = Table(*_COLUMNS, box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*row)
    return table


def _row(function: Function) -> tuple[str, ...]:
    record = _record(function)
    retry = {True: "on", False: "off", None: "-"}[record["retry"]]
    what = record["event_type"] or f"HTTP, {record['invoker']}"
    return function.name, function.mode, what, record["path_pattern"] or "-", retry, function.entry_point


def _record(function: Function) -> dict[str, Any]:
    trigger = function.trigger
    event = trigger if isinstance(trigger, EventTrigger) else None
    return {
        "name": function.name,
        "mode": function.mode,
        "event_type": event.event_type if event else None,
        "path_pattern": event.document if event else None,
        "retry": event.retry if event else None,
        "invoker": None if isinstance(trigger, EventTrigger) else ", ".join(trigger.invoker),
        "entry_point": function.entry_point,
        "views": list(function.views),
        "options": function.options.given(),
    }
