"""`boiler init`: writes a new project from the files in `template/`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions, version
from importlib.resources import files
from importlib.resources.abc import Traversable
from keyword import iskeyword, issoftkeyword
from pathlib import Path
from types import ModuleType

from boiler_functions.app import Boiler
from boiler_functions.cli.firebase_json import STAGED, FirebaseJson
from boiler_functions.cli.package import PACKAGE
from boiler_functions.cli.project import PYPROJECT, PYTHON, PYTHONS, SOURCE, TABLE, Project
from boiler_functions.exceptions import ConfigurationError
from boiler_functions.plan.security_rules import documents, firestore_rules

# Without the suffix, tools would treat the template's files as modules and projects of this package.
_SUFFIX = ".txt"
_MODULE = "app"

# Names of the template's own files and folders.
_OWN = frozenset({"main", "app", "functions", "tests", "conftest"})


def init(folder: Path, name: str | None) -> list[Path]:
    """Writes a new project, and returns its files; raises ConfigurationError if one of them exists.

    Below a firebase.json, the project becomes one more of its codebases, and no other file that is there changes. A
    folder that has an app already only becomes a codebase.
    """
    if name is None and _has_app(folder):
        return [_join(folder)]
    above = FirebaseJson.above(folder.resolve())
    if name is None and above and above.folder == folder.resolve():
        raise ConfigurationError(
            f"{above.path} is there already, so the app needs a folder of its own. Give a name: boiler init NAME"
        )
    return _written(folder, name or _name_of(folder), above)


def _has_app(folder: Path) -> bool:
    return (path := folder / PYPROJECT).is_file() and TABLE in path.read_text("utf-8")


def _join(folder: Path) -> Path:
    """Adds the app of the folder to the nearest firebase.json as a codebase; writes one if it is missing."""
    project = Project.find(start=folder.resolve())
    firebase = FirebaseJson.above(folder.resolve()) or FirebaseJson.read(folder.resolve())
    if firebase.codebase_of(project.folder / STAGED):
        raise ConfigurationError(f"{firebase.path} has this app as a codebase already; there is nothing to do.")
    firebase.path.write_text(firebase.with_codebase(project, project.load().name))
    return firebase.path


def _written(folder: Path, name: str, above: FirebaseJson | None) -> list[Path]:
    Boiler(name)
    module = module_of(name)
    written = {folder / path.replace(_MODULE, module): text for path, text in _template()}
    firebase = above or FirebaseJson(folder, {})
    project = Project(folder, folder / SOURCE, f"{module}:app", python=_python())
    # Made before anything is written, because the name of the codebase may be taken.
    joined = firebase.with_codebase(project, name)
    if taken := [path for path in written if path.exists()]:
        raise ConfigurationError(
            f"{taken[0]} is there already, and nothing is overwritten. Run `boiler init` in an empty folder, or give "
            f"another name: boiler init NAME"
        )
    for path, text in written.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_filled(text, name=name, module=module, python=project.python, **_versions()))
    firebase.path.write_text(joined)
    # The security rules of a project that is there are its own.
    rules = [] if above else [_with_rules(firebase.rules, project.source / f"{module}.py")]
    return [*written, firebase.path, *rules]


def _with_rules(path: Path, source: Path) -> Path:
    """Writes the security rules of the app in the file, and returns their path."""
    # Not imported: the module would stay, and another one may have its name.
    module = ModuleType(source.stem)
    before = sys.modules.get(source.stem)
    sys.modules[source.stem] = module
    try:
        exec(compile(source.read_text(), source, "exec"), module.__dict__)
        app: Boiler = module.__dict__["app"]
        path.write_text(firestore_rules(documents(app.compiled.declarations)))
    finally:
        sys.modules.pop(source.stem)
        if before is not None:
            sys.modules[source.stem] = before
    return path


def _python() -> str:
    """Returns the version of Python that runs this, if Google Cloud runs it too."""
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    return here if here in PYTHONS else PYTHON


def module_of(name: str) -> str:
    """Returns a name for the app's module that shadows no other module."""
    module = name.lower().replace("-", "_")
    return f"{module}_app" if _is_taken(module) else module


def _is_taken(module: str) -> bool:
    """Returns whether a module of this name could not be imported, or would shadow another one."""
    hidden = module in sys.stdlib_module_names or module in _installed()
    return module in _OWN or hidden or not module.isidentifier() or iskeyword(module) or issoftkeyword(module)


@cache
def _installed() -> frozenset[str]:
    return frozenset(packages_distributions())


def _template() -> Iterator[tuple[str, str]]:
    yield from _below(files("boiler_functions.cli") / "template", "")


def _below(folder: Traversable, path: str) -> Iterator[tuple[str, str]]:
    for each in sorted(folder.iterdir(), key=lambda each: each.name):
        if each.is_dir():
            yield from _below(each, f"{path}{each.name}/")
        elif each.name.endswith(_SUFFIX):
            yield path + each.name.removesuffix(_SUFFIX), each.read_text()


def _filled(text: str, **values: str) -> str:
    # Not `str.format`, because these files contain braces of their own.
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def _versions() -> dict[str, str]:
    major, minor, *_ = version(PACKAGE).split(".")
    return {"version": f"{major}.{minor}", "next": f"{major}.{int(minor) + 1}"}


def _name_of(folder: Path) -> str:
    name = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")
    if not re.match(r"[a-z]", name):
        raise ConfigurationError(
            f"No app can be named after the folder {folder}. Give a name that begins with a letter: boiler init NAME"
        )
    return name
