"""Who may run which command: the IAM roles that each needs in the project. `boiler plan` prints this table.

A command that only reads needs a role that only reads. Local commands need none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from boiler_functions.manifest import EventTrigger, Manifest

READ = ("roles/datastore.viewer",)
WRITE = ("roles/datastore.user",)
SUBSCRIBE = "roles/pubsub.subscriber"


class Right(NamedTuple):
    """A command, or a command with an option, and the roles that whoever runs it needs."""

    command: str
    roles: tuple[str, ...]
    does: str

    def to_json(self) -> dict[str, Any]:
        return {"command": self.command, "roles": list(self.roles), "does": self.does}


RIGHTS = (
    *(
        Right(command, (), "runs on this machine alone")
        for command in ("check", "compile", "dev", "init", "openapi", "rules", "token", "types")
    ),
    Right("plan", (), "reads the database only if a key file or an emulator is configured"),
    *(
        Right(command, READ, "reads the database")
        for command in (
            "status",
            "audit",
            "diff",
            "explain",
            "impact",
            "fit",
            "model",
            "wait",
            "builds list",
            "builds watch",
            "letters list",
            "letters show",
            "desk",
            "migrate --dry-run",
        )
    ),
    Right("insights", ("roles/logging.viewer",), "reads the log, unless it is given a file"),
    Right("letters list --undelivered", (*READ, SUBSCRIBE), "reads the database, and events that were given up"),
    *(
        Right(f"letters {doing} --undelivered", (*WRITE, SUBSCRIBE), "writes the database, and takes events out")
        for doing in ("retry", "drop")
    ),
    Right(
        "status --functions",
        (*READ, "roles/cloudfunctions.viewer", "roles/run.viewer"),
        "reads the database, and which functions are deployed",
    ),
    Right(
        "rollback --to",
        ("roles/iam.serviceAccountUser", "roles/run.developer"),
        "gives functions' traffic to former revisions; the same without --to, if no view is named",
    ),
    *(
        Right(command, WRITE, "reads and writes the database")
        for command in (
            "build",
            "stage",
            "promote",
            "rollback",
            "abort",
            "finish",
            "builds pause",
            "builds resume",
            "builds cancel",
            "withdraw",
            "migrate",
            "letters retry",
            "letters drop",
            "audit --repair",
            "desk --allow-changes",
        )
    ),
)
"""The commands whose roles do not depend on the app."""

DEPLOYING = (
    "roles/cloudfunctions.admin",
    "roles/datastore.indexAdmin",
    *WRITE,
    "roles/iam.serviceAccountAdmin",
    "roles/iam.serviceAccountUser",
    "roles/resourcemanager.projectIamAdmin",
    "roles/run.admin",
    "roles/serviceusage.serviceUsageAdmin",
)


def rights_of(manifest: Manifest, *, watched: bool) -> tuple[Right, ...]:
    """Returns the rights for every command, as the app needs them."""
    roles = tuple(sorted({*DEPLOYING, "roles/firebaserules.admin", *_deploying(manifest, watched=watched)}))
    return (*RIGHTS, Right("deploy", roles, "creates what the app needs"))


def _deploying(manifest: Manifest, *, watched: bool) -> Iterator[str]:
    """Yields the roles that only some apps need to be deployed."""
    if any(isinstance(each.trigger, EventTrigger) for each in manifest.functions):
        yield from ("roles/eventarc.admin", "roles/pubsub.admin")
    if manifest.queues:
        yield "roles/cloudtasks.admin"
    if manifest.schedules:
        yield "roles/cloudscheduler.admin"
    if manifest.services:
        yield "roles/run.sourceDeveloper"
    if any(each.options.secrets for each in manifest.parts):
        yield "roles/secretmanager.admin"
    if watched:
        yield from ("roles/logging.configWriter", "roles/monitoring.editor")
