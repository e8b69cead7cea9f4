"""`boiler deploy`: looks at what is there, refuses what cannot work, and does what is left to do, by gcloud."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from boiler_functions.cli.build import build as build_view
from boiler_functions.cli.build import build_folder
from boiler_functions.cli.context import Context
from boiler_functions.cli.deployment import (
    APP_LABEL,
    DATABASE_PHASE,
    SERVICE_LABEL,
    Deployed,
    Deployment,
    Phase,
    Step,
    composite_key,
)
from boiler_functions.cli.errors import Interrupted, Unfinished
from boiler_functions.cli.gcloud import Command, Gcloud, gcloud
from boiler_functions.cli.registering import Registering
from boiler_functions.cli.upload import stage
from boiler_functions.exceptions import (
    BillingDisabled,
    ConfigurationError,
    DeploymentFailed,
    NoSuchProject,
    Permanent,
    Transient,
    WrongLocation,
)
from boiler_functions.local.node_modules import npm_command
from boiler_functions.manifest import EventTrigger, Function
from boiler_functions.modes.edition import Edition, scope_of
from boiler_functions.modes.ledger import has_others
from boiler_functions.plan.indexes import Indexes

UNNAMED = "PROJECT_ID"
FIREBASE = "firebase"

# Firestore's word for an index that it has not finished; one that needs repair is no better once it is waited for.
_BUILDING = "CREATING"

_KEY_FILE = "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE"


def planned(context: Context, project: str) -> Deployment:
    """The deployment to an empty project; raises when the app, or what is uploaded, could not run."""
    compiled = context.compiled
    folder = build_folder(context.project.folder)
    return Deployment(
        project=project,
        database=context.database_id,
        region=context.region,
        app=context.project.app,
        manifest=context.manifest,
        indexes=Indexes.of(compiled.declarations),
        upload=stage(context.project, context.manifest, folder / "upload", context.release),
        environment=context.environment,
        firebase=FIREBASE if (context.project.folder / "firebase.json").is_file() else None,
    )


def show_commands(context: Context, only: tuple[str, ...]) -> None:
    """Prints every command of a deployment to a project where nothing is; nothing is asked of the cloud."""
    project = context.named_project
    deployment = planned(context, project or UNNAMED)
    if project is None:
        click.echo(f"# No project is named: give --project, or put yours in the place of {UNNAMED}.")
    for phase in deployment.phases(_chosen(deployment, only)):
        commands = [command for step in phase.steps for command in step.commands]
        click.echo("\n".join((f"# {phase.title}", *map(str, commands), "")))


@dataclass(frozen=True)
class Wanted:
    """What a deployment is to do, beside what it always does."""

    only: tuple[str, ...] = ()
    prune: bool = False
    build: bool = False
    rules: bool = True
    yes: bool = False


def deploy(context: Context, console: Console, wanted: Wanted) -> None:
    """Deploys what is not deployed yet; raises the error that a failure comes to, Interrupted for Ctrl-C."""
    if context.named_project is None:
        raise NoSuchProject(_no_project(context))
    deployment = replace(planned(context, context.project_id), rules=wanted.rules)
    chosen = _chosen(deployment, wanted.only)
    cloud = Gcloud(environ={**os.environ, **_credentials(context)})
    with _interruptible(cloud):
        deployment = _looked_at(cloud, deployment, console)
        registering = _registering(context, console)
        found, undeployed = _firebase(context.project.folder, deployment)
        deployment = replace(deployment, firebase=found)
        if registering:
            registering.now.write(context.database)
        done = 0
        for phase in deployment.phases(chosen):
            done += perform(cloud, phase, console)
            if phase.title == DATABASE_PHASE:
                _await_indexes(cloud, deployment, console)
        if not wanted.only:
            done += _removed(cloud, deployment, console, wanted)
    if registering:
        _follow_up(context, console, registering, wanted.build)
    console.print(f"{deployment.manifest.app} is deployed to {deployment.project}: {done or 'no'} changes.")
    if undeployed:
        raise Unfinished(undeployed)


def _registering(context: Context, console: Console) -> Registering | None:
    """What the database knows of this app and of others; None where it cannot be asked, which is told.

    Raises OverlappingPaths before anything is changed.
    """
    try:
        return Registering.of(context.compiled.declarations, context.database, context.release.deployment)
    except (ConfigurationError, Transient, Permanent) as error:
        told = f"Whether another app stores views at the same paths is not known: {error}"
        console.print(told, highlight=False, soft_wrap=True)
        return None


def _follow_up(context: Context, console: Console, registering: Registering, build: bool) -> None:
    """Builds, or names, the views that lack what was there before; names those whose copies nothing follows."""
    due = dict.fromkeys(registering.unbuilt, "is new or has new sources")
    try:
        due = {**dict.fromkeys(_built_by_other_code(context), "has copies that other code built"), **due}
    except (Transient, Permanent) as error:
        told = f"Whether copies were built by other code is not known: {error}"
        console.print(told, highlight=False, soft_wrap=True)
    for view, why in due.items():
        if build:
            build_view(context, view, console, root=None, resume=False)
        else:
            told = f"{view} {why}; `boiler build {view}` builds it for the documents there are."
            console.print(told, highlight=False, soft_wrap=True)
    if dropped := registering.now.dropped:
        names = ", ".join(f"{name} ({path})" for name, path in dropped.items())
        told = f"Nothing follows the copies of {names} any more; `boiler withdraw --dropped` deletes them."
        console.print(told, highlight=False, soft_wrap=True)


def _built_by_other_code(context: Context) -> Iterator[str]:
    """The views of which a copy is as other code built it: events alone would renew them one by one."""
    app = context.app.name
    for view in context.app.declarations.stored:
        edition = Edition.of(app, view, context.release)
        if has_others(context.database, scope_of(app, view), edition):
            yield view.__name__


def _removed(cloud: Gcloud, deployment: Deployment, console: Console, wanted: Wanted) -> int:
    """The number of functions that were removed, as they are not declared any more; without `prune`, names them."""
    stale = deployment.stale()
    names = ", ".join(f"{name} ({region})" for name, region in stale)
    app = deployment.manifest.app
    if stale and not wanted.prune:
        told = f"{app} does not declare any more: {names}; --prune removes what is not declared."
        console.print(told, highlight=False, soft_wrap=True)
    elif stale and (wanted.yes or click.confirm(f"Remove {names}, which {app} does not declare any more?")):
        return perform(cloud, deployment.removal(stale), console)
    return 0


def _looked_at(cloud: Gcloud, deployment: Deployment, console: Console) -> Deployment:
    """The deployment with what is there; what needs an API that is not enabled is looked at once it is."""
    looked = replace(deployment, deployed=look(cloud, deployment))
    apis = next(looked.phases())
    if perform(cloud, apis, console):
        looked = replace(deployment, deployed=look(cloud, deployment))
    return looked


def look(cloud: Gcloud, deployment: Deployment) -> Deployed:
    """What is there; raises for what would make the deployment fail: no project, no billing, the wrong location."""
    project = deployment.project
    about = cloud.read(gcloud("projects", "describe", project), f"The project {project} cannot be read: it")
    apis = frozenset(
        each["config"]["name"]
        for each in cloud.read(
            gcloud("services", "list", "--enabled", f"--project={project}"), f"Listing the APIs of {project}"
        )
        or ()
    )
    _check_billing(cloud, project)
    queries = {
        "database": ("firestore", gcloud("firestore", "databases", "describe", f"--database={deployment.database}")),
        "functions": (
            "cloudfunctions",
            gcloud("functions", "list", "--v2", f"--filter=labels.{APP_LABEL}={deployment.manifest.app.lower()}"),
        ),
        "services": (
            "run",
            gcloud(
                "run", "services", "list", f"--filter=metadata.labels.{SERVICE_LABEL}={deployment.manifest.app.lower()}"
            ),
        ),
        "accounts": ("iam", gcloud("iam", "service-accounts", "list")),
        "policy": ("", gcloud("projects", "get-iam-policy", project)),
        "queues": ("cloudtasks", gcloud("tasks", "queues", "list", f"--location={deployment.region}")),
        "jobs": ("cloudscheduler", gcloud("scheduler", "jobs", "list", f"--location={deployment.region}")),
        "topics": ("pubsub", gcloud("pubsub", "topics", "list")),
        "subscriptions": ("pubsub", gcloud("pubsub", "subscriptions", "list")),
    }
    asked = {
        name: command if name == "policy" else type(command)((*command.arguments, f"--project={project}"))
        for name, (api, command) in queries.items()
        if not api or f"{api}.googleapis.com" in apis
    }
    if "firestore.googleapis.com" in apis:
        asked |= _listings(deployment)
    with ThreadPoolExecutor(4) as pool:
        answers = dict(
            zip(asked, pool.map(lambda name: cloud.read(asked[name], f"Listing {name}"), asked), strict=True)
        )
    location = (answers.get("database") or {}).get("locationId")
    _check_location(deployment, location)
    deployed = _deployed(apis, answers, location, about.get("projectNumber"))
    readers = _readers(cloud, deployment) if "secretmanager.googleapis.com" in apis else ()
    return replace(
        deployed,
        invokers=frozenset(_invokers(cloud, deployment, deployed)),
        readers=frozenset(readers),
    )


def _invokers(cloud: Gcloud, deployment: Deployment, deployed: Deployed) -> Iterator[tuple[str, str]]:
    """Who may invoke each function that is there."""
    there = [
        each for each in deployment.manifest.functions if (each.name, deployment.region_of(each)) in deployed.functions
    ]
    commands = {
        each.name: gcloud("run", "services", "get-iam-policy", each.cloud_run_name, *_place(deployment, each))
        for each in there
    }
    return _members(cloud, commands, "roles/run.invoker")


def _place(deployment: Deployment, function: Function) -> tuple[str, str]:
    return f"--region={deployment.region_of(function)}", f"--project={deployment.project}"


def _readers(cloud: Gcloud, deployment: Deployment) -> Iterator[tuple[str, str]]:
    """Who may read each secret."""
    commands = {
        secret: gcloud("secrets", "get-iam-policy", secret, f"--project={deployment.project}")
        for secret in deployment.secrets
    }
    return _members(cloud, commands, "roles/secretmanager.secretAccessor")


def _members(cloud: Gcloud, commands: Mapping[str, Command], role: str) -> Iterator[tuple[str, str]]:
    """The members that have a role on each of some resources; a command reads the policy of one."""
    with ThreadPoolExecutor(4) as pool:
        policies = list(pool.map(lambda name: cloud.read(commands[name], f"Reading the policy of {name}"), commands))
    for name, policy in zip(commands, policies, strict=True):
        for binding in (policy or {}).get("bindings", ()):
            if binding["role"] == role:
                yield from ((name, member) for member in binding["members"])


def _await_indexes(cloud: Gcloud, deployment: Deployment, console: Console) -> None:
    """Returns once every index that the functions need answers queries: a query before that fails."""
    needed: dict[tuple[Any, ...], str] = {
        composite_key(each.to_wire()): str(each) for each in deployment.indexes.composite
    }
    fields = (each for each in deployment.indexes.overrides if each.indexes)
    needed |= {(each.collection, each.field): f"{each.collection}.{each.field}" for each in fields}
    commands = _listings(deployment)
    while True:
        answers = {name: cloud.read(commands[name], f"Listing {name}") for name in ("composite", "fields")}
        building = [name for key, name in needed.items() if key in _building(answers)]
        if not building:
            return
        console.print(f"database: waits for the index {', '.join(building)}", highlight=False, soft_wrap=True)
        cloud.wait()


def _listings(deployment: Deployment) -> dict[str, Command]:
    where = (f"--database={deployment.database}", f"--project={deployment.project}")
    return {
        "fields": gcloud("firestore", "indexes", "fields", "list", *where),
        "composite": gcloud("firestore", "indexes", "composite", "list", *where),
    }


def _building(answers: Mapping[str, Any]) -> frozenset[tuple[Any, ...]]:
    """The indexes that are listed, and not ready."""
    composite = {composite_key(each) for each in answers.get("composite") or () if each.get("state") == _BUILDING}
    fields = {
        _field(each)
        for each in answers.get("fields") or ()
        if any(index.get("state") == _BUILDING for index in each.get("indexConfig", {}).get("indexes", ()))
    }
    return frozenset({*composite, *fields})


def _field(listed: Mapping[str, Any]) -> tuple[str, str]:
    """The collection and the field of what gcloud lists."""
    collection, _, field = listed["name"].split("/collectionGroups/")[1].split("/")
    return collection, field


def _is_grouped(listed: Mapping[str, Any]) -> bool:
    indexes = listed.get("indexConfig", {}).get("indexes", ())
    return any(each.get("queryScope") == "COLLECTION_GROUP" for each in indexes)


def _deployed(apis: frozenset[str], answers: Mapping[str, Any], location: str | None, number: str | None) -> Deployed:
    def last(name: str, key: str = "name") -> frozenset[str]:
        return frozenset(each[key].rpartition("/")[2] for each in answers.get(name) or ())

    functions = {}
    for each in answers.get("functions") or ():
        _, _, _, region, _, name = each["name"].split("/")
        functions[name, region] = each
    bindings = (answers.get("policy") or {}).get("bindings", ())
    fields = answers.get("fields") or ()
    return Deployed(
        apis=apis,
        accounts=last("accounts", "email"),
        roles=frozenset((member, each["role"]) for each in bindings for member in each.get("members", ())),
        functions=functions,
        services={_place_of(each): each for each in answers.get("services") or ()},
        queues=last("queues"),
        jobs=last("jobs"),
        topics=last("topics"),
        subscriptions={each["name"].rpartition("/")[2]: each for each in answers.get("subscriptions") or ()},
        fields=frozenset(map(_field, fields)),
        grouped=frozenset(_field(each) for each in fields if _is_grouped(each)),
        composite=frozenset(composite_key(each) for each in answers.get("composite") or ()),
        location=location,
        number=number,
    )


def _place_of(service: Mapping[str, Any]) -> tuple[str, str]:
    about = service["metadata"]
    return about["name"], about["labels"]["cloud.googleapis.com/location"]


def perform(cloud: Gcloud, phase: Phase, console: Console) -> int:
    """The number of steps that were done; raises when one failed, after the others have ended."""
    left = [step for step in phase.steps if step.commands]
    failures: list[ConfigurationError] = []
    with _shown(phase.title, console) as show, ThreadPoolExecutor(phase.at_once) as pool:
        try:
            futures: dict[Future[None], Step] = {pool.submit(_do, cloud, step, show): step for step in left}
            while futures:
                # With a time-out, or Ctrl-C would wait for a step.
                for each in wait(futures, timeout=0.2, return_when=FIRST_COMPLETED).done:
                    step = futures.pop(each)
                    if isinstance(error := each.exception(), ConfigurationError):
                        failures.append(error)
                        show(step.name, "failed")
                    elif error:
                        raise error
                    else:
                        show(step.name, "done")
        except KeyboardInterrupt:
            cloud.stop()
            raise
    if failures:
        raise _together(failures, len(left))
    return len(left)


def _do(cloud: Gcloud, step: Step, show: Callable[[str, str], None]) -> None:
    show(step.name, "…")
    what = f"Deploying the function {step.name}" if step.function else step.name
    for command in step.commands:
        cloud.run(command, what, lambda text: show(step.name, text))


def _together(failures: list[ConfigurationError], number: int) -> ConfigurationError:
    if len(failures) == 1:
        return failures[0]
    kinds = {type(each) for each in failures}
    kind = kinds.pop() if len(kinds) == 1 else DeploymentFailed
    told = "\n".join(f"{each.code} {each}" for each in failures)
    return kind(f"{len(failures)} of {number} steps failed; what is done is not done again.\n{told}")


@contextmanager
def _shown(title: str, console: Console) -> Iterator[Callable[[str, str], None]]:
    if not console.is_terminal:
        yield lambda name, state: console.print(f"{title}: {name} {state}", highlight=False, soft_wrap=True)
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TextColumn("{task.fields[state]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as progress:
        tasks: dict[str, Any] = {}

        def show(name: str, state: str) -> None:
            if name not in tasks:
                tasks[name] = progress.add_task(name, total=1, state=state)
            progress.update(tasks[name], state=state, completed=int(state in ("done", "failed")))

        yield show


@contextmanager
def _interruptible(cloud: Gcloud) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        cloud.stop()
        raise Interrupted("Stopped; `boiler deploy` goes on from there.") from None


def _check_billing(cloud: Gcloud, project: str) -> None:
    try:
        billing = cloud.read(gcloud("billing", "projects", "describe", project), "Reading the billing account")
    except ConfigurationError:
        # Who may deploy need not be allowed to see who pays.
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
                f"The trigger of {function.name} is to be in {trigger.location!r}, and the database "
                f"{deployment.database!r} of {deployment.project} is in {location!r}: no event would reach it. "
                f"Leave trigger_location out, or set it to {location!r}."
            )


def _chosen(deployment: Deployment, only: Iterable[str]) -> frozenset[str] | None:
    """The names of the functions that the patterns mean: names, entry points, or views; None for all."""
    if not only:
        return None
    chosen = set()
    for pattern in only:
        found = {
            each.name
            for each in deployment.manifest.parts
            if any(fnmatchcase(name, pattern) for name in (each.name, each.entry_point, *each.views))
        }
        if not found:
            known = ", ".join(each.entry_point for each in deployment.manifest.parts)
            raise ConfigurationError(f"--only {pattern} is no function and no view of the app; its functions: {known}.")
        chosen |= found
    return frozenset(chosen)


def _firebase(folder: Path, deployment: Deployment) -> tuple[str | None, str | None]:
    """The firebase that deploys what gcloud cannot, or what is left undeployed without it, with the next command.

    Raises DeploymentFailed when functions would lack an index without it.
    """
    if not deployment.firestore_parts:
        return None, None
    found = npm_command(FIREBASE, [folder])
    if deployment.firebase is not None and found is not None:
        return str(found), None
    told = f"run: npx firebase-tools deploy --only firestore --project {deployment.project}"
    if deployment.firebase is None:
        told = f"there is no firebase.json; `boiler compile` and `boiler rules` write what it deploys; then {told}"
    else:
        told = f"firebase is not on PATH; {told}"
    # Nor has gcloud a word for the index of a single field over all collections of a name.
    needed = [
        each for each in deployment.indexes.singles if (each.collection, each.field) not in deployment.deployed.grouped
    ]
    if needed:
        names = ", ".join(f"{each.collection}.{each.field}" for each in needed)
        raise DeploymentFailed(f"Functions need indexes over all collections of a name ({names}), and {told}.")
    return None, f"Security rules are not deployed: {told}."


def _credentials(context: Context) -> dict[str, str]:
    """What makes gcloud use the stage's credentials, if it has its own."""
    return {_KEY_FILE: context.key_file} if context.key_file else {}


def _no_project(context: Context) -> str:
    try:
        return context.project_id
    except ConfigurationError as error:
        return str(error)
