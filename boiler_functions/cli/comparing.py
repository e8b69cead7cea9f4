"""Compares the functions and services that a project has with those of a checkout, by their fingerprints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from boiler_functions.cli.deployed import is_ready
from boiler_functions.cli.deployment import Deployment
from boiler_functions.cli.steps.function import fingerprint_of
from boiler_functions.cli.steps.service import fingerprint_of_service
from boiler_functions.manifest import HASH_LABEL

ACTIVE = "ACTIVE"
FAILED = "FAILED"

_SHOWN = 8
"""How many digits of a fingerprint tell two of one function apart."""


class Replacement(StrEnum):
    """What a deployment does with a function or service."""

    NEW = "new"
    REPLACED = "replaced"
    FORWARD = "no longer rolled back"
    """It is deployed as it is here, and gets back the traffic that a rollback gave to a former revision."""
    UNCHANGED = "unchanged"
    UNDECLARED = "no longer declared"


class ComparedPart(NamedTuple):
    """A function or service, with its fingerprint in the project and in the checkout; None where it has none."""

    name: str
    region: str
    state: str
    """As Cloud Functions names it; empty if it is not deployed."""
    deployed: str | None
    here: str | None
    is_rolled_back: bool = False
    """Whether a former revision has its traffic."""

    @property
    def change(self) -> Replacement:
        if self.here is None:
            return Replacement.UNDECLARED
        if not self.state:
            return Replacement.NEW
        if not self._is_current:
            return Replacement.REPLACED
        return Replacement.FORWARD if self.is_rolled_back else Replacement.UNCHANGED

    @property
    def _is_current(self) -> bool:
        return self.state == ACTIVE and self.deployed == self.here

    @property
    def told(self) -> str:
        """Returns the fingerprint that changes, and what it changes to."""
        before, after = (each[:_SHOWN] if each else "unknown" for each in (self.deployed, self.here))
        if self.change is not Replacement.REPLACED:
            return after if self.here else before
        failed = f", as it is {self.state.lower()}" if self.state != ACTIVE else ""
        return f"{before} by {after}{failed}"

    def to_json(self) -> dict[str, Any]:
        fingerprints = {"deployed": self.deployed, "here": self.here}
        return {"name": self.name, "region": self.region, "change": self.change, **fingerprints}


def compared(deployment: Deployment) -> Iterator[ComparedPart]:
    """Yields all functions and services that are declared, and then those that no longer are."""
    manifest, deployed = deployment.manifest, deployment.deployed
    for function in manifest.functions:
        region = deployment.region_of(function)
        found = deployed.functions.get((function.name, region))
        state = str(found.get("state", "UNKNOWN")) if found else ""
        here, is_pinned = fingerprint_of(deployment, function), (function.cloud_run_name, region) in deployed.pinned
        yield ComparedPart(function.name, region, state, _hash(found), here, is_pinned)
    for service in manifest.services:
        region = deployment.region_of(service)
        found = deployed.services.get((service.name, region))
        state = (ACTIVE if is_ready(found) else FAILED) if found else ""
        here, is_pinned = fingerprint_of_service(deployment, service), (service.name, region) in deployed.pinned
        yield ComparedPart(service.name, region, state, _hash(found and found["metadata"]), here, is_pinned)
    for name, region in deployment.stale():
        found = deployed.functions.get((name, region)) or deployed.services[name, region]["metadata"]
        yield ComparedPart(name, region, ACTIVE, _hash(found), None)


def _hash(found: Mapping[str, Any] | None) -> str | None:
    label: str | None = (found or {}).get("labels", {}).get(HASH_LABEL)
    return label
