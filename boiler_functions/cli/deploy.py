"""`boiler deploy`: lists what a project has, refuses what cannot work, and runs the gcloud commands that are left."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from boiler_functions.cli.build import build_views
from boiler_functions.cli.codebases import check_codebases
from boiler_functions.cli.comparing import ComparedPart, Replacement, compared
from boiler_functions.cli.context import Context, is_demo
from boiler_functions.cli.deployment import Deployment
from boiler_functions.cli.firebase_json import FirebaseJson
from boiler_functions.cli.folder import own_folder
from boiler_functions.cli.gcloud import Gcloud
from boiler_functions.cli.listing import await_indexes, look, look_at_functions
from boiler_functions.cli.output import Output, Tell, table
from boiler_functions.cli.perform import interruptible, perform
from boiler_functions.cli.registering import Registering
from boiler_functions.cli.steps.phases import DATABASE_PHASE, phases, removal
from boiler_functions.cli.upload import stage
from boiler_functions.cli.watch_table import watch_of
from boiler_functions.exceptions import (
    ConfigurationError,
    DeploymentFailed,
    DoubledReceiver,
    Permanent,
    Transient,
)
from boiler_functions.local.node_modules import npm_command
from boiler_functions.modes.edition import Edition, scope_of
from boiler_functions.modes.ledgers import has_others
from boiler_functions.plan.indexes import Indexes
from boiler_functions.types import digest
from boiler_functions.views.view_model import View

_COMMAND = "deploy"

UNNAMED = "PROJECT_ID"
FIREBASE = "firebase"

_KEY_FILE = "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE"


def planned(context: Context, project: str) -> Deployment:
    """Returns the deployment to an empty project; raises if the app or the uploaded folder could not run."""
    compiled = context.compiled
    check_codebases(context.project, context.manifest)
    folder = own_folder(context.project.folder)
    return Deployment(
        project=project,
        database=context.database_id,
        region=context.region,
        app=context.project.app,
        manifest=context.manifest,
        indexes=Indexes.of(compiled.declarations),
        upload=stage(context.project, context.manifest, folder / "upload", context.release),
        environment=context.environment,
        python=context.project.python,
        number=context.release.deployment,
        editions={view.__name__: _edition(context, view) for view in compiled.declarations.stored},
        firebase=FIREBASE if FirebaseJson.find(context.project).exists else None,
        watch=watch_of(context),
    )


def _edition(context: Context, view: View) -> str:
    found = Edition.of(context.app.name, view, context.release)
    return digest(found.plan, found.code)


def show_commands(context: Context, only: tuple[str, ...]) -> Output:
    """Returns what a deployment would replace, if gcloud says, and every command of one to an empty project."""
    project = context.named_project
    deployment = planned(context, project or UNNAMED)
    chosen = _chosen(deployment, only)
    looked: Deployment | None = None
    if project is None:
        lines = [f"# No project is configured: pass --project, or replace {UNNAMED} with yours."]
    else:
        try:
            looked = _with_functions(context, deployment)
            told = [*replacements(looked, chosen)]
        except ConfigurationError as error:
            # The commands are shown without gcloud, too.
            why = f"{error.code} {error}".splitlines()[0]
            told = [f"What this replaces in {project} is not known: {why}"]
        lines = [*(f"# {line}" for line in told), ""]
    commands = {
        phase.title: [str(command) for step in phase.steps for command in step.commands]
        for phase in phases(deployment, chosen)
    }
    lines += [line for title, texts in commands.items() for line in (f"# {title}", *texts, "")]
    functions = None if looked is None else [each.to_json() for each in _compared(looked, chosen)]
    return Output(_COMMAND, {"functions": functions, "commands": commands}, lines)


def _with_functions(context: Context, deployment: Deployment) -> Deployment:
    """Adds the functions and services that the project has; raises ConfigurationError if gcloud cannot say."""
    if is_demo(deployment.project):
        raise ConfigurationError(f"{deployment.project} is a project of emulators.")
    cloud = Gcloud(attempts=1, environ={**os.environ, **credentials(context)})
    return replace(deployment, deployed=look_at_functions(cloud, deployment))


def _compared(deployment: Deployment, chosen: frozenset[str] | None) -> list[ComparedPart]:
    return [each for each in compared(deployment) if chosen is None or each.name in chosen]


def replacements(
    deployment: Deployment, chosen: frozenset[str] | None, numbers: str = "", *, prune: bool = False
) -> Iterator[str]:
    """Yields lines that say what becomes of each function and service; `chosen` restricts them to these names."""
    found = _compared(deployment, chosen)
    counts = Counter(each.change for each in found)
    counted = ", ".join(f"{counts[change]} {change}" for change in Replacement if counts[change])
    yield f"Functions of {deployment.manifest.app} in {deployment.project}{numbers}: {counted}"
    changed = [each for each in found if each.change is not Replacement.UNCHANGED]
    if changed:
        ends = {Replacement.UNDECLARED: "is removed" if prune else "stays"}
        yield from table(
            (f"  {each.change}", each.name, each.region, ends.get(each.change, each.told)) for each in changed
        )


@dataclass(frozen=True)
class Wanted:
    """The flags of `boiler deploy`."""

    only: tuple[str, ...] = ()
    prune: bool = False
    build: bool = False
    rules: bool = True
    watch: bool = True
    yes: bool = False


def deploy(context: Context, tell: Tell, wanted: Wanted) -> Output:
    """Deploys what has changed since the last deployment; fine unless rules, indexes or builds are left to do.

    Raises the error that explains a failure; Interrupted for Ctrl-C.
    """
    deployment = replace(planned(context, context.project_id), rules=wanted.rules)
    if not wanted.watch:
        deployment = replace(deployment, watch=replace(deployment.watch, enabled=False))
    chosen = _chosen(deployment, wanted.only)
    cloud, console = Gcloud(environ={**os.environ, **credentials(context)}), Console(stderr=True)
    with interruptible(cloud):
        deployment = _looked_at(cloud, deployment, console)
        if not wanted.prune:
            _check_doubled(deployment, chosen)
        registering = _registering(context, tell)
        found, undeployed = firebase_of(context.project.folder, deployment)
        deployment = replace(deployment, firebase=found)
        functions = [each.to_json() for each in _compared(deployment, chosen)]
        numbers = f", deployment {registering.now.deployment}{_after(registering)}" if registering else ""
        tell("\n".join(replacements(deployment, chosen, numbers, prune=wanted.prune)))
        if registering:
            registering.write(context.database)
        done = 0
        for phase in phases(deployment, chosen):
            changed = perform(cloud, phase, console)
            if phase.title == DATABASE_PHASE:
                await_indexes(cloud, deployment, console, changed=changed > 0)
            done += changed
        removed = () if wanted.only else _removed(cloud, deployment, console, tell, wanted)
        done += len(removed)
    views = _follow_up(context, tell, registering, wanted) if registering else FollowedUp()
    tell(f"{deployment.manifest.app} is deployed to {deployment.project}: {done or 'no'} changes.")
    if undeployed:
        tell(undeployed)
    result = {
        "deployment": registering.now.deployment if registering else None,
        "functions": functions,
        "removed": [name for name, _ in removed],
        "changes": done,
        **views.to_json(),
        "left": undeployed,
    }
    return Output(_COMMAND, result, (), undeployed is None and views.is_fine)


def _after(registering: Registering) -> str:
    return f" after {registering.former.deployment}" if registering.former.deployment else ""


def _check_doubled(deployment: Deployment, chosen: frozenset[str] | None) -> None:
    """Raises DoubledReceiver if a function that was probably renamed would stand beside its former self."""
    for function, former, region in deployment.doubled():
        if chosen is None or function.name in chosen:
            raise DoubledReceiver(
                f"{function.name} is new, and {former} ({region}), which {deployment.app} no longer declares, still "
                f"receives changes of {function.receives}: a change could be handled twice, or by neither. If it is "
                f"the same function with a new name, declare its former one, `@app.on_change({function.receives}, "
                f"name=…)`; if it is another one, pass --prune, which removes {former}."
            )


def _registering(context: Context, tell: Tell) -> Registering | None:
    """Returns what the database has registered of this app and others; None, with a message, if it cannot be read.

    Raises OverlappingPaths before anything is changed.
    """
    try:
        return Registering.of(context.compiled.declarations, context.database, context.release.deployment)
    except (ConfigurationError, Transient, Permanent) as error:
        tell(f"Whether another app stores views at the same paths is not known: {error}")
        return None


@dataclass(frozen=True)
class FollowedUp:
    """What a deployment leaves to do with views, and what it has built of them."""

    due: Mapping[str, str] = field(default_factory=dict)
    """Views that need a build, with the reason."""
    built: Output | None = None
    dropped: Mapping[str, str] = field(default_factory=dict)
    """Views that are no longer declared, with their paths."""

    @property
    def is_fine(self) -> bool:
        return self.built is None or self.built.is_fine

    def to_json(self) -> dict[str, Any]:
        built = None if self.built is None else self.built.result["views"]
        return {"due": {} if built else dict(self.due), "built": built, "dropped": dict(self.dropped)}


def _follow_up(context: Context, tell: Tell, registering: Registering, wanted: Wanted) -> FollowedUp:
    """Builds or names the views that need `boiler build`; names dropped views, whose copies no function updates.

    Events build a view only for documents that change from now on, not for those that exist already.
    """
    due = dict.fromkeys(registering.unfilled, "keeps a total from now on, and asks for it until it is filled")
    due = {**due, **dict.fromkeys(registering.unbuilt, "is new or has new sources")}
    try:
        due = {**dict.fromkeys(_built_by_other_code(context), "has copies that other code built"), **due}
    except (Transient, Permanent) as error:
        tell(f"Whether copies were built by other code is not known: {error}")
    for view, why in () if wanted.build else due.items():
        tell(f"{view} {why}; `boiler build {view}` builds it for the existing documents, or with --cloud from there.")
    built = build_views(context, list(due), tell, yes=wanted.yes) if wanted.build and due else None
    if dropped := registering.now.dropped:
        names = ", ".join(f"{name} ({path})" for name, path in dropped.items())
        tell(f"No function updates the copies of {names} any more; `boiler withdraw --dropped` deletes them.")
    return FollowedUp(due, built, dropped)


def _built_by_other_code(context: Context) -> Iterator[str]:
    """Yields the views with copies that other code built: events would renew only those whose documents change."""
    app = context.app.name
    for view in context.app.declarations.stored:
        edition = Edition.of(app, view, context.release)
        if has_others(context.database, scope_of(app, view), edition):
            yield view.__name__


def _removed(
    cloud: Gcloud, deployment: Deployment, console: Console, tell: Tell, wanted: Wanted
) -> Sequence[tuple[str, str]]:
    """Removes what the app no longer declares, and returns it; names it instead, unless `prune` is set."""
    stale = deployment.stale()
    names = ", ".join(f"{name} ({region})" for name, region in stale)
    app = deployment.manifest.app
    if stale and not wanted.prune:
        tell(f"{app} no longer declares {names}; --prune removes what is not declared.")
    elif stale and (wanted.yes or click.confirm(f"Remove {names}, which {app} no longer declares?", err=True)):
        perform(cloud, removal(deployment, stale), console)
        return stale
    return ()


def _looked_at(cloud: Gcloud, deployment: Deployment, console: Console) -> Deployment:
    """Adds what the project has; enables missing APIs first, because only an enabled API can be listed."""
    looked = replace(deployment, deployed=look(cloud, deployment))
    apis = next(phases(looked))
    if perform(cloud, apis, console):
        looked = replace(deployment, deployed=look(cloud, deployment))
    return looked


def _chosen(deployment: Deployment, only: Iterable[str]) -> frozenset[str] | None:
    """Returns the functions and services that the patterns match, by name, entry point or view; None for all."""
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
            raise ConfigurationError(
                f"--only {pattern} matches no function and no view of the app. Use one of its functions: {known}."
            )
        chosen |= found
    return frozenset(chosen)


def firebase_of(folder: Path, deployment: Deployment) -> tuple[str | None, str | None]:
    """Returns the firebase that deploys what gcloud cannot; or, without one, a message with the next command.

    Raises DeploymentFailed if functions need an index that only firebase can create.
    """
    if not deployment.firestore_parts:
        return None, None
    found = npm_command(FIREBASE, [folder])
    if deployment.firebase is not None and found is not None:
        return str(found), None
    command = f"run: npx firebase-tools deploy --only firestore --project {deployment.project}"
    if deployment.firebase is None:
        reason = f"there is no firebase.json; `boiler compile` and `boiler rules` write what it deploys; then {command}"
    else:
        reason = f"firebase is not on PATH; {command}"
    # gcloud has no command for the index of a single field over all collections of one name.
    needed = [
        each for each in deployment.indexes.singles if (each.collection, each.field) not in deployment.deployed.grouped
    ]
    if needed:
        names = ", ".join(f"{each.collection}.{each.field}" for each in needed)
        raise DeploymentFailed(f"Functions need indexes over all collections of one name ({names}), and {reason}.")
    return None, f"Security rules are not deployed: {reason}."


def credentials(context: Context) -> dict[str, str]:
    """Returns the variable that makes gcloud use the key file of the stage, if the stage has one."""
    return {_KEY_FILE: context.key_file} if context.key_file else {}
