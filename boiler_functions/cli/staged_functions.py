"""The functions of a staged version in the cloud: deployed beside production's, and removed with the version.

They are production's functions of that view by another name, with the code of the checkout and a release that says
what they build. Accounts, rights and the topic of undelivered events are production's; the queue is their own.
"""

from __future__ import annotations

import os
from dataclasses import replace

from rich.console import Console

from boiler_functions.cli.context import Context
from boiler_functions.cli.deploy import credentials, firebase_of, planned
from boiler_functions.cli.deployment import Deployment, Phase
from boiler_functions.cli.folder import own_folder
from boiler_functions.cli.gcloud import Gcloud
from boiler_functions.cli.listing import await_indexes, look
from boiler_functions.cli.perform import interruptible, perform
from boiler_functions.cli.steps.database import database_steps
from boiler_functions.cli.steps.function import function_step
from boiler_functions.cli.steps.phases import removal
from boiler_functions.cli.steps.resources import resource_steps
from boiler_functions.cli.upload import stage
from boiler_functions.modes.release import Release


def deploy_functions(context: Context, release: Release, console: Console) -> None:
    """Deploys the functions of a staged version, and the indexes that they need; returns once those are built."""
    deployment = _planned(context, release)
    cloud = Gcloud(environ={**os.environ, **credentials(context)})
    with interruptible(cloud, f"boiler stage {release.staged}"):
        deployment = replace(deployment, deployed=look(cloud, deployment))
        found, _ = firebase_of(context.project.folder, deployment)
        deployment = replace(deployment, firebase=found)
        perform(cloud, Phase("queue", tuple(resource_steps(deployment))), console)
        changed = perform(cloud, Phase("database", tuple(database_steps(deployment))), console)
        await_indexes(cloud, deployment, console, changed=changed > 0)
        functions = tuple(function_step(deployment, each) for each in deployment.manifest.functions)
        perform(cloud, Phase("staged functions", functions), console)


def remove_functions(context: Context, release: Release, console: Console) -> None:
    """Removes the functions of a staged version. The queue stays: its name would be free again only after a week."""
    deployment = _planned(context, release)
    cloud = Gcloud(environ={**os.environ, **credentials(context)})
    with interruptible(cloud, f"boiler abort {release.staged}"):
        deployment = replace(deployment, deployed=look(cloud, deployment))
        perform(cloud, removal(deployment, sorted(deployment.deployed.functions)), console)


def _planned(context: Context, release: Release) -> Deployment:
    deployment = planned(context, context.project_id)
    folder = own_folder(context.project.folder) / "staged"
    return replace(
        deployment,
        manifest=context.manifest.staged(release.staged),
        upload=stage(context.project, context.manifest, folder, release),
        staged=release.staged,
        rules=False,
        watch=replace(deployment.watch, enabled=False),
    )
