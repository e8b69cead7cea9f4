"""The Auth emulator of firebase-tools compiles a schema of its API at the first use, not all of them at its start."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from boiler_functions.local.lazy_schemas import with_lazy_schemas

MODULES = Path(__file__).parents[2] / "node_modules"

# No schema can be made of this pattern, so that the library complains once it compiles it.
API = {
    "openapi": "3.0.1",
    "info": {"title": "An API", "version": "1"},
    "paths": {
        "/": {
            "get": {
                "parameters": [{"name": "a", "in": "query", "schema": {"type": "string", "pattern": "("}}],
                "responses": {"200": {"description": "Fine"}},
            }
        }
    },
}
PROGRAM = f"""
const {{ middleware }} = require("exegesis-express");
middleware({json.dumps(API)}, {{ controllers: {{}} }}).then(() => console.log("served"), () => console.log("compiled"));
"""


def served_by(program: Path, environment: dict[str, str]) -> str:
    command = ["node", str(program)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize(("owner", "expected"), [("firebase-tools", "served"), ("another", "compiled")])
def test_only_firebase_tools_compiles_no_schema_at_its_start(owner: str, expected: str, tmp_path: Path) -> None:
    program = tmp_path / owner / "main.js"
    program.parent.mkdir()
    program.write_text(PROGRAM)
    (program.parent / "node_modules").symlink_to(MODULES)
    assert served_by(program, dict(os.environ)) == "compiled"
    assert served_by(program, with_lazy_schemas(os.environ, tmp_path)) == expected


def test_the_auth_emulator_is_made_by_the_library_whose_option_is_set() -> None:
    server = MODULES / "firebase-tools" / "lib" / "emulator" / "auth" / "server.js"
    assert "exegesisExpress.middleware(" in server.read_text()


def test_options_of_node_that_are_set_stay_set(tmp_path: Path) -> None:
    options = with_lazy_schemas({"NODE_OPTIONS": "--no-warnings"}, tmp_path)["NODE_OPTIONS"]
    assert options == f'--no-warnings --require "{tmp_path / "lazy_schemas.cjs"}"'
