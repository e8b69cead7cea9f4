"""The commands of `boiler`: options and help texts. Each command calls the module that does its work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

import click

from boiler_functions.cli.context import Context, in_context
from boiler_functions.cli.errors import Mistaken, reported
from boiler_functions.cli.generated import (
    Generated,
    firestore_rules,
    generated,
    read_indexes,
    remarks,
    stage_functions,
)
from boiler_functions.cli.operator import COMMANDS as OPERATOR_COMMANDS
from boiler_functions.cli.output import AS_JSON, OUTPUT, Output, Tell, put, telling
from boiler_functions.cli.project import Project
from boiler_functions.cli.staging import COMMANDS as STAGING_COMMANDS
from boiler_functions.cli.throughput import for_throughput
from boiler_functions.cli.watch_table import watch_of
from boiler_functions.compile.compiler import Compiled
from boiler_functions.plan.graph import Graph, drawn_as
from boiler_functions.plan.prices import Prices
from boiler_functions.views.fetching import Assumed

_STALE = "stale"

_WHOLE = 1000
"""As many letters as any first sentence has; by default, click cuts it where the line ends."""


SECTIONS: Final[Mapping[str, Sequence[str]]] = {
    "Begin": ("init", "dev", "check", "token", "openapi", "types"),
    "Deploy": ("plan", "rules", "compile", "deploy", "build", "builds", "withdraw"),
    "Operate": ("status", "audit", "explain", "impact", "letters", "insights", "desk"),
    "Try a newer version of a view": ("diff", "stage", "wait", "promote", "rollback", "abort", "finish"),
    "Use documents that are there": ("model", "fit", "migrate"),
}
"""The commands in the order of their use, as `boiler --help` lists them."""


class CommandGroup(click.Group):
    """A group that lists its commands by their use, and reports an error of this package without a traceback."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, names in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, self.commands[name].get_short_help_str(_WHOLE)) for name in names])

    def invoke(self, ctx: click.Context) -> object:
        with reported():
            return super().invoke(ctx)


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="boiler-functions")
@click.option("--app", metavar="MODULE:NAME", help="The app, instead of the one that pyproject.toml names.")
@click.pass_context
def boiler(ctx: click.Context, app: str | None) -> None:
    """Declared Firestore views, compiled into Cloud Functions.

    The nearest pyproject.toml names the app under [tool.boiler_functions]: app = "module:name". The module is imported
    from the folder that is uploaded: source = "functions".

    A view is built for each of its root documents, and stored in one or more copies; its ledger, a document beside
    them, says what it was built from.

    Exit status: 0 done and fine, 1 done and something is not fine, 2 an error with its code, 130 after Ctrl-C.
    """
    ctx.obj = app


@boiler.command()
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif"]),
    default="text",
    show_default=True,
    help="How to print what is found.",
)
@click.option("--explain", metavar="CODE", help="Print what a code means, and what to do.")
@click.pass_obj
def check(app: str | None, form: str, explain: str | None) -> None:
    """Compile the app, and print what it declares, or every mistake in it.

    JSON, and SARIF for code scanning, are printed to the standard output whether there are mistakes or not. Exit status
    2 if there are mistakes.
    """
    from boiler_functions.cli import check as checking
    from boiler_functions.cli import codes

    if explain:
        click.echo(codes.explain(explain))
        return
    project = Project.find(app)
    checked = checking.check(project)
    if form != "text":
        click.echo(checking.as_json(checked) if form == "json" else checking.as_sarif(checked, project.folder))
    if checked.mistakes:
        told = [*map(str, checked.mistakes), codes.see(each.code for each in checked.mistakes)]
        raise Mistaken("" if form != "text" else "\n".join(told))
    if checked.app and form == "text":
        for each in checked.warnings:
            click.echo(f"warning {each.name} {each.about}\n  {each.text}", err=True)
        _summarise(checked.app.compiled)


def _summarise(compiled: Compiled) -> None:
    declared, functions = compiled.declarations, compiled.manifest.functions
    modes = Counter(function.mode for function in functions)
    listed = ", ".join(f"{mode} {count}" for mode, count in modes.items())
    counts = ", ".join(f"{mode.counted} {len(found)}" for mode in declared.modes if (found := declared.of(mode)))
    services = "".join(f"; service {each.entry_point} ({len(each.views)})" for each in compiled.manifest.services)
    click.echo(f"{declared.app} is fine: {counts}; functions {len(functions)} ({listed}){services}")


_CHECK = click.option(
    "--check", "check_only", is_flag=True, help="Write nothing; exit with status 1 if a file is stale."
)


@boiler.command("compile")
@_CHECK
@AS_JSON
@in_context
def compile_(context: Context, check_only: bool, as_json: bool) -> None:
    """Write functions.yaml and firestore.indexes.json for firebase-tools.

    Also write firebase.json, if there is none. With these files, `firebase deploy` deploys the app; `boiler deploy`
    needs none of them.
    """
    tell = telling(as_json=as_json)
    states = _updated(list(generated(context)), "boiler compile", check_only, tell)
    said = [] if check_only else list(remarks(context))
    for remark in said:
        click.echo(f"warning {remark}", err=True)
    if staged := None if check_only else stage_functions(context):
        tell(f"{staged} is staged for firebase-tools")
    result = {"files": states, "remarks": said, "staged": None if staged is None else str(staged)}
    Output("compile", result, (), _STALE not in states.values()).end(context, as_json=as_json)


@boiler.command()
@_CHECK
@AS_JSON
@in_context
def rules(context: Context, check_only: bool, as_json: bool) -> None:
    """Write firestore.rules: who may read which view and write which form. Your own section in it is kept."""
    states = _updated([firestore_rules(context)], "boiler rules", check_only, telling(as_json=as_json))
    Output("rules", {"files": states}, (), _STALE not in states.values()).end(context, as_json=as_json)


@boiler.command()
@AS_JSON
@click.option(
    "--graph", type=click.Choice(["svg", "mermaid"]), help="Draw a picture instead: sources, functions, views."
)
@click.option(
    "--many", default=10, metavar="N", show_default=True, help="Assume N documents behind a reference to many."
)
@click.option(
    "--dependents",
    default=1,
    metavar="N",
    show_default=True,
    help="Assume each document in N instances of a view.",
)
@click.option(
    "--prices",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Read prices from this file instead of the list prices.",
)
@OUTPUT
@in_context
def plan(
    context: Context,
    as_json: bool,
    graph: Literal["svg", "mermaid"] | None,
    many: int,
    dependents: int,
    prices: Path | None,
    output: Path | None,
) -> None:
    """Show what the app deploys and needs, what each change costs, and what may cause trouble.

    If an emulator or a key file is configured, also check whether another app stores views at the same paths.
    """
    if graph:
        put(drawn_as(graph, Graph.of(context.compiled)), output)
        return
    from boiler_functions.cli.plan import Plan, console_of

    assumed, listed = Assumed(many, dependents), Prices.read(prices)
    planned = Plan.of(context.compiled, read_indexes(context), assumed, listed, watch_of(context), str(context))
    if as_json:
        put(Output("plan", planned.to_json(), ()).to_json(context) + "\n", output)
    else:
        put(planned.text(console_of(output)), output)
    if context.has_database:
        from boiler_functions.cli.registering import Registering

        # Last, because the plan holds even if this raises.
        Registering.of(context.compiled.declarations, context.database)


@boiler.command()
@OUTPUT
@click.pass_obj
def openapi(app: str | None, output: Path | None) -> None:
    """Print the OpenAPI 3.1 document of the REST API; needs neither a database nor a server."""
    from boiler_functions.cli.openapi import openapi_json

    put(openapi_json(Project.find(app).load()), output)


@boiler.command()
@click.option("--firestore", is_flag=True, help="Print a module for Firestore's web SDK: paths and types of documents.")
@OUTPUT
@click.pass_obj
def types(app: str | None, firestore: bool, output: Path | None) -> None:
    """Print TypeScript types of the REST API, or with --firestore of the documents.

    Those of the REST API need openapi-typescript in node_modules, or on PATH.
    """
    from boiler_functions.cli.openapi import openapi_json
    from boiler_functions.cli.types import firestore_module, typescript

    project = Project.find(app)
    loaded = project.load()
    put(firestore_module(loaded) if firestore else typescript(openapi_json(loaded), project.folder), output)


@boiler.command()
@click.argument("view", required=False)
@click.option("--all", "every", is_flag=True, help="Build all views, each after those whose copies it reads.")
@click.option("--root", metavar="ID", help="Build only the instance of this root: its id or path.")
@click.option(
    "--withdraw",
    is_flag=True,
    help="Delete copies that this code no longer stores, even all those of a root.",
)
@click.option("--resume", is_flag=True, help="Continue where an earlier run stopped.")
@click.option("--cloud", is_flag=True, help="Build in tasks of the app's queue, with the code that is deployed.")
@click.option("--stale", is_flag=True, help="With --cloud: only instances that were built by other code.")
@click.option(
    "--max-rate", type=click.FloatRange(min=0.1), metavar="N", help="With --cloud: at most N instances a second."
)
@click.option("--detach", is_flag=True, help="With --cloud: do not wait; `boiler builds watch` shows it.")
@click.option("--yes", is_flag=True, help="Do not ask, whatever it costs.")
@AS_JSON
@in_context
@for_throughput()
def build(
    context: Context,
    view: str | None,
    every: bool,
    root: str | None,
    resume: bool,
    withdraw: bool,
    cloud: bool,
    stale: bool,
    max_rate: float | None,
    detach: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Rebuild every instance of VIEW, including those that were edited by hand.

    Says what it costs, and asks if that is more than a cent. Functions may run at the same time. How far the build is
    stands in .boiler/ beside pyproject.toml, or with --cloud in the database, where `boiler builds` shows, pauses,
    resumes and cancels it. Exit status 1 if an instance could not be built; it is left unchanged, and its dead letter
    says why.
    """
    _check_build(view, every, root, resume, cloud, {"--stale": stale, "--max-rate": max_rate, "--detach": detach})
    if cloud:
        from boiler_functions.cli.cloud_builds import CloudChoice, build_in_cloud

        chosen = CloudChoice(view, every, stale, max_rate, withdraw)
        output = build_in_cloud(context, chosen, detach=detach, yes=yes, quiet=as_json)
        output.show(context, as_json=as_json)
        return
    from boiler_functions.cli.build import build_views

    names, tell = [view] if view else None, telling(as_json=as_json)
    done = build_views(context, names, tell, root=root, resume=resume, withdraw=withdraw, yes=yes)
    done.end(context, as_json=as_json)


def _check_build(
    view: str | None, every: bool, root: str | None, resume: bool, cloud: bool, of_cloud: Mapping[str, object]
) -> None:
    """Raises UsageError for options that contradict each other."""
    if (view is None) != every:
        raise click.UsageError("Name one VIEW, or give --all.")
    if resume and (root is not None or every or cloud):
        raise click.UsageError(
            "--resume continues the build of one VIEW from here. Leave --root, --all and --cloud out; "
            "`boiler builds resume` continues one in the cloud."
        )
    if root is not None and (every or cloud):
        raise click.UsageError("--root builds a single instance, from here. Leave --all and --cloud out.")
    if not cloud and (given := [name for name, value in of_cloud.items() if value]):
        raise click.UsageError(f"{given[0]} is for builds in the cloud. Leave it out, or add --cloud.")


@boiler.command()
@click.argument("view", required=False)
@click.option("--dropped", is_flag=True, help="Withdraw all views that the app stored before and no longer declares.")
@click.option("--former", metavar="APP", help="Withdraw from an app of this name that is no longer deployed.")
@AS_JSON
@in_context
def withdraw(context: Context, view: str | None, dropped: bool, former: str | None, as_json: bool) -> None:
    """Delete the copies and ledgers of VIEW, which the app no longer declares.

    No function updates or removes such copies: a user who has lost access would still read them. A copy that another
    view stores now is kept. `boiler deploy` names the views that were dropped.
    """
    from boiler_functions.cli.withdraw import withdraw as withdraw_views

    done = withdraw_views(context, telling(as_json=as_json), view=view, dropped=dropped, former=former)
    done.end(context, as_json=as_json)


for _command in (*OPERATOR_COMMANDS, *STAGING_COMMANDS):
    boiler.add_command(_command)


_FOLDER = click.Path(file_okay=False, path_type=Path)


@boiler.command()
@click.option(
    "--project",
    "project_id",
    metavar="ID",
    default="demo-boiler",
    show_default=True,
    help="The project id of the emulators; begins with 'demo-'.",
)
@click.option("--free-ports", is_flag=True, help="Use ports that are free instead of those of firebase.json.")
@click.option("--no-auth", is_flag=True, help="Do not start the Auth emulator; unsigned tokens are accepted.")
@click.option("--import", "data", type=_FOLDER, metavar="DIR", help="Begin with the data that was exported to DIR.")
@click.option(
    "--export-on-exit",
    "export",
    is_flag=False,
    flag_value=Path(),
    type=_FOLDER,
    metavar="[DIR]",
    help="Export the data in the end, to DIR or to that of --import, in the format of firebase-tools.",
)
@click.option(
    "--seed",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    metavar="FILE",
    help="Run this Python script to write documents, unless data was imported.",
)
@click.pass_obj
def dev(
    app: str | None,
    project_id: str,
    free_ports: bool,
    no_auth: bool,
    data: Path | None,
    export: Path | None,
    seed: Path | None,
) -> None:
    """Run the whole project: emulators, security rules, and all functions of the app. Ctrl-C stops it.

    The functions reload when a source changes, the rules when firestore.rules changes. The ports are those of
    "emulators" in firebase.json: 8080 for Firestore, 9099 for Auth, 5001 for functions unless it names others; sockets
    are next to the functions. The Auth emulator needs firebase-tools; without it, only unsigned tokens are accepted.
    """
    from boiler_functions.cli.dev import DevOptions, develop

    if export == Path() and data is None:
        raise click.UsageError("--export-on-exit needs a folder: give it one, or name one in --import.")
    wanted = DevOptions(project_id, free_ports, not no_auth, data, data if export == Path() else export, seed)
    develop(Project.find(app), wanted)


@boiler.command()
@click.argument("uid")
@click.option(
    "--claim",
    "claims",
    multiple=True,
    metavar="NAME[=TEXT]",
    help="A claim of the token; without TEXT its value is true.",
)
@click.option(
    "--project",
    "project_id",
    metavar="ID",
    default="demo-boiler",
    show_default=True,
    help="The project id that `boiler dev` was given.",
)
def token(uid: str, claims: Sequence[str], project_id: str) -> None:
    """Print an unsigned ID token of the user UID, which only `boiler dev` and the Auth emulator accept."""
    from boiler_functions.testing.tokens import unsigned_token

    parted = (each.partition("=") for each in claims)
    named = {name: text if separator else True for name, separator, text in parted}
    click.echo(unsigned_token(uid, project=project_id, **named))


def _updated(files: Sequence[Generated], command: str, check_only: bool, tell: Tell) -> dict[str, str]:
    """Writes the files that are stale, unless they are only checked; returns the state of each by its path."""
    states = {}
    for file in files:
        state = "up to date" if not file.is_stale else _STALE if check_only else "written"
        states[str(file.path)] = state
        if state == _STALE:
            click.echo(f"{file.path} is not what the app declares. Run `{command}`.", err=True)
            continue
        if state == "written":
            file.write()
        tell(f"{file.path} is {state}")
    return states


@boiler.command()
@click.option("--dry-run", is_flag=True, help="Print the commands that deploy to an empty project, and run none.")
@click.option(
    "--only",
    multiple=True,
    metavar="NAME",
    help="Deploy only these functions: a name, entry point or view, or a pattern such as a*.",
)
@click.option("--prune", is_flag=True, help="Remove functions that the app no longer declares, after asking.")
@click.option(
    "--build",
    "build_too",
    is_flag=True,
    help="Build views that are new, have new sources or other code.",
)
@click.option("--no-rules", is_flag=True, help="Do not deploy the security rules.")
@click.option("--no-watch", is_flag=True, help="Do not deploy metrics, the dashboard and alerts.")
@click.option("--yes", is_flag=True, help="Do not ask before removing.")
@AS_JSON
@in_context
def deploy(
    context: Context,
    dry_run: bool,
    only: tuple[str, ...],
    prune: bool,
    build_too: bool,
    no_rules: bool,
    no_watch: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Deploy with gcloud what changed, and what the app needs around it.

    A second run continues where the first one ended, whether it failed or was stopped with Ctrl-C. Exit status 1 if the
    security rules are not deployed because firebase is not installed, or if --build could not build an instance.
    """
    from boiler_functions.cli.deploy import Wanted, show_commands
    from boiler_functions.cli.deploy import deploy as deploy_app

    if dry_run:
        done = show_commands(context, only)
        if not as_json:
            click.echo("\n".join(done.lines))
    else:
        wanted = Wanted(only, prune, build_too, not no_rules, not no_watch, yes)
        done = deploy_app(context, telling(as_json=as_json), wanted)
    done.end(context, as_json=as_json)


@boiler.command()
@click.argument("name", required=False)
def init(name: str | None) -> None:
    """Write a new project into a new folder NAME; without NAME, into this folder, with its name.

    If this folder or one above has a firebase.json, the project is added to it as one more codebase, beside the
    functions that are there. Without NAME, in the folder of an app, that is all that is done.
    """
    from boiler_functions.cli.init import init as write_project

    folder = Path(name) if name else Path()
    for path in write_project(folder, name):
        click.echo(f"{path} is written")
    click.echo(f"{f'cd {name} && ' if name else ''}boiler check")
