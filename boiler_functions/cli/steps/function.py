"""The step that deploys a function, grants its invokers, and gives its trigger a dead-letter topic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256

from boiler_functions.cli.deployed import RECEIVES_LABEL
from boiler_functions.cli.deployment import Deployment, Step, received_label, unless
from boiler_functions.cli.gcloud import Command, gcloud
from boiler_functions.cli.project import runtime_of
from boiler_functions.cli.steps.flags import EGRESS, compute, or_clear, pairs, secrets
from boiler_functions.cli.traffic import LATEST, VARIABLE, move_traffic
from boiler_functions.database.variables import PROJECT
from boiler_functions.manifest import (
    APP_LABEL,
    HASH_LABEL,
    EventTrigger,
    Function,
    HttpTrigger,
    QueueTrigger,
    ScheduleTrigger,
)
from boiler_functions.runtime.queue_variables import QUEUE, SERVICE_ACCOUNT, URL

# Pub/Sub moves an event to the dead-letter topic after so many attempts; 100 is the most that it accepts.
_DELIVERIES = 100

_INGRESS = {
    "ALLOW_ALL": "all",
    "ALLOW_INTERNAL_ONLY": "internal-only",
    "ALLOW_INTERNAL_AND_GCLB": "internal-and-gclb",
}


def function_step(deployment: Deployment, function: Function) -> Step:
    """Returns the step for a function, with the commands that are left to do."""
    region = deployment.region_of(function)
    fingerprint = fingerprint_of(deployment, function)
    is_current = deployment.deployed.fingerprint(function.name, region) == fingerprint
    is_pinned = is_current and (function.cloud_run_name, region) in deployment.deployed.pinned
    commands = (
        *unless(is_current, _deploy(deployment, function, fingerprint)),
        *unless(not is_pinned, move_traffic(deployment.project, function.cloud_run_name, region, LATEST)),
        *unless(_is_finished(deployment, function), *_finish(deployment, function)),
        *_revoke(deployment, function),
    )
    return Step(function.name, commands, function=True)


def fingerprint_of(deployment: Deployment, function: Function) -> str:
    """Digests the function's code and everything that it is deployed with."""
    code = deployment.upload.fingerprint(function, deployment.views)
    labels = pairs(function.options.labels or {})
    parts = (code, labels, *_settings(deployment, function), *_trigger(deployment, function))
    return sha256("\n".join(parts).encode()).hexdigest()[:40]


def _is_finished(deployment: Deployment, function: Function) -> bool:
    """Returns whether what `_finish` does is done; a run may have ended between deploying and finishing."""
    if isinstance(function.trigger, EventTrigger):
        # Set by the last of the commands, so the others have succeeded.
        return deployment.deployed.has_dead_letters(function.name, deployment.region_of(function))
    invokers = {(function.name, each) for each in _invokers(deployment, function)}
    has_job = not isinstance(function.trigger, ScheduleTrigger) or function.name in deployment.deployed.jobs
    return has_job and invokers <= deployment.deployed.invokers


def _invokers(deployment: Deployment, function: Function) -> tuple[str, ...]:
    """Returns the members that may invoke the function; none if it is public."""
    if isinstance(function.trigger, EventTrigger | QueueTrigger | ScheduleTrigger):
        return (f"serviceAccount:{deployment.invoker_account}",)
    return tuple(f"serviceAccount:{each}" for each in function.trigger.invoker if "@" in each)


def _deploy(deployment: Deployment, function: Function, fingerprint: str) -> Command:
    own = {APP_LABEL: deployment.label, HASH_LABEL: fingerprint}
    if function.receives is not None:
        own[RECEIVES_LABEL] = received_label(function.receives)
    record = {VARIABLE: deployment.deployed_as(function, *_trigger(deployment, function)).to_text()}
    location = (_location(deployment, function.trigger),) if isinstance(function.trigger, EventTrigger) else ()
    return deployment.gcloud(
        "functions",
        "deploy",
        function.name,
        "--gen2",
        f"--region={deployment.region_of(function)}",
        f"--source={deployment.upload.folder}",
        # Without it, a function that was rolled back would go on with its former revision.
        "--serve-all-traffic-latest-revision",
        *_settings(deployment, function, record),
        *_trigger(deployment, function),
        *location,
        "--clear-labels",
        f"--update-labels={pairs({**(function.options.labels or {}), **own})}",
    )


def _settings(deployment: Deployment, function: Function, record: Mapping[str, str] = {}) -> Iterator[str]:
    """Yields a flag for every setting: gcloud keeps the earlier value of a setting that is left out."""
    options = function.options
    yield f"--runtime={runtime_of(deployment.python)}"
    yield f"--entry-point={function.entry_point}"
    yield from compute(options, deployment.account_of(function))
    yield or_clear("min-instances", options.min_instances)
    yield or_clear("max-instances", options.max_instances)
    yield f"--ingress-settings={_INGRESS[options.ingress or 'ALLOW_ALL']}"
    yield or_clear("vpc-connector", options.vpc_connector)
    if options.vpc_connector:
        yield f"--egress-settings={EGRESS[options.vpc_connector_egress_settings or 'PRIVATE_RANGES_ONLY']}"
    yield secrets(options)
    yield f"--set-env-vars={pairs({**_environment(deployment, function), **record})}"


def _environment(deployment: Deployment, function: Function) -> dict[str, str]:
    # Cloud Run does not set the project, and logs name their trace by it.
    environment = {PROJECT: deployment.project, **deployment.environment}
    queue = next(iter(deployment.manifest.queues), None)
    if queue is not None and function.hands_on:
        region = deployment.region_of(queue)
        environment[QUEUE] = f"projects/{deployment.project}/locations/{region}/queues/{queue.name}"
        environment[URL] = deployment.url_of(queue)
        environment[SERVICE_ACCOUNT] = deployment.invoker_account
    return environment


def _trigger(deployment: Deployment, function: Function) -> Iterator[str]:
    trigger = function.trigger
    if not isinstance(trigger, EventTrigger):
        yield "--trigger-http"
        yield "--allow-unauthenticated" if trigger.invoker == ("public",) else "--no-allow-unauthenticated"
        return
    yield f"--trigger-event-filters=type={trigger.event_type}"
    yield f"--trigger-event-filters=database={trigger.database}"
    yield f"--trigger-event-filters=namespace={trigger.namespace}"
    yield f"--trigger-event-filters-path-pattern=document={trigger.document}"
    yield f"--trigger-service-account={deployment.invoker_account}"
    if trigger.retry:
        yield "--retry"


def _location(deployment: Deployment, trigger: EventTrigger) -> str | Command:
    if location := trigger.location or deployment.deployed.location:
        return f"--trigger-location={location}"
    describe = deployment.gcloud(
        "firestore", "databases", "describe", f"--database={deployment.database}", "--format=value(locationId)"
    )
    return describe.within("--trigger-location=")


def _finish(deployment: Deployment, function: Function) -> Iterator[Command]:
    """Grants the right to invoke; then creates the job of a schedule, or gives an event's trigger dead letters."""
    for member in _invokers(deployment, function):
        yield deployment.gcloud(
            "functions", "add-invoker-policy-binding", *_where(deployment, function), *_member(member)
        )
    trigger = function.trigger
    if isinstance(trigger, ScheduleTrigger) and function.name not in deployment.deployed.jobs:
        yield _job(deployment, function, trigger)
    if isinstance(trigger, EventTrigger):
        yield from _dead_letters(deployment, function)


def _dead_letters(deployment: Deployment, function: Function) -> Iterator[Command]:
    where = _where(deployment, function)
    trigger = deployment.gcloud("functions", "describe", *where, "--gen2", "--format=value(eventTrigger.trigger)")
    # The full name of the trigger includes its project.
    subscription = gcloud("eventarc", "triggers", "describe", trigger, "--format=value(transport.pubsub.subscription)")
    yield deployment.gcloud(
        "pubsub",
        "subscriptions",
        "add-iam-policy-binding",
        subscription,
        deployment.pubsub_agent,
        "--role=roles/pubsub.subscriber",
        "--format=none",
    )
    yield deployment.gcloud(
        "pubsub",
        "subscriptions",
        "update",
        subscription,
        f"--dead-letter-topic={deployment.manifest.undelivered}",
        f"--max-delivery-attempts={_DELIVERIES}",
    )


def _job(deployment: Deployment, function: Function, trigger: ScheduleTrigger) -> Command:
    url = deployment.url_of(function)
    return deployment.gcloud(
        "scheduler",
        "jobs",
        "create",
        "http",
        function.name,
        f"--location={deployment.region_of(function)}",
        f"--schedule={trigger.schedule}",
        "--time-zone=Etc/UTC",
        f"--uri={url}",
        "--http-method=post",
        f"--oidc-service-account-email={deployment.invoker_account}",
        f"--oidc-token-audience={url}",
        f"--attempt-deadline={function.options.time_limit}s",
        # The next run does what a failed run left undone.
        "--max-retry-attempts=0",
    )


def _revoke(deployment: Deployment, function: Function) -> Iterator[Command]:
    """Revokes the right to invoke from every member that is not declared, including allUsers."""
    is_public = isinstance(function.trigger, HttpTrigger) and function.trigger.invoker == ("public",)
    declared = {*_invokers(deployment, function), *(("allUsers",) if is_public else ())}
    where = _where(deployment, function)
    for name, member in sorted(deployment.deployed.invokers):
        if name == function.name and member not in declared:
            yield deployment.gcloud("functions", "remove-invoker-policy-binding", *where, *_member(member))


def _where(deployment: Deployment, function: Function) -> tuple[str, str]:
    return function.name, f"--region={deployment.region_of(function)}"


def _member(member: str) -> tuple[str, str]:
    return f"--member={member}", "--format=none"
