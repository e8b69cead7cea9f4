"""Finds the files that are never uploaded: those that git or gcloud ignores, and the key files of pyproject.toml.

A file that matches a pattern is ignored even if git tracks it, as gcloud does.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache, cached_property
from pathlib import Path

from boiler_functions.cli.project import Project
from boiler_functions.cli.wildmatch import translate
from boiler_functions.exceptions import IncompleteUpload

GITIGNORE = ".gitignore"
GCLOUDIGNORE = ".gcloudignore"

_INCLUDE = b"#!include:"

# Files that belong to this machine, whatever the ignore files say.
_NEVER = ("venv", ".*", "__pycache__", "*.pyc", "*.log", "node_modules")


@dataclass(frozen=True)
class IgnoreLine:
    """One line of an ignore file; a `negated` one includes again what an earlier line ignores."""

    regex: re.Pattern[bytes]
    negated: bool
    directories: bool
    by_name: bool

    @classmethod
    def of(cls, line: bytes, flags: re.RegexFlag) -> IgnoreLine | None:
        """Parses a line; None for a comment, an empty line, or a pattern that matches nothing."""
        text = _without_trailing_spaces(line.removesuffix(b"\r"))
        if not text or text.startswith(b"#"):
            return None
        negated = text.startswith(b"!")
        text = text[1:] if negated else text
        directories = text.endswith(b"/")
        text = text[:-1] if directories else text
        try:
            regex = re.compile(translate(text.removeprefix(b"/")), re.DOTALL | flags)
        except ValueError:
            return None
        return cls(regex, negated, directories, b"/" not in text)

    def matches(self, path: bytes, is_directory: bool) -> bool:
        """Returns whether it matches a path relative to the folder of the ignore file."""
        if self.directories and not is_directory:
            return False
        return self.regex.fullmatch(path.rpartition(b"/")[2] if self.by_name else path) is not None


@dataclass(frozen=True)
class Patterns:
    """The patterns of an ignore file, for the paths below a folder."""

    base: Path
    patterns: tuple[IgnoreLine, ...] = ()

    @classmethod
    def of(cls, base: Path, lines: Iterable[bytes], flags: re.RegexFlag) -> Patterns:
        return cls(base, tuple(pattern for line in lines if (pattern := IgnoreLine.of(line, flags))))

    def verdict(self, path: Path) -> bool | None:
        """Returns whether the file ignores the path; None if no pattern matches."""
        relative = os.fsencode(path.relative_to(self.base).as_posix())
        # Git does not treat a link to a folder as a folder.
        is_directory = path.is_dir() and not path.is_symlink()
        matching = (each for each in reversed(self.patterns) if each.matches(relative, is_directory))
        return next((not each.negated for each in matching), None)


class Ignored:
    """The files of a project that are never uploaded."""

    def __init__(self, project: Project) -> None:
        self._source, self._folder = project.source.resolve(), project.folder.resolve()
        self._credentials = frozenset(_credentials(project.stages, self._folder))
        self._of_folder = cache(self._read)

    def among(self, folder: str, names: Iterable[str]) -> set[str]:
        """Returns the names in a folder that are ignored; it is the `ignore` of `shutil.copytree`."""
        return {name for name in names if self.ignores(Path(folder) / name)}

    def ignores(self, path: Path) -> bool:
        """Returns whether the path is ignored, or the target of a link in it."""
        if any(fnmatchcase(path.name, each) for each in _NEVER):
            return True
        return path.resolve() in self._credentials or any(map(self._is_ignored, {path, path.resolve()}))

    def _is_ignored(self, path: Path) -> bool:
        # Everything in an ignored folder is ignored.
        return any(self._by_git(each) or self._by_gcloud(each) for each in (path, *path.parents))

    def _by_git(self, path: Path) -> bool:
        """Returns whether git ignores the path: the nearest ignore file with a matching pattern decides."""
        if self._top not in path.parents:
            return False
        folders = (each for each in path.parents if each.is_relative_to(self._top))
        files = (*map(self._of_folder, folders), *self._of_repository)
        return next((verdict for each in files if (verdict := each.verdict(path)) is not None), False)

    def _by_gcloud(self, path: Path) -> bool:
        return self._source in path.parents and bool(self._of_gcloud.verdict(path))

    @cached_property
    def _top(self) -> Path:
        """The folder of the repository; without one, the folder of pyproject.toml."""
        repository = (each for each in (self._source, *self._source.parents) if (each / ".git").exists())
        return next(repository, self._folder)

    @cached_property
    def _flags(self) -> re.RegexFlag:
        is_folded = self._git("config", "--bool", "core.ignoreCase") == "true"
        return re.IGNORECASE if is_folded else re.NOFLAG

    @cached_property
    def _of_repository(self) -> tuple[Patterns, ...]:
        """The patterns for the whole repository: those of this clone, then those of this user."""
        clone = self._git("rev-parse", "--git-path", "info/exclude") or ".git/info/exclude"
        settings = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        user = self._git("config", "--path", "core.excludesFile") or settings / "git" / "ignore"
        return tuple(Patterns.of(self._top, _lines(self._top / each), self._flags) for each in (clone, user))

    @cached_property
    def _of_gcloud(self) -> Patterns:
        return Patterns.of(self._source, _with_included(self._source / GCLOUDIGNORE), re.NOFLAG)

    def _read(self, folder: Path) -> Patterns:
        return Patterns.of(folder, _lines(folder / GITIGNORE), self._flags)

    def _git(self, *arguments: str) -> str | None:
        """Returns what git prints about its settings; None if it prints nothing, fails, or is not installed."""
        try:
            asked = subprocess.run(["git", *arguments], cwd=self._top, capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError):
            return None
        return asked.stdout.removesuffix("\n") or None


def _credentials(stages: Mapping[str, object], folder: Path) -> Iterator[Path]:
    """Yields the key files of all stages."""
    for stage in stages.values():
        if isinstance(stage, dict) and isinstance(named := stage.get("credentials"), str):
            yield (folder / Path(named).expanduser()).resolve()


def _lines(path: Path) -> list[bytes]:
    return path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n") if path.is_file() else []


def _with_included(path: Path) -> Iterator[bytes]:
    for line in _lines(path):
        if not line.startswith(_INCLUDE):
            yield line
            continue
        included = path.parent / os.fsdecode(line.removeprefix(_INCLUDE).strip())
        if not included.is_file():
            raise IncompleteUpload(
                f"{path} includes {included}, which does not exist. Remove the line, or create the file."
            )
        yield from _lines(included)


def _without_trailing_spaces(line: bytes) -> bytes:
    # A space after a backslash belongs to the pattern.
    found = re.match(rb"(?:\\.|\\$|[^ \\]| +(?! *$))*", line, re.DOTALL)
    return found[0] if found else line
