"""The list of dangerous interleavings names tests and devices that there are."""

import ast
import re
from pathlib import Path

from tests.model.scenarios import DEVICES

TESTS = Path(__file__).parents[1]
README = (TESTS / "README.md").read_text("utf-8")
NAMED = re.findall(r"`([\w/]+\.py)::(\w+)`", README)


def functions_of(path: str) -> set[str]:
    tree = ast.parse((TESTS / path).read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_test_that_is_named_exists() -> None:
    assert len(NAMED) >= 30
    assert [f"{path}::{name}" for path, name in NAMED if name not in functions_of(path)] == []


def test_every_device_of_the_model_has_its_interleaving() -> None:
    assert [device for device in DEVICES if f"`{device}`" not in README] == []


def test_every_suite_is_described() -> None:
    suites = {path.name for path in TESTS.iterdir() if path.is_dir() and any(path.rglob("*.py"))}
    assert suites - {name for name in suites if f"`{name}/`" in README} == set()
