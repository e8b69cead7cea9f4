"""Lists with gcloud what a project has, before a deployment changes anything and while indexes are built."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from rich.console import Console

from boiler_functions.cli.deployed import SERVICE_LABEL, Deployed, building, composite_key
from boiler_functions.cli.deployment import Deployment
from boiler_functions.cli.gcloud import POLICIES, Command, Gcloud, gcloud
from boiler_functions.exceptions import BillingDisabled, ConfigurationError, WrongLocation
from boiler_functions.manifest import APP_LABEL, EventTrigger, Function


def look(cloud: Gcloud, deployment: Deployment) -> Deployed:
    """Returns what the project has, as far as its APIs are enabled.

    Raises what would make the deployment fail: NoSuchProject, BillingDisabled, WrongLocation.
    """
    project = deployment.project
    about = cloud.read(gcloud("projects", "describe", project), f"Reading the project {project}")
    enabled = cloud.read(deployment.gcloud("services", "list", "--enabled"), f"Listing the APIs of {project}")
    apis = frozenset(each["config"]["name"] for each in enabled or ())
    _check_billing(cloud, project)
    answers = _read_all(cloud, _listings(deployment, apis), "Listing")
    deployed = Deployed.of(apis, answers, about.get("projectNumber"))
    _check_location(deployment, deployed.location)
    readers = _readers(cloud, deployment) if "secretmanager.googleapis.com" in apis else ()
    invokers = _invokers(cloud, deployment, deployed)
    return replace(deployed, invokers=frozenset(invokers), readers=frozenset(readers))


def look_at_functions(cloud: Gcloud, deployment: Deployment) -> Deployed:
    """Returns the app's functions and services in the project, and nothing else."""
    wanted = ["functions", "running"] if deployment.manifest.functions else []
    wanted += ["services"] if deployment.manifest.services else []
    commands = {name: deployment.gcloud(*arguments) for name, (_, arguments) in _of_app(deployment).items()}
    answers = _read_all(cloud, {name: commands[name] for name in wanted}, "Listing")
    return Deployed.of(frozenset(), answers, None)


def await_indexes(cloud: Gcloud, deployment: Deployment, console: Console, *, changed: bool) -> None:
    """Returns once every index that the functions need is built, because a query that needs it fails before that.

    Without a `changed` database nothing is listed again, unless an index was being built before.
    """
    if not changed and not deployment.deployed.building:
        return
    needed: dict[tuple[Any, ...], str] = {
        composite_key(each.to_wire()): str(each) for each in deployment.indexes.composite
    }
    fields = (each for each in deployment.indexes.overrides if each.indexes)
    needed |= {(each.collection, each.field): f"{each.collection}.{each.field}" for each in fields}
    commands = _index_listings(deployment)
    while True:
        answers = {name: cloud.read(commands[name], f"Listing {name}") for name in ("composite", "fields")}
        unfinished = [name for key, name in needed.items() if key in building(answers)]
        if not unfinished:
            return
        console.print(f"database: waits for the index {', '.join(unfinished)}", highlight=False, soft_wrap=True)
        cloud.wait()


def _listings(deployment: Deployment, apis: frozenset[str]) -> dict[str, Command]:
    """Returns the commands of the enabled APIs; gcloud fails where an API is not enabled."""
    app, location = deployment.manifest.app.lower(), f"--location={deployment.region}"
    commands = {
        "database": ("firestore", ("firestore", "databases", "describe", f"--database={deployment.database}")),
        **_of_app(deployment),
        "accounts": ("iam", ("iam", "service-accounts", "list")),
        "queues": ("cloudtasks", ("tasks", "queues", "list", location)),
        "jobs": ("cloudscheduler", ("scheduler", "jobs", "list", location)),
        "topics": ("pubsub", ("pubsub", "topics", "list")),
        "subscriptions": ("pubsub", ("pubsub", "subscriptions", "list")),
        **(_watching_listings(app) if deployment.watching else {}),
    }
    enabled = {
        name: deployment.gcloud(*arguments)
        for name, (api, arguments) in commands.items()
        if f"{api}.googleapis.com" in apis
    }
    policy = gcloud("projects", "get-iam-policy", deployment.project)
    indexes = _index_listings(deployment) if "firestore.googleapis.com" in apis else {}
    return {"policy": policy, **enabled, **indexes}


def _of_app(deployment: Deployment) -> dict[str, tuple[str, tuple[str, ...]]]:
    app = deployment.label
    return {
        "functions": ("cloudfunctions", ("functions", "list", "--v2", f"--filter=labels.{APP_LABEL}={app}")),
        # A function is a Cloud Run service, too, which alone says which of its revisions has the traffic.
        "running": ("run", ("run", "services", "list", f"--filter=metadata.labels.{APP_LABEL}={app}")),
        "services": ("run", ("run", "services", "list", f"--filter=metadata.labels.{SERVICE_LABEL}={app}")),
    }


def _watching_listings(app: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    labelled = f"--filter=user_labels.{APP_LABEL}={app}"
    return {
        "metrics": ("logging", ("logging", "metrics", "list")),
        "dashboards": ("monitoring", ("monitoring", "dashboards", "list")),
        "policies": ("monitoring", (*POLICIES, "list", labelled)),
    }


def _index_listings(deployment: Deployment) -> dict[str, Command]:
    where = f"--database={deployment.database}"
    return {
        "fields": deployment.gcloud("firestore", "indexes", "fields", "list", where),
        "composite": deployment.gcloud("firestore", "indexes", "composite", "list", where),
    }


def _read_all(cloud: Gcloud, commands: Mapping[str, Command], doing: str) -> dict[str, Any]:
    """Runs the commands in parallel, because each starts a Python of its own; returns the answers by name."""
    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(lambda name: cloud.read(commands[name], f"{doing} {name}"), commands)
        return dict(zip(commands, answers, strict=True))


def _invokers(cloud: Gcloud, deployment: Deployment, deployed: Deployed) -> Iterator[tuple[str, str]]:
    """Yields each deployed function with each member that may invoke it."""
    commands = {
        each.name: deployment.gcloud(
            "run", "services", "get-iam-policy", each.cloud_run_name, _region(deployment, each)
        )
        for each in deployment.manifest.functions
        if (each.name, deployment.region_of(each)) in deployed.functions
    }
    return _members(cloud, commands, "roles/run.invoker")


def _region(deployment: Deployment, function: Function) -> str:
    return f"--region={deployment.region_of(function)}"


def _readers(cloud: Gcloud, deployment: Deployment) -> Iterator[tuple[str, str]]:
    """Yields each secret with each member that may read it."""
    commands = {secret: deployment.gcloud("secrets", "get-iam-policy", secret) for secret in deployment.secrets}
    return _members(cloud, commands, "roles/secretmanager.secretAccessor")


def _members(cloud: Gcloud, commands: Mapping[str, Command], role: str) -> Iterator[tuple[str, str]]:
    """Yields each resource with each member that has the role on it; each command reads one resource's policy."""
    for name, policy in _read_all(cloud, commands, "Reading the policy of").items():
        for binding in (policy or {}).get("bindings", ()):
            if binding["role"] == role:
                yield from ((name, member) for member in binding["members"])


def _check_billing(cloud: Gcloud, project: str) -> None:
    try:
        billing = cloud.read(gcloud("billing", "projects", "describe", project), "Reading the billing account")
    except ConfigurationError:
        # An account may deploy without the right to read billing; a build without billing fails by itself.
        return
    if billing and not billing.get("billingEnabled", False):
        raise BillingDisabled(
            f"The project {project} has no billing account, and without one no function is built. Link one: "
            f"gcloud billing projects link {project} --billing-account=ACCOUNT"
        )


def _check_location(deployment: Deployment, location: str | None) -> None:
    if location is None:
        return
    for function in deployment.manifest.functions:
        trigger = function.trigger
        if isinstance(trigger, EventTrigger) and trigger.location not in (None, location):
            raise WrongLocation(
                f"The trigger of {function.name} has the location {trigger.location!r}, and the database "
                f"{deployment.database!r} of {deployment.project} is in {location!r}: no event would reach it. "
                f"Leave trigger_location out, or set it to {location!r}."
            )
