"""`boiler plan`: shows what an app deploys and needs, what each change costs, and what may cause trouble."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from boiler_functions.cli.rights import Right, rights_of
from boiler_functions.compile.compiler import Compiled
from boiler_functions.database.metered import Usage
from boiler_functions.manifest import EventTrigger, Function, HttpTrigger, Manifest, ScheduleTrigger, Service
from boiler_functions.modes.advice import Advice
from boiler_functions.plan.advice import advice_on
from boiler_functions.plan.chains import Chain, Chains
from boiler_functions.plan.indexes import Indexes
from boiler_functions.plan.prices import Prices
from boiler_functions.plan.watching import APIS as WATCHING_APIS
from boiler_functions.plan.watching import Watch, Watching
from boiler_functions.views.fetching import Assumed

_UNWRAPPED = 10_000
"""The width of a console that wraps no line."""

# The APIs that every deployment needs.
_DEPLOY_APIS = {
    "cloudfunctions.googleapis.com": "Deploys the functions.",
    "run.googleapis.com": "Runs them.",
    "cloudbuild.googleapis.com": "Builds them.",
    "artifactregistry.googleapis.com": "Stores the built images.",
    "pubsub.googleapis.com": "Carries the events.",
}


@dataclass(frozen=True)
class Cost:
    """The cost for one view of a change of a source; `million` is the list price of a million such changes."""

    source: str
    function: str
    view: str
    usage: Usage
    million: float
    at_most_every: timedelta | None = None
    """How often the view is written at most; what changes in between costs a look at its ledger."""
    copies_differ: bool = False
    """Whether a change writes only those copies whose own content it alters, so that `usage` has the most writes."""

    @property
    def shown_view(self) -> str:
        limits = [] if self.at_most_every is None else [f"once in {self.at_most_every}"]
        return ", ".join([self.view, *limits, *(["copies differ"] if self.copies_differ else [])])

    def to_json(self) -> dict[str, Any]:
        usage = {"rpcs": self.usage.rpcs, "reads": self.usage.reads, "writes": self.usage.writes}
        seconds = {} if self.at_most_every is None else {"at_most_every": self.at_most_every.total_seconds()}
        found = {"source": self.source, "function": self.function, "view": self.view, **usage, "million": self.million}
        return {**found, **seconds, **({"copies_differ": True} if self.copies_differ else {})}


@dataclass(frozen=True)
class Plan:
    """What an app deploys and needs, and what it costs."""

    manifest: Manifest
    indexes: Indexes
    costs: tuple[Cost, ...]
    chains: tuple[Chain, ...]
    advice: tuple[Advice, ...]
    assumed: Assumed
    prices: Prices
    watch: Watch = Watch()  # noqa: RUF009  # frozen
    place: str = ""

    @classmethod
    def of(
        cls,
        compiled: Compiled,
        indexes_file: Mapping[str, Any],
        assumed: Assumed,
        prices: Prices,
        watch: Watch,
        place: str = "",
    ) -> Plan:
        indexes = Indexes.of(compiled.declarations)
        costs = tuple(_costs(compiled, assumed, prices))
        chains = tuple(Chains(compiled, assumed, prices).all())
        advice = tuple(advice_on(compiled, indexes_file, assumed))
        return cls(compiled.manifest, indexes, costs, chains, advice, assumed, prices, watch, place)

    @property
    def apis(self) -> dict[str, str]:
        return {**_DEPLOY_APIS, **self.manifest.apis, **(WATCHING_APIS if self.watch.enabled else {})}

    @property
    def rights(self) -> tuple[Right, ...]:
        """Who may run which command."""
        return rights_of(self.manifest, watched=self.watch.enabled)

    @property
    def watching(self) -> Watching | None:
        """What watches the app; None if that is switched off."""
        return Watching(self.manifest, self.watch) if self.watch.enabled else None

    @property
    def by_source(self) -> dict[str, list[Cost]]:
        """The costs, grouped by the source that changes."""
        found: dict[str, list[Cost]] = {}
        for cost in self.costs:
            found.setdefault(cost.source, []).append(cost)
        return found

    def to_json(self) -> dict[str, Any]:
        return {
            **plan_as_json(self.manifest),
            "services": [each.to_json() for each in self.manifest.services],
            "queues": [
                {"name": each.name, **each.trigger.to_wire()["taskQueueTrigger"]} for each in self.manifest.queues
            ],
            "schedules": [
                {"name": each.name, **each.trigger.to_wire()["scheduleTrigger"]} for each in self.manifest.schedules
            ],
            "indexes": self.indexes.to_wire(),
            "ttl": [f"{each.collection}.{each.field}" for each in self.indexes.ttl],
            "apis": self.apis,
            "roles": self.manifest.roles,
            "rights": [each.to_json() for each in self.rights],
            "watching": self.watching.to_json() if self.watching else None,
            "assumed": {"many": self.assumed.many, "dependents": self.assumed.dependents},
            "costs": [cost.to_json() for cost in self.costs],
            "millions": {source: round(_sum(costs), 2) for source, costs in self.by_source.items()},
            "chains": [each.to_json() for each in self.chains],
            "prices": self.prices.to_json(),
            "warnings": [each.to_json() for each in self.advice],
        }

    def text(self, console: Console) -> str:
        """Returns the plan as the console shows it, which is readable at 100 columns; no line ends with blanks."""
        # Captured, because rich pads each line of a table to the width of its longest.
        with console.capture() as shown:
            self._show(console)
        return "".join(f"{line.rstrip()}\n" for line in shown.get().splitlines())

    def _show(self, console: Console) -> None:
        manifest = self.manifest
        console.print(Text(f"{manifest.app}: {len(manifest.functions)} functions; {self.place}", style="bold"))
        console.print(Text(f"Deployed as {manifest.app}-… with '-' for '_'."))
        for title, content in self._sections():
            console.print(Text(f"\n{title}", style="bold"))
            console.print(Padding(content, (0, 0, 0, 2), expand=False))

    def _sections(self) -> Iterator[tuple[str, Any]]:
        yield "Functions", _functions_table(self.manifest.functions)
        if self.manifest.services:
            yield (
                "Cloud Run services, which `boiler deploy` deploys and firebase-tools cannot",
                _lines(map(_service, self.manifest.services)),
            )
        yield "What a change costs each view", self._costs_table()
        if self.chains:
            yield "What a change costs to the end of its chain of views", self._chains_table()
        yield "Indexes and time-to-live fields", _lines(self._indexes())
        yield "Queues", _lines((each.name, f"for {each.entry_point}") for each in self.manifest.queues)
        yield "Schedules", _lines((each.name, _schedule(each)) for each in self.manifest.schedules)
        yield "APIs", _lines(self.apis.items())
        yield "Roles of the functions' service account", _lines(self.manifest.roles.items())
        yield "Roles of whoever runs a command", _lines(_rights(self.rights))
        if self.watching:
            yield "Alerts", _lines(self.watching.told())
        yield "Warnings", _warnings(self.advice)

    def _costs_table(self) -> Group:
        table = _table("source", "view", "RPCs", "reads", "writes", "a million")
        for source, costs in self.by_source.items():
            for number, cost in enumerate(costs):
                usage = (cost.usage.rpcs, cost.usage.reads, cost.usage.writes)
                table.add_row("" if number else source, cost.shown_view, *map(str, usage), f"{cost.million:,.2f}")
            if len(costs) > 1:
                table.add_row("", "together", "", "", "", f"{_sum(costs):,.2f}", style="dim")
        note = (
            f"In steady state, with --many {self.assumed.many} documents behind a reference to many, and each "
            f"document in --dependents {self.assumed.dependents} instances of a view. {self.prices.currency} a million "
            f"at list prices of {self.prices.date} ({', '.join(self.prices.sources)}), if each instance of a function "
            f"handles one event at a time."
        )
        if any(cost.at_most_every for cost in self.costs):
            note += " A view that is written once in a time costs each change before its end 1 RPC and 1 read instead."
        if any(cost.copies_differ for cost in self.costs):
            note += " Where copies differ, a change writes those that it alters, and the ledger: at most so many."
        return Group(table, Text(note, style="dim"))

    def _chains_table(self) -> Group:
        table = _table("source", "views in turn", "steps", "RPCs", "reads", "writes", "a million")
        for each in self.chains:
            numbers = (each.steps, each.usage.rpcs, each.usage.reads, each.usage.writes)
            table.add_row(each.source, ", ".join(each.views), *map(str, numbers), f"{each.million:,.2f}")
        note = "If every view on the way changes; a chain stops where one stays as it is."
        return Group(table, Text(note, style="dim"))

    def _indexes(self) -> Iterator[tuple[str, str]]:
        for index in self.indexes.composite:
            yield str(index), "composite" if index.scope == "COLLECTION" else "composite, all collections of the name"
        for each in self.indexes.singles:
            yield f"{each.collection}.{each.field}", "all collections of the name"
        for each in self.indexes.ttl:
            yield f"{each.collection}.{each.field}", "time to live"
        for each in self.indexes.overrides:
            if not each.indexes and not each.ttl:
                yield f"{each.collection}.{each.field}", "no index"


def plan_as_json(manifest: Manifest) -> dict[str, Any]:
    """Returns the functions as JSON; a field that does not apply to a function is None."""
    return {"app": manifest.app, "functions": [_record(function) for function in manifest.functions]}


def _costs(compiled: Compiled, assumed: Assumed, prices: Prices) -> Iterator[Cost]:
    options = {each.entry_point: each.options for each in compiled.manifest.functions}
    location = compiled.declarations.options.trigger_location
    for function in compiled.functions.values():
        for view in function.views:
            usage = function.cost(view, assumed)
            million = prices.of_million(usage, options[function.entry_point], location)
            source, entry_point, every = function.source.text, function.entry_point, function.at_most_every(view)
            own = view.has_own_copies()
            yield Cost(source, entry_point, view.__name__, usage, round(million, 2), every, own)


def _sum(costs: Iterable[Cost]) -> float:
    return sum(cost.million for cost in costs)


def _functions_table(functions: Sequence[Function]) -> Table:
    # The heading names the region if all functions run in one.
    regions = ["region"] if len({each.options.region for each in functions}) > 1 else []
    table = _table("entry point", "mode", "on", "retry", "MiB", "s", *regions)
    for function in functions:
        options = function.options
        row = (function.entry_point, function.mode, _trigger(function), _retry(function), options.memory)
        table.add_row(*map(str, (*row, options.timeout_sec, *[options.region][: len(regions)])))
    return table


def _rights(rights: Sequence[Right]) -> Iterator[tuple[str, str]]:
    """Yields the commands that need the same roles, with these."""
    commands: dict[tuple[str, ...], list[str]] = {}
    for each in rights:
        commands.setdefault(each.roles, []).append(each.command)
    for roles, named in commands.items():
        yield ", ".join(named), ", ".join(roles) or "none"


def _trigger(function: Function) -> str:
    match function.trigger:
        case EventTrigger(document=document):
            return document
        case HttpTrigger(invoker=invoker):
            return f"HTTP, {', '.join(invoker)}"
        case ScheduleTrigger():
            return "its schedule"
        case trigger:
            return f"its queue, {', '.join(trigger.invoker)}"


def _schedule(function: Function) -> str:
    wire = function.trigger.to_wire()["scheduleTrigger"]
    return f"{wire['schedule']!r} in {wire['timeZone']}, for {function.entry_point}"


def _service(service: Service) -> tuple[str, str]:
    options = service.options
    instances = f"{options.min_instances or 0} to {options.max_instances or 100} instances"
    return service.entry_point, (
        f"Socket.IO at {', '.join(service.namespaces)}; public, checks a token of Firebase Auth; {instances} of "
        f"{options.memory} MiB with {options.concurrency} sockets each; a socket lasts at most {options.time_limit} s"
    )


def _retry(function: Function) -> str:
    retry = _record(function)["retry"]
    return "-" if retry is None else "on" if retry else "off"


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for column in columns:
        is_number = column in ("steps", "RPCs", "reads", "writes", "a million", "MiB", "s")
        table.add_column(column, justify="right" if is_number else "left", overflow="fold")
    return table


def _lines(rows: Iterable[tuple[str, str]]) -> Table | Text:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(overflow="fold")
    table.add_column(overflow="fold", style="dim")
    for name, text in rows:
        table.add_row(name, text)
    return table if table.row_count else Text("none")


def _warnings(advice: Sequence[Advice]) -> Group | Text:
    if not advice:
        return Text("none")
    return Group(*(Text.assemble((each.name, "yellow"), f" {each.about}: {each.text}") for each in advice))


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


def console_of(output: Path | None) -> Console:
    """Returns a console that wraps no line of a file, or of what a program reads."""
    if output is not None:
        return Console(file=StringIO(), width=_UNWRAPPED)
    is_read = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(width=_UNWRAPPED if is_read else None)
