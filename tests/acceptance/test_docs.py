"""The pages that stand by themselves are true: step by step, files work and commands print what is shown."""

from pathlib import Path

import pytest

from tests.pages import ROOT, TOUR, blocks, check, commands

WITH_CODE = [page for page in sorted((ROOT / "docs").rglob("*.md")) if blocks(page)]
PAGES = [page for page in WITH_CODE if page not in TOUR]


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
