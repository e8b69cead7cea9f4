"""The state of each function and service in the cloud: whether it runs this checkout's code, with its options."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

from boiler_functions.cli.comparing import ACTIVE, FAILED, ComparedPart, compared
from boiler_functions.cli.context import Context
from boiler_functions.cli.deploy import planned
from boiler_functions.cli.deployment import Deployment
from boiler_functions.cli.gcloud import Gcloud
from boiler_functions.cli.listing import look_at_functions
from boiler_functions.exceptions import ConfigurationError
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
        return list(map(_standing, compared(replace(self._deployment, deployed=deployed))))


def _standing(part: ComparedPart) -> Standing:
    if part.here is None:
        why = "it is no longer declared; `boiler deploy --prune` removes it"
        return Standing("function", part.name, State.STALE_CODE, {"region": part.region}, why)
    whys = {
        State.STOPPED: "" if part.state else "it is not deployed",
        State.FAILING: "its last deployment failed" if part.state == FAILED else "",
        State.UNKNOWN: _unknown(part),
        State.STALE_CODE: _stale(part),
    }
    figures = {"region": part.region, "deployed": part.deployed, "here": part.here}
    return Standing.worst("function", part.name, figures, whys)


def _unknown(part: ComparedPart) -> str:
    if part.state not in ("", ACTIVE, FAILED):
        return f"it is {part.state.lower()}"
    return "`boiler deploy` has not deployed it" if part.state == ACTIVE and part.deployed is None else ""


def _stale(part: ComparedPart) -> str:
    if part.is_rolled_back:
        return "a former revision has its traffic; `boiler deploy` gives it to this checkout's code"
    return "it runs other code, or has other options, than this checkout" if part.deployed != part.here else ""
