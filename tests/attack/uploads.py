"""The surface of uploads: folders with files to ignore, and files with private keys.

Git decides which files are ignored. A key must be found however it is quoted, escaped or encoded.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from base64 import b64encode, encodebytes
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import NamedTuple
from unittest.mock import patch
from urllib.parse import quote

from boiler_functions.cli.ignored import GITIGNORE, Ignored
from boiler_functions.cli.keys import holds_key
from boiler_functions.cli.project import Project
from tests.attack.surface import Judge
from tests.unit.cli.test_ignored import GLOBS, NAMES
from tests.unit.cli.test_keys import FILE, FORMATS, PEM


class Tree(NamedTuple):
    """Files below the folder of functions, and the lines of ignore files by folder."""

    files: tuple[str, ...]
    ignored: Mapping[str, tuple[str, ...]]


class Key(NamedTuple):
    """A file that holds a private key."""

    content: bytes


ESCAPES: tuple[Callable[[str], str], ...] = (
    repr,
    json.dumps,
    lambda text: json.dumps({"key": text}, indent=2),
    lambda text: "".join(f"    {line!r}\n" for line in text.splitlines(keepends=True)),
    lambda text: "".join(f"      {line}\n" for line in text.splitlines()),
    lambda text: "".join(f"# {line}\r\n" for line in text.splitlines()),
    lambda text: text.replace("\n", "&#10;"),
    lambda text: f"KEY={text}",
)
ENCODINGS: tuple[Callable[[str], str], ...] = (
    str,
    quote,
    lambda text: b64encode(text.encode()).decode(),
    lambda text: encodebytes(text.encode()).decode(),
)


def inputs(random: Random) -> Iterator[Tree | Key]:
    while True:
        yield _key(random) if random.random() < 0.5 else _tree(random)


def _key(random: Random) -> Key:
    if random.random() < 0.1:
        return Key(random.choice([*FORMATS.values()]))
    text = random.choice((PEM, FILE))
    for _ in range(random.randrange(3)):
        text = random.choice(ESCAPES)(text)
    text = random.choice(ENCODINGS)("x" * random.randrange(4) + text)
    for _ in range(random.randrange(2)):
        text = random.choice(ESCAPES)(text)
    return Key(text.encode(random.choice(("utf-8", "utf-8", "utf-16", "utf-16-be"))))


def _tree(random: Random) -> Tree:
    folders, files = [""], set()
    for _ in range(random.randint(3, 12)):
        path = f"{random.choice(folders)}{random.choice(NAMES)}"
        if f"{path}/" in folders or path in files:
            continue
        if random.random() < 0.4:
            folders.append(f"{path}/")
        else:
            files.add(path)
    known = [name.rstrip("/") for name in (*folders[1:], *files)]
    ignored = {
        folder: tuple(_line(random, known) for _ in range(random.randint(1, 6)))
        for folder in folders
        if random.random() < 0.5
    }
    return Tree(tuple(sorted(files)), ignored)


def _line(random: Random, known: list[str]) -> str:
    segments = [random.choice(NAMES + GLOBS + ["**"]) for _ in range(random.choice((1, 1, 1, 2, 3)))]
    pattern = random.choice(known) if known and random.random() < 0.3 else "/".join(segments)
    prefix = random.choice(("", "", "", "!", "/", "!/", "\\", " ", "#"))
    return f"{prefix}{pattern}{random.choice(('', '', '', '/', '/*', '/**', ' ', chr(9), chr(13), chr(92)))}"


@contextmanager
def judge() -> Iterator[Judge]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        own = {"HOME": name, "XDG_CONFIG_HOME": name, "GIT_CONFIG_NOSYSTEM": "1"}
        with patch.dict("os.environ", own):
            # Without git, which decides about trees, only keys are tried.
            if has_git := shutil.which("git") is not None:
                subprocess.run(["git", "init", "-q", folder / "repository"], check=True)
            yield lambda each: _unseen(each) if isinstance(each, Key) else (has_git and _wrong(folder, each)) or None


def _unseen(each: Key) -> str | None:
    return None if holds_key(each.content) else "a private key is uploaded"


def _wrong(folder: Path, tree: Tree) -> str | None:
    repository, staged = folder / "repository", folder / "staged"
    source = repository / "functions"
    shutil.rmtree(source, ignore_errors=True)
    shutil.rmtree(staged, ignore_errors=True)
    for path in (*tree.ignored, *tree.files):
        (source / path).parent.mkdir(parents=True, exist_ok=True)
    for path in tree.files:
        (source / path).write_text("")
    for path, lines in tree.ignored.items():
        (source / path).mkdir(parents=True, exist_ok=True)
        (source / path / GITIGNORE).write_text("".join(f"{line}\n" for line in lines), newline="")
    source.mkdir(exist_ok=True)
    shutil.copytree(source, staged, ignore=Ignored(Project(repository, source, "main:app")).among)
    found = {path.relative_to(staged).as_posix() for path in staged.rglob("*") if path.is_file()}
    expected = {*tree.files} - _ignored_by_git(source, tree.files)
    return f"{found} is uploaded, and not {expected}" if found != expected else None


def _ignored_by_git(source: Path, files: tuple[str, ...]) -> set[str]:
    asked = subprocess.run(
        ["git", "check-ignore", "--stdin", "-z"],
        cwd=source,
        input=os.fsencode("\0".join(files)),
        capture_output=True,
        check=False,
    )
    return {*os.fsdecode(asked.stdout).split("\0")} - {""}
