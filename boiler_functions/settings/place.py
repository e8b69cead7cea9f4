"""Tells from the environment whether a process is deployed, or runs beside emulators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from boiler_functions.exceptions import ConfigurationError

EMULATORS: Final = ("FIREBASE_AUTH_EMULATOR_HOST", "FIRESTORE_EMULATOR_HOST", "CLOUD_TASKS_EMULATOR_HOST")

_SERVICE: Final = "K_SERVICE"


def is_deployed(environment: Mapping[str, str]) -> bool:
    """Returns whether this process is a function or a service in the cloud."""
    # firebase-tools' own emulator sets K_SERVICE too; K_CONFIGURATION is Cloud Run's alone.
    is_emulated = environment.get("FUNCTIONS_EMULATOR") == "true" and "K_CONFIGURATION" not in environment
    return _SERVICE in environment and not is_emulated


def refuse_emulators(environment: Mapping[str, str]) -> None:
    """Raises ConfigurationError if a deployed process would use an emulator in place of a service of Google's."""
    if is_deployed(environment) and (found := [name for name in EMULATORS if environment.get(name)]):
        raise ConfigurationError(
            f"{found[0]} is set beside K_SERVICE={environment[_SERVICE]!r}: a deployed function would accept forged "
            f"tokens, or serve a test's data. Remove it from the function's environment, and deploy again."
        )
