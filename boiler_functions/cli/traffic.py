"""The record by which a rollback compares revisions, and the command that moves the traffic of a service."""

from __future__ import annotations

from typing import NamedTuple, Self

from boiler_functions.cli.gcloud import Command, gcloud
from boiler_functions.types import digest

VARIABLE = "BOILER_DEPLOYED"
"""The environment variable in which each revision carries the record."""

LATEST = "--to-latest"


class DeployedAs(NamedTuple):
    """The deployment that made a revision, and a digest of what a rollback cannot bring back.

    That is how its views are built, which their ledgers record, and its trigger, which is not part of a revision.
    """

    number: int
    fixed: str

    @classmethod
    def of(cls, number: int, *fixed: object) -> Self:
        return cls(number, digest(*fixed))

    @classmethod
    def read(cls, text: str | None) -> Self | None:
        """Returns the record that `to_text` wrote; None for any other text."""
        number, _, fixed = (text or "").partition(".")
        return cls(int(number), fixed) if number.isdecimal() and fixed else None

    def to_text(self) -> str:
        return f"{self.number}.{self.fixed}"


def move_traffic(project: str, service: str, region: str, where: str) -> Command:
    """Returns the command that moves the traffic; `where` is a flag."""
    return gcloud("run", "services", "update-traffic", service, where, f"--region={region}", f"--project={project}")


def to_revision(revision: str) -> str:
    """Returns the flag that gives a revision all traffic."""
    return f"--to-revisions={revision}=100"
