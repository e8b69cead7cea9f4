"""Two codebases of one firebase.json with a function of one name: every command says so before it writes anything."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.unit.cli.conftest import APP, Run, Write

OWN = {"codebase": "towns", "source": ".boiler/firebase"}

Codebase: TypeAlias = Callable[..., Path]


@pytest.fixture
def codebase(folder: Path, module: Write) -> Codebase:
    """Writes the firebase.json of an app beside a second codebase, and returns the folder of the latter."""
    module(APP)

    def write(**record: Any) -> Path:
        other = {"codebase": "shop", "source": "shop", **record}
        (folder / "firebase.json").write_text(json.dumps({"functions": [other, OWN]}))
        (folder / "shop").mkdir()
        return folder / "shop"

    return write


PYTHON = """
from firebase_functions import https_fn

@https_fn.on_request()
def towns_city_view_on_cities(request):
    return "hello"
"""


def test_a_python_function_of_another_codebase_with_the_name_of_one_of_the_apps_is_refused(
    run: Run, codebase: Codebase, folder: Path
) -> None:
    (codebase() / "main.py").write_text(PYTHON)
    for command in (["check"], ["compile"], ["deploy", "--project", "demo-towns", "--dry-run"]):
        result = run(*command)
        assert result.exit_code == 2, command
        assert (
            f"{folder / 'firebase.json'}: the codebase 'shop' (shop) has a function towns_city_view_on_cities, and "
            "towns-city-view-on-cities of the app 'towns' has the same name." in result.stderr
        )
    assert not (folder / "functions" / "functions.yaml").exists()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("index.js", "exports.Towns_city_form_task = onRequest(hello);", id="commonjs"),
        pytest.param("src/index.ts", "export const towns_city_form_task = onRequest(hello);", id="typescript"),
        pytest.param("src/index.ts", "export async function towns_city_form_task() {}", id="function"),
    ],
)
def test_a_function_of_nodejs_is_refused_alike(run: Run, codebase: Codebase, name: str, text: str) -> None:
    source = codebase()
    (source / "src").mkdir()
    (source / "package.json").write_text('{"main": "lib/index.js"}' if "ts" in name else "{}")
    (source / name).write_text(f"// towns-api\n{text}\n")
    assert "towns-city-form-task of the app 'towns' has the same name" in run("check").stderr


def test_two_apps_of_one_name_are_refused(run: Run, codebase: Codebase) -> None:
    listed = 'endpoints:\n\n  # first\n  "towns-city-form-task":\n    entryPoint: api\n  other:\n    a: 1\nother: {}\n'
    (codebase() / "functions.yaml").write_text(listed)
    assert "has a function towns-city-form-task" in run("check").stderr


def test_functions_of_other_names_and_codebases_that_are_not_there_are_no_mistake(run: Run, codebase: Codebase) -> None:
    source = codebase()
    (source / "main.py").write_text(PYTHON.replace("towns_city", "towns_shop"))
    assert run("check").exit_code == 0
    (source / "package.json").write_text("not JSON")
    assert run("check").exit_code == 0
    (source / "functions.yaml").write_text("specVersion: v1alpha1\n")
    assert run("check").exit_code == 0


def test_a_prefix_of_a_codebase_is_part_of_its_names(run: Run, codebase: Codebase) -> None:
    (codebase(prefix="towns") / "main.py").write_text(PYTHON.replace("towns_city", "city"))
    assert "has a function towns-city_view_on_cities" in run("check").stderr
