"""The switch of `boiler dev` for faults: events that come twice, late, in another order or not at all, and crashes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

from boiler_functions.exceptions import ConfigurationError
from boiler_functions.local.delivery import DeliveryFaults

_MOST: Final = {"duplicate": 0.9, "drop": 0.9, "crash": 0.9, "shuffle": 10.0, "delay": 10.0}
"""The largest value of each fault: a chance, or seconds. More would let nothing through."""

_COPIES: Final = 3


class FaultSwitch:
    """Holds which faults `boiler dev` simulates; `simulate` has them happen, `crash` kills the app and starts it."""

    def __init__(self, simulate: Callable[[DeliveryFaults], None], crash: Callable[[], None]) -> None:
        self._simulate = simulate
        self.crash = crash
        self.faults = DeliveryFaults()

    def turn(self, wanted: Mapping[str, Any]) -> None:
        """Simulates these faults from now on, and no others; raises ConfigurationError for what is out of range."""
        values = {name: wanted.get(name, 0) for name in _MOST}
        for name, value in values.items():
            if not isinstance(value, int | float) or not 0 <= value <= _MOST[name]:
                raise ConfigurationError(f"The fault {name!r} is {value!r}; give a number from 0 to {_MOST[name]:g}.")
        seed = wanted.get("seed", 0)
        if type(seed) is not int:
            raise ConfigurationError(f"The seed is {seed!r}; give a whole number.")
        self.faults = DeliveryFaults(seed=seed, copies=_COPIES, **values)
        self._simulate(self.faults)

    def to_json(self) -> dict[str, Any]:
        """Returns the value of each fault, with the largest that it may have."""
        values = asdict(self.faults)
        return {"seed": self.faults.seed, "faults": {name: values[name] for name in _MOST}, "most": _MOST}
