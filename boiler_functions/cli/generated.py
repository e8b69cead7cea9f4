"""The files that firebase-tools reads, and that `boiler compile` writes from what the app declares.

functions.yaml lies beside main.py; firestore.indexes.json, firebase.json and .env.PROJECT as firebase-tools looks for
them. In firestore.indexes.json what others wrote there stays, and a firebase.json that exists is left as it is.

Where the package is no release, its wheel is uploaded, too: then firebase.json takes the functions from a folder that
`boiler compile` stages, as it does by itself before a deployment.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boiler_functions.cli.build import FOLDER, build_folder
from boiler_functions.cli.context import Context
from boiler_functions.cli.functions_yaml import NAME, functions_yaml
from boiler_functions.cli.upload import is_complete, is_released, stage_for_firebase
from boiler_functions.exceptions import ConfigurationError
from boiler_functions.plan.indexes import Indexes, merged

FIREBASE = "firebase.json"
INDEXES = "firestore.indexes.json"
RULES = "firestore.rules"
STAGED = f"{FOLDER}/firebase"

# https://firebase.google.com/docs/functions/manage-functions#set_runtime_options
_RUNTIMES = range(10, 15)


@dataclass(frozen=True)
class Generated:
    """A file, and what it must contain."""

    path: Path
    text: str

    @property
    def is_stale(self) -> bool:
        return not self.path.is_file() or self.path.read_text() != self.text

    def write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(self.text)


def generated(context: Context) -> Iterator[Generated]:
    """All files, as they must be for the app and its stage."""
    folder, source = context.project.folder, context.project.source
    yield Generated(source / NAME, functions_yaml(context.manifest))
    yield Generated(folder / INDEXES, indexes_json(context))
    if not (folder / FIREBASE).is_file():
        yield Generated(folder / FIREBASE, firebase_json(folder, source))
    if context.environment:
        # firebase-tools takes the variables of functions from this file, and from it alone.
        path = source / f".env.{context.project_id}"
        yield Generated(path, _with_variables(path, context.environment))


def read_indexes(context: Context) -> Any:
    """The content of firestore.indexes.json, empty where there is none; raises ConfigurationError for no JSON."""
    path = context.project.folder / INDEXES
    try:
        return json.loads(path.read_text()) if path.is_file() else {}
    except ValueError as error:
        raise _unreadable(path, error) from error


def indexes_json(context: Context) -> str:
    """The text of firestore.indexes.json; raises ConfigurationError when what is there is none."""
    try:
        return _json(merged(read_indexes(context), Indexes.of(context.compiled.declarations)))
    except (KeyError, TypeError, AttributeError) as error:
        raise _unreadable(context.project.folder / INDEXES, error) from error


def _unreadable(path: Path, error: Exception) -> ConfigurationError:
    return ConfigurationError(f"{path} cannot be read: {error!r}. Correct it, or delete it to have it written anew.")


def firebase_json(folder: Path, source: Path) -> str:
    """The text of a firebase.json that leads firebase-tools to the other files."""
    minor = min(max(sys.version_info.minor, _RUNTIMES.start), _RUNTIMES.stop - 1)
    functions = {
        "codebase": "default",
        "source": os.path.relpath(source, folder) if is_released() else STAGED,
        "runtime": f"python3{minor}",
        "ignore": ["venv", ".venv", "__pycache__", "*.log"],
        **({} if is_released() else {"predeploy": ["boiler compile"]}),
    }
    return _json(
        {
            "firestore": {"rules": RULES, "indexes": INDEXES},
            "functions": [functions],
            "emulators": {"ui": {"enabled": False}, "singleProjectMode": True},
        }
    )


def stage_functions(context: Context) -> Path | None:
    """The folder that firebase.json takes the functions from, staged; None where it takes the sources themselves."""
    project = context.project
    path = project.folder / FIREBASE
    try:
        functions = json.loads(path.read_text()).get("functions", [])
    except (ValueError, AttributeError) as error:
        raise _unreadable(path, error) from error
    listed = functions if isinstance(functions, list) else [functions]
    if not is_complete(project.source) or STAGED not in [each.get("source") for each in listed]:
        return None
    build_folder(project.folder)
    return stage_for_firebase(project.source, context.manifest, project.folder / STAGED).folder


def _with_variables(path: Path, variables: dict[str, str]) -> str:
    lines = path.read_text().splitlines() if path.is_file() else []
    kept = [line for line in lines if line.partition("=")[0].strip() not in variables]
    return "".join(f"{line}\n" for line in (*kept, *(f"{name}={value}" for name, value in variables.items())))


def _json(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
