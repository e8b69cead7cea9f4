"""Stages what is uploaded: the folder of functions, and this package in a form that the builder can install.

requirements.txt names a release of the package, `boiler-functions[rest]>=0.1,<0.2`. If a release runs `boiler`, the
file is uploaded unchanged. If a checkout or a wheel does, the builder would install different code, so a wheel is
uploaded too, and the uploaded requirements.txt names it. The project's own folder is never changed. Ignored files are
left out (`cli.ignored`), and a file with a private key is refused.
"""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from importlib.metadata import Distribution, distribution, version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from boiler_functions.cli.functions_yaml import NAME as FUNCTIONS_YAML
from boiler_functions.cli.functions_yaml import functions_yaml
from boiler_functions.cli.ignored import GCLOUDIGNORE, GITIGNORE, Ignored
from boiler_functions.cli.keys import holds_key
from boiler_functions.cli.package import PACKAGE
from boiler_functions.cli.project import Project
from boiler_functions.exceptions import IncompleteUpload, KeyInUpload
from boiler_functions.manifest import Function, Manifest, Service
from boiler_functions.modes.release import FILE as RELEASE
from boiler_functions.modes.release import Release
from boiler_functions.modes.source_code import fingerprint_of

MAIN = "main.py"
REQUIREMENTS = "requirements.txt"

NO_RELEASE = Release()


@dataclass(frozen=True)
class RequirementLine:
    """The line of requirements.txt that names this package."""

    number: int
    requirement: Requirement

    def pointing_at(self, place: str) -> str:
        """Returns the line with a wheel or a repository in place of the release."""
        extras = f"[{','.join(sorted(self.requirement.extras))}]" if self.requirement.extras else ""
        return f"{PACKAGE}{extras} @ {place}" if "://" in place else f"./{place}{extras}"


@dataclass(frozen=True)
class Upload:
    """A staged folder; `codes` are the code fingerprints of the views, as its release records them."""

    folder: Path
    codes: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def files(self) -> Mapping[str, bytes]:
        """The contents by path, sorted; without functions.yaml and the release, which change without the code."""
        files = (path for path in self.folder.rglob("*") if path.is_file())
        paths = sorted(path for path in files if path.name not in (FUNCTIONS_YAML, RELEASE))
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in paths}

    def fingerprint(self, function: Function | Service, views: Iterable[str]) -> str:
        """Digests the code that the function depends on, so that a change of another view does not redeploy it.

        The class of another view is left out unless other code uses its name. Comments, docstrings and layout do not
        count.
        """
        others = frozenset(views) - set(function.views)
        digest = sha256()
        # The release records the code of the function's views, so the function is deployed with each change of it.
        codes = [f"{view} {self.codes[view]}".encode() for view in sorted(function.views) if view in self.codes]
        for path, content in (*self._without(others).items(), ("", b"\n".join(codes))):
            digest.update(f"{path}\0{len(content)}\0".encode() + content)
        return digest.hexdigest()[:40]

    def _without(self, views: frozenset[str]) -> Mapping[str, bytes]:
        sources = {path: content.decode() for path, content in self.files.items() if path.endswith(".py")}
        cut = {path: _classes(source) for path, source in sources.items()}
        own = {name for classes in cut.values() for name in classes if name in views}
        rest = {path: _remaining(sources[path], cut[path], own) for path in sources}
        used = {name for name in own if any(re.search(rf"\b{name}\b", text) for text in rest.values())}
        left = {path: fingerprint_of(_remaining(sources[path], cut[path], own - used)).encode() for path in sources}
        return {**self.files, **left}


def stage(project: Project, manifest: Manifest, folder: Path, release: Release = NO_RELEASE) -> Upload:
    """Replaces the folder by a copy of what is uploaded, with the release in it.

    Raises IncompleteUpload if the functions could not start, and KeyInUpload for a file with a private key.
    """
    line = check_source(project.source, manifest)
    ignored = Ignored(project)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(project.source.resolve(), folder, ignore=ignored.among)
    _check_staged(project.source, folder, ignored)
    if (place := _carried(folder)) is not None:
        path = folder / REQUIREMENTS
        lines = path.read_text().splitlines()
        lines[line.number] = line.pointing_at(place)
        path.write_text("".join(f"{each}\n" for each in lines))
    if release.deployment:
        release.write(folder)
    return Upload(folder, release.codes)


def _check_staged(source: Path, folder: Path, ignored: Ignored) -> None:
    for name in (MAIN, REQUIREMENTS):
        if ignored.ignores(source.resolve() / name):
            raise IncompleteUpload(
                f"{source / name} is ignored by {GITIGNORE} or {GCLOUDIGNORE}, and ignored files are not uploaded. "
                f"Include it again with the pattern !{name}"
            )
    for path, content in Upload(folder).files.items():
        if holds_key(content):
            raise KeyInUpload(
                f"{source / path} holds a private key and would be uploaded with the functions. Move it out of "
                f"{source}, or name it in {GITIGNORE} or {GCLOUDIGNORE}; functions have their service account, and "
                f"other secrets by `secrets=[…]`."
            )


def stage_for_firebase(project: Project, manifest: Manifest, folder: Path, release: Release = NO_RELEASE) -> Upload:
    """Stages for firebase-tools: with functions.yaml, the .env files, and the virtual environment of its emulator."""
    staged = stage(project, manifest, folder, release)
    (folder / FUNCTIONS_YAML).write_text(functions_yaml(manifest))
    # firebase-tools reads them here; `ignore` in firebase.json excludes them from its upload.
    for variables in project.source.glob(".env*"):
        if variables.is_file():
            shutil.copy(variables, folder)
    if (Path(sys.prefix) / "bin" / "activate").is_file():
        # The emulator runs functions only in an environment of this name; it is never uploaded.
        (folder / "venv").symlink_to(sys.prefix)
    return staged


def is_complete(source: Path) -> bool:
    """Returns whether the folder has main.py and requirements.txt; commands other than `deploy` work without them."""
    return all((source / name).is_file() for name in (MAIN, REQUIREMENTS))


def check_source(source: Path, manifest: Manifest) -> RequirementLine:
    """Returns the line that names this package; raises IncompleteUpload if the functions could not start."""
    main = source / MAIN
    if not main.is_file():
        raise IncompleteUpload(
            f"{main}, which exports the functions, does not exist. Write it:\n"
            f"  from my_module import app\n\n  app.export(globals())"
        )
    if ".export(" not in main.read_text():
        raise IncompleteUpload(f"{main} exports no app. Add `app.export(globals())`.")
    path = source / REQUIREMENTS
    wanted_by = {each.extra for each in manifest.functions if each.extra}
    extras = sorted(wanted_by | {each.entry_point for each in manifest.services})
    wanted = f"{PACKAGE}[{','.join(extras)}]" if extras else PACKAGE
    if not path.is_file():
        raise IncompleteUpload(f"{path}, which the builder installs, does not exist. Write it: {wanted}=={_version()}")
    line = next(_lines(path), None)
    if line is None:
        raise IncompleteUpload(f"{path} does not name this package. Add {wanted}=={_version()}")
    if missing := set(extras) - line.requirement.extras - ({*extras} if "all" in line.requirement.extras else set()):
        raise IncompleteUpload(
            f"{path}:{line.number + 1} names {line.requirement}; the functions need [{', '.join(sorted(missing))}] "
            f"too. Write {wanted}{line.requirement.specifier}"
        )
    if not line.requirement.specifier.contains(_version(), prereleases=True):
        raise IncompleteUpload(
            f"{path}:{line.number + 1} names {line.requirement}, and this is {PACKAGE} {_version()}: the cloud would "
            f"run another version than this one. Write {wanted}=={_version()}, or install what it names."
        )
    return line


def _version() -> str:
    return version(PACKAGE)


def _lines(path: Path) -> Iterator[RequirementLine]:
    for number, text in enumerate(path.read_text().splitlines()):
        try:
            requirement = Requirement(text.partition(" #")[0].strip())
        except InvalidRequirement:
            continue
        if canonicalize_name(requirement.name) == PACKAGE:
            yield RequirementLine(number, requirement)


def _carried(folder: Path) -> str | None:
    """Returns a wheel in the folder, or a URL, from which the builder installs the package that runs here.

    Returns None if that is a release, which requirements.txt names already.
    """
    origin = _origin(distribution(PACKAGE))
    if origin is None:
        return None
    if "vcs_info" in origin:
        return f"{origin['vcs_info']['vcs']}+{origin['url']}@{origin['vcs_info']['commit_id']}"
    place = Path(url2pathname(urlsplit(origin["url"]).path))
    if place.suffix == ".whl" and place.is_file():
        return Path(shutil.copy(place, folder)).name
    return _build_wheel(place, folder)


def _origin(package: Distribution) -> Any:
    # https://packaging.python.org/en/latest/specifications/direct-url/: absent for a release from an index.
    content = package.read_text("direct_url.json")
    return json.loads(content) if content else None


def _build_wheel(checkout: Path, folder: Path) -> str:
    """Builds a wheel of the checkout, and returns its name; equal contents give equal bytes."""
    if not (checkout / "pyproject.toml").is_file():
        raise IncompleteUpload(
            f"{PACKAGE} was installed from {checkout}, which is gone, so it cannot be uploaded. "
            f"Install a release: pip install {PACKAGE}"
        )
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    built = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    wheel = next(folder.glob(f"{PACKAGE.replace('-', '_')}-*.whl"), None)
    if built.returncode or wheel is None:
        raise IncompleteUpload(
            f"{PACKAGE} was installed from {checkout}, and its wheel cannot be built: {built.stderr.strip()}\n"
            f"  If hatchling is missing: pip install hatchling"
        )
    return wheel.name


def _classes(source: str) -> Mapping[str, tuple[int, int]]:
    """Maps each decorated class of a module to its lines: the index of the first, and the one after the last."""
    found = [node for node in ast.parse(source).body if isinstance(node, ast.ClassDef) and node.decorator_list]
    return {node.name: (node.decorator_list[0].lineno - 1, node.end_lineno or node.lineno) for node in found}


def _remaining(source: str, classes: Mapping[str, tuple[int, int]], names: set[str] | frozenset[str]) -> str:
    lines = source.splitlines(keepends=True)
    for start, end in sorted((classes[name] for name in names if name in classes), reverse=True):
        del lines[start:end]
    return "".join(lines)
