"""`boiler token` makes a user for `boiler dev`."""

import pytest

from boiler_functions.modes.authentication import FirebaseTokens
from tests.unit.cli.conftest import Run


def test_a_token_is_taken_beside_the_auth_emulator(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIREBASE_AUTH_EMULATOR_HOST", "127.0.0.1:9099")
    made = run("token", "ada", "--claim", "admin", "--claim", "role=editor", "--project", "demo-shop")
    assert made.exit_code == 0
    claims = FirebaseTokens("demo-shop").claims(made.output.strip())
    assert (claims["uid"], claims["admin"], claims["role"]) == ("ada", True, "editor")
