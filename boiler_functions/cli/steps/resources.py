"""The steps for what functions need around them: APIs, service accounts, a topic for lost events, queues."""

from __future__ import annotations

from collections.abc import Iterator

from boiler_functions.cli.deployment import Deployment, Step, unless
from boiler_functions.cli.gcloud import Command
from boiler_functions.manifest import EventTrigger, Function, QueueTrigger
from boiler_functions.plan.watching import APIS

DEPLOYING_APIS = (
    "artifactregistry.googleapis.com",
    "cloudbuild.googleapis.com",
    "cloudfunctions.googleapis.com",
    "iam.googleapis.com",
    "pubsub.googleapis.com",
    "run.googleapis.com",
)


def api_step(deployment: Deployment) -> Step:
    """Returns the step that enables the APIs."""
    watching = APIS if deployment.watching else ()
    missing = sorted({*deployment.manifest.apis, *DEPLOYING_APIS, *watching} - deployment.deployed.apis)
    return Step("APIs", (deployment.gcloud("services", "enable", *missing),) if missing else ())


def resource_steps(deployment: Deployment) -> Iterator[Step]:
    """Yields the steps that create service accounts, the topic for undelivered events, and queues."""
    if deployment.manifest.parts:
        yield from _accounts(deployment)
    if any(isinstance(each.trigger, EventTrigger) for each in deployment.manifest.functions):
        yield _topic(deployment)
    for function in deployment.manifest.queues:
        yield _queue(deployment, function)


def _accounts(deployment: Deployment) -> Iterator[Step]:
    app = deployment.manifest.app
    names = {
        deployment.event_account: f"{app} functions",
        deployment.public_account: f"{app} API",
        deployment.invoker_account: f"{app} triggers",
    }
    for account, name in names.items():
        if account in (*deployment.runtime_accounts, deployment.invoker_account):
            create = deployment.gcloud("iam", "service-accounts", "create", account.partition("@")[0])
            command = Command((*create.arguments, f"--display-name={name}"))
            yield Step(f"account {account}", unless(account in deployment.deployed.accounts, command))


def _topic(deployment: Deployment) -> Step:
    name = deployment.manifest.undelivered
    topic = deployment.gcloud("pubsub", "topics", "create", name)
    # A topic keeps no message by itself: the subscription does.
    subscription = deployment.gcloud(
        "pubsub",
        "subscriptions",
        "create",
        name,
        f"--topic={name}",
        "--expiration-period=never",
        "--message-retention-duration=31d",
    )
    commands = (
        *unless(name in deployment.deployed.topics, topic),
        *unless(name in deployment.deployed.subscriptions, subscription),
    )
    return Step(f"topic {name}", commands)


def _queue(deployment: Deployment, function: Function) -> Step:
    trigger = function.trigger
    assert isinstance(trigger, QueueTrigger)
    create = deployment.gcloud(
        "tasks",
        "queues",
        "create",
        function.name,
        f"--location={deployment.region_of(function)}",
        "--max-attempts=unlimited",
        f"--min-backoff={trigger.min_backoff_seconds}s",
        f"--max-backoff={trigger.max_backoff_seconds}s",
        f"--max-concurrent-dispatches={trigger.max_concurrent_dispatches}",
        f"--max-dispatches-per-second={trigger.max_dispatches_per_second}",
    )
    return Step(f"queue {function.name}", unless(function.name in deployment.deployed.queues, create))
