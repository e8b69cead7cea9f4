"""The code blocks of the pages: files to write or add to, commands with what they print."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"

# The pages that tell one story, in their order: the files of all of them lie in one folder.
TOUR = (
    README,
    *(
        ROOT / "docs" / f"{name}.md"
        for name in (
            "five-minutes",
            "totals",
            "http",
            "front-end",
            "adopt",
            "sockets",
            "changes",
            "time",
            "failures",
            "operate",
            "testing",
            "deploy",
        )
    ),
)

_BLOCK = re.compile(
    r"^```(?P<language>\w+)(?: (?P<name>\S+)(?P<added> \+)?)?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)

_SPACES = re.compile(r" +(?=\n)|(?<= ) +")
_DURATION = re.compile(r"\d+(\.\d+)? ?m?s\b")


@dataclass(frozen=True)
class Block:
    """A fenced block; a file has a name, and a `+` behind it when the text is added to what the file has."""

    language: str
    name: str | None
    added: str | None
    text: str

    def write(self, folder: Path) -> None:
        assert self.name
        file = folder / self.name
        file.parent.mkdir(parents=True, exist_ok=True)
        before = file.read_text("utf-8") if self.added else ""
        file.write_text(before + self.text, "utf-8")


@dataclass(frozen=True)
class Command:
    """A command of a console block; in what it prints, `…` stands for anything, and a duration for any other.

    Columns may be of any width. A remark `# exit status 1` says that the command fails.
    """

    line: str
    printed: str
    status: int = 0

    @property
    def arguments(self) -> list[str]:
        """The arguments of a `boiler` command."""
        return self.line.split()[1:]

    def prints(self, output: str) -> bool:
        shown, printed = (_SPACES.sub("", _DURATION.sub("0s", text.strip())) for text in (self.printed, output))
        return re.fullmatch(".*".join(map(re.escape, shown.split("…"))), printed, re.DOTALL) is not None


def blocks(*pages: Path) -> list[Block]:
    """All blocks of the pages in order; without pages, of the tour."""
    texts = (page.read_text("utf-8") for page in pages or TOUR)
    return [Block(**found.groupdict()) for text in texts for found in _BLOCK.finditer(text)]


def files() -> dict[str, str]:
    """The files that the tour writes, by name."""
    return {block.name: block.text for block in blocks() if block.name}


def shown(name: str) -> list[Command]:
    """The commands in a block of that name, which need a database and are run by the tests of the commands."""
    return [each for block in blocks() if block.name == name for each in commands(block)]


def commands(block: Block) -> Iterator[Command]:
    """The commands of a console block: each line after `$ `, with the lines up to the next."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        line, _, printed = part.partition("\n")
        command, _, remark = line.partition("  #")
        status = re.search(r"exit status (\d)", remark)
        yield Command(command.strip(), printed, int(status[1]) if status else 0)


def run(command: Command, folder: Path) -> str:
    """What the command prints, run as a user would: with the environment's tools first on PATH."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    # A gcloud that nobody is signed in to, so that no page asks Google for anything.
    gcloud = {"CLOUDSDK_CONFIG": str(folder / ".gcloud"), "NO_GCE_CHECK": "true"}
    # A user has pytest alone; of this environment's plugins, schemathesis takes longer to load than a page's tests run.
    python = {
        "PYTHONPATH": str(folder),
        "PYTHONWARNINGS": "error",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "true",
        "COLUMNS": "100",
    }
    environment = {**os.environ, "PATH": path, **python, **gcloud}
    done = subprocess.run(
        command.line, cwd=folder, env=environment, shell=True, capture_output=True, text=True, check=False, timeout=240
    )
    assert done.returncode == command.status, f"{command.line}\n{done.stdout}{done.stderr}"
    return done.stdout + (done.stderr if command.status else "")


def check(command: Command, folder: Path) -> None:
    """Runs the command; fails unless it prints what the page shows."""
    printed = run(command, folder)
    assert command.prints(printed), f"$ {command.line}\nshows:\n{command.printed}\nprints:\n{printed}"
