"""`boiler withdraw`: deletes the copies and ledgers of views that the app no longer declares."""

from __future__ import annotations

from rich.console import Console

from boiler_functions.cli.build import as_here
from boiler_functions.cli.context import Context
from boiler_functions.cli.errors import Unfinished
from boiler_functions.database import Database
from boiler_functions.exceptions import ConfigurationError
from boiler_functions.modes.registry import Registration, registration, registrations
from boiler_functions.modes.stored_copies import Removal


def withdraw(context: Context, console: Console, *, view: str | None, dropped: bool, former: str | None) -> None:
    """Deletes the copies and ledgers of the chosen views, and their registration."""
    database = context.database
    declared = context.app.compiled.declarations
    if former is None:
        found = registration(database, context.app.name)
        names = [*found.dropped] if dropped else [_undeclared(context, found, view)]
    else:
        found = _former(context, database, former)
        names = [view] if view else [*found.views, *found.dropped]
    if not names:
        console.print(f"{found.app} has dropped no view; nothing is left to withdraw.", highlight=False)
    for name in names:
        left = declared.storing().removal(declared, found.app, name, database, as_here(declared.stored))
        _withdraw(name, left, console)
        found = found.without(name)
        found.write(database)
    if former and not view:
        found.forget(database)


def _undeclared(context: Context, found: Registration, view: str | None) -> str:
    """Returns the view; raises ConfigurationError if it is None, or if the app still stores it."""
    if view and view not in {each.__name__ for each in context.app.declarations.stored}:
        return view
    seen = f"{view} is stored by {found.app}, which would build it again" if view else "No view is named"
    left = ", ".join(found.dropped) or "none"
    raise ConfigurationError(
        f"{seen}. Name a view that is no longer declared, or pass --dropped for all; there are: {left}."
    )


def _former(context: Context, database: Database, app: str) -> Registration:
    """Returns the registration of another app; raises ConfigurationError for this app, or one that was not deployed."""
    known = registrations(database)
    others = ", ".join(known.keys() - {context.app.name}) or "none"
    if app not in known or app == context.app.name:
        raise ConfigurationError(f"No other app {app!r} was deployed to this database; there are: {others}.")
    return known[app]


def _withdraw(view: str, left: Removal, console: Console) -> None:
    copies = changed = 0
    for deleted, others in left.delete():
        copies, changed = copies + deleted, changed + others
    console.print(f"{view}: {copies} copies are deleted, with their ledgers", highlight=False)
    if changed:
        raise Unfinished(
            f"{changed} instances of {view} changed during the withdrawal, and were kept. Remove the functions "
            f"that still build it (`boiler deploy --prune`), and run it again."
        )
