"""`boiler rollback` without a view: gives the traffic of functions and services back to their former revisions.

A revision keeps the number of the deployment that made it. Code of an earlier deployment leaves a view that a later one
has built to that one, and notes that a build is owed, so a former revision whose views are built otherwise would build
nothing. Such a rollback is refused; a deployment of the former code gets a number of its own, and builds.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Self

import click
from rich.console import Console

from boiler_functions.cli.context import Context, is_demo
from boiler_functions.cli.deploy import credentials
from boiler_functions.cli.deployed import SERVICE_LABEL, place_of_service, traffic_of
from boiler_functions.cli.deployment import Phase, Step
from boiler_functions.cli.gcloud import Command, Gcloud, gcloud
from boiler_functions.cli.output import Output, announce, confirm, table
from boiler_functions.cli.perform import interruptible, perform
from boiler_functions.cli.traffic import VARIABLE, DeployedAs, move_traffic, to_revision
from boiler_functions.exceptions import ConfigurationError
from boiler_functions.manifest import APP_LABEL

_COMMAND = "rollback"


class Revision(NamedTuple):
    """A revision of a Cloud Run service; `record` is None unless `boiler deploy` made it."""

    name: str
    created: str
    is_broken: bool
    record: DeployedAs | None

    @classmethod
    def read(cls, listed: Mapping[str, Any]) -> Self:
        """Reads what gcloud lists."""
        about, containers = listed["metadata"], listed.get("spec", {}).get("containers") or [{}]
        variables = {each["name"]: each.get("value") for each in containers[0].get("env") or ()}
        conditions = listed.get("status", {}).get("conditions") or ()
        is_broken = any(each["type"] == "Ready" and each["status"] == "False" for each in conditions)
        record = DeployedAs.read(variables.get(VARIABLE))
        return cls(about["name"], about.get("creationTimestamp", ""), is_broken, record)

    @property
    def number(self) -> int:
        """The deployment that made it; 0 if that is not known."""
        return self.record.number if self.record else 0


class Running(NamedTuple):
    """A function or service, the revision that has its traffic, and all its revisions from the first."""

    name: str
    region: str
    serving: Revision
    revisions: Sequence[Revision]

    def before(self, number: int) -> Revision | None:
        """Returns its last revision that works of this deployment or an earlier one, if it has one."""
        found = (each for each in reversed(self.revisions) if each.number <= number and not each.is_broken)
        return next(found, None)

    def obstacle(self, former: Revision) -> str | None:
        """Says why the former revision cannot do the work of the one that has the traffic; None if it can."""
        if former.record is None:
            return "its former revision does not say what it was deployed from"
        # All that ran in between, as it may have left views that only a later number may build again.
        between = [each.record for each in self.revisions if former.number <= each.number <= self.serving.number]
        if any(each is None or each.fixed != former.record.fixed for each in between):
            return "it has built views by other code since, or has another trigger"
        return None


def roll_back(context: Context, to: int | None, *, yes: bool) -> Output:
    """Gives the traffic of what later deployments replaced to the revisions before; fine if that was done."""
    if is_demo(context.project_id):
        raise ConfigurationError(
            f"{context.project_id} is a project of emulators, which keep no revisions. Name another: --project."
        )
    cloud = Gcloud(environ={**os.environ, **credentials(context)})
    with interruptible(cloud, "boiler rollback"):
        running = list(_running(cloud, context))
        latest = max((each.serving.number for each in running), default=0)
        number = latest - 1 if to is None else to
        later = [each for each in running if each.serving.number > number]
        moves = {each: former for each in later if (former := each.before(number))}
        _check(context, moves, latest)
        stay = sorted(each.name for each in later if each not in moves)
        lines = [*table(_row(each, former) for each, former in moves.items()), *_told(stay)]
        announce(context)
        click.echo("\n".join(lines), err=True)
        what = f"Give the traffic of {len(moves)} functions and services to these former revisions"
        if not confirm(context, what, yes=yes):
            return Output(_COMMAND, {"functions": [], "new": stay}, ["nothing is changed"], is_fine=False)
        steps = (Step(each.name, (_move(context, each, former),)) for each, former in moves.items())
        perform(cloud, Phase("traffic", tuple(steps)), Console(stderr=True))
    done = [
        {
            "name": each.name,
            "region": each.region,
            "from": {"revision": each.serving.name, "deployment": each.serving.number},
            "to": {"revision": former.name, "deployment": former.number},
        }
        for each, former in moves.items()
    ]
    return Output(
        _COMMAND, {"functions": done, "new": stay}, [*lines, f"{len(moves)} are rolled back; `boiler deploy` ends that"]
    )


def _check(context: Context, moves: Mapping[Running, Revision], latest: int) -> None:
    """Raises ConfigurationError, before anything is changed, unless all can be rolled back."""
    if not moves:
        raise ConfigurationError(
            f"No function or service of {context.app.name} in {context.project_id} has a former revision that a "
            f"`boiler deploy` of this version or a later one made. Deploy the former code: `boiler deploy --build`."
        )
    found = {each.name: why for each, former in moves.items() if (why := each.obstacle(former))}
    if found:
        whys = "\n".join(f"  {name}: {why}" for name, why in found.items())
        raise ConfigurationError(
            f"The traffic of deployment {latest} cannot go back:\n{whys}\n  A former revision keeps its number, so it "
            f"would leave such views to later code, and build nothing. Check the former code out, and make it the "
            f"latest: `git checkout COMMIT`, `boiler deploy --build`."
        )


def list_services(project: str, app: str) -> Command:
    """Returns the command that lists the services of the app, of which its functions are some."""
    labels = f"metadata.labels.{APP_LABEL}={app} OR metadata.labels.{SERVICE_LABEL}={app}"
    return gcloud("run", "services", "list", f"--filter={labels}", f"--project={project}")


def list_revisions(project: str, service: str, region: str) -> Command:
    """Returns the command that lists the revisions of a service."""
    return gcloud("run", "revisions", "list", f"--service={service}", f"--region={region}", f"--project={project}")


def _running(cloud: Gcloud, context: Context) -> Iterator[Running]:
    project = context.project_id
    services = cloud.read(list_services(project, context.manifest.app.lower()), "Listing services")
    for service in sorted(services or (), key=place_of_service):
        name, region = place_of_service(service)
        found = cloud.read(list_revisions(project, name, region), f"Listing the revisions of {name}")
        revisions = sorted(map(Revision.read, found or ()), key=lambda each: (each.number, each.created))
        yield Running(name, region, _serving(name, traffic_of(service), revisions), tuple(revisions))


def _serving(name: str, shares: Sequence[Mapping[str, Any]], revisions: Sequence[Revision]) -> Revision:
    names = {each["revisionName"] for each in shares if each.get("percent")}
    found = [each for each in revisions if each.name in names]
    if len(names) != 1 or not found:
        raise ConfigurationError(
            f"The traffic of {name} is shared by {', '.join(sorted(names)) or 'no revisions'}, and a rollback moves "
            f"that of one. Give it to one: gcloud run services update-traffic {name} --to-revisions=REVISION=100"
        )
    return found[0]


def _move(context: Context, running: Running, former: Revision) -> Command:
    return move_traffic(context.project_id, running.name, running.region, to_revision(former.name))


def _row(running: Running, former: Revision) -> Sequence[object]:
    numbers = f"deployment {running.serving.number or 'unknown'} to {former.number or 'unknown'}"
    return running.name, running.region, f"{running.serving.name} to {former.name}", numbers


def _told(stay: Iterable[str]) -> Iterator[str]:
    if names := ", ".join(stay):
        yield f"new since, and left as it is: {names}"
