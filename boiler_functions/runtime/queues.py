"""Cloud Tasks: queues the rest of a fan-out in parts, each of which invokes the private function `continuations`.

This file is imported only if a queue is configured, so that other event functions start without the client.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from threading import Lock
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import google.auth
import grpc
from google.api_core.exceptions import (
    AlreadyExists,
    DeadlineExceeded,
    GoogleAPICallError,
    RetryError,
    ServiceUnavailable,
)
from google.api_core.retry import Retry, if_exception_type
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import Request as AuthRequest
from google.cloud.tasks_v2 import CloudTasksClient
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcTransport
from google.cloud.tasks_v2.types import HttpMethod, HttpRequest, OidcToken, Task
from google.protobuf.duration_pb2 import Duration

from boiler_functions.database.errors import READ_ERRORS
from boiler_functions.exceptions import BoilerError, ConfigurationError, TooLarge, Unavailable
from boiler_functions.manifest import Function
from boiler_functions.modes.event_function import Enqueue, Rest
from boiler_functions.runtime.queue_variables import QUEUE, SERVICE_ACCOUNT, URL

EMULATOR_HOST: Final = "CLOUD_TASKS_EMULATOR_HOST"
FIREBASE_CONFIG: Final = "FIREBASE_CONFIG"
FIREBASE_EMULATOR: Final = "FUNCTIONS_EMULATOR"

MAX_TASK_BYTES: Final = 100_000

# A function runs for 540 s at most, and its own timeout must end an attempt: an earlier deadline would start a second
# attempt beside the first. https://cloud.google.com/tasks/docs/reference/rpc/google.cloud.tasks.v2#task
_DISPATCH_SECONDS: Final = 600

_SECONDS: Final = 5.0
_RETRY: Final = Retry(if_exception_type(ServiceUnavailable, DeadlineExceeded), initial=0.1, timeout=_SECONDS)

_NAME: Final = re.compile(r"projects/[^/]+/locations/[^/]+/queues/[A-Za-z0-9-]{1,100}")

_lock = Lock()


def enqueuer(environ: Mapping[str, str]) -> Enqueue:
    """Returns a function that puts continuations on the queue that the environment names.

    BOILER_QUEUE is the queue (`projects/P/locations/L/queues/Q`), BOILER_CONTINUATIONS_URL the private function, and
    BOILER_TASKS_SERVICE_ACCOUNT the account that may invoke it, which an emulator (CLOUD_TASKS_EMULATOR_HOST) does not
    need. Raises ConfigurationError if one of them is missing.
    """
    return Queue.of(environ).put


def firebase_enqueuer(function: Function, environ: Mapping[str, str]) -> Enqueue:
    """Returns a function that puts continuations on the queue that firebase-tools made, in the cloud or its emulators.

    Nothing needs to be configured: FIREBASE_CONFIG names the project, and queue and function have the same name.
    """
    project, region, name = json.loads(environ[FIREBASE_CONFIG])["projectId"], function.options.region, function.name
    queue = f"projects/{project}/locations/{region}/queues/{name}"
    if environ.get(FIREBASE_EMULATOR):
        return FirebaseQueue(queue, environ[EMULATOR_HOST]).put
    account = _account(function.options.service_account, project)
    return Queue(queue, f"https://{region}-{project}.cloudfunctions.net/{name}", account).put


@dataclass(frozen=True)
class FirebaseQueue:
    """A queue of firebase-tools' emulator, which has no gRPC, and knows by itself which function to invoke."""

    name: str
    emulator: str

    def put(self, rest: Rest) -> None:
        """Creates the task of the continuation, unless it exists or was done; raises if that is uncertain."""
        task = {
            "name": f"{self.name}/tasks/{rest.name}",
            "httpRequest": {"url": "", "body": b64encode(json.dumps(rest.to_json()).encode()).decode()},
            "dispatchDeadline": f"{_DISPATCH_SECONDS}s",
        }
        body = json.dumps({"task": task}).encode()
        url = f"http://{self.emulator}/{self.name}/tasks"
        try:
            urlopen(Request(url, body, {"Content-Type": "application/json"}), timeout=_SECONDS).close()
        except HTTPError as error:
            if error.code != HTTPStatus.CONFLICT:
                raise Unavailable(f"The queue {self.name} accepts no task: {error}. It is tried again.") from error
        except (URLError, OSError) as error:
            raise Unavailable(f"The queue {self.name} accepts no task: {error}. It is tried again.") from error


def _account(named: str | None, project: str) -> str:
    """Returns the service account that invokes the function: the declared one, or else that of this process."""
    if named:
        return f"{named}{project}.iam.gserviceaccount.com" if named.endswith("@") else named
    try:
        credentials: Any = google.auth.default()[0]
        credentials.refresh(AuthRequest())  # until then the account's name is "default"
    except GoogleAuthError as error:
        raise ConfigurationError(f"There is no service account that could invoke continuations: {error}") from error
    return str(credentials.service_account_email)


@dataclass(frozen=True)
class Queue:
    """A queue, and the function that its tasks invoke; nothing is opened before the first task."""

    name: str
    url: str
    service_account: str | None = None
    emulator: str | None = None

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> Queue:
        emulator = environ.get(EMULATOR_HOST)
        needed = (QUEUE, URL) if emulator else (QUEUE, URL, SERVICE_ACCOUNT)
        if missing := [variable for variable in needed if not environ.get(variable)]:
            raise ConfigurationError(
                f"A fan-out cannot be handed on: {', '.join(missing)} is not set. Set {', '.join(needed)}; or unset "
                f"{QUEUE}, so that one invocation does a whole fan-out."
            )
        if not _NAME.fullmatch(environ[QUEUE]):
            raise ConfigurationError(
                f"{QUEUE} is {environ[QUEUE]!r}; a queue's name is 'projects/PROJECT/locations/LOCATION/queues/QUEUE'."
            )
        return cls(environ[QUEUE], environ[URL], environ.get(SERVICE_ACCOUNT), emulator)

    def put(self, rest: Rest) -> None:
        """Creates the task of the continuation, unless it exists or was done; raises if that is uncertain."""
        task = self.task(rest)
        try:
            # The name makes creation idempotent, so it may be tried again after its answer was lost.
            _client(self.emulator).create_task(parent=self.name, task=task, retry=_RETRY, timeout=_SECONDS)
        except AlreadyExists:
            # Equal names mean equal work, and a task leaves its queue only when it is done.
            return
        except GoogleAPICallError as error:
            raise self._translated(error) from error
        except RetryError as error:
            raise self._translated(error.cause) from error

    def task(self, rest: Rest) -> Task:
        """Returns the continuation as a task; raises TooLarge if Cloud Tasks would refuse it."""
        request = HttpRequest(
            url=self.url,
            http_method=HttpMethod.POST,
            headers={"Content-Type": "application/json"},
            body=json.dumps(rest.to_json()).encode(),
        )
        if self.service_account:
            request.oidc_token = OidcToken(service_account_email=self.service_account, audience=self.url)
        name = f"{self.name}/tasks/{rest.name}"
        task = Task(name=name, http_request=request, dispatch_deadline=Duration(seconds=_DISPATCH_SECONDS))
        if (size := len(Task.serialize(task))) > MAX_TASK_BYTES:
            raise TooLarge(f"The task that continues {rest.path} has {size} bytes; the limit is {MAX_TASK_BYTES}.")
        return task

    def _translated(self, error: GoogleAPICallError) -> BoilerError:
        meaning = READ_ERRORS[error.grpc_status_code or grpc.StatusCode.UNKNOWN]
        step = "It is tried again." if meaning is Unavailable else "Correct the queue, its name or the rights."
        return meaning(f"The queue {self.name} accepts no task: {error} {step}")


def _client(emulator: str | None) -> CloudTasksClient:
    with _lock:
        return _shared(emulator)


@cache
def _shared(emulator: str | None) -> CloudTasksClient:
    try:
        if emulator is None:
            return CloudTasksClient()
        return CloudTasksClient(transport=CloudTasksGrpcTransport(channel=grpc.insecure_channel(emulator)))
    except GoogleAuthError as error:
        raise ConfigurationError(
            f"No credentials for Cloud Tasks: {error} Run 'gcloud auth application-default login', "
            f"or set {EMULATOR_HOST} to use the emulator."
        ) from error
