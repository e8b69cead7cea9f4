"""The page about settings names every option, every key of pyproject.toml, and every variable of ours."""

import re
from dataclasses import fields

import pytest

from boiler_functions.cli import served
from boiler_functions.models import model
from boiler_functions.plan.watching import Watch
from boiler_functions.settings.options import AppOptions
from boiler_functions.settings.place import EMULATORS
from tests.pages import ROOT

PAGE = (ROOT / "docs" / "reference" / "settings.md").read_text("utf-8")
NAMED = {*re.findall(r"`([\w.]+)`", PAGE)}

# What `boiler dev` gives to its own processes, and nobody sets.
OF_DEV = {served.TOKEN}


def our_variables() -> set[str]:
    sources = (ROOT / "boiler_functions").rglob("*.py")
    return {name for each in sources for name in re.findall(r'"(BOILER_[A-Z_]+[A-Z])"', each.read_text("utf-8"))}


@pytest.mark.parametrize(
    "names",
    [
        pytest.param({*AppOptions.__annotations__} | {*model.OPTIONS}, id="options of an app and of Meta"),
        pytest.param({f"watch.{each.name}" for each in fields(Watch)}, id="what watches the app"),
        pytest.param({*EMULATORS}, id="emulators"),
    ],
)
def test_every_setting_is_named(names: set[str]) -> None:
    assert sorted(names - NAMED) == []


def test_every_variable_of_ours_is_named_and_no_other() -> None:
    assert sorted(our_variables() - OF_DEV) == sorted(name for name in NAMED if name.startswith("BOILER_"))
