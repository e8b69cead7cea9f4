"""The steps that grant each service account what it needs: roles in the project, the topic, queues, and secrets."""

from __future__ import annotations

from collections.abc import Iterator

from boiler_functions.cli.deployment import Deployment, Step, unless
from boiler_functions.cli.gcloud import Command, gcloud
from boiler_functions.manifest import EventTrigger, Function


def role_steps(deployment: Deployment) -> Iterator[Step]:
    """Yields a step for each role, for publishing undelivered events, for each queue and each secret."""
    for account in deployment.runtime_accounts:
        yield _role(deployment, account, "roles/datastore.user")
        yield _role(deployment, account, "roles/logging.logWriter")
    if events := [each for each in deployment.manifest.functions if isinstance(each.trigger, EventTrigger)]:
        yield _role(deployment, deployment.invoker_account, "roles/eventarc.eventReceiver")
        yield _undelivered(deployment, events)
    for function in deployment.manifest.queues:
        is_deployed = deployment.deployed.fingerprint(function.name, deployment.region_of(function)) is not None
        done = is_deployed and function.name in deployment.deployed.queues
        yield Step(f"tasks of {function.name}", unless(done, *_enqueuing(deployment, function)))
    for secret in deployment.secrets:
        yield Step(f"secret {secret}", tuple(_readers(deployment, secret)))


def _role(deployment: Deployment, account: str, role: str) -> Step:
    member = f"serviceAccount:{account}"
    command = gcloud(
        "projects",
        "add-iam-policy-binding",
        deployment.project,
        f"--member={member}",
        f"--role={role}",
        "--condition=None",
        "--format=none",
    )
    return Step(f"{role} for {member}", unless((member, role) in deployment.deployed.roles, command))


def _undelivered(deployment: Deployment, events: list[Function]) -> Step:
    publish = deployment.gcloud(
        "pubsub", "topics", "add-iam-policy-binding", deployment.manifest.undelivered, "--role=roles/pubsub.publisher"
    )
    command = Command((*publish.arguments, deployment.pubsub_agent))
    done = all(deployment.deployed.has_dead_letters(each.name, deployment.region_of(each)) for each in events)
    return Step("undelivered events may be published", unless(done, command))


def _enqueuing(deployment: Deployment, queue: Function) -> Iterator[Command]:
    """Lets each function that hands work on create tasks, which the queue invokes as the invoker account."""
    for account in sorted({deployment.account_of(each) for each in deployment.manifest.functions if each.hands_on}):
        yield deployment.gcloud(
            "tasks",
            "queues",
            "add-iam-policy-binding",
            queue.name,
            f"--location={deployment.region_of(queue)}",
            f"--member=serviceAccount:{account}",
            "--role=roles/cloudtasks.enqueuer",
        )
        yield deployment.gcloud(
            "iam",
            "service-accounts",
            "add-iam-policy-binding",
            deployment.invoker_account,
            f"--member=serviceAccount:{account}",
            "--role=roles/iam.serviceAccountUser",
        )


def _readers(deployment: Deployment, secret: str) -> Iterator[Command]:
    """Grants the secret to the accounts whose functions or services use it; revokes it from the app's other account."""
    parts = deployment.manifest.parts
    using = {deployment.account_of(each) for each in parts if secret in (each.options.secrets or ())}
    for account in (deployment.event_account, deployment.public_account):
        member = f"serviceAccount:{account}"
        is_needed, is_granted = account in using, (secret, member) in deployment.deployed.readers
        if is_needed != is_granted:
            yield deployment.gcloud(
                "secrets",
                "add-iam-policy-binding" if is_needed else "remove-iam-policy-binding",
                secret,
                f"--member={member}",
                "--role=roles/secretmanager.secretAccessor",
            )
