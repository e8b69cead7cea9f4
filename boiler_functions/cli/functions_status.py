"""The state of each function and service in the cloud: whether it runs this checkout's code, with its options."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from boiler_functions.cli.context import Context
from boiler_functions.cli.deploy import planned
from boiler_functions.cli.deployed import Deployed, is_ready
from boiler_functions.cli.deployment import Deployment
from boiler_functions.cli.gcloud import Gcloud
from boiler_functions.cli.listing import look_at_functions
from boiler_functions.cli.steps.function import fingerprint_of
from boiler_functions.cli.steps.service import fingerprint_of_service
from boiler_functions.exceptions import ConfigurationError
from boiler_functions.manifest import HASH_LABEL, Function, Service
from boiler_functions.modes.standing import Standing, State

ATTEMPTS = 1
"""Who asks for the status waits for no second attempt."""


class FunctionsStatus:
    """Asks gcloud for the functions of an app, and compares them with this checkout, which is staged once."""

    def __init__(self, context: Context) -> None:
        self._context = context

    @cached_property
    def _deployment(self) -> Deployment:
        return planned(self._context, self._context.project_id)

    def standings(self) -> list[Standing]:
        """Returns the standing of each function and service; unknown, with the reason, if gcloud cannot say."""
        try:
            deployed = look_at_functions(Gcloud(attempts=ATTEMPTS), self._deployment)
        except ConfigurationError as error:
            why = f"{error.code} {error}".splitlines()[0]
            parts = self._context.manifest.parts
            return [Standing("function", each.name, State.UNKNOWN, {}, why) for each in parts]
        return list(self._found(deployed))

    def _found(self, deployed: Deployed) -> Iterator[Standing]:
        manifest = self._deployment.manifest
        for function in manifest.functions:
            found = deployed.functions.get((function.name, self._deployment.region_of(function)))
            yield self._standing(function, _state(found), _hash(found), fingerprint_of(self._deployment, function))
        for service in manifest.services:
            found = deployed.services.get((service.name, self._deployment.region_of(service)))
            ready = "ACTIVE" if found and is_ready(found) else "FAILED" if found else ""
            label = _hash(found["metadata"] if found else None)
            yield self._standing(service, ready, label, fingerprint_of_service(self._deployment, service))
        named = {(each.name, self._deployment.region_of(each)) for each in manifest.parts}
        for name, region in sorted({*deployed.functions, *deployed.services} - named):
            why = "it is no longer declared; `boiler deploy --prune` removes it"
            yield Standing("function", name, State.STALE_CODE, {"region": region}, why)

    def _standing(self, part: Function | Service, state: str, deployed: str | None, here: str) -> Standing:
        figures = {"region": self._deployment.region_of(part), "deployed": deployed, "here": here}
        whys = {
            State.STOPPED: "" if state else "it is not deployed",
            State.FAILING: "its last deployment failed" if state == "FAILED" else "",
            State.UNKNOWN: _unknown(state, deployed),
            State.STALE_CODE: "it runs other code, or has other options, than this checkout"
            if deployed != here
            else "",
        }
        return Standing.worst("function", part.name, figures, whys)


def _unknown(state: str, deployed: str | None) -> str:
    if state not in ("", "ACTIVE", "FAILED"):
        return f"it is {state.lower()}"
    return "`boiler deploy` has not deployed it" if state == "ACTIVE" and deployed is None else ""


def _state(found: Mapping[str, Any] | None) -> str:
    return str(found.get("state", "UNKNOWN")) if found else ""


def _hash(found: Mapping[str, Any] | None) -> str | None:
    label: str | None = (found or {}).get("labels", {}).get(HASH_LABEL)
    return label
