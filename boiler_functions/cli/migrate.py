"""`boiler migrate`: runs the steps of `@app.migration` that are not done, or shows what they would change."""

from __future__ import annotations

import time
from collections.abc import Iterator
from random import SystemRandom
from typing import Any

from boiler_functions.cli.context import Context
from boiler_functions.cli.costs import FREE, Estimate
from boiler_functions.cli.output import Output, confirm
from boiler_functions.database import Aggregation
from boiler_functions.database.metered import Usage
from boiler_functions.exceptions import ConfigurationError
from boiler_functions.modes.migration import Migration, Migrations, Progress

SHOWN = 20
"""The number of documents of a step whose differences, or reasons, are shown."""


def migrate(context: Context, *, dry_run: bool, leave: bool, yes: bool) -> Output:
    """Returns what was done, or with `dry_run` what would be; fine if every step is done, or could be."""
    steps = context.app.migrations
    if not steps:
        raise ConfigurationError(
            f"{context.app.name} declares no step. Decorate a function of one argument with `@app.migration(Model)`."
        )
    work = Migrations(context.app.name, steps, context.database, _pause)
    known = work.progress()
    pending = [each for each in steps if known[each.name].status != "done"]
    if dry_run:
        return _tried(work, known, pending)
    if pending and not confirm(context, _asked(context, pending, yes=yes), yes=yes):
        pending = []
    for step, progress in work.run(leave=leave) if pending else ():
        known[step.name] = progress
    left = {each.name: list(work.left(each)) for each in steps if known[each.name].left}
    result = {each.name: _to_json(each, known[each.name], left.get(each.name, [])) for each in steps}
    lines = [line for each in steps for line in _lines(each, known[each.name], left.get(each.name, []))]
    return Output("migrate", {"steps": result}, lines, all(each.status == "done" for each in known.values()))


def _asked(context: Context, pending: list[Migration], *, yes: bool) -> str:
    """Returns what is asked about: which steps run, and what they cost if each changes every document."""
    run = f"Run {', '.join(each.name for each in pending)}"
    if yes or context.emulator:
        return run
    number = 0
    for step in pending:
        found = context.database.aggregate(Aggregation(step.model.all().query._replace(pattern=None), "count")).value
        assert isinstance(found, int)
        number += found
    estimate = Estimate.of(context, run, Usage(reads=number, writes=number))
    return run if estimate.price < FREE else f"{estimate} if each changes all {number:,}. Do it"


def _tried(work: Migrations, known: dict[str, Progress], pending: list[Migration]) -> Output:
    lines: list[str] = []
    result: dict[str, Any] = {}
    for step in work.steps:
        if step not in pending:
            lines.append(f"{step.name}: {known[step.name].status}")
            continue
        read = changed = 0
        shown: list[dict[str, Any]] = []
        unfit: list[tuple[str, str]] = []
        for each in work.tried(step):
            read, changed = read + 1, changed + each.is_changed
            unfit += [(each.document.path, each.why)] if each.why else []
            if each.is_changed and len(shown) < SHOWN:
                shown.append({"path": each.document.path, "diff": each.diff()})
        lines.append(f"{step.name} of {step.model.__name__}: {changed} of {read} would change, {len(unfit)} be left")
        lines += [f"  {line}" for each in shown for line in (each["path"], *(f"  {diff}" for diff in each["diff"]))]
        lines += [f"  left: {why if why.startswith(path) else f'{path}: {why}'}" for path, why in unfit[:SHOWN]]
        left = [{"path": path, "why": why} for path, why in unfit]
        result[step.name] = {"read": read, "changed": changed, "changes": shown, "left": left}
    return Output(
        "migrate", {"dry_run": True, "steps": result}, lines, not any(each["left"] for each in result.values())
    )


def _to_json(step: Migration, progress: Progress, left: list[tuple[str, str]]) -> dict[str, Any]:
    numbers = {"read": progress.read, "changed": progress.changed}
    named = [{"path": path, "why": why} for path, why in left]
    return {"model": step.model.__name__, "status": progress.status, **numbers, "left": named}


def _lines(step: Migration, progress: Progress, left: list[tuple[str, str]]) -> Iterator[str]:
    numbers = f"{progress.read} read, {progress.changed} changed, {len(left)} left"
    yield f"{step.name} of {step.model.__name__}: {progress.status}; {numbers}"
    yield from (f"  left: {why if why.startswith(path) else f'{path}: {why}'}" for path, why in left[:SHOWN])
    if len(left) > SHOWN:
        yield f"  and {len(left) - SHOWN} more; --json has all"


def _pause(attempt: int) -> None:
    time.sleep(SystemRandom().uniform(0, min(2.0, 0.05 * 2**attempt)))
