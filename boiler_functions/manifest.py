"""The manifest: frozen records of what will be deployed, and the `functions.yaml` that firebase-tools reads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from boiler_functions.types import digest

Mode: TypeAlias = Literal["query", "task", "rest", "continuation"]

WRITTEN = "google.cloud.firestore.document.v1.written"

# A function's id in firebase-tools: ^[a-zA-Z][a-zA-Z0-9_-]{0,62}$
_LONGEST_NAME = 63
_DIGEST = 8


@dataclass(frozen=True)
class EventTrigger:
    """A Firestore trigger of every write to the documents of a path pattern."""

    document: str
    event_type: str = WRITTEN
    database: str = "(default)"
    namespace: str = "(default)"
    retry: bool = True

    def to_wire(self) -> dict[str, Any]:
        return {
            "eventTrigger": {
                "eventType": self.event_type,
                "eventFilters": {"database": self.database, "namespace": self.namespace},
                "eventFilterPathPatterns": {"document": self.document},
                "retry": self.retry,
            }
        }


@dataclass(frozen=True)
class HttpTrigger:
    """An HTTP trigger; `invoker` is who may call: "public" or "private"."""

    invoker: Literal["public", "private"]

    def to_wire(self) -> dict[str, Any]:
        return {"httpsTrigger": {"invoker": [self.invoker]}}


@dataclass(frozen=True)
class Function:
    """One Cloud Function."""

    name: str
    entry_point: str
    mode: Mode
    trigger: EventTrigger | HttpTrigger
    views: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def cloud_run_name(self) -> str:
        """The name of the Cloud Run service that gen2 makes of it; two functions may not share one."""
        return self.name.lower().replace("_", "-")

    def to_wire(self) -> dict[str, Any]:
        return {
            "entryPoint": self.entry_point,
            "platform": "gcfv2",
            "timeoutSeconds": self.options["timeout_sec"],
            **self.trigger.to_wire(),
        }


@dataclass(frozen=True)
class Manifest:
    """What an app deploys."""

    app: str
    functions: tuple[Function, ...]

    def to_functions_yaml(self) -> dict[str, Any]:
        """The content of `functions.yaml`, version v1alpha1."""
        return {
            "specVersion": "v1alpha1",
            "requiredAPIs": [
                {"api": "firestore.googleapis.com", "reason": "Stores the models and views."},
                {"api": "eventarc.googleapis.com", "reason": "Delivers the changes of documents."},
            ],
            "endpoints": {function.name: function.to_wire() for function in self.functions},
        }


def snake_case(name: str) -> str:
    """`snake_case("MeetingSession")` is `"meeting_session"`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower().replace("-", "_")


def function_name(app: str, entry_point: str) -> str:
    """The deployed name: the app's name before the entry point, shortened with a digest when it is too long."""
    name = f"{app}-{entry_point}".replace("_", "-").lower()
    if len(name) <= _LONGEST_NAME:
        return name
    short = re.sub(r"[^a-z0-9]", "x", digest(name)[:_DIGEST].lower())
    return f"{name[: _LONGEST_NAME - _DIGEST - 1]}-{short}"
