"""The code blocks of README.md: files to write, commands with what they print."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

README = Path(__file__).parents[1] / "README.md"

_BLOCK = re.compile(r"^```(?P<language>\w+)(?: (?P<name>\S+))?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)

_SPACES = re.compile(r" +(?=\n)|(?<= ) +")
_DURATION = re.compile(r"\d+(\.\d+)? ?m?s\b")


@dataclass(frozen=True)
class Block:
    """A fenced block; a file has a name."""

    language: str
    name: str | None
    text: str


@dataclass(frozen=True)
class Command:
    """A command of a console block; in what it prints, `…` stands for anything, and a duration for any other.

    Columns may be of any width.
    """

    line: str
    printed: str

    @property
    def arguments(self) -> list[str]:
        """The arguments of a `boiler` command."""
        return self.line.split()[1:]

    def prints(self, output: str) -> bool:
        shown, printed = (_SPACES.sub("", _DURATION.sub("0s", text.strip())) for text in (self.printed, output))
        return re.fullmatch(".*".join(map(re.escape, shown.split("…"))), printed, re.DOTALL) is not None


def blocks() -> list[Block]:
    """All blocks in order."""
    return [Block(**found.groupdict()) for found in _BLOCK.finditer(README.read_text())]


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
        yield Command(line.partition("  #")[0].strip(), printed)
