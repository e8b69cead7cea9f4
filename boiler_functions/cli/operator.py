"""The commands of an operator: how the views are, whether they are right, and what failed.

Each command calls the module that does its work, and is added to `boiler` in `commands`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from pathlib import Path
from typing import Any, Literal

import click

from boiler_functions.cli.context import Context, in_context
from boiler_functions.cli.output import AS_JSON, OUTPUT, put
from boiler_functions.cli.throughput import for_throughput


@click.command()
@click.option(
    "--late", default="2m", metavar="AGE", show_default=True, help="How long a build may be owed until it is late."
)
@click.option("--functions", is_flag=True, help="Also ask gcloud whether each function runs this checkout's code.")
@click.option("--watch", type=click.FloatRange(min=0.1), metavar="SECONDS", help="Ask again and again, until Ctrl-C.")
@AS_JSON
@in_context
def status(context: Context, late: str, functions: bool, watch: float | None, as_json: bool) -> None:
    """Show the state of each view, task and receiver of changes, and of each function. Reads only.

    The state is ok, stale code (built by other code than this checkout's), late, failing (it has dead letters, or
    builds fail), stopped (work is long overdue) or unknown, which is never ok. Reads the names of all ledgers, and the
    ledgers that are owed a build or built by other code. Exit status 0 if all are ok, 1 if not, 2 for an error.
    """
    from boiler_functions.cli.output import age_of, repeated
    from boiler_functions.cli.status import status as asked

    limit, running = age_of(late), None
    if functions:
        from boiler_functions.cli.functions_status import FunctionsStatus

        running = FunctionsStatus(context).standings
    repeated(lambda: asked(context, limit, running), context, watch, as_json=as_json)


_PAID = click.option("--yes", is_flag=True, help="Do not ask, whatever it costs.")
_SAMPLE = click.option("--sample", type=click.IntRange(min=1), metavar="N", help="Only N instances, chosen by chance.")
_ROOT = click.option("--root", metavar="ID", help="Only the instance of this root: its id or path.")


@click.command()
@click.argument("view", required=False)
@_SAMPLE
@_ROOT
@click.option(
    "--since", metavar="TIME", help="Only instances of which something was written since: 2h, or 2026-11-27T10:00Z."
)
@click.option("--late", default="2m", metavar="AGE", show_default=True, help="How long an event may take.")
@click.option(
    "--repair", is_flag=True, help="Build what is wrong again, fill wrong totals, and delete copies without a ledger."
)
@click.option("--yes", is_flag=True, help="Do not ask: neither before a repair, nor whatever it costs.")
@AS_JSON
@in_context
@for_throughput()
def audit(
    context: Context,
    view: str | None,
    sample: int | None,
    root: str | None,
    since: str | None,
    late: str,
    repair: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Compare the copies of VIEW, or of all views, with a fresh build. Only reads, unless --repair is given.

    Writers and functions may go on meanwhile. A copy is wrong if it differs although its sources are as they were; lost
    if a source changed longer ago than --late; late if it changed since; without a ledger if no function follows it.
    --since finds what lost events have left, except those of deletions. A kept total is compared with what Firestore
    counts. Exit status 0 if nothing is wrong, lost or without a ledger, 1 if something is, 2 for an error.
    """
    from boiler_functions.cli.audit import AuditChoice
    from boiler_functions.cli.audit import audit as compared
    from boiler_functions.cli.output import age_of, time_of

    _check_one(view, sample, root)
    if since and (root is not None or sample is not None):
        raise click.UsageError("--since chooses the instances. Leave --sample and --root out.")
    chosen = AuditChoice(sample, root, time_of(since) if since else None)
    output = compared(context, view, chosen=chosen, late=age_of(late), repair=repair, yes=yes)
    output.show(context, as_json=as_json)


@click.command()
@click.argument("view", required=False)
@_SAMPLE
@_ROOT
@_PAID
@AS_JSON
@in_context
@for_throughput()
def diff(context: Context, view: str | None, sample: int | None, root: str | None, yes: bool, as_json: bool) -> None:
    """Show what this checkout's code would change in copies that other code has stored, of VIEW or of all. Reads only.

    Exit status 0 if nothing would change, 1 if something would, 2 for an error.
    """
    from boiler_functions.cli.audit import AuditChoice
    from boiler_functions.cli.audit import diff as compared

    _check_one(view, sample, root)
    compared(context, view, chosen=AuditChoice(sample, root), yes=yes).show(context, as_json=as_json)


def _check_one(view: str | None, sample: int | None, root: str | None) -> None:
    if root is not None and (view is None or sample is not None):
        raise click.UsageError("--root names the one instance of a VIEW. Name the view, and leave --sample out.")


@click.command()
@click.argument("path")
@click.option("--contents", is_flag=True, help="Also show what is stored, and what a fresh build of a copy makes.")
@click.option("--graph", type=click.Choice(["svg", "mermaid"]), help="Draw a picture instead: sources, views, copies.")
@OUTPUT
@AS_JSON
@in_context
def explain(
    context: Context,
    path: str,
    contents: bool,
    graph: Literal["svg", "mermaid"] | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Explain the document at PATH: a copy, a form, a source or a dead letter. Reads only.

    Says what a copy was built from, in which versions then and now, why and by which code, whether a fresh build is
    the same, who may read it, and what depends on it. Exit status 0, or 2 for an error.
    """
    from boiler_functions.cli.explain import explain as explained
    from boiler_functions.cli.explain import picture_of

    if graph is None and output is not None:
        raise click.UsageError("--output is the file of a picture. Add --graph svg, or leave it out.")
    found = explained(context, path, contents=contents and graph is None)
    if graph is None:
        found.show(context, as_json=as_json)
    else:
        put(picture_of(found.result, context.app.compiled.declarations, graph), output)


@click.command()
@click.argument("path", metavar="SOURCE")
@AS_JSON
@in_context
def impact(context: Context, path: str, as_json: bool) -> None:
    """Show which instances of which views a change of the document SOURCE would build. Reads only.

    Exit status 0, or 2 for an error.
    """
    from boiler_functions.cli.explain import impact as changed

    changed(context, path).show(context, as_json=as_json)


@click.group()
def builds() -> None:
    """List, watch, pause, resume or cancel builds that `boiler build --cloud` has begun.

    Exit status of each command: 0 done, 1 something is not as it should be, 2 an error with its code, 130 after Ctrl-C.
    """


@builds.command("list")
@AS_JSON
@in_context
def list_builds(context: Context, as_json: bool) -> None:
    """List the builds of the last 30 days, the latest first. Reads only."""
    from boiler_functions.cli.cloud_builds import list_builds as listed

    listed(context).show(context, as_json=as_json)


@builds.command("watch")
@click.argument("id")
@AS_JSON
@in_context
def watch_build(context: Context, id: str, as_json: bool) -> None:
    """Show how far the build ID is, until it ends or pauses. Reads only; Ctrl-C ends this command, not the build.

    Exit status 1 if an instance could not be built, or the build is paused or cancelled.
    """
    from boiler_functions.cli.cloud_builds import watch as watched

    watched(context, id, quiet=as_json).show(context, as_json=as_json)


@builds.command("pause")
@click.argument("id")
@AS_JSON
@in_context
def pause_build(context: Context, id: str, as_json: bool) -> None:
    """Pause the build ID, after the batch that is in work. Exit status 1 if the build has ended."""
    from boiler_functions.cli.cloud_builds import pause as paused

    paused(context, id).show(context, as_json=as_json)


@builds.command("resume")
@click.argument("id")
@AS_JSON
@in_context
def resume_build(context: Context, id: str, as_json: bool) -> None:
    """Let the paused build ID go on, within a minute. Exit status 1 if the build has ended."""
    from boiler_functions.cli.cloud_builds import resume as resumed

    resumed(context, id).show(context, as_json=as_json)


@builds.command("cancel")
@click.argument("id")
@AS_JSON
@in_context
def cancel_build(context: Context, id: str, as_json: bool) -> None:
    """End the build ID; what is built stays, and is right. Exit status 1 if the build has ended already."""
    from boiler_functions.cli.cloud_builds import cancel as cancelled

    cancelled(context, id).show(context, as_json=as_json)


@click.group()
def letters() -> None:
    """List, show, retry or drop dead letters: what failed and will fail again until something is mended.

    Exit status of each command: 0 done, 1 some letters are not done, 2 an error with its code.
    """


def _of_letters(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command ids and conditions, as the argument `chosen`."""

    def run(context: Context, /, *args: Any, **given: Any) -> Any:
        from boiler_functions.cli.letters import LetterChoice
        from boiler_functions.cli.output import age_of

        older, newer = (age_of(age) if (age := given.pop(name)) else None for name in ("older", "newer"))
        others = {name: given.pop(name) for name in ("ids", "kind", "view", "every") if name in given}
        return command(context, *args, chosen=LetterChoice(older=older, newer=newer, **others), **given)

    update_wrapper(run, command)
    options = (
        click.argument("ids", nargs=-1, metavar="[ID]..."),
        click.option("--kind", metavar="KIND", help="Only letters of this kind, such as schema or bug."),
        click.option("--view", metavar="NAME", help="Only letters about this view, form or receiver of changes."),
        click.option("--older", metavar="AGE", help="Only failures last seen before this time, such as 12h or 7d."),
        click.option("--newer", metavar="AGE", help="Only failures seen within this time, such as 30m."),
        AS_JSON,
    )
    for option in reversed(options):
        run = option(run)
    return run


_EVERY = click.option("--all", "every", is_flag=True, help="All letters that fit the conditions.")

_UNDELIVERED = click.option(
    "--undelivered",
    is_flag=True,
    help="Events that could not be delivered to a function at all, which a subscription of Pub/Sub keeps.",
)


@letters.command("list")
@_UNDELIVERED
@in_context
@_of_letters
def list_letters(context: Context, chosen: Any, undelivered: bool, as_json: bool) -> None:
    """List the letters, the latest failure first. Reads only."""
    if undelivered:
        from boiler_functions.cli.undelivered import list_undelivered as listed
    else:
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
@_UNDELIVERED
@in_context
@_of_letters
def retry_letters(context: Context, chosen: Any, undelivered: bool, as_json: bool) -> None:
    """Do the work of the letters again, with this checkout's code; a letter is deleted when its work is done.

    A form takes effect exactly once, however often it is tried again. A view is built from the documents as they are
    now. A change is delivered again under its key. An event that could not be delivered is handled as if it came late.
    """
    if undelivered:
        from boiler_functions.cli.undelivered import retry_undelivered as retried
    else:
        from boiler_functions.cli.letters import retry_letters as retried

    retried(context, chosen).show(context, as_json=as_json)


@letters.command("drop")
@_EVERY
@_UNDELIVERED
@click.option("--yes", is_flag=True, help="Do not ask.")
@in_context
@_of_letters
def drop_letters(context: Context, chosen: Any, undelivered: bool, yes: bool, as_json: bool) -> None:
    """Delete the letters, after asking. Their work is not done; a view that is owed a build stays so."""
    if undelivered:
        from boiler_functions.cli.undelivered import drop_undelivered as dropped
    else:
        from boiler_functions.cli.letters import drop_letters as dropped

    dropped(context, chosen, yes=yes).show(context, as_json=as_json)


@click.command()
@click.argument("model", required=False)
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    default=1000,
    metavar="N",
    show_default=True,
    help="Read N documents of a model.",
)
@click.option("--all", "every", is_flag=True, help="Read all documents instead.")
@_PAID
@AS_JSON
@in_context
def fit(context: Context, model: str | None, sample: int, every: bool, yes: bool, as_json: bool) -> None:
    """Show how the documents that are there fit MODEL, or all models of the app. Reads only.

    Says of each field how often a value does not fit, is read under a former name or is coerced, and how often the
    field is missing; and which fields no model declares. Each with the path of an example. Exit status 0 if all fit, 1
    if some do not, 2 for an error.
    """
    from boiler_functions.cli.fit import fit as fitted

    fitted(context, model, None if every else sample, yes=yes).show(context, as_json=as_json)


@click.command()
@click.argument("collection")
@click.option(
    "--sample", type=click.IntRange(min=1), default=300, metavar="N", show_default=True, help="Read N documents."
)
@AS_JSON
@in_context
def model(context: Context, collection: str, sample: int, as_json: bool) -> None:
    """Write a first model of COLLECTION, such as orders or users/{user_id}/notes, from documents. Reads only.

    Prints Python code. Exit status 0, 1 if the collection has no documents, or 2 for an error.
    """
    from boiler_functions.cli.model import model as written

    written(context, collection, sample).show(context, as_json=as_json)


@click.command()
@click.option("--dry-run", is_flag=True, help="Show what would change, with the fields before and after. Reads only.")
@click.option("--leave", is_flag=True, help="Count a step as done even if it leaves documents as they are.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@AS_JSON
@in_context
def migrate(context: Context, dry_run: bool, leave: bool, yes: bool, as_json: bool) -> None:
    """Run the steps of `@app.migration` that are not done, in their order; functions and clients may go on meanwhile.

    A document that a step cannot change, or that does not fit afterwards, is left and named; the next run tries it
    again, and no later step runs before. Exit status 0 if all steps are done, 1 if not, 2 for an error.
    """
    from boiler_functions.cli.migrate import migrate as migrated

    migrated(context, dry_run=dry_run, leave=leave, yes=yes).show(context, as_json=as_json)


@click.command()
@click.argument("file", required=False)
@click.option("--since", metavar="AGE", help="How far back. Default: 1d; or the latest run of `boiler dev`.")
@click.option(
    "--top", type=click.IntRange(min=1), metavar="N", default=10, show_default=True, help="Show N of each kind."
)
@AS_JSON
@in_context
def insights(context: Context, file: str | None, since: str | None, top: int, as_json: bool) -> None:
    """Show hot documents, most conflicts, documents near 1 MiB and the most expensive views, from the log. Reads only.

    Without FILE, asks gcloud for the project's log; or reads what `boiler dev` has logged, if an emulator is
    configured. FILE has entries of the log as JSON, one in a line or in an array; - is the standard input. Says since
    when it counts. Exit status 0, or 2 for an error.
    """
    from boiler_functions.cli.insights import insights as found
    from boiler_functions.cli.output import age_of

    found(context, file, age_of(since) if since else None, top).show(context, as_json=as_json)


@click.command()
@click.option("--port", default=4080, show_default=True, help="The port of the page, on this machine only.")
@click.option("--contents", is_flag=True, help="Show values of documents, and messages that may quote them.")
@click.option("--allow-changes", is_flag=True, help="Let the page build views again and retry letters.")
@in_context
def desk(context: Context, port: int, contents: bool, allow_changes: bool) -> None:
    """Serve a page that shows status, letters and any document, until Ctrl-C. Reads only, unless changes are allowed.

    The page has the rights of whoever starts it, and only a browser on this machine reaches it.
    """
    from boiler_functions.cli.desk.server import serve

    serve(context, port, contents=contents, changes=allow_changes)


COMMANDS = (status, audit, diff, explain, impact, insights, builds, letters, desk, fit, model, migrate)
