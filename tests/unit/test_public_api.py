"""A change of the public API shows in a review: the record beside the tests lists every name with its signature."""

import shutil
from pathlib import Path

import pytest

from tests.public_api import RECORD, public_api

ROOT = Path(__file__).parents[2]


def test_the_record_of_the_public_api_is_up_to_date() -> None:
    recorded, now = RECORD.read_text("utf-8").splitlines(), public_api().splitlines()
    added, gone = sorted(set(now) - set(recorded)), sorted(set(recorded) - set(now))
    assert (added, gone) == ([], []), (
        "Run `python -m tests.public_api`. A line that is gone breaks programs: say what to do instead in CHANGELOG.md."
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [("def computed", "def worked_out"), ("filtered_orders: Sequence[str] = ()", "filtered_orders: str")],
    ids=["a name that is gone", "another signature"],
)
def test_what_breaks_a_program_changes_the_record(tmp_path: Path, before: str, after: str) -> None:
    package = shutil.copytree(
        ROOT / "boiler_functions", tmp_path / "boiler_functions", ignore=lambda *_: ["__pycache__"]
    )
    changed = 0
    for module in (package / "attrs.py", package / "app.py"):
        text = module.read_text("utf-8")
        changed += text.count(before)
        module.write_text(text.replace(before, after), "utf-8")
    assert changed
    assert public_api(tmp_path) != RECORD.read_text("utf-8")
