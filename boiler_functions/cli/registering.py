"""Compares an app with what the database has registered: earlier deployments of it, and other apps."""

from __future__ import annotations

from dataclasses import dataclass

from boiler_functions.database import Database
from boiler_functions.modes.mode import Declarations
from boiler_functions.modes.registry import Registration, registrations
from boiler_functions.views.totals import kept_totals
from boiler_functions.views.view_model import View


@dataclass(frozen=True)
class Registering:
    """The registration of an app as it is declared now, and the former one."""

    former: Registration
    now: Registration

    @classmethod
    def of(cls, declarations: Declarations, database: Database, deployment: int = 0) -> Registering:
        """Reads the registrations; raises OverlappingPaths if another app has documents at the same paths."""
        found = registrations(database)
        declared = _declared(declarations, deployment)
        declared.check(found)
        former = found.get(declared.app, Registration(declared.app))
        return cls(former, declared.after(former))

    def write(self, database: Database) -> None:
        """Commits the registration of the app as it is declared now; totals that are newly kept are not whole."""
        self.now.write(database, {head for heads in self.now.newly_kept(self.former).values() for head in heads})

    @property
    def unfilled(self) -> list[str]:
        """The views with totals that are kept from now on, and lack the documents that were there before."""
        return list(self.now.newly_kept(self.former))

    @property
    def unbuilt(self) -> list[str]:
        """The views that have no copies of existing documents yet: new views, and those with new sources."""
        return [
            name
            for name, path in self.now.views.items()
            if self.former.views.get(name) != path
            or set(self.now.sources[name]) - set(self.former.sources.get(name, ()))
        ]


def _declared(declarations: Declarations, deployment: int) -> Registration:
    forms = {each.view: mode.form(each) for mode, each in declarations.all if each.view is not None}
    return Registration(
        declarations.app,
        {view.__name__: view.pattern().text for view in declarations.stored},
        {view.__name__: pattern.text for view, pattern in forms.items() if pattern},
        {view.__name__: _sources(view) for view in declarations.stored},
        deployment=deployment,
        kept={view.__name__: heads for view in declarations.stored if (heads := _heads(view))},
    )


def _heads(view: View) -> list[str]:
    return sorted(keeping.head for _, keeping in kept_totals([view.store_class]))


def _sources(view: View) -> list[str]:
    return sorted({source.model.pattern().text for source in view.store_class.sources})
