"""The files that `boiler compile` writes for firebase-tools, from what the app declares.

functions.yaml lies beside main.py; firestore.indexes.json, firebase.json and .env.PROJECT lie where firebase-tools
reads them. Indexes that others wrote into firestore.indexes.json are kept; an existing firebase.json is not changed.

firebase.json names a staged folder as the source of the functions. firebase-tools runs `boiler compile` before each
deployment, which stages the folder: without files that git or gcloud ignores, and with a wheel of this package unless
a release of it is installed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from boiler_functions.cli import jsonc
from boiler_functions.cli.build import FOLDER, build_folder
from boiler_functions.cli.context import Context
from boiler_functions.cli.functions_yaml import NAME, functions_yaml
from boiler_functions.cli.upload import RUNTIME, is_complete, stage_for_firebase
from boiler_functions.exceptions import ConfigurationError
from boiler_functions.plan.indexes import Indexes, merged

FIREBASE = "firebase.json"
INDEXES = "firestore.indexes.json"
RULES = "firestore.rules"
STAGED = f"{FOLDER}/firebase"


@dataclass(frozen=True)
class Generated:
    """A file, and the text that it must contain."""

    path: Path
    text: str

    @property
    def is_stale(self) -> bool:
        return not self.path.is_file() or self.path.read_text() != self.text

    def write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(self.text)


def generated(context: Context) -> Iterator[Generated]:
    """Yields all files with their text for the app and its stage."""
    folder, source = context.project.folder, context.project.source
    # Read before anything is written, so that a mistake in it leaves all files unchanged.
    firebase = read_firebase(context)
    yield Generated(source / NAME, functions_yaml(context.manifest))
    yield Generated(folder / INDEXES, indexes_json(context))
    if firebase is None:
        yield Generated(folder / FIREBASE, firebase_json())
    if context.environment:
        # firebase-tools reads the environment variables of functions only from this file.
        path = source / f".env.{context.project_id}"
        yield Generated(path, _with_variables(path, context.environment))


def read_indexes(context: Context) -> Any:
    """Reads firestore.indexes.json, empty if it is missing; raises ConfigurationError if it is not JSON."""
    content = _read(context.project.folder / INDEXES)
    return {} if content is None else content


def read_firebase(context: Context) -> Mapping[str, Any] | None:
    """Reads firebase.json, None if it is missing; raises ConfigurationError if it is not a JSON object."""
    path = context.project.folder / FIREBASE
    content = _read(path)
    if content is not None and not isinstance(content, dict):
        raise _unreadable(path, TypeError("it is not a JSON object"))
    return content


def _read(path: Path) -> Any:
    try:
        return jsonc.loads(path.read_text()) if path.is_file() else None
    except ValueError as error:
        raise _unreadable(path, error) from error


def indexes_json(context: Context) -> str:
    """Returns the text of firestore.indexes.json; raises ConfigurationError if the existing file is malformed."""
    path = context.project.folder / INDEXES
    present = read_indexes(context)
    try:
        wanted = merged(present, Indexes.of(context.compiled.declarations))
    except (KeyError, TypeError, AttributeError) as error:
        raise _unreadable(path, error) from error
    # Unchanged if nothing is missing, because writing it as JSON would lose its comments.
    return path.read_text() if wanted == present else _json(wanted)


def _unreadable(path: Path, error: Exception) -> ConfigurationError:
    return ConfigurationError(f"{path} cannot be read: {error!r}. Correct it, or delete it and run the command again.")


def firebase_json() -> str:
    """Returns the text of a firebase.json that names the other files."""
    functions = {
        "codebase": "default",
        "source": STAGED,
        "runtime": RUNTIME,
        "ignore": ["venv", ".*", "__pycache__", "*.log"],
        "predeploy": ["boiler compile"],
    }
    return _json(
        {
            "firestore": {"rules": RULES, "indexes": INDEXES},
            "functions": [functions],
            # Without the Auth emulator, emulated functions would verify each token with Google, and answer 503.
            "emulators": {"auth": {"port": 9099}, "ui": {"enabled": False}, "singleProjectMode": True},
        }
    )


def stage_functions(context: Context) -> Path | None:
    """Stages and returns the folder that firebase.json names; None if it names the sources themselves."""
    project = context.project
    functions = (read_firebase(context) or {}).get("functions", [])
    listed = functions if isinstance(functions, list) else [functions]
    record = next((each for each in listed if isinstance(each, dict) and each.get("source") == STAGED), None)
    if record is None or not is_complete(project.source):
        return None
    _check_variables(project.folder / FIREBASE, project.source, record.get("ignore", ()))
    build_folder(project.folder)
    return stage_for_firebase(project, context.manifest, project.folder / STAGED, context.release).folder


def _check_variables(path: Path, source: Path, ignored: list[str]) -> None:
    """Raises ConfigurationError if firebase-tools would upload a .env file with the functions."""
    for file in source.glob(".env*"):
        if not any(fnmatchcase(file.name, each) for each in ignored):
            raise ConfigurationError(
                f'{path} would upload {file} with the functions. Add ".*" to "ignore" in its "functions"; '
                f"firebase-tools sets the variables of an ignored file too."
            )


def _with_variables(path: Path, variables: dict[str, str]) -> str:
    lines = path.read_text().splitlines() if path.is_file() else []
    kept = [line for line in lines if line.partition("=")[0].strip() not in variables]
    return "".join(f"{line}\n" for line in (*kept, *(f"{name}={value}" for name, value in variables.items())))


def _json(content: Any) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
