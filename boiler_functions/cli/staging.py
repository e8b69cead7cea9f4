"""The commands for staged versions: a view by newer code, built beside what is shown, until it takes its place.

Each command calls the module that does its work, and is added to `boiler` in `commands`.
"""

from __future__ import annotations

import click

from boiler_functions.cli.context import Context, in_context
from boiler_functions.cli.output import AS_JSON
from boiler_functions.cli.throughput import for_throughput

_YES = click.option("--yes", is_flag=True, help="Do not ask.")


@click.command()
@click.argument("view")
@_YES
@AS_JSON
@in_context
@for_throughput()
def stage(context: Context, view: str, yes: bool, as_json: bool) -> None:
    """Build VIEW by this checkout's code beside what is shown, where nobody sees it.

    Asks first, and says what it costs. In the cloud, it deploys functions that follow changes for the staged version,
    beside production's; `boiler dev` runs them beside the app, which keeps its code; against another emulator, nothing
    does but `LocalStack.stage`. Exit status 0 if all instances are built, 1 if not, 2 for an error.
    """
    from boiler_functions.cli.staged import stage as staged

    staged(context, view, yes=yes).show(context, as_json=as_json)


@click.command()
@click.argument("view")
@click.option("--for", "patience", default="10m", metavar="AGE", show_default=True, help="How long to wait.")
@click.option("--late", default="2m", metavar="AGE", show_default=True, help="How long a build may be owed.")
@AS_JSON
@in_context
def wait(context: Context, view: str, patience: str, late: str, as_json: bool) -> None:
    """Wait until the staged version of VIEW is ready: all of it is built, and nothing is owed. Reads only.

    Until then it is building, late or failing. Exit status 0 if it is ready, 1 if it is not within the time, 2 for an
    error.
    """
    from boiler_functions.cli.output import age_of
    from boiler_functions.cli.staged import wait as waited

    waited(context, view, patience=age_of(patience), late=age_of(late)).show(context, as_json=as_json)


@click.command()
@click.argument("view")
@_YES
@AS_JSON
@in_context
@for_throughput()
def promote(context: Context, view: str, yes: bool, as_json: bool) -> None:
    """Show the staged version of VIEW, while writers write and clients listen; asks first.

    Each instance is swapped in one commit. A run that was stopped, or left some behind, can be run again. Exit status
    0 if nothing is left, 1 if something is, 2 for an error, such as a deployment since the version was staged.
    """
    from boiler_functions.cli.staged import promote as promoted

    promoted(context, view, yes=yes).show(context, as_json=as_json)


@click.command()
@click.argument("view", required=False)
@click.option("--to", type=int, metavar="DEPLOYMENT", help="Without VIEW: go back to the deployment of this number.")
@_YES
@AS_JSON
@in_context
@for_throughput()
def rollback(context: Context, view: str | None, to: int | None, yes: bool, as_json: bool) -> None:
    """Show the former version of VIEW again; without VIEW, give functions' traffic to their former revisions.

    Says what it changes, and asks first. The staged version of VIEW stays, and can be promoted again. Without VIEW, it
    takes back what the latest deployment has replaced; this is refused if the former functions build views by other
    code or have other triggers: then deploy the former code. Exit status 0 if nothing is left, 1 if something is, 2 for
    an error.
    """
    if view is None:
        from boiler_functions.cli.rollback import roll_back

        roll_back(context, to, yes=yes).show(context, as_json=as_json)
        return
    if to is not None:
        raise click.UsageError(f"--to is of functions; without it, {view} goes back to its former version.")
    from boiler_functions.cli.staged import rollback as rolled_back

    rolled_back(context, view, yes=yes).show(context, as_json=as_json)


@click.command()
@click.argument("view")
@_YES
@AS_JSON
@in_context
def abort(context: Context, view: str, yes: bool, as_json: bool) -> None:
    """Delete the staged version of VIEW, which is not promoted; asks first."""
    from boiler_functions.cli.staged import abort as aborted

    aborted(context, view, yes=yes).show(context, as_json=as_json)


@click.command()
@click.argument("view")
@_YES
@AS_JSON
@in_context
def finish(context: Context, view: str, yes: bool, as_json: bool) -> None:
    """Delete the former version of VIEW, once a deployment has made the promoted code production's; asks first.

    `boiler dev` is that deployment by itself.
    """
    from boiler_functions.cli.staged import finish as finished

    finished(context, view, yes=yes).show(context, as_json=as_json)


COMMANDS = (stage, wait, promote, rollback, abort, finish)
