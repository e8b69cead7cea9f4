"""`boiler build --cloud` and `boiler builds`: begin builds in the cloud, show how far they are, and stop them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import click

from boiler_functions.cli.build import build_of, view_named
from boiler_functions.cli.context import Context
from boiler_functions.cli.costs import Estimate, of_builds
from boiler_functions.cli.errors import stopped_as
from boiler_functions.cli.output import Output, announce, shown_age, table
from boiler_functions.exceptions import ConfigurationError
from boiler_functions.modes import cloud_build
from boiler_functions.modes.cloud_build import BuildRange, BuildState, CloudBuild
from boiler_functions.modes.invocation import Outcome
from boiler_functions.types import Instant, to_datetime
from boiler_functions.views.totals import kept_totals
from boiler_functions.views.view_model import View

EVERY = 5.0
"""Seconds between two looks at a build, each of which reads it and its ranges."""

BEGUN_BY = 180.0
"""Seconds after which a build that upkeep has not begun is remarked upon."""

NAMED = 4
"""Reads of a root, beside its build: its name twice, and its ledger and itself to see whether it is gone."""


@dataclass(frozen=True)
class CloudChoice:
    """What is to be built in the cloud, and how."""

    view: str | None = None
    every: bool = False
    only_stale: bool = False
    max_rate: float | None = None
    withdraw: bool = False

    def views(self, context: Context) -> list[View]:
        """Returns the views, each after those whose copies it reads; raises ConfigurationError for an unknown one."""
        if self.view is not None:
            return [view_named(context.app, self.view)]
        return list(context.app.compiled.declarations.stored)

    def numbers(self, context: Context, views: Sequence[View]) -> dict[View, int]:
        """Returns how many instances each view has to build."""
        works = {view: build_of(context.app, view, context.database) for view in views}
        return {view: each.number_stale() if self.only_stale else each.number() for view, each in works.items()}


def build_in_cloud(context: Context, chosen: CloudChoice, *, detach: bool, yes: bool, quiet: bool) -> Output:
    """Begins a build, and unless `detach` is set, shows it until it ends; fine if every view could be built."""
    if not context.app.compiled.scheduled:
        raise ConfigurationError(
            f"{context.app.name} has no upkeep, which begins builds in the cloud. Leave `upkeep=False` out of Boiler, "
            f"or build from here: leave --cloud out."
        )
    views = chosen.views(context)
    _check_filled(context, views)
    numbers = chosen.numbers(context, views)
    if chosen.only_stale:
        views = [view for view in views if numbers[view]]
        if not views:
            return Output("build", {"build": None}, ["no other code has built a view that is stored"])
    estimate = _estimate(context, chosen, views, numbers)
    if not quiet:
        announce(context)
        click.echo(estimate, err=True)
    estimate.confirm(context, yes=yes)
    build = CloudBuild.new(
        context.app.name,
        tuple(view.__name__ for view in views),
        sum(numbers[view] for view in views),
        time.time_ns(),
        only_stale=chosen.only_stale,
        withdraw=chosen.withdraw,
        max_rate=chosen.max_rate,
    )
    build = cloud_build.begin(context.database, build)
    if detach:
        result = {"build": cloud_build.to_json(build, []), "estimate": estimate.to_json()}
        return Output("build", result, [f"{build.id} is begun; `boiler builds watch {build.id}` shows it"])
    output = watch(context, build.id, quiet=quiet)
    return Output("build", {**output.result, "estimate": estimate.to_json()}, output.lines, output.is_fine)


def _estimate(context: Context, chosen: CloudChoice, views: Sequence[View], numbers: dict[View, int]) -> Estimate:
    names = ", ".join(view.__name__ for view in views)
    kind = "stale instances" if chosen.only_stale else "instances"
    what = f"Building {sum(numbers[view] for view in views):,} {kind} of {names} with the code that is deployed"
    return of_builds(context, {view: numbers[view] for view in views}, what, listed=NAMED)


def _check_filled(context: Context, views: Sequence[View]) -> None:
    """Raises ConfigurationError for a view with a kept total that is not filled, which ranges cannot do."""
    for view in views:
        heads = sorted(keeping.head for _, keeping in kept_totals([view.store_class]))
        if heads and not all(each.exists for each in context.database.read(heads).documents):
            raise ConfigurationError(
                f"{view.__name__} keeps a total that is not filled yet, and a build in the cloud does not fill it. Run "
                f"`boiler build {view.__name__}` once; from then on, --cloud builds it."
            )


def list_builds(context: Context) -> Output:
    """Returns the builds of the last 30 days, the latest first."""
    found = [(each, cloud_build.ranges_of(context.database, each)) for each in _all(context)]
    rows = [_row(*each) for each in found]
    lines = list(table([("id", "state", "views", "built", "of", "failed", "began"), *rows])) if rows else ["no builds"]
    return Output("builds list", {"builds": [cloud_build.to_json(*each) for each in found]}, lines)


def watch(context: Context, build: str, *, quiet: bool = False) -> Output:
    """Shows a build until it ends or pauses; raises Interrupted for Ctrl-C, while the build goes on."""
    seen = _Seen(context, _of_this_app(context, build))
    goes_on = (
        f"The build goes on without this command. `boiler builds watch {build}` shows it, `boiler builds pause "
        f"{build}` stops it."
    )
    with stopped_as(goes_on):
        for line in seen.lines():
            if not quiet:
                click.echo(line, err=True)
            time.sleep(EVERY)
    return _shown("builds watch", context, seen.build)


def pause(context: Context, build: str) -> Output:
    """Pauses a build; what is in work ends with its batch."""
    return _change(context, "builds pause", build, cloud_build.paused, BuildState.PAUSED)


def resume(context: Context, build: str) -> Output:
    """Lets a paused build go on."""
    now = time.time_ns()
    return _change(context, "builds resume", build, lambda each: cloud_build.resumed(each, now), BuildState.RUNNING)


def cancel(context: Context, build: str) -> Output:
    """Ends a build; what is built stays."""
    return _change(context, "builds cancel", build, cloud_build.cancelled, BuildState.CANCELLED)


def _change(
    context: Context, command: str, build: str, changed: Callable[[CloudBuild], CloudBuild], wanted: BuildState
) -> Output:
    _of_this_app(context, build)
    announce(context)
    found = cloud_build.change(context.database, build, changed)
    return _shown(command, context, found, found.state is wanted)


def _of_this_app(context: Context, build: str) -> CloudBuild:
    found = cloud_build.read(context.database, build)
    if found.app != context.app.name:
        raise ConfigurationError(f"The build {build} is one of the app {found.app!r}, not of {context.app.name!r}.")
    return found


def _all(context: Context) -> list[CloudBuild]:
    return cloud_build.builds(context.database, context.app.name)


def _shown(command: str, context: Context, build: CloudBuild, is_fine: bool | None = None) -> Output:
    ranges = cloud_build.ranges_of(context.database, build)
    result = cloud_build.to_json(build, ranges)
    failed = result["outcomes"].get(str(Outcome.DEAD_LETTER), 0)
    lines = [f"{build.id}: {build.state}{f', {build.why}' if build.why else ''}; {_counts(build, ranges)}"]
    if failed:
        lines.append(f"{failed} could not be built and are unchanged; `boiler letters list` says why")
    if build.state is BuildState.PAUSED:
        lines.append(f"`boiler builds resume {build.id}` lets it go on, `boiler builds cancel {build.id}` ends it")
    if is_fine is None:
        is_fine = build.state in (BuildState.DONE, BuildState.RUNNING) and not failed
    return Output(command, {"build": result}, lines, is_fine)


def _counts(build: CloudBuild, ranges: list[BuildRange]) -> str:
    outcomes = cloud_build.counted(build, ranges)
    return ", ".join(f"{number:,} {outcome}" for outcome, number in outcomes.items()) or "nothing is built"


def _row(build: CloudBuild, ranges: list[BuildRange]) -> tuple[object, ...]:
    outcomes: Counter[str] = cloud_build.counted(build, ranges)
    failed = outcomes[str(Outcome.DEAD_LETTER)]
    began = shown_age(to_datetime(time.time_ns()) - to_datetime(build.started_at))
    return build.id, build.state, ", ".join(build.views), outcomes.total(), build.instances, failed, f"{began} ago"


class _Seen:
    """A build as it is looked at again and again."""

    def __init__(self, context: Context, build: CloudBuild) -> None:
        self._context = context
        self.build = build
        self._begun: tuple[Instant, int] | None = None

    def lines(self) -> Iterator[str]:
        """Yields a line of progress for each look, until the build ends or pauses."""
        while self.build.state is BuildState.RUNNING:
            ranges = cloud_build.ranges_of(self._context.database, self.build)
            yield self._line(ranges, time.time_ns())
            self.build = cloud_build.read(self._context.database, self.build.id)

    def _line(self, ranges: list[BuildRange], now: Instant) -> str:
        done, of = cloud_build.counted(self.build, ranges).total(), self.build.instances
        if not self.build.ranges and not self.build.step:
            waits = (now - max(self.build.started_at, self.build.resumed_at)) / 1e9
            if waits > BEGUN_BY:
                return (
                    f"{self.build.id}: upkeep has not begun it for {waits:.0f} s. Is the app deployed, and upkeep on?"
                )
            return f"{self.build.id}: upkeep begins it within a minute"
        if self._begun is None:
            self._begun = (now, done)
        view, part = self.build.steps[self.build.step]
        return f"{self.build.id}: {view}, {part}: {done:,} of {of:,}{self._rest(done, of, now)}"

    def _rest(self, done: int, of: int, now: Instant) -> str:
        assert self._begun is not None
        seconds, built = (now - self._begun[0]) / 1e9, done - self._begun[1]
        if seconds < EVERY or not built:
            return ""
        rate = built / seconds
        left = max(0, of - done) / rate
        return f"; {rate:,.0f} a second, about {int(left // 60)} min {int(left % 60)} s left"
