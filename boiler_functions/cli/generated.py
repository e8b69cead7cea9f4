"""The files that `boiler compile` and `boiler rules` write for firebase-tools, from what the app declares.

functions.yaml lies beside main.py; firestore.indexes.json, firestore.rules, firebase.json and .env.PROJECT lie where
firebase-tools reads them. What others wrote into the indexes and the rules is kept; an existing firebase.json is not
changed.

firebase.json names a staged folder as the source of the functions. firebase-tools runs `boiler compile` before each
deployment, which stages the folder: without files that git or gcloud ignores, and with a wheel of this package unless
a release of it is installed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from boiler_functions.cli.codebases import check_codebases
from boiler_functions.cli.context import Context
from boiler_functions.cli.firebase_json import INDEXES, RULES, STAGED, FirebaseJson, read_json, unreadable
from boiler_functions.cli.folder import own_folder
from boiler_functions.cli.functions_yaml import HEADER, NAME, functions_yaml
from boiler_functions.cli.own_functions import own_functions
from boiler_functions.cli.project import runtime_of
from boiler_functions.cli.upload import is_complete, stage_for_firebase
from boiler_functions.exceptions import ConfigurationError
from boiler_functions.plan import security_rules
from boiler_functions.plan.indexes import Indexes, merged


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
    source = context.project.source
    # Read before anything is written, so that a mistake in it leaves all files unchanged.
    firebase = FirebaseJson.find(context.project)
    check_codebases(context.project, context.manifest)
    if not hidden_functions(context):
        yield Generated(source / NAME, _functions_yaml(context))
    yield Generated(firebase.indexes, indexes_json(context))
    if not firebase.exists:
        yield Generated(firebase.path, firebase.with_codebase(context.project, context.app.name))
    if context.environment:
        # firebase-tools reads the environment variables of functions only from this file.
        path = source / f".env.{context.project_id}"
        yield Generated(path, _with_variables(path, context.environment))


def hidden_functions(context: Context) -> Sequence[str]:
    """Returns the functions that a functions.yaml would hide from firebase-tools.

    firebase-tools runs main.py to find functions of firebase-functions, unless a functions.yaml lies beside it.
    """
    source = context.project.source
    return own_functions(source) if FirebaseJson.find(context.project).codebase_of(source) else ()


def remarks(context: Context) -> Iterator[str]:
    """Yields what `boiler compile` cannot write, with what to do."""
    project = context.project
    firebase = FirebaseJson.find(project)
    if hidden := hidden_functions(context):
        names = ", ".join(hidden)
        if (project.source / NAME).is_file():
            yield f"{project.source / NAME} hides functions from firebase-tools: {names}. Delete it."
        else:
            yield f"{project.source / NAME} is not written, as firebase-tools would no longer find {names} there."
    staged = firebase.codebase_of(project.folder / STAGED)
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    if staged and here != project.python:
        yield (
            f"the emulators of firebase-tools run functions with Python {project.python}, and this is {here}. Run "
            f'`boiler` with that one, or write python = "{here}" into pyproject.toml, and the runtime into '
            f"{firebase.path}."
        )
    if firebase.exists and not staged and (hidden or not firebase.codebase_of(project.source)):
        yield f"{firebase.path} has no codebase for {context.app.name}. Run `boiler init`, which adds it."
    if firebase.exists and "firestore" not in firebase.content:
        record = json.dumps({"firestore": {"rules": RULES, "indexes": INDEXES}})[1:-1]
        yield f"{firebase.path} names no rules and indexes, so firebase-tools deploys none. Add {record}."


def _functions_yaml(context: Context) -> str:
    path = context.project.source / NAME
    if path.is_file() and not path.read_text().startswith(HEADER):
        raise ConfigurationError(
            f"{path} is not one that `boiler compile` wrote, and the functions that it names would be lost. Move them, "
            f'or name another folder for the app in pyproject.toml: source = "…".'
        )
    return functions_yaml(context.manifest)


def firestore_rules(context: Context) -> Generated:
    """Returns the file of security rules with its text for the app; the user's own section in it is kept."""
    path = FirebaseJson.find(context.project).rules
    existing = path.read_text("utf-8") if path.is_file() else None
    documents = security_rules.documents(context.compiled.declarations)
    return Generated(path, security_rules.firestore_rules(documents, existing))


def read_indexes(context: Context) -> Any:
    """Reads firestore.indexes.json, empty if it is missing; raises ConfigurationError if it is not JSON."""
    content = read_json(FirebaseJson.find(context.project).indexes)
    return {} if content is None else content


def indexes_json(context: Context) -> str:
    """Returns the text of firestore.indexes.json; raises ConfigurationError if the existing file is malformed."""
    path = FirebaseJson.find(context.project).indexes
    present = read_indexes(context)
    try:
        wanted = merged(present, Indexes.of(context.compiled.declarations))
    except (KeyError, TypeError, AttributeError) as error:
        raise unreadable(path, error) from error
    # Unchanged if nothing is missing, because writing it as JSON would lose its comments.
    return path.read_text() if wanted == present else _json(wanted)


def stage_functions(context: Context) -> Path | None:
    """Stages and returns the folder that firebase.json names; None if it names the sources themselves.

    Raises ConfigurationError if firebase.json and pyproject.toml name different versions of Python.
    """
    project = context.project
    firebase = FirebaseJson.find(project)
    record = firebase.codebase_of(project.folder / STAGED)
    if record is None or not is_complete(project.source):
        return None
    _check_variables(firebase.path, project.source, record.get("ignore", ()))
    if record.get("runtime") not in (None, runtime_of(project.python)):
        raise ConfigurationError(
            f"{firebase.path} runs the functions with {record['runtime']}, and pyproject.toml with Python "
            f'{project.python}. Write the same in both; python = "…" is under [tool.boiler_functions].'
        )
    own_folder(project.folder)
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
