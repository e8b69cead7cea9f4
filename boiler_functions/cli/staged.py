"""`boiler stage`, `wait`, `promote`, `rollback`, `abort` and `finish`: the life of a staged version of a view."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from enum import StrEnum
from typing import Any

import click
from rich.console import Console

from boiler_functions.cli.build import letters_written, view_named
from boiler_functions.cli.context import Context
from boiler_functions.cli.costs import Estimate, of_one, times
from boiler_functions.cli.dev_control import LocalDev
from boiler_functions.cli.errors import stopped_as
from boiler_functions.cli.output import Output, confirm, shown_age
from boiler_functions.cli.staged_functions import deploy_functions, remove_functions
from boiler_functions.database.metered import Usage
from boiler_functions.exceptions import ConfigurationError, Conflict
from boiler_functions.modes.invocation import REAL, Outcome
from boiler_functions.modes.registry import Registration, registration
from boiler_functions.modes.release import Release
from boiler_functions.modes.source_code import code_fingerprints
from boiler_functions.modes.staged import StagedProgress, StagedVersion
from boiler_functions.modes.stored_copies import Moved, OnShelf, Staging
from boiler_functions.types import to_datetime
from boiler_functions.views.fetching import Assumed, copies_of
from boiler_functions.views.view_model import View

PAUSE = 2.0
"""Seconds between two looks of `boiler wait`."""

EVERY = 5.0
"""Seconds between two lines of progress."""


class Readiness(StrEnum):
    """How a staged version stands before it is promoted."""

    READY = "ready"
    BUILDING = "building"
    LATE = "late"
    FAILING = "failing"


def stage(context: Context, name: str, *, yes: bool) -> Output:
    """Builds the staged version; fine if all instances could be built."""
    view = view_named(context.app, name)
    registered = registration(context.database, context.app.name)
    _check_can_be_staged(context, view, registered)
    staged = StagedVersion.of(context.database, context.app.name, name)
    if staged.is_shown:
        raise ConfigurationError(
            f"The staged version of {name} is {staged.progress}. Run `boiler finish {name}` once it is deployed, or "
            f"`boiler rollback {name}` first."
        )
    instances = staging_of(context, view, staged).number_of_roots()
    if not confirm(context, f"{_estimate(context, view, instances)}. Stage {name}", yes=yes):
        return _left_alone("stage", name)
    # `boiler dev` counts its deployments in milliseconds.
    number = max(context.release.deployment, registered.deployment + 1)
    staged = staged.write(
        context.database,
        progress=StagedProgress.BUILDING,
        deployment=number,
        production=registered.deployment,
        began=time.time_ns(),
    )
    _deploy(context, view, staged)
    outcomes: Counter[Outcome] = Counter()
    with letters_written() as letters, _resumable(f"boiler stage {name}"):
        for page in _told(name, staging_of(context, view, staged).build(), lambda page: page.outcomes.total()):
            outcomes += page.outcomes
    staged.write(context.database, progress=StagedProgress.BUILT)
    numbers = {str(outcome): count for outcome, count in outcomes.items()}
    said = ", ".join(f"{count} {outcome}" for outcome, count in numbers.items()) or "nothing to build"
    lines = [f"{name}: {said} on the shelf; `boiler wait {name}`, `boiler diff {name}`, `boiler promote {name}`"]
    failed = outcomes[Outcome.DEAD_LETTER]
    return Output("stage", {"view": name, "outcomes": numbers}, [*lines, *letters.causes()], not failed)


def wait(context: Context, name: str, *, patience: timedelta, late: timedelta) -> Output:
    """Returns how the staged version stands, at the latest after some time; fine if it is ready."""
    view, staged = _existing(context, name)
    until = time.monotonic() + patience.total_seconds()
    while True:
        staged = StagedVersion.of(context.database, context.app.name, name)
        found = staging_of(context, view, staged).on_shelf()
        readiness, why = _readiness(staged, found, late)
        if readiness in (Readiness.READY, Readiness.FAILING) or time.monotonic() >= until:
            break
        with _resumable(f"boiler wait {name}"):
            time.sleep(PAUSE)
    instances = staging_of(context, view, staged).number_of_roots()
    built = found.staged + found.former
    told = f"{readiness} ({built} of {instances})" if readiness is Readiness.BUILDING else readiness
    result = {"view": name, "readiness": readiness, "progress": staged.progress, "built": built, "of": instances}
    line = f"{name}: {told}{f'; {why}' if why else ''}"
    return Output("wait", {**result, "why": why}, [line], readiness is Readiness.READY)


def promote(context: Context, name: str, *, yes: bool) -> Output:
    """Shows the staged version; fine if nothing is left."""
    view, staged = _existing(context, name)
    _check_production(context, name, staged)
    if staged.progress is StagedProgress.BUILDING:
        raise ConfigurationError(f"{name} is not built on the shelf yet. Run `boiler stage {name}` to its end.")
    staging = staging_of(context, view, staged)
    left = staging.on_shelf().staged
    if not confirm(context, f"Show {left} instances of {name} in their staged version", yes=yes):
        return _left_alone("promote", name)
    return _moved("promote", name, staging.promote(staged), f"boiler promote {name}")


def rollback(context: Context, name: str, *, yes: bool) -> Output:
    """Shows the former version again; fine if nothing is left."""
    view, staged = _existing(context, name)
    if not staged.is_shown:
        raise ConfigurationError(f"The staged version of {name} is {staged.progress}, so nothing is to be rolled back.")
    _check_production(context, name, staged)
    staging = staging_of(context, view, staged)
    if not confirm(context, f"Show {staging.on_shelf().former} instances of {name} as before", yes=yes):
        return _left_alone("rollback", name)
    return _moved("rollback", name, staging.roll_back(staged), f"boiler rollback {name}")


def abort(context: Context, name: str, *, yes: bool) -> Output:
    """Deletes a staged version that is not shown."""
    view, staged = _existing(context, name)
    if staged.is_shown:
        raise ConfigurationError(
            f"The staged version of {name} is {staged.progress}: some of what is shown is of it. Run `boiler rollback "
            f"{name}` first."
        )
    if not confirm(context, f"Delete the staged version of {name}", yes=yes):
        return _left_alone("abort", name)
    # So that nobody promotes what is half deleted, whose functions are gone: a promotion that has begun stops.
    staged = staged.write(context.database, progress=StagedProgress.BUILDING)
    return _cleared("abort", context, view, staged, staging_of(context, view, staged).clear())


def finish(context: Context, name: str, *, yes: bool) -> Output:
    """Deletes the former version, which no function follows once production has the promoted code."""
    view, staged = _existing(context, name)
    is_deployed = registration(context.database, context.app.name).deployment > staged.deployment
    # A promotion that a deployment overtook cannot go on, and need not: production's code builds all that is shown.
    if staged.progress is not StagedProgress.PROMOTED and not (staged.is_shown and is_deployed):
        raise ConfigurationError(
            f"The staged version of {name} is {staged.progress}, not {StagedProgress.PROMOTED}. Run `boiler promote "
            f"{name}` to its end, or `boiler abort {name}`."
        )
    local = LocalDev.of(context)
    if not is_deployed and local is None:
        raise ConfigurationError(
            f"Production still runs the former code of {name}, which would leave the promoted views alone. Deploy "
            f"this code (`boiler deploy`), and run it again."
        )
    if not confirm(context, f"Delete the former version of {name}", yes=yes):
        return _left_alone("finish", name)
    if not is_deployed and local is not None:
        local.deploy()
    return _cleared("finish", context, view, staged, staging_of(context, view, staged).finish())


def staged_release(context: Context, view: View, deployment: int) -> Release:
    """Returns the release of the functions that build a staged version of the view."""
    return Release(deployment, code_fingerprints([view]), staged=view.__name__)


def staging_of(context: Context, view: View, staged: StagedVersion) -> Staging:
    """Returns the work on the shelf of the view, by the code of the checkout as the staged version."""
    declared = context.app.compiled.declarations
    surroundings = REAL._replace(release=staged_release(context, view, staged.deployment))
    return declared.storing().staging(declared, view, context.database, surroundings)


def _existing(context: Context, name: str) -> tuple[View, StagedVersion]:
    """Returns the view and its staged version; raises ConfigurationError if the view has no staged version."""
    view = view_named(context.app, name)
    staged = StagedVersion.of(context.database, context.app.name, name)
    if not staged.exists:
        raise ConfigurationError(f"{name} has no staged version. `boiler stage {name}` builds one.")
    return view, staged


def _check_can_be_staged(context: Context, view: View, registered: Registration) -> None:
    name, app = view.__name__, context.app.name
    if name not in registered.views or not registered.deployment:
        raise ConfigurationError(
            f"No deployment of {app} stores {name} here, so nothing is shown that a staged version could replace. "
            f"Deploy it: `boiler deploy`, and `boiler build {name}`."
        )
    if kept := [each.name for each in view.store_class.sources if each.is_kept]:
        raise ConfigurationError(
            f"{view.store_class.__name__}.{kept[0]} is a kept total, which both versions of {name} would change; a "
            f"view with one cannot be staged. Deploy it, and run `boiler build {name}`."
        )


def _check_production(context: Context, name: str, staged: StagedVersion) -> None:
    """Raises ConfigurationError if production has moved on since the version was staged."""
    deployment = registration(context.database, context.app.name).deployment
    if deployment != staged.production:
        raise ConfigurationError(
            f"{context.app.name} was deployed since {name} was staged ({deployment}, not {staged.production}). What "
            f"that deployment built must not be replaced: run `boiler abort {name}`, and stage it again."
            if not staged.is_shown
            else f"{context.app.name} was deployed since {name} was staged, so its code builds what is shown. Run "
            f"`boiler finish {name}`; to go back, deploy the former code."
        )


def _readiness(staged: StagedVersion, found: OnShelf, late: timedelta) -> tuple[Readiness, str]:
    if failing := [why for _, why in found.owed if why]:
        kinds = ", ".join(f"{count} {why}" for why, count in Counter(failing).items())
        return Readiness.FAILING, f"builds fail: {kinds}; `boiler stage {staged.view}` says why"
    if staged.progress is StagedProgress.BUILDING:
        return Readiness.BUILDING, ""
    oldest = min((since for since, _ in found.owed), default=None)
    if oldest is None:
        return Readiness.READY, ""
    age = to_datetime(time.time_ns()) - to_datetime(oldest)
    said = f"{len(found.owed)} builds are owed, the oldest for {shown_age(age)}"
    return (Readiness.LATE if age > late else Readiness.BUILDING), said


def _moved(command: str, name: str, pages: Iterable[Counter[Moved]], again: str) -> Output:
    moved: Counter[Moved] = Counter()
    try:
        with _resumable(again):
            for page in _told(name, pages, lambda page: page[Moved.MOVED]):
                moved += page
    except Conflict as error:
        raise ConfigurationError(
            f"Another command has begun to move {name}, so this one stops. `boiler wait {name}` says how it stands."
        ) from error
    numbers = {str(each): moved[each] for each in Moved if moved[each]}
    said = ", ".join(f"{count} {what}" for what, count in numbers.items()) or "nothing is left to move"
    lines = [f"{name}: {said}"]
    if moved[Moved.BEHIND]:
        lines.append(f"  What is behind is older than what is shown; run `{again}` again once it is built.")
    if moved[Moved.TOO_LARGE]:
        lines.append("  What is too large for one commit stays as it is until the code is deployed.")
    return Output(
        command, {"view": name, "instances": numbers}, lines, not moved[Moved.BEHIND] + moved[Moved.TOO_LARGE]
    )


def _cleared(command: str, context: Context, view: View, staged: StagedVersion, pages: Iterator[int]) -> Output:
    name = view.__name__
    # First the functions, as they would build on the shelf again.
    if context.emulator is None:
        remove_functions(context, staged_release(context, view, staged.deployment), Console(stderr=True))
    elif (local := LocalDev.of(context)) is not None:
        local.unstage(name)
    with _resumable(f"boiler {command} {name}"):
        number = sum(_told(name, pages, lambda page: page))
    staged.delete(context.database)
    return Output(
        command, {"view": name, "instances": number}, [f"{name}: {number} instances on the shelf are deleted"]
    )


def _deploy(context: Context, view: View, staged: StagedVersion) -> None:
    """Deploys the functions that follow changes for the staged version; an emulator has them only by `boiler dev`."""
    if context.emulator is None:
        deploy_functions(context, staged_release(context, view, staged.deployment), Console(stderr=True))
    elif (local := LocalDev.of(context)) is not None:
        local.stage(view.__name__)


def _told(name: str, pages: Iterable[Any], size: Any) -> Iterator[Any]:
    """Yields the pages, and says to the standard error how far it is."""
    done, shown = 0, time.monotonic() + EVERY
    for page in pages:
        done += size(page)
        if time.monotonic() >= shown:
            shown = time.monotonic() + EVERY
            click.echo(f"{name}: {done}", err=True)
        yield page


def _resumable(command: str) -> AbstractContextManager[None]:
    return stopped_as(f"Stopped; `{command}` goes on where this ended.")


def _left_alone(command: str, name: str) -> Output:
    return Output(command, {"view": name}, [f"{name}: nothing is changed"], is_fine=False)


def _estimate(context: Context, view: View, instances: int) -> Estimate:
    """Returns what it costs to build so many instances, and to promote them later."""
    # A promotion reads and writes both ledgers, and the copies of both.
    swapped = 2 + 2 * copies_of(view, Assumed())
    usage = times(of_one(context, view) + Usage(0, swapped, swapped), instances)
    return Estimate.of(context, f"Building {instances:,} of {view.__name__} on the shelf, and promoting them", usage)
