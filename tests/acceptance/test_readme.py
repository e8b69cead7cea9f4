"""The README and the pages that go on from it are true: their files work, and their commands print what is shown."""

from pathlib import Path

import pytest

from tests.pages import Command, blocks, check, commands, files, run

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new folder with the files of the tour."""
    folder = tmp_path_factory.mktemp("tour")
    for name, text in files().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def test_every_block_is_a_file_a_command_or_a_picture() -> None:
    for block in blocks():
        assert block.name or block.language in ("console", "mermaid"), f"nothing would run {block}"


CONSOLE = [command for block in blocks() if block.language == "console" for command in commands(block)]
TOUR = [command for command in CONSOLE if not command.line.startswith("make ")]
TARGETS = [command for command in CONSOLE if command.line.startswith("make ")]


# In one test and in their order: a command of the tour may stand on what one before it left.
@pytest.mark.timeout(600)
def test_the_commands_of_the_tour_print_what_is_shown(project: Path) -> None:
    assert TOUR
    for command in TOUR:
        check(command, project)


@pytest.mark.parametrize("command", TARGETS, ids=lambda command: command.line)
def test_every_make_target_exists(command: Command) -> None:
    run(Command(f"{command.line} --dry-run", ""), ROOT)


def test_its_javascript_can_be_parsed(project: Path) -> None:
    scripts = [name for name in files() if name.endswith(".mjs")]
    assert scripts
    for name in scripts:
        run(Command(f"node --check {name}", ""), project)


def test_its_poll_is_the_sample() -> None:
    sample = (ROOT / "functions" / "poll.py").read_text()
    assert sample.endswith(files()["poll.py"])
