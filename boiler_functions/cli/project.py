"""Finds the project that a command works on: its pyproject.toml, its folder of functions, its app."""

from __future__ import annotations

import importlib
import sys
import tomllib
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from boiler_functions.app import Boiler
from boiler_functions.cli.errors import users_traceback
from boiler_functions.exceptions import BoilerError, ConfigurationError, DoesNotImport

PYPROJECT = "pyproject.toml"
TABLE = "[tool.boiler_functions]"
SOURCE = "functions"

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
"""The versions of Python that Google Cloud runs, of those that the package supports."""
PYTHON = "3.13"
"""The version of functions and services in the cloud, unless pyproject.toml names another one."""

_EXAMPLE = f'{TABLE} app = "my_module:app"'


@dataclass(frozen=True)
class Project:
    """The place of an app.

    `app` is "module:name". Its module is imported from `source`, the folder that is uploaded, as it is in the cloud;
    `folder` is the one of pyproject.toml. `stages` are its tables [tool.boiler_functions.env.…]. `python` is the
    version of Python that runs the functions in the cloud and in the emulators of firebase-tools. `watch` is the table
    [tool.boiler_functions.watch].
    """

    folder: Path
    source: Path
    app: str
    stages: Mapping[str, Any] = field(default_factory=dict)
    python: str = PYTHON
    watch: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def find(cls, app: str | None = None, start: Path | None = None) -> Project:
        """Reads the nearest pyproject.toml, upwards from `start`; `app` overrides the app that it names.

        If `app` is given, the table [tool.boiler_functions] may be missing; the source is then `start`.
        """
        start = start or Path.cwd()
        pyproject = next((path for each in (start, *start.parents) if (path := each / PYPROJECT).is_file()), None)
        table = _table(pyproject) if pyproject else None
        if pyproject is None or table is None:
            if app is None:
                raise ConfigurationError(_nothing_names_the_app(pyproject, start))
            return cls(start, start, app)
        stages = table.get("env", {})
        named = app or _app(pyproject, table)
        watch = table.get("watch", {})
        return cls(pyproject.parent, _source(pyproject, table), named, stages, _python(pyproject, table), watch)

    def load(self) -> Boiler:
        """Imports and returns the app; raises ConfigurationError if the module has no app of this name."""
        module_name, colon, name = self.app.partition(":")
        if not colon or not module_name or not name:
            raise ConfigurationError(
                f"The app {self.app!r} is not of the form 'module:name'. Write it like 'meeting_room:app'."
            )
        if (package := module_name.partition(".")[0]) in sys.stdlib_module_names:
            # Python may have imported its own already, or would give the user's file to its own modules.
            raise ConfigurationError(
                f"The app's module {package!r} has the name of a module of Python's standard library, and one would be "
                f"imported for the other. Rename {package}.py, and name it in 'app' of {PYPROJECT} (or in --app)."
            )
        module = self._import(module_name)
        app = getattr(module, name, None)
        if not isinstance(app, Boiler):
            found = [key for key, value in vars(module).items() if isinstance(value, Boiler)]
            seen = "does not exist" if app is None else f"is {type(app)}, not a Boiler"
            hint = f"{module_name} has {', '.join(found)}." if found else f'Write `{name} = Boiler("…")` there.'
            raise ConfigurationError(f"{name!r} in {module.__file__} {seen}. {hint}")
        return app

    def _import(self, name: str) -> Any:
        sys.path.insert(0, str(self.source))
        try:
            return importlib.import_module(name)
        except BoilerError as error:
            if at := self._line_of(error):
                error.add_note(at)
            raise
        except Exception as error:
            if isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}."):
                raise ConfigurationError(
                    f"The folder {self.source} has no module {name!r}. Correct 'app' in {PYPROJECT} (or --app), or "
                    f'name the module\'s folder there: source = "…".'
                ) from error
            click.echo(users_traceback(error, str(self.source)), err=True)
            said = traceback.format_exception_only(error)[-1].strip()
            raise DoesNotImport(f"The app's module {name!r} does not import: {said}") from error

    def _line_of(self, error: BoilerError) -> str | None:
        """Returns the user's line that led to the error."""
        frames = traceback.extract_tb(error.__traceback__)
        own = [
            f"  at {each.filename}:{each.lineno}" for each in frames if Path(each.filename).is_relative_to(self.source)
        ]
        return own[-1] if own else None


def _table(pyproject: Path) -> dict[str, Any] | None:
    try:
        content = tomllib.loads(pyproject.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{pyproject} cannot be read: {error}.") from error
    table: dict[str, Any] | None = content.get("tool", {}).get("boiler_functions")
    return table


def _nothing_names_the_app(pyproject: Path | None, start: Path) -> str:
    if pyproject is None:
        return f"There is no {PYPROJECT} in {start} or above. Write one with {_EXAMPLE}, or give --app module:name."
    return f"{pyproject} has no table {TABLE}. Add {_EXAMPLE}, or give --app module:name."


def _app(pyproject: Path, table: dict[str, Any]) -> str:
    app = table.get("app")
    if not isinstance(app, str):
        raise ConfigurationError(f"{TABLE} in {pyproject} names no app. Add app = 'my_module:app'.")
    return app


def _source(pyproject: Path, table: dict[str, Any]) -> Path:
    source = pyproject.parent / str(table.get("source", SOURCE))
    if not source.is_dir():
        raise ConfigurationError(
            f"The folder {source}, which holds main.py and is uploaded, does not exist. "
            f'Create it, or name another one under {TABLE} in {pyproject}: source = "."'
        )
    return source


def _python(pyproject: Path, table: dict[str, Any]) -> str:
    python = table.get("python", PYTHON)
    if python not in PYTHONS:
        raise ConfigurationError(
            f"{TABLE} in {pyproject} has python = {python!r}. Write one of {', '.join(map(repr, PYTHONS))}, which "
            f"Google Cloud runs."
        )
    return str(python)


def runtime_of(python: str) -> str:
    """Returns the name that Google gives to a version of Python: `runtime_of("3.13")` is `"python313"`."""
    return f"python{python.replace('.', '')}"
