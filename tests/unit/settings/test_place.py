"""A process knows whether it is deployed; a deployed one refuses emulators, whatever it serves."""

from collections.abc import Callable

import pytest

from boiler_functions.app import Boiler
from boiler_functions.exceptions import ConfigurationError
from boiler_functions.settings.place import EMULATORS, is_deployed, refuse_emulators
from tests.unit.modes.websocket.rooms import app

EMULATED = {"FIREBASE_AUTH_EMULATOR_HOST": "127.0.0.1:9099"}
TOOLS = {**EMULATED, "K_SERVICE": "api", "K_REVISION": "1", "FUNCTIONS_EMULATOR": "true"}


def test_the_emulator_of_firebase_tools_does_not_count_as_deployed_and_cloud_run_does() -> None:
    assert not is_deployed({})
    assert not is_deployed(TOOLS)
    assert is_deployed({"K_SERVICE": "api"})
    assert is_deployed({**TOOLS, "K_CONFIGURATION": "api"})


def test_an_emulator_is_refused_only_where_a_process_is_deployed() -> None:
    for environment in ({}, EMULATED, {"K_SERVICE": "api"}, TOOLS):
        refuse_emulators(environment)
    with pytest.raises(ConfigurationError):
        refuse_emulators({**TOOLS, "K_CONFIGURATION": "api"})


STARTS: list[Callable[[Boiler], object]] = [lambda app: app.export({"__name__": "main"}), lambda app: app.asgi()]


@pytest.mark.parametrize("variable", EMULATORS)
@pytest.mark.parametrize("start", STARTS, ids=["functions", "sockets"])
def test_nothing_that_is_deployed_starts_beside_an_emulator(
    start: Callable[[Boiler], object], variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("K_SERVICE", "rooms")
    monkeypatch.setenv(variable, "127.0.0.1:9099")
    with pytest.raises(ConfigurationError, match=f"{variable} is set beside K_SERVICE='rooms'"):
        start(app)
