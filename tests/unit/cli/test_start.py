"""Commands start without what they do not need."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from boiler_functions.cli.context import CREDENTIALS
from boiler_functions.database.variables import EMULATOR_HOST

ROOT = Path(__file__).parents[3]

SCRIPT = """
import sys
from boiler_functions.cli.commands import boiler
boiler(sys.argv[1:], standalone_mode=False)
print("loaded:", *{"grpc", "flask", "firebase_admin"} & sys.modules.keys())
"""


@pytest.mark.parametrize("command", ["check", "plan"])
def test_the_command_loads_neither_a_client_of_google_nor_the_rest_stack(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, command],
        cwd=ROOT,
        env={**os.environ, EMULATOR_HOST: "", CREDENTIALS: ""},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.splitlines()[-1].strip() == "loaded:"
