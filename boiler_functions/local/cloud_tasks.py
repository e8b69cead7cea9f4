"""Emulates Cloud Tasks on 127.0.0.1: the gRPC service that google-cloud-tasks calls, which dispatches the tasks."""

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Self, TypeAlias, TypeVar
from urllib.parse import urlsplit

import grpc
from google.cloud.tasks_v2.types import (
    CreateQueueRequest,
    CreateTaskRequest,
    DeleteTaskRequest,
    GetQueueRequest,
    GetTaskRequest,
    HttpMethod,
    Queue,
    Task,
)
from google.protobuf.empty_pb2 import Empty

from boiler_functions.exceptions import NotDrained
from boiler_functions.local.delivery import Refused, Retries
from boiler_functions.local.loopback import LOOPBACK, request
from boiler_functions.local.schedule import Schedule

TaskHandler: TypeAlias = Callable[[bytes, Mapping[str, str]], int]
"""Handles the body and the headers of a task and returns an HTTP status; it is called from several threads at once."""

MAX_TASK_BYTES = 100 * 1024

_SERVICE = "google.cloud.tasks.v2.CloudTasks"
_QUEUE = re.compile(r"projects/[^/]+/locations/[^/]+/queues/[A-Za-z0-9-]{1,100}")
_TASK_ID = re.compile(r"[A-Za-z0-9_-]{1,500}")
_DEADLINES = range(15, 30 * 60 + 1)
_DEFAULT_DEADLINE = 600

_NOT_FOUND = grpc.StatusCode.NOT_FOUND
_INVALID = grpc.StatusCode.INVALID_ARGUMENT
_EXISTS = grpc.StatusCode.ALREADY_EXISTS

Q = TypeVar("Q")


@dataclass(frozen=True, slots=True)
class Dispatch:
    """The result of one attempt to dispatch a task."""

    task: str
    url: str
    attempt: int
    status: int
    milliseconds: float
    error: str = ""

    @property
    def done(self) -> bool:
        return 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class _Attempt:
    task: Task
    number: int = 1

    @property
    def content(self) -> Any:
        """The protobuf message itself: the wrapped one has None for durations and times that are not set."""
        return Task.pb(self.task)


class _Refusal(Exception):
    """Makes the service answer a request with a status other than OK."""

    def __init__(self, status: Any, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class CloudTasksEmulator:
    """Serves queues until it is stopped; sends each task to its URL, or to `target` if that is given.

    with CloudTasksEmulator(["projects/demo-x/locations/us-central1/queues/continuations"]) as tasks:
        function = FunctionsProcess(main, "on_tickets", env={"CLOUD_TASKS_EMULATOR_HOST": tasks.host})
        tasks.drain()

    The name of a task can never be used again. Failures are retried as `retries` says, sooner than in production. The
    observer is called after each dispatch, by one thread at a time.
    """

    def __init__(
        self,
        queues: Sequence[str],
        *,
        target: TaskHandler | None = None,
        observer: Callable[[Dispatch], None] | None = None,
        max_concurrent_dispatches: int = 8,
        retries: Retries | None = None,
    ) -> None:
        self._queues = set(queues)
        self._target = target
        self._observer = observer
        self._retries = retries or Retries()
        self._lock = threading.Lock()
        self._observing = threading.Lock()
        self._tasks: dict[str, Task | None] = {}
        self._schedule: Schedule[_Attempt] = Schedule()
        self.discarded: list[Dispatch] = []
        self._server = grpc.server(ThreadPoolExecutor(4), handlers=[self._handlers()])
        self.host = f"{LOOPBACK}:{self._server.add_insecure_port(f'{LOOPBACK}:0')}"
        self._server.start()
        self._workers = [threading.Thread(target=self._work, daemon=True) for _ in range(max_concurrent_dispatches)]
        for worker in self._workers:
            worker.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Stops the service: waits for dispatches in progress, and drops tasks that wait."""
        self._server.stop(None).wait()
        self._schedule.close()
        for worker in self._workers:
            worker.join()

    def drain(self, timeout: float = 60.0) -> None:
        """Returns once every task is done, including tasks that they created; raises NotDrained otherwise."""
        if self._schedule.wait_idle(time.monotonic() + timeout) is None:
            raise NotDrained(f"Tasks are still under way after {timeout:g} s: {', '.join(self._waiting()) or 'none'}.")
        if self.discarded:
            last = self.discarded[-1]
            raise NotDrained(
                f"{len(self.discarded)} tasks were given up. The last: {last.task}, attempt {last.attempt}: "
                f"{last.status} {last.error[-500:]}"
            )

    def _waiting(self) -> list[str]:
        with self._lock:
            return [name for name, task in self._tasks.items() if task is not None]

    def _handlers(self) -> Any:
        methods = {
            "CreateQueue": _method(self._create_queue, CreateQueueRequest, Queue.serialize),
            "GetQueue": _method(self._get_queue, GetQueueRequest, Queue.serialize),
            "CreateTask": _method(self._create_task, CreateTaskRequest, Task.serialize),
            "GetTask": _method(self._get_task, GetTaskRequest, Task.serialize),
            "DeleteTask": _method(self._delete_task, DeleteTaskRequest, Empty.SerializeToString),
        }
        return grpc.method_handlers_generic_handler(_SERVICE, methods)

    def _create_queue(self, request: CreateQueueRequest) -> Queue:
        name = request.queue.name
        if not _QUEUE.fullmatch(name):
            raise _Refusal(_INVALID, f"{name!r} is not the name of a queue; expected projects/P/locations/L/queues/Q.")
        with self._lock:
            if name in self._queues:
                raise _Refusal(_EXISTS, f"The queue {name} exists.")
            self._queues.add(name)
        return Queue(name=name, state=Queue.State.RUNNING)

    def _get_queue(self, request: GetQueueRequest) -> Queue:
        self._check_queue(request.name)
        return Queue(name=request.name, state=Queue.State.RUNNING)

    def _check_queue(self, name: str) -> None:
        with self._lock:
            if name not in self._queues:
                raise _Refusal(_NOT_FOUND, f"There is no queue {name}; there are {sorted(self._queues)}.")

    def _create_task(self, request: CreateTaskRequest) -> Task:
        self._check_queue(request.parent)
        task = _with_defaults(request.task)
        _check_task(request.parent, task, served=self._target is not None)
        with self._lock:
            task.name = task.name or f"{request.parent}/tasks/{len(self._tasks):020d}"
            if task.name in self._tasks:
                raise _Refusal(_EXISTS, f"The name {task.name} is or was another task's.")
            self._tasks[task.name] = task
        attempt = _Attempt(task)
        self._schedule.add([attempt], [_wait(attempt)])
        return task

    def _get_task(self, request: GetTaskRequest) -> Task:
        with self._lock:
            return self._existing(request.name)

    def _delete_task(self, request: DeleteTaskRequest) -> Empty:
        with self._lock:
            self._existing(request.name)
            self._tasks[request.name] = None
        return Empty()

    def _existing(self, name: str) -> Task:
        task = self._tasks.get(name)
        if task is None:
            raise _Refusal(_NOT_FOUND, f"There is no task {name}, or no longer.")
        return task

    def _work(self) -> None:
        while attempt := self._schedule.take():
            again: _Attempt | None = None
            try:
                again = self._attempt(attempt)
            finally:
                self._schedule.finish(again, self._retries.wait(attempt.number))

    def _attempt(self, attempt: _Attempt) -> _Attempt | None:
        """Dispatches a task unless it was deleted; returns the next attempt, if one is needed."""
        name = attempt.task.name
        if name not in self._waiting():
            return None
        started = time.perf_counter()
        status, error = self._send(attempt)
        milliseconds = (time.perf_counter() - started) * 1000
        dispatch = Dispatch(name, attempt.task.http_request.url, attempt.number, status, milliseconds, error)
        again = self._next(attempt, dispatch)
        if again is None:
            with self._lock:
                self._tasks[name] = None
        if self._observer is not None:
            with self._observing:
                self._observer(dispatch)
        return again

    def _next(self, attempt: _Attempt, dispatch: Dispatch) -> _Attempt | None:
        if dispatch.done:
            return None
        if attempt.number < self._retries.attempts:
            return replace(attempt, number=attempt.number + 1)
        self.discarded.append(dispatch)
        return None

    def _send(self, attempt: _Attempt) -> tuple[int, str]:
        send = self._target or _post_to_url(attempt)
        try:
            status = send(attempt.task.http_request.body, _headers(attempt))
        except Refused as refused:
            return refused.status, str(refused)
        except BaseException as error:  # a test's simulated crash too: no worker may die of it
            return 500, f"{type(error).__name__}: {error}"
        return status, "" if 200 <= status < 300 else f"answered {status}"


def _method(answer: Callable[[Q], Any], message: type[Q], serialize: Callable[[Any], bytes]) -> Any:
    def handle(question: Q, context: Any) -> Any:
        try:
            return answer(question)
        except _Refusal as refusal:
            context.abort(refusal.status, str(refusal))

    deserialize: Any = message
    return grpc.unary_unary_rpc_method_handler(handle, deserialize.deserialize, serialize)


def _with_defaults(task: Task) -> Task:
    """Fills in what Cloud Tasks sets if the caller does not."""
    content = Task.pb(task)
    if not content.HasField("schedule_time"):
        content.schedule_time.GetCurrentTime()
    if not content.HasField("dispatch_deadline"):
        content.dispatch_deadline.seconds = _DEFAULT_DEADLINE
    content.http_request.http_method = content.http_request.http_method or HttpMethod.POST
    return task


def _check_task(queue: str, task: Task, served: bool) -> None:
    """Refuses what Cloud Tasks refuses, and a URL that a local server cannot have."""
    content = Task.pb(task)
    parent, _, identifier = task.name.rpartition("/tasks/")
    if task.name and (parent != queue or not _TASK_ID.fullmatch(identifier)):
        raise _Refusal(_INVALID, f"{task.name!r} is not a task of {queue}; an id has letters, digits, '-' and '_'.")
    if content.ByteSize() > MAX_TASK_BYTES:
        raise _Refusal(_INVALID, f"The task has {content.ByteSize()} bytes; the limit is {MAX_TASK_BYTES}.")
    if content.dispatch_deadline.seconds not in _DEADLINES:
        raise _Refusal(_INVALID, f"A dispatch deadline is 15 s to 30 min; found {content.dispatch_deadline.seconds} s.")
    if not served and urlsplit(task.http_request.url).scheme != "http":
        raise _Refusal(_INVALID, f"Tasks go to http:// here; found {task.http_request.url!r}.")


def _wait(attempt: _Attempt) -> float:
    """Returns the seconds until the task is due; negative if its time has passed."""
    return float(attempt.content.schedule_time.ToNanoseconds() / 1e9 - time.time())


def _headers(attempt: _Attempt) -> dict[str, str]:
    queue, _, name = attempt.task.name.rpartition("/tasks/")
    return {
        **attempt.task.http_request.headers,
        "User-Agent": "Google-Cloud-Tasks",
        "X-CloudTasks-QueueName": queue.rpartition("/")[2],
        "X-CloudTasks-TaskName": name,
        "X-CloudTasks-TaskRetryCount": str(attempt.number - 1),
    }


def _post_to_url(attempt: _Attempt) -> TaskHandler:
    """Returns a target that sends to the task's URL, with the task's deadline for the answer."""
    url = urlsplit(attempt.task.http_request.url)
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    method = HttpMethod(attempt.task.http_request.http_method).name
    seconds = attempt.content.dispatch_deadline.seconds

    def send(body: bytes, headers: Mapping[str, str]) -> int:
        answer = request(url.netloc, method, path, body, headers, timeout=seconds)
        if not 200 <= answer.status < 300:
            raise Refused(answer.status, answer.text)
        return answer.status

    return send
