"""The context of a command: the app and its stage, the project, the region, the database, the credentials.

Each is found when it is first used. Options of the command line come before environment variables, and these before
pyproject.toml:

    [tool.boiler_functions]
    app = "meeting_room:app"

    [tool.boiler_functions.env.prod]        # boiler --env prod, or BOILER_ENV=prod
    project = "my-company-prod"
    region = "europe-west1"
    credentials = "keys/prod.json"
    min_instances = 1                       # any option of an app
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, update_wrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from boiler_functions.app import Boiler
from boiler_functions.cli.project import PYPROJECT, TABLE, Project
from boiler_functions.compile.compiler import Compiled, compile_declarations
from boiler_functions.database.variables import DATABASE, EMULATOR_HOST, PROJECT
from boiler_functions.exceptions import ConfigurationError, DeclarationError, NoSuchProject
from boiler_functions.manifest import Manifest
from boiler_functions.modes.release import Release
from boiler_functions.modes.source_code import code_fingerprints
from boiler_functions.settings.options import AppOptions, Options

if TYPE_CHECKING:
    from boiler_functions.database.firestore import FirestoreDatabase

ENV = "BOILER_ENV"
REGION = "BOILER_REGION"
CREDENTIALS = "GOOGLE_APPLICATION_CREDENTIALS"

# The variables that Google's own tools read; the first that is set counts.
_PROJECTS = (PROJECT, "GCLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT")


@dataclass(frozen=True)
class Stage:
    """The project, credentials and options with which an app is deployed."""

    name: str | None = None
    project: str | None = None
    credentials: str | None = None
    options: Options = Options()  # noqa: RUF009  # frozen
    watch: Any = None
    """The table that says how the stage is watched, as it stands in pyproject.toml."""

    @classmethod
    def of(cls, project: Project, name: str | None) -> Stage:
        """Reads a stage of pyproject.toml; raises ConfigurationError if it is missing or malformed."""
        if name is None:
            return cls()
        where = f"{TABLE[:-1]}.env.{name}] in {project.folder / PYPROJECT}"
        if not isinstance(table := project.stages.get(name), Mapping):
            known = f"it has {', '.join(sorted(project.stages))}" if project.stages else "it has none"
            raise ConfigurationError(
                f"{project.folder / PYPROJECT} has no stage {name!r}; {known}. "
                f'Add {TABLE[:-1]}.env.{name}] with project = "…".'
            )
        rest = {key: value for key, value in table.items() if key not in ("project", "credentials", "watch")}
        try:
            options = Options.of(where, rest, AppOptions)
        except DeclarationError as error:
            raise ConfigurationError(str(error)) from error
        key_file = _key_file(where, table, project.folder)
        return cls(name, _text(where, table, "project"), key_file, options, table.get("watch"))


class Context:
    """The context of a command, found lazily.

    context = Context(env="prod")
    context.project_id, context.region, context.manifest, context.database
    """

    def __init__(
        self,
        *,
        app: str | None = None,
        env: str | None = None,
        project: str | None = None,
        region: str | None = None,
        database: str | None = None,
        environ: Mapping[str, str] = os.environ,
        start: Path | None = None,
    ) -> None:
        self._app, self._env = app, env
        self._project, self._region, self._database = project, region, database
        self._environ = environ
        self._start = start

    @cached_property
    def project(self) -> Project:
        """The folder of the app."""
        return Project.find(self._app, self._start)

    @cached_property
    def stage(self) -> Stage:
        """The stage that was chosen; else the one with the project that was chosen; else an empty one."""
        return Stage.of(self.project, self._env or self._environ.get(ENV) or self._stage_of_project())

    def _stage_of_project(self) -> str | None:
        # firebase-tools passes its predeploy commands the project, but no stage.
        project = self._project or _project_in(self._environ)
        tables = self.project.stages.items()
        found = [
            name for name, table in tables if project and isinstance(table, dict) and table.get("project") == project
        ]
        if len(found) > 1:
            raise ConfigurationError(
                f"The stages {' and '.join(found)} of {self.project.folder / PYPROJECT} are both in the project "
                f"{project}. Say which: --env {found[0]}, or {ENV}={found[0]}."
            )
        return next(iter(found), None)

    @cached_property
    def app(self) -> Boiler:
        return self.project.load()

    @cached_property
    def compiled(self) -> Compiled:
        """The app compiled with the options of this context; options of a view or a function come before these."""
        given = {"region": self._region, "database": self._database}
        found = {"region": self._environ.get(REGION), "database": self._environ.get(DATABASE)}
        place = self.stage.options.merged(_options("the environment", found)).merged(
            _options("the command line", given)
        )
        return compile_declarations(self.app.declarations.with_options(place))

    @property
    def manifest(self) -> Manifest:
        return self.compiled.manifest

    @property
    def region(self) -> str:
        """The default region."""
        return self.compiled.declarations.options.region or ""

    @property
    def database_id(self) -> str:
        return self.compiled.declarations.database

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that the functions need because their code declares another database."""
        declared = self.app.declarations.database
        return {} if self.database_id == declared else {DATABASE: self.database_id}

    @cached_property
    def project_id(self) -> str:
        """The Google Cloud project; raises NoSuchProject if none is configured."""
        if found := self.named_project:
            return found
        raise NoSuchProject(
            f'No project is named. Give --project, set {PROJECT}, or write project = "…" in '
            f"{TABLE[:-1]}.env.{self.stage.name or 'prod'}] of {self.project.folder / PYPROJECT}."
        )

    @cached_property
    def named_project(self) -> str | None:
        """The project of the command line, the environment, or the stage; None leaves it to the credentials."""
        return self._project or _project_in(self._environ) or self.stage.project

    @property
    def key_file(self) -> str | None:
        """The stage's key file, unless the environment names one; None leaves it to Google's own search."""
        return None if self._environ.get(CREDENTIALS) else self.stage.credentials

    @property
    def emulator(self) -> str | None:
        """The address of the Firestore emulator, if one is configured."""
        return self._environ.get(EMULATOR_HOST) or None

    @cached_property
    def release(self) -> Release:
        """The release that a deployment from here makes; its number is the time, so that later ones are larger."""
        now = time.time_ns()
        return Release.begun(now // 1_000_000_000, now, code_fingerprints(self.app.declarations.stored))

    @property
    def has_database(self) -> bool:
        """Whether a database is configured that can be read without a sign-in."""
        return bool(self.emulator or self.key_file or self._environ.get(CREDENTIALS))

    @cached_property
    def database(self) -> FirestoreDatabase:
        """The database; its connection opens with the first call."""
        from boiler_functions.database.firestore import connect

        return connect(self.named_project, self.database_id, self.key_file)

    def __str__(self) -> str:
        named = {
            "stage": self.stage.name,
            "project": self.named_project,
            "region": self.region,
            "database": self.database_id,
            "emulator": self.emulator,
        }
        return ", ".join(f"{name} {value}" for name, value in named.items() if value)


def _project_in(environ: Mapping[str, str]) -> str | None:
    return next((value for name in _PROJECTS if (value := environ.get(name))), None)


def is_demo(project: str) -> bool:
    """Whether the project is one of emulators, by its name: Google Cloud has none with such a name."""
    return project.startswith("demo-")


def in_context(command: Callable[..., Any]) -> Callable[..., Any]:
    """Gives a command a Context as its first argument, and the options --env, --project, --region and --database."""

    def run(app: str | None, /, *args: Any, **given: Any) -> Any:
        place = {name: given.pop(name) for name in ("env", "project", "region", "database")}
        return command(Context(app=app, **place), *args, **given)

    update_wrapper(run, command)
    for name, metavar, text in reversed(_OPTIONS):
        run = click.option(f"--{name}", metavar=metavar, help=text)(run)
    return click.pass_obj(run)


_OPTIONS = (
    ("env", "NAME", f"The stage of pyproject.toml. Default: {ENV}, or the stage of the project."),
    ("project", "ID", f"The Google Cloud project. Default: {PROJECT}, or the stage's."),
    ("region", "REGION", f"The region of functions without one. Default: {REGION}, or the stage's, or the app's."),
    ("database", "ID", f"The Firestore database. Default: {DATABASE}, or the stage's, or the app's."),
)


def _options(where: str, given: Mapping[str, str | None]) -> Options:
    try:
        return Options.of(where, {name: value or None for name, value in given.items()}, AppOptions)
    except DeclarationError as error:
        raise ConfigurationError(str(error)) from error


def _text(where: str, table: Mapping[str, Any], name: str) -> str | None:
    value = table.get(name)
    if value is not None and (not isinstance(value, str) or not value):
        raise ConfigurationError(f'{where}: {name} is {value!r}; write {name} = "…".')
    return value


def _key_file(where: str, table: Mapping[str, Any], folder: Path) -> str | None:
    if (name := _text(where, table, "credentials")) is None:
        return None
    path = folder / Path(name).expanduser()
    if not path.is_file():
        raise ConfigurationError(
            f"{where}: the key file {path} does not exist. Put it there, or leave `credentials` out and "
            f"run 'gcloud auth application-default login'."
        )
    return str(path)
