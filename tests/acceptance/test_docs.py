"""The pages of `docs/` are true: step by step, their files work and their commands print what is shown."""

from pathlib import Path

import pytest

from tests.pages import ROOT, blocks, check, commands

PAGES = [page for page in sorted((ROOT / "docs").rglob("*.md")) if any(block.name for block in blocks(page))]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_each_step_of_a_page_does_what_it_shows(page: Path, tmp_path: Path) -> None:
    for block in blocks(page):
        if block.name:
            block.write(tmp_path)
        elif block.language == "console":
            for command in commands(block):
                check(command, tmp_path)
        else:
            assert block.language in ("mermaid", "text"), f"nothing runs {block}"
