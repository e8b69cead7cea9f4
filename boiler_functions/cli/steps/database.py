"""The steps for Firestore: composite indexes, indexes and TTLs of single fields, and what firebase deploys."""

from __future__ import annotations

from collections.abc import Iterator

from boiler_functions.cli.deployed import composite_key
from boiler_functions.cli.deployment import Deployment, Step, unless
from boiler_functions.cli.gcloud import Command
from boiler_functions.plan.indexes import BOOKKEEPING_OVERRIDES, Index, Override


def database_steps(deployment: Deployment) -> Iterator[Step]:
    """Yields a step for each index, for each field of the bookkeeping, and one for firebase."""
    for index in deployment.indexes.composite:
        create = _in_database(deployment, "indexes", "composite", "create", *_index(index))
        done = composite_key(index.to_wire()) in deployment.deployed.composite
        yield Step(f"index {index}", unless(done, create))
    for override in deployment.indexes.overrides:
        if override in BOOKKEEPING_OVERRIDES:
            done = (override.collection, override.field) in deployment.deployed.fields
            commands = unless(done, *_override(deployment, override))
            yield Step(f"field {override.collection}.{override.field}", commands)
    if deployment.firebase and deployment.firestore_parts:
        only = ",".join(deployment.firestore_parts)
        project = f"--project={deployment.project}"
        yield Step(only, (Command((deployment.firebase, "deploy", f"--only={only}", project, "--non-interactive")),))


def _index(index: Index) -> Iterator[str]:
    yield f"--collection-group={index.collection}"
    yield f"--query-scope={index.scope.lower().replace('_', '-')}"
    for each in index.fields:
        kind = "array-config=contains" if each.contains else f"order={'descending' if each.descending else 'ascending'}"
        yield f"--field-config=field-path={each.path},{kind}"


def _override(deployment: Deployment, override: Override) -> Iterator[Command]:
    place = (override.field, f"--collection-group={override.collection}")
    if override.ttl:
        yield _in_database(deployment, "fields", "ttls", "update", *place, "--enable-ttl", "--async")
    kinds = ["--index=array-config=contains" for index in override.indexes if index.contains]
    indexes = kinds or ["--disable-indexes"]
    yield _in_database(deployment, "indexes", "fields", "update", *place, *indexes, "--async")


def _in_database(deployment: Deployment, *arguments: str) -> Command:
    return deployment.gcloud("firestore", *arguments, f"--database={deployment.database}")
