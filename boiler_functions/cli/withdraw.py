"""`boiler withdraw`: deletes the copies and ledgers of views that the app no longer declares."""

from __future__ import annotations

from typing import NamedTuple

from boiler_functions.cli.build import as_here
from boiler_functions.cli.context import Context
from boiler_functions.cli.output import Output, Tell, announce
from boiler_functions.database import Database
from boiler_functions.exceptions import ConfigurationError
from boiler_functions.modes.registry import Registration, registration, registrations
from boiler_functions.modes.stored_copies import Removal


class Withdrawn(NamedTuple):
    """A view with the number of its copies that are deleted, and of its instances that changed and are kept."""

    view: str
    copies: int
    changed: int


def withdraw(context: Context, tell: Tell, *, view: str | None, dropped: bool, former: str | None) -> Output:
    """Deletes the copies and ledgers of the chosen views, and their registration; fine if none changed meanwhile."""
    database = context.database
    declared = context.app.compiled.declarations
    if former is None:
        found = registration(database, context.app.name)
        names = [*found.dropped] if dropped else [_undeclared(context, found, view)]
    else:
        found = _former(context, database, former)
        names = [view] if view else [*found.views, *found.dropped]
    announce(context)
    if not names:
        tell(f"{found.app} has dropped no view; nothing is left to withdraw.")
    done = []
    for name in names:
        left = declared.storing().removal(declared, found.app, name, database, as_here(declared.stored))
        done.append(_withdraw(name, left, tell))
        if not done[-1].changed:
            found = found.without(name)
            found.write(database)
    is_fine = not any(each.changed for each in done)
    if former and not view and is_fine:
        found.forget(database)
    return Output("withdraw", {"of": found.app, "views": [each._asdict() for each in done]}, (), is_fine)


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


def _withdraw(view: str, left: Removal, tell: Tell) -> Withdrawn:
    copies = changed = 0
    for deleted, others in left.delete():
        copies, changed = copies + deleted, changed + others
    tell(f"{view}: {copies} copies are deleted, with their ledgers")
    if changed:
        tell(
            f"{changed} instances of {view} changed during the withdrawal, and were kept. Remove the functions "
            f"that still build it (`boiler deploy --prune`), and run it again."
        )
    return Withdrawn(view, copies, changed)
