"""Reads how an app is watched from pyproject.toml: [tool.boiler_functions.watch], and `watch` of a stage before it.

[tool.boiler_functions.watch]
channels = ["projects/my-project/notificationChannels/123"]
lag = "5m"

[tool.boiler_functions.env.dev.watch]
enabled = false
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import timedelta
from typing import Any

from boiler_functions.cli.context import Context
from boiler_functions.cli.output import age_of
from boiler_functions.cli.project import PYPROJECT, TABLE
from boiler_functions.exceptions import ConfigurationError
from boiler_functions.plan.watching import Watch

_KNOWN = tuple(each.name for each in fields(Watch))

_LONGEST = timedelta(hours=23)
"""Cloud Monitoring looks no further back."""


def watch_of(context: Context) -> Watch:
    """Returns how the app of the context is watched."""
    project, stage = context.project, context.stage
    where = f"in {project.folder / PYPROJECT}"
    tables = {f"{TABLE[:-1]}.watch] {where}": project.watch}
    if stage.watch is not None:
        tables[f"{TABLE[:-1]}.env.{stage.name}.watch] {where}"] = stage.watch
    found = [_settings(title, table) for title, table in tables.items()]
    return Watch(**{name: value for each in found for name, value in each.items()})


def _settings(where: str, table: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings of a table; raises ConfigurationError, which begins with `where`, for anything else."""
    if not isinstance(table, Mapping):
        raise ConfigurationError(f'{where} is {table!r}. Write a table, such as lag = "2m".')
    if unknown := [each for each in table if each not in _KNOWN]:
        raise ConfigurationError(f"{where} has {unknown[0]!r}. It has {', '.join(_KNOWN)}.")
    return {name: _READ.get(name, _age)(f"{where}: {name}", value) for name, value in table.items()}


def _switch(where: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ConfigurationError(f"{where} is {value!r}. Write true or false.")
    return value


def _channels(where: str, value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(
        isinstance(each, str) and "/notificationChannels/" in each for each in value
    ):
        raise ConfigurationError(
            f"{where} is {value!r}. Write a list of names, as `gcloud beta monitoring channels list` prints them: "
            f'["projects/my-project/notificationChannels/123"].'
        )
    return tuple(value)


def _age(where: str, value: object) -> timedelta:
    age = age_of(value) if isinstance(value, str) else timedelta()
    if not timedelta(minutes=1) <= age <= _LONGEST:
        raise ConfigurationError(f'{where} is {value!r}. Write an age from one minute to 23 hours, such as "5m".')
    return age


_READ: Mapping[str, Callable[[str, object], Any]] = {"enabled": _switch, "channels": _channels}
