"""Finds functions of other codebases in firebase.json that have the name of one of the app's.

firebase-tools refuses to deploy them, but only when it deploys; its emulators serve one of them, and do not say which.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from boiler_functions.cli.firebase_json import STAGED, FirebaseJson
from boiler_functions.cli.functions_yaml import NAME as FUNCTIONS_YAML
from boiler_functions.cli.own_functions import own_functions
from boiler_functions.cli.project import Project
from boiler_functions.exceptions import NameCollision
from boiler_functions.manifest import Manifest, cloud_run_name

# The names that a JavaScript module exports, each in a line of its own.
_EXPORTED = re.compile(r"^(?:module\.)?exports\.(\w+)\s*=|^export\s+(?:const|let|(?:async\s+)?function)\s+(\w+)", re.M)

# The compiled file is not there in a clean checkout.
_TYPESCRIPT = "src/index.ts"


def check_codebases(project: Project, manifest: Manifest) -> None:
    """Raises NameCollision if another codebase of firebase.json has a function with the name of one of the app's."""
    firebase = FirebaseJson.find(project)
    own = firebase.codebase_of(project.folder / STAGED) or firebase.codebase_of(project.source) or {}
    functions = {cloud_run_name(_prefixed(own, each.name)): each for each in manifest.functions}
    for other in firebase.codebases:
        for name in _functions(firebase.folder, other) if other is not own else ():
            if function := functions.get(cloud_run_name(name)):
                raise NameCollision(
                    f"{firebase.path}: the codebase {other.get('codebase', 'default')!r} ({other['source']}) has a "
                    f"function {name}, and {function.name} of the app {manifest.app!r} has the same name. Only one of "
                    f"them can be deployed. Rename the one in {other['source']}, or the app, as its functions begin "
                    f"with its name."
                )


def _functions(folder: Path, codebase: Mapping[str, Any]) -> Iterator[str]:
    named = codebase.get("source")
    if isinstance(named, str) and (source := folder / named).is_dir():
        yield from (_prefixed(codebase, name) for name in _declared(source))


def _prefixed(codebase: Mapping[str, Any], name: str) -> str:
    prefix = codebase.get("prefix")
    return f"{prefix}-{name}" if prefix else name


def _declared(source: Path) -> Sequence[str]:
    """Returns the functions that firebase-tools would find in the folder; where functions.yaml is, it reads no code."""
    if (listed := source / FUNCTIONS_YAML).is_file():
        return _endpoints(listed.read_text("utf-8"))
    return sorted({*own_functions(source), *_exported(source)})


def _exported(source: Path) -> Iterator[str]:
    """Yields the names that the main module of a folder for Node.js exports."""
    if not (package := source / "package.json").is_file():
        return
    for path in (source / _main(package), source / _TYPESCRIPT):
        if path.is_file():
            yield from (one or other for one, other in _EXPORTED.findall(path.read_text("utf-8", errors="replace")))


def _main(package: Path) -> str:
    try:
        return str(json.loads(package.read_text("utf-8")).get("main", "index.js"))
    except (ValueError, AttributeError):
        return "index.js"


def _endpoints(text: str) -> Sequence[str]:
    """Returns the names under `endpoints:`, without a parser of YAML: those that are indented least."""
    lines = f"\n{text}".partition("\nendpoints:")[2].splitlines()
    block = [line for line in _block(lines) if line.strip() and not line.lstrip().startswith("#")]
    least = min((len(line) - len(line.lstrip()) for line in block), default=0)
    keys = (line.strip() for line in block if len(line) - len(line.lstrip()) == least)
    return [key.partition(":")[0].strip("\"'") for key in keys]


def _block(lines: Sequence[str]) -> Iterator[str]:
    for line in lines[1:]:
        if line[:1].strip():
            return
        yield line
