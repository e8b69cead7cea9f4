"""The commands of `boiler`: options and help texts. Each command calls the module that does its work."""

from __future__ import annotations

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from functools import update_wrapper
from pathlib import Path
from typing import Any, Literal

import click
from rich.console import Console

from boiler_functions.cli.build import build as build_view
from boiler_functions.cli.context import Context, in_context
from boiler_functions.cli.errors import Mistaken, Unfinished, reported
from boiler_functions.cli.generated import Generated, generated, read_indexes, stage_functions
from boiler_functions.cli.plan import Plan
from boiler_functions.cli.project import Project
from boiler_functions.cli.rules import firestore_rules
from boiler_functions.compile.compiler import Compiled
from boiler_functions.plan.advice import leaks
from boiler_functions.plan.graph import Graph, mermaid, svg
from boiler_functions.plan.prices import Prices
from boiler_functions.testing.tokens import unsigned_token
from boiler_functions.views.fetching import Assumed

_UNWRAPPED = 1000


class Commands(click.Group):
    """A group whose commands report an error of this package in one line, without a traceback."""

    def invoke(self, ctx: click.Context) -> object:
        with reported():
            return super().invoke(ctx)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="boiler-functions")
@click.option("--app", metavar="MODULE:NAME", help="The app, instead of the one that pyproject.toml names.")
@click.pass_context
def boiler(ctx: click.Context, app: str | None) -> None:
    """Declared Firestore views, compiled into Cloud Functions.

    The nearest pyproject.toml names the app under [tool.boiler_functions]: app = "module:name". The module is imported
    from the folder that is uploaded: source = "functions".

    Exit status: 0 done, 1 partly failed, 2 an error with its code, 130 interrupted.
    """
    ctx.obj = app


@boiler.command()
@click.option("--format", "form", type=click.Choice(["text", "json", "sarif"]), default="text", show_default=True)
@click.option("--explain", metavar="CODE", help="Print what a code means, and what to do.")
@click.pass_obj
def check(app: str | None, form: str, explain: str | None) -> None:
    """Compile the app, and print what it declares, or every mistake in it.

    JSON, and SARIF for code scanning, are printed to the standard output in either case. Exit status 2 if there are
    mistakes.
    """
    from boiler_functions.cli import check as checking

    if explain:
        click.echo(checking.explain(explain))
        return
    project = Project.find(app)
    checked = checking.check(project)
    if form != "text":
        click.echo(checking.as_json(checked) if form == "json" else checking.as_sarif(checked, project.folder))
    if checked.mistakes:
        raise Mistaken("" if form != "text" else "\n".join(map(str, checked.mistakes)))
    if checked.app and form == "text":
        _summarise(checked.app.compiled)


def _summarise(compiled: Compiled) -> None:
    declared, functions = compiled.declarations, compiled.manifest.functions
    for each in leaks(declared):
        click.echo(f"warning {each.name} {each.about}\n  {each.text}", err=True)
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
@in_context
def compile_(context: Context, check_only: bool) -> None:
    """Write the files of firebase-tools: functions.yaml, firestore.indexes.json, and firebase.json if it is missing."""
    _update(list(generated(context)), "boiler compile", check_only)
    if not check_only and (staged := stage_functions(context)):
        click.echo(f"{staged} is staged for firebase-tools")


@boiler.command()
@_CHECK
@in_context
def rules(context: Context, check_only: bool) -> None:
    """Write firestore.rules: who may read which view and write which form. Your own section in it is kept."""
    _update([firestore_rules(context)], "boiler rules", check_only)


_OUTPUT = click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write to this file instead of the standard output.",
)


@boiler.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--graph", type=click.Choice(["svg", "mermaid"]), help="Draw a picture instead: sources, functions, views."
)
@click.option("--many", default=10, show_default=True, help="Assumed documents behind a reference to many.")
@click.option(
    "--dependents", default=1, show_default=True, help="Assumed number of views that one document is part of."
)
@click.option(
    "--prices",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Read prices from this file instead of the list prices.",
)
@_OUTPUT
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
        drawn = Graph.of(context.compiled)
        _put(svg(drawn) if graph == "svg" else mermaid(drawn), output)
        return
    planned = Plan.of(
        context.compiled, read_indexes(context), Assumed(many, dependents), Prices.read(prices), str(context)
    )
    if as_json:
        _put(json.dumps(planned.to_json(), indent=2) + "\n", output)
    else:
        planned.show(_console())
    if context.has_database:
        from boiler_functions.cli.registering import Registering

        # Last, because the plan holds even if this raises.
        Registering.of(context.compiled.declarations, context.database)


@boiler.command()
@_OUTPUT
@click.pass_obj
def openapi(app: str | None, output: Path | None) -> None:
    """Print the OpenAPI 3.1 document of the HTTP function; needs neither a database nor a server."""
    from boiler_functions.cli.openapi import openapi_json

    _put(openapi_json(Project.find(app).load()), output)


@boiler.command()
@_OUTPUT
@click.pass_obj
def types(app: str | None, output: Path | None) -> None:
    """Print TypeScript types of the views and of the HTTP function; needs openapi-typescript in node_modules."""
    from boiler_functions.cli.openapi import openapi_json
    from boiler_functions.cli.types import typescript

    project = Project.find(app)
    _put(typescript(openapi_json(project.load()), project.folder), output)


@boiler.command()
@click.argument("view")
@click.option("--root", metavar="ID", help="Build only the instance of this root: its id or path.")
@click.option("--withdraw", is_flag=True, help="Allow new code to delete every copy of a view whose root exists.")
@click.option("--resume", is_flag=True, help="Continue after the last page that an earlier run finished.")
@in_context
def build(context: Context, view: str, root: str | None, resume: bool, withdraw: bool) -> None:
    """Rebuild every instance of VIEW, including those that were edited by hand.

    Functions may run at the same time. The position is kept in .boiler/ beside pyproject.toml. Exit status 1 if an
    instance could not be built; it is left unchanged, and its dead letter says why.
    """
    if root is not None and resume:
        raise click.UsageError(
            "--root builds a single instance, which --resume cannot continue. Leave one of them out."
        )
    build_view(context, view, Console(), root=root, resume=resume, withdraw=withdraw)


@boiler.command()
@click.argument("view", required=False)
@click.option("--dropped", is_flag=True, help="Withdraw all views that the app stored before and no longer declares.")
@click.option("--former", metavar="APP", help="Withdraw from an app of this name that is no longer deployed.")
@in_context
def withdraw(context: Context, view: str | None, dropped: bool, former: str | None) -> None:
    """Delete the copies and ledgers of VIEW, which the app no longer declares.

    No function updates or removes such copies: a user who has lost access would still read them. A copy that another
    view stores now is kept. `boiler deploy` names the views that were dropped.
    """
    from boiler_functions.cli.withdraw import withdraw as withdraw_views

    withdraw_views(context, Console(), view=view, dropped=dropped, former=former)


_AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@boiler.command()
@click.option(
    "--late", default="2m", metavar="AGE", show_default=True, help="How long a build may be owed until it is late."
)
@click.option("--watch", type=click.FloatRange(min=0.1), metavar="SECONDS", help="Ask again and again, until Ctrl-C.")
@_AS_JSON
@in_context
def status(context: Context, late: str, watch: float | None, as_json: bool) -> None:
    """Show the state of each view, task and receiver of changes. Reads only.

    The state is ok, stale code (built by other code than this checkout's), late, failing (it has dead letters, or
    builds fail), stopped (work is long overdue) or unknown, which is never ok. Reads the names of all ledgers, and the
    ledgers that are owed a build or built by other code. Exit status 0 if all are ok, 1 if not, 2 for an error.
    """
    from boiler_functions.cli.answer import age_of, repeated
    from boiler_functions.cli.status import status as asked

    limit = age_of(late)
    repeated(lambda: asked(context, limit), context, watch, as_json=as_json)


_SAMPLE = click.option("--sample", type=click.IntRange(min=1), metavar="N", help="Only N instances, chosen by chance.")
_ROOT = click.option("--root", metavar="ID", help="Only the instance of this root: its id or path.")


@boiler.command()
@click.argument("view", required=False)
@_SAMPLE
@_ROOT
@click.option("--late", default="2m", metavar="AGE", show_default=True, help="How long an event may take.")
@click.option("--repair", is_flag=True, help="Build what is wrong again, and delete copies without a ledger.")
@click.option("--yes", is_flag=True, help="Do not ask before a repair.")
@_AS_JSON
@in_context
def audit(
    context: Context,
    view: str | None,
    sample: int | None,
    root: str | None,
    late: str,
    repair: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Compare the copies of VIEW, or of all views, with a fresh build. Only reads, unless --repair is given.

    Writers and functions may go on. A copy is wrong if it differs although its sources are as they were; lost if a
    source changed longer ago than --late; late if it changed since; without a ledger if no function follows it. Exit
    status 0 if nothing is wrong, lost or without a ledger, 1 if something is, 2 for an error.
    """
    from boiler_functions.cli.answer import age_of
    from boiler_functions.cli.audit import audit as compared

    _check_one(view, sample, root)
    answer = compared(context, view, sample=sample, root=root, late=age_of(late), repair=repair, yes=yes)
    answer.show(context, as_json=as_json)


@boiler.command()
@click.argument("view", required=False)
@_SAMPLE
@_ROOT
@_AS_JSON
@in_context
def diff(context: Context, view: str | None, sample: int | None, root: str | None, as_json: bool) -> None:
    """Show what this checkout's code would change of VIEW, or of all views, that other code has stored. Reads only.

    Exit status 0 if nothing would change, 1 if something would, 2 for an error.
    """
    from boiler_functions.cli.audit import diff as compared

    _check_one(view, sample, root)
    compared(context, view, sample=sample, root=root).show(context, as_json=as_json)


def _check_one(view: str | None, sample: int | None, root: str | None) -> None:
    if root is not None and (view is None or sample is not None):
        raise click.UsageError("--root names the one instance of a VIEW. Name the view, and leave --sample out.")


@boiler.command()
@click.argument("path")
@_AS_JSON
@in_context
def explain(context: Context, path: str, as_json: bool) -> None:
    """Explain the document at PATH: a copy, a form, a source or a dead letter. Reads only, and prints no content.

    Says what a copy was built from, in which versions then and now, why and by which code, who may read it, and what
    depends on it. Exit status 0, or 2 for an error.
    """
    from boiler_functions.cli.explain import explain as explained

    explained(context, path).show(context, as_json=as_json)


@boiler.command()
@click.argument("path", metavar="SOURCE")
@_AS_JSON
@in_context
def impact(context: Context, path: str, as_json: bool) -> None:
    """Show which instances of which views a change of the document SOURCE would build. Reads only.

    Exit status 0, or 2 for an error.
    """
    from boiler_functions.cli.explain import impact as changed

    changed(context, path).show(context, as_json=as_json)


@boiler.group()
def letters() -> None:
    """List, show, retry or drop dead letters: what failed and will fail again until something is mended.

    Exit status of each command: 0 done, 1 some letters are not done, 2 an error with its code.
    """


def _of_letters(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command ids and conditions, as the argument `chosen`."""

    def run(context: Context, /, *args: Any, **given: Any) -> Any:
        from boiler_functions.cli.answer import age_of
        from boiler_functions.cli.letters import Chosen

        older, newer = (age_of(age) if (age := given.pop(name)) else None for name in ("older", "newer"))
        others = {name: given.pop(name) for name in ("ids", "kind", "view", "every") if name in given}
        return command(context, *args, chosen=Chosen(older=older, newer=newer, **others), **given)

    update_wrapper(run, command)
    options = (
        click.argument("ids", nargs=-1, metavar="[ID]..."),
        click.option("--kind", metavar="KIND", help="Only letters of this kind, such as schema or bug."),
        click.option("--view", metavar="NAME", help="Only letters about this view, form or receiver of changes."),
        click.option("--older", metavar="AGE", help="Only failures last seen before this time, such as 12h or 7d."),
        click.option("--newer", metavar="AGE", help="Only failures seen within this time, such as 30m."),
        _AS_JSON,
    )
    for option in reversed(options):
        run = option(run)
    return run


_EVERY = click.option("--all", "every", is_flag=True, help="All letters that fit the conditions.")


@letters.command("list")
@in_context
@_of_letters
def list_letters(context: Context, chosen: Any, as_json: bool) -> None:
    """List the letters, the latest failure first. Reads only."""
    from boiler_functions.cli.letters import list_letters as listed

    listed(context, chosen).show(context, as_json=as_json)


@letters.command("show")
@click.option("--contents", is_flag=True, help="Also show the message, which may quote a document.")
@in_context
@_of_letters
def show_letters(context: Context, chosen: Any, contents: bool, as_json: bool) -> None:
    """Show all that the letters say, without contents of documents. Reads only."""
    from boiler_functions.cli.letters import show_letters as shown

    shown(context, chosen, contents=contents).show(context, as_json=as_json)


@letters.command("retry")
@_EVERY
@in_context
@_of_letters
def retry_letters(context: Context, chosen: Any, as_json: bool) -> None:
    """Do the work of the letters again, with the code that is here; a letter ends when its work is done.

    A form takes effect exactly once, however often it is tried again. A view is built from the documents as they are
    now. A change is delivered again under its key.
    """
    from boiler_functions.cli.letters import retry_letters as retried

    retried(context, chosen).show(context, as_json=as_json)


@letters.command("drop")
@_EVERY
@click.option("--yes", is_flag=True, help="Do not ask.")
@in_context
@_of_letters
def drop_letters(context: Context, chosen: Any, yes: bool, as_json: bool) -> None:
    """Delete the letters, after asking. Their work is not done; a view that is owed a build stays so."""
    from boiler_functions.cli.letters import drop_letters as dropped

    dropped(context, chosen, yes=yes).show(context, as_json=as_json)


@boiler.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="Port of the Firestore emulator; a free one by default."
)
@click.option(
    "--project", "project_id", default="demo-boiler", show_default=True, help="Project id; begins with 'demo-'."
)
@click.pass_obj
def dev(app: str | None, port: int, project_id: str) -> None:
    """Run the Firestore emulator and all functions of the app; reload them when a source changes. Ctrl-C stops it."""
    from boiler_functions.cli.dev import develop

    develop(Project.find(app), port, project_id)


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
    "--project", "project_id", default="demo-boiler", show_default=True, help="The project id of `boiler dev`."
)
def token(uid: str, claims: Sequence[str], project_id: str) -> None:
    """Print an unsigned ID token of the user UID, which only `boiler dev` and the Auth emulator accept."""
    parted = (each.partition("=") for each in claims)
    named = {name: text if separator else True for name, separator, text in parted}
    click.echo(unsigned_token(uid, project=project_id, **named))


def _update(files: Sequence[Generated], command: str, check_only: bool) -> None:
    stale = [file for file in files if file.is_stale]
    if stale and check_only:
        raise Unfinished("\n".join(f"{each.path} is not what the app declares. Run `{command}`." for each in stale))
    for file in files:
        if file in stale:
            file.write()
        click.echo(f"{file.path} {'is written' if file in stale else 'is up to date'}")


def _console() -> Console:
    """Returns a console that does not wrap lines if a program reads the output."""
    is_read = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(width=_UNWRAPPED if is_read else None)


def _put(text: str, output: Path | None) -> None:
    if output is None:
        click.echo(text, nl=False)
        return
    output.write_text(text, "utf-8")
    click.echo(f"{output} is written")


@boiler.command()
@click.option("--dry-run", is_flag=True, help="Print the commands for an empty project, and run none.")
@click.option(
    "--only",
    multiple=True,
    metavar="NAME",
    help="Deploy only these functions: a name, entry point or view, or a pattern such as a*.",
)
@click.option("--prune", is_flag=True, help="Remove functions that the app no longer declares, after asking.")
@click.option("--build", "build_too", is_flag=True, help="Build views that are new or have new sources.")
@click.option("--no-rules", is_flag=True, help="Do not deploy the security rules.")
@click.option("--yes", is_flag=True, help="Do not ask before removing.")
@in_context
def deploy(
    context: Context,
    dry_run: bool,
    only: tuple[str, ...],
    prune: bool,
    build_too: bool,
    no_rules: bool,
    yes: bool,
) -> None:
    """Deploy with gcloud what changed, and what the app needs around it.

    A second run continues where the first one ended, whether it failed or was stopped with Ctrl-C. Exit status 1 if the
    security rules are not deployed because firebase is not installed.
    """
    from boiler_functions.cli.deploy import Wanted, show_commands
    from boiler_functions.cli.deploy import deploy as deploy_app

    if dry_run:
        show_commands(context, only)
    else:
        deploy_app(context, Console(), Wanted(only, prune, build_too, not no_rules, yes))


@boiler.command()
@click.argument("name", required=False)
def init(name: str | None) -> None:
    """Write a new project into a new folder NAME; without NAME, into this folder, with its name."""
    from boiler_functions.cli.init import init as write_project

    folder = Path(name) if name else Path()
    for path in write_project(folder, name):
        click.echo(f"{path} is written")
    click.echo(f"{f'cd {name} && ' if name else ''}boiler check")
