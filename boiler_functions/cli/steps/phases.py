"""All steps of a deployment, in the order in which they need one another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from boiler_functions.cli.deployment import Deployment, Phase, Step
from boiler_functions.cli.gcloud import Command
from boiler_functions.cli.steps.database import database_steps
from boiler_functions.cli.steps.function import function_step
from boiler_functions.cli.steps.resources import api_step, resource_steps
from boiler_functions.cli.steps.roles import role_steps
from boiler_functions.cli.steps.service import service_step
from boiler_functions.cli.steps.watching import metric_steps, watching_steps
from boiler_functions.manifest import Function, HttpTrigger

DATABASE_PHASE = "database"


def phases(deployment: Deployment, only: frozenset[str] | None = None) -> Iterator[Phase]:
    """Yields the phases in order; `only` restricts them to the functions and services of these names."""
    manifest = deployment.manifest
    functions = [each for each in manifest.functions if only is None or each.name in only]
    yield Phase("APIs", (api_step(deployment),))
    yield Phase("accounts, topics, queues", tuple(resource_steps(deployment)))
    # One at a time: gcloud reads and writes a policy as a whole, so two writers would conflict.
    yield Phase("roles", tuple(role_steps(deployment)), at_once=1)
    yield Phase(DATABASE_PHASE, tuple(database_steps(deployment)))
    yield Phase("metrics", tuple(metric_steps(deployment)))
    groups: dict[str, list[Function]] = {"receivers": [], "functions": [], "API": []}
    for each in functions:
        groups[_group(deployment, each)].append(each)
    for title, chosen in groups.items():
        if chosen:
            yield Phase(title, tuple(function_step(deployment, each) for each in chosen))
    if services := [each for each in manifest.services if only is None or each.name in only]:
        yield Phase("services", tuple(service_step(deployment, each) for each in services))
    yield Phase("dashboard, alerts", tuple(watching_steps(deployment)))


def _group(deployment: Deployment, function: Function) -> str:
    # Triggers before the API, so that views follow every change by the time that the API shows them.
    if isinstance(function.trigger, HttpTrigger):
        return "API"
    # A new receiver before the functions that write its records, as only the creation of a record invokes it.
    is_new = (function.name, deployment.region_of(function)) not in deployment.deployed.functions
    return "receivers" if function.receives is not None and is_new else "functions"


def removal(deployment: Deployment, stale: Iterable[tuple[str, str]]) -> Phase:
    """Returns the phase that removes functions and services, given by name and region."""
    steps = (Step(f"remove {name}", tuple(_delete(deployment, name, region)), True) for name, region in stale)
    return Phase("removal", tuple(steps))


def _delete(deployment: Deployment, name: str, region: str) -> Iterator[Command]:
    if name in deployment.deployed.jobs:
        yield deployment.gcloud("scheduler", "jobs", "delete", name, f"--location={region}", "--quiet")
    where = f"--region={region}"
    if (name, region) in deployment.deployed.functions:
        yield deployment.gcloud("functions", "delete", name, "--gen2", where)
    else:
        yield deployment.gcloud("run", "services", "delete", name, where)
