"""The manifest: frozen records of what to deploy, and the `functions.yaml` that firebase-tools reads."""

from __future__ import annotations

import re
from typing import Any, NamedTuple, TypeAlias

from boiler_functions.settings.options import Options
from boiler_functions.types import digest

WRITTEN = "google.cloud.firestore.document.v1.written"
APP_LABEL = "boiler-app"
"""The label that names the app of what is deployed."""
HASH_LABEL = "boiler-hash"
"""The label with a digest of what it was deployed from."""

CREATED = "google.cloud.firestore.document.v1.created"

# firebase-tools requires function ids to match ^[a-zA-Z][a-zA-Z0-9_-]{0,62}$.
_LONGEST_NAME = 63
_DIGEST = 8


class EventTrigger(NamedTuple):
    """A Firestore trigger on the documents of a path pattern; `location` is that of the database."""

    document: str
    event_type: str = WRITTEN
    database: str = "(default)"
    namespace: str = "(default)"
    retry: bool = True
    location: str | None = None

    def to_wire(self) -> dict[str, Any]:
        trigger = {
            "eventType": self.event_type,
            "eventFilters": {"database": self.database, "namespace": self.namespace},
            "eventFilterPathPatterns": {"document": self.document},
            "retry": self.retry,
        }
        return {"eventTrigger": trigger | ({"region": self.location} if self.location else {})}


class HttpTrigger(NamedTuple):
    """An HTTP trigger; `invoker` names the permitted callers: "public", "private", or service accounts."""

    invoker: tuple[str, ...] = ("public",)

    def to_wire(self) -> dict[str, Any]:
        return {"httpsTrigger": {"invoker": list(self.invoker)}}


class QueueTrigger(NamedTuple):
    """A Cloud Tasks queue with the name and region of the function; only the queue may call the function.

    The queue retries a task without limit: the function itself ends a task that cannot succeed, with a dead letter.
    """

    # Not -1, which means "no limit" to Cloud Tasks, but "once" to the emulator of firebase-tools.
    max_attempts: int = 1_000_000
    min_backoff_seconds: int = 1
    max_backoff_seconds: int = 600
    max_concurrent_dispatches: int = 100
    max_dispatches_per_second: int = 100
    invoker: tuple[str, ...] = ("private",)

    def to_wire(self) -> dict[str, Any]:
        return {
            "taskQueueTrigger": {
                "retryConfig": {
                    "maxAttempts": self.max_attempts,
                    "minBackoffSeconds": self.min_backoff_seconds,
                    "maxBackoffSeconds": self.max_backoff_seconds,
                },
                "rateLimits": {
                    "maxConcurrentDispatches": self.max_concurrent_dispatches,
                    "maxDispatchesPerSecond": self.max_dispatches_per_second,
                },
                "invoker": list(self.invoker),
            }
        }


class ScheduleTrigger(NamedTuple):
    """A job of Cloud Scheduler with the name and region of the function; only the job may call the function."""

    schedule: str = "* * * * *"
    """A cron expression, in UTC; the default is once a minute, the shortest interval of Cloud Scheduler."""
    invoker: tuple[str, ...] = ("private",)

    def to_wire(self) -> dict[str, Any]:
        return {"scheduleTrigger": {"schedule": self.schedule, "timeZone": "Etc/UTC"}}


Trigger: TypeAlias = EventTrigger | HttpTrigger | QueueTrigger | ScheduleTrigger


class Function(NamedTuple):
    """One Cloud Function; its `options` include all those for which the two deployers have different defaults."""

    name: str
    entry_point: str
    mode: str
    """The name of its mode, or of a part of it."""
    trigger: Trigger
    views: tuple[str, ...]
    options: Options = Options()
    extra: str | None = None
    """The extra of this package that must be installed where it runs."""
    hands_on: bool = False
    """Whether it hands work that does not fit into one invocation to the app's queue."""
    receives: str | None = None
    """The source of its changes, if a renamed function that is still deployed would receive them a second time."""

    @property
    def builds(self) -> bool:
        """Whether it takes part in building stored views: by events, by a queue, or by the schedule of upkeep."""
        return not isinstance(self.trigger, HttpTrigger) and self.receives is None

    @property
    def cloud_run_name(self) -> str:
        """The name of the Cloud Run service that runs the function; two functions must not share one."""
        return cloud_run_name(self.name)

    def to_wire(self) -> dict[str, Any]:
        options = self.options
        vpc = {"connector": options.vpc_connector, "egressSettings": options.vpc_connector_egress_settings}
        settings = {
            "entryPoint": self.entry_point,
            "platform": "gcfv2",
            "region": [options.region] if options.region else None,
            "availableMemoryMb": options.memory,
            "cpu": options.cpu,
            "concurrency": options.concurrency,
            "timeoutSeconds": options.timeout_sec,
            "minInstances": options.min_instances,
            "maxInstances": options.max_instances,
            "serviceAccount": options.service_account,
            "labels": dict(options.labels) if options.labels else None,
            "ingressSettings": options.ingress,
            "vpc": _said(vpc) if options.vpc_connector else None,
            "secretEnvironmentVariables": [{"key": name} for name in options.secrets] if options.secrets else None,
        }
        return {**_said(settings), **self.trigger.to_wire()}


class Service(NamedTuple):
    """The Cloud Run service that holds the clients' WebSockets, as functions cannot; firebase-tools cannot deploy it.

    It is open to everybody, and checks the tokens itself.
    """

    name: str
    entry_point: str
    namespaces: tuple[str, ...]
    views: tuple[str, ...]
    options: Options

    @property
    def cloud_run_name(self) -> str:
        return self.name

    def to_json(self) -> dict[str, Any]:
        """Returns the service as `boiler plan --json` shows it."""
        return {
            "name": self.name,
            "entry_point": self.entry_point,
            "namespaces": list(self.namespaces),
            "views": list(self.views),
            "options": self.options.given(),
        }


class Manifest(NamedTuple):
    """The functions and services that an app deploys."""

    app: str
    functions: tuple[Function, ...]
    services: tuple[Service, ...] = ()

    @property
    def parts(self) -> tuple[Function | Service, ...]:
        """The functions and the services."""
        return (*self.functions, *self.services)

    @property
    def api(self) -> Function | None:
        """The function that answers requests, or None."""
        return next((each for each in self.functions if isinstance(each.trigger, HttpTrigger)), None)

    @property
    def queues(self) -> tuple[Function, ...]:
        """The functions that have a queue."""
        return tuple(function for function in self.functions if isinstance(function.trigger, QueueTrigger))

    @property
    def schedules(self) -> tuple[Function, ...]:
        """The functions that a schedule invokes."""
        return tuple(function for function in self.functions if isinstance(function.trigger, ScheduleTrigger))

    def staged(self, view: str) -> Manifest:
        """Returns the functions that follow changes for a staged version of the view, by names of their own."""
        following = (each for each in self.functions if view in each.views and each.builds)
        names = ((each, staged_name(view, each.entry_point)) for each in following)
        return Manifest(self.app, tuple(each._replace(name=function_name(self.app, name)) for each, name in names))

    @property
    def undelivered(self) -> str:
        """The name of the topic, and of its subscription, for events that could not be delivered."""
        return undelivered_of(self.app)

    @property
    def apis(self) -> dict[str, str]:
        """The APIs of Google Cloud that the running app uses, each with the reason."""
        apis = {"firestore.googleapis.com": "Stores the models and views."}
        if any(isinstance(function.trigger, EventTrigger) for function in self.functions):
            apis["eventarc.googleapis.com"] = "Delivers the changes of documents."
        if self.queues:
            apis["cloudtasks.googleapis.com"] = "Takes the rest of a fan-out that is larger than one invocation."
        if self.schedules:
            apis["cloudscheduler.googleapis.com"] = "Invokes the upkeep once a minute."
        if any(each.options.secrets for each in self.parts):
            apis["secretmanager.googleapis.com"] = "Keeps the secrets."
        return apis

    @property
    def roles(self) -> dict[str, str]:
        """The fewest roles that the functions' service account needs, each with the reason."""
        roles = {
            "roles/datastore.user": "Reads and writes the documents.",
            "roles/logging.logWriter": "Writes the logs.",
        }
        if any(isinstance(function.trigger, EventTrigger) for function in self.functions):
            roles["roles/eventarc.eventReceiver"] = "Receives the changes of documents."
        if any(not isinstance(function.trigger, HttpTrigger) for function in self.functions):
            roles["roles/run.invoker"] = "Invokes the functions, which nobody else may."
        if self.queues:
            roles["roles/cloudtasks.enqueuer"] = "Hands the rest of a fan-out on."
            roles["roles/iam.serviceAccountUser"] = "Lets a task invoke as this account; on the account itself."
        if any(each.options.secrets for each in self.parts):
            roles["roles/secretmanager.secretAccessor"] = "Reads the secrets."
        return roles

    def to_functions_yaml(self) -> dict[str, Any]:
        """Returns the content of `functions.yaml`, version v1alpha1."""
        return {
            "specVersion": "v1alpha1",
            "requiredAPIs": [{"api": api, "reason": reason} for api, reason in self.apis.items()],
            "endpoints": {function.name: function.to_wire() for function in self.functions},
        }


def _said(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def cloud_run_name(name: str) -> str:
    """Returns the name of the Cloud Run service that runs a function: `cloud_run_name("Add_user")` is `"add-user"`."""
    return name.lower().replace("_", "-")


def snake_case(name: str) -> str:
    """Returns the name in snake case: `snake_case("MeetingSession")` is `"meeting_session"`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower().replace("-", "_")


def collection_name(pattern: str) -> str:
    """Returns a name for a pattern: `collection_name("users/{user}/cities/{city}")` is `"users_cities"`."""
    return "_".join(re.sub(r"\W", "_", snake_case(segment)) for segment in pattern.split("/") if "{" not in segment)


def function_name(app: str, entry_point: str) -> str:
    """Returns the deployed name: the app's name and the entry point, shortened by a digest if it is too long."""
    name = f"{app}-{entry_point}".replace("_", "-").lower()
    if len(name) <= _LONGEST_NAME:
        return name
    short = re.sub(r"[^a-z0-9]", "x", digest(name)[:_DIGEST].lower())
    return f"{name[: _LONGEST_NAME - _DIGEST - 1]}-{short}"


def staged_name(view: str, entry_point: str) -> str:
    """Returns the name of an entry point where it builds a staged version of a view."""
    return f"{snake_case(view)}_staged_{entry_point}"


def undelivered_of(app: str) -> str:
    """Returns the name of the topic, and of its subscription, for events of an app that could not be delivered."""
    return f"{app.lower()}-undelivered"
