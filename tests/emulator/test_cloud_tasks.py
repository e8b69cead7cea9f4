"""Cloud Tasks: the queue takes a continuation once, until it is done; a fan-out that goes through it is complete."""

import json
import runpy
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from pathlib import Path
from time import time
from typing import Any

import grpc
import pytest
from cloudevents.http import from_http
from google.api_core.exceptions import AlreadyExists, GoogleAPICallError, InvalidArgument, NotFound
from google.cloud.tasks_v2 import CloudTasksClient
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcTransport
from google.cloud.tasks_v2.types import HttpRequest, Task
from google.cloud.tasks_v2.types import Queue as QueueMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from boiler_functions.compile.compiler import Compiled
from boiler_functions.database import Database, Put, Query
from boiler_functions.database.firestore import FirestoreDatabase
from boiler_functions.database.memory import MemoryDatabase
from boiler_functions.database.metered import Metered
from boiler_functions.exceptions import ConfigurationError, InvalidRequest, NotDrained, TooLarge, Unavailable
from boiler_functions.local.cloud_tasks import CloudTasksEmulator, Dispatch
from boiler_functions.local.delivery import DeliveryHarness, LocalTrigger, Retries
from boiler_functions.local.events import Event, EventServer
from boiler_functions.local.firestore_emulator import FirestoreEmulator
from boiler_functions.local.functions_process import FunctionsProcess
from boiler_functions.local.loopback import LOOPBACK, free_port
from boiler_functions.modes.event_function import Enqueue
from boiler_functions.modes.invocation import Invocation, Surroundings
from boiler_functions.modes.query.continuation import Continuation
from boiler_functions.modes.query.rebuild import Rebuild
from boiler_functions.runtime.events import change_of
from boiler_functions.runtime.queues import MAX_TASK_BYTES, Queue, enqueuer
from boiler_functions.types import Fields, Instant, Reference
from boiler_functions.views.build import Instance

QUEUE = "projects/demo-tasks/locations/us-central1/queues/continuations"
SOON = Retries(first=0.01, longest=0.05)
URL = "http://127.0.0.1:9/continuations"
CONTINUATION = Continuation("f", ("a", "b"), "x", "y", "e1", "//firestore", "authors/ada", 3, 1, 2)
BOOKS = 300
HOUR = 3_600_000_000_000

LIBRARY = """
from boiler_functions import Boiler, DomainModel, Store, ViewModel, attrs, reference

app = Boiler("library")

class Author(DomainModel):
    class Meta:
        collection_name = "authors"

    name = attrs.string(required=True)

class Book(DomainModel):
    class Meta:
        collection_name = "books"

    author = attrs.relation(Author)

class BookStore(Store):
    book = reference(Book)
    author = reference(Book.author)

@app.query
class BookCard(ViewModel[BookStore]):
    class Meta:
        path = "bookCards/{book.doc_id}"

    @attrs.computed
    def byline(self) -> str:
        return self.store.author.name if self.store.author else "unknown"

app.export(globals())
"""


class Worker:
    """A target that remembers each payload, and answers with the status that the test's function returns."""

    def __init__(self, act: Callable[[int], int] = lambda _: 200) -> None:
        self.received: list[tuple[Any, Mapping[str, str]]] = []
        self._act = act
        self._lock = threading.Lock()

    def __call__(self, body: bytes, headers: Mapping[str, str]) -> int:
        with self._lock:
            self.received.append((json.loads(body), headers))
            number = len(self.received)
        return self._act(number)

    @property
    def bodies(self) -> list[Any]:
        return [body for body, _ in self.received]


def client(tasks: CloudTasksEmulator) -> CloudTasksClient:
    return CloudTasksClient(transport=CloudTasksGrpcTransport(channel=grpc.insecure_channel(tasks.host)))


def task(identifier: str = "", content: object = 1, url: str = URL, **more: Any) -> Task:
    name = f"{QUEUE}/tasks/{identifier}" if identifier else ""
    return Task(name=name, http_request=HttpRequest(url=url, body=json.dumps(content).encode()), **more)


def environment(host: str, url: str = URL) -> dict[str, str]:
    return {"BOILER_QUEUE": QUEUE, "BOILER_CONTINUATIONS_URL": url, "CLOUD_TASKS_EMULATOR_HOST": host}


def test_a_task_is_dispatched_with_its_body_and_the_headers_of_cloud_tasks() -> None:
    worker = Worker()
    with CloudTasksEmulator([QUEUE], target=worker) as tasks:
        client(tasks).create_task(parent=QUEUE, task=task("t1", {"n": 1}))
        tasks.drain()
    ((body, headers),) = worker.received
    assert body == {"n": 1}
    assert headers["X-CloudTasks-TaskName"] == "t1"
    assert headers["X-CloudTasks-QueueName"] == "continuations"
    assert headers["X-CloudTasks-TaskRetryCount"] == "0"


def test_a_task_is_dispatched_until_it_is_answered_with_2xx_and_the_retries_are_counted() -> None:
    seen: list[Dispatch] = []
    worker = Worker(lambda number: (500, 302, 200)[number - 1])
    with CloudTasksEmulator([QUEUE], target=worker, observer=seen.append, retries=SOON) as tasks:
        client(tasks).create_task(parent=QUEUE, task=task("t1"))
        tasks.drain()
    assert [headers["X-CloudTasks-TaskRetryCount"] for _, headers in worker.received] == ["0", "1", "2"]
    assert [(each.attempt, each.status, each.done) for each in seen] == [
        (1, 500, False),
        (2, 302, False),
        (3, 200, True),
    ]


def test_a_used_name_is_refused_also_after_the_task_is_done() -> None:
    worker = Worker()
    with CloudTasksEmulator([QUEUE], target=worker) as tasks:
        client(tasks).create_task(parent=QUEUE, task=task("t1"))
        tasks.drain()
        with pytest.raises(AlreadyExists):
            client(tasks).create_task(parent=QUEUE, task=task("t1"))
        tasks.drain()
    assert len(worker.received) == 1


def test_tasks_without_a_name_get_one_each() -> None:
    worker = Worker()
    with CloudTasksEmulator([QUEUE], target=worker) as tasks:
        names = {client(tasks).create_task(parent=QUEUE, task=task(content=number)).name for number in range(3)}
        tasks.drain()
    assert (len(names), sorted(worker.bodies)) == (3, [0, 1, 2])


def test_a_task_waits_for_its_time() -> None:
    worker = Worker()
    with CloudTasksEmulator([QUEUE], target=worker) as tasks:
        later = Timestamp(seconds=int(time()) + 2)
        client(tasks).create_task(parent=QUEUE, task=task("later", "later", schedule_time=later))
        client(tasks).create_task(parent=QUEUE, task=task("now", "now"))
        tasks.drain()
    assert worker.bodies == ["now", "later"]


def test_a_deleted_task_is_gone_and_is_not_dispatched() -> None:
    worker = Worker()
    with CloudTasksEmulator([QUEUE], target=worker) as tasks:
        soon = Timestamp(seconds=int(time()) + 2)
        created = client(tasks).create_task(parent=QUEUE, task=task("t1", schedule_time=soon))
        assert client(tasks).get_task(name=created.name).name == created.name
        client(tasks).delete_task(name=created.name)
        with pytest.raises(NotFound):
            client(tasks).get_task(name=created.name)
        tasks.drain()
    assert worker.received == []


def test_as_many_tasks_are_dispatched_at_once_as_allowed_and_no_more() -> None:
    both, lock = threading.Barrier(2, timeout=30), threading.Lock()
    running, peaks = [0], [0]

    def work(_: int) -> int:
        with lock:
            running[0] += 1
            peaks.append(running[0])
        both.wait()
        with lock:
            running[0] -= 1
        return 200

    with CloudTasksEmulator([QUEUE], target=Worker(work), max_concurrent_dispatches=2) as tasks:
        for number in range(6):
            client(tasks).create_task(parent=QUEUE, task=task(f"t{number}"))
        tasks.drain()
    assert max(peaks) == 2


def test_drain_reports_tasks_that_are_given_up() -> None:
    with CloudTasksEmulator([QUEUE], target=Worker(lambda _: 500), retries=replace(SOON, attempts=2)) as tasks:
        client(tasks).create_task(parent=QUEUE, task=task("t1"))
        with pytest.raises(NotDrained, match="t1, attempt 2: 500"):
            tasks.drain()


def test_a_target_that_raises_fails_the_task_and_no_worker_dies_of_it() -> None:
    def crash(number: int) -> int:
        if number <= 3:
            raise SystemExit("as asked")
        return 200

    with CloudTasksEmulator([QUEUE], target=Worker(crash), max_concurrent_dispatches=1, retries=SOON) as tasks:
        client(tasks).create_task(parent=QUEUE, task=task("t1"))
        tasks.drain()
    assert tasks.discarded == []


@pytest.mark.parametrize(
    ("refused", "error"),
    [
        (task("no dots. or spaces"), InvalidArgument),
        (task("t1", "x" * 110_000), InvalidArgument),
        (task("t1", dispatch_deadline=Duration(seconds=10)), InvalidArgument),
        (task("t1", url="https://example.com/"), InvalidArgument),
        (Task(name="projects/p/locations/l/queues/other/tasks/t1"), InvalidArgument),
    ],
)
def test_what_cloud_tasks_refuses_is_refused(refused: Task, error: type[GoogleAPICallError]) -> None:
    with CloudTasksEmulator([QUEUE]) as tasks, pytest.raises(error):
        client(tasks).create_task(parent=QUEUE, task=refused)


def test_a_queue_exists_once_it_is_created() -> None:
    with CloudTasksEmulator([]) as tasks:
        with pytest.raises(NotFound):
            client(tasks).get_queue(name=QUEUE)
        location = QUEUE.partition("/queues/")[0]
        client(tasks).create_queue(parent=location, queue=QueueMessage(name=QUEUE))
        assert client(tasks).get_queue(name=QUEUE).name == QUEUE
        with pytest.raises(AlreadyExists):
            client(tasks).create_queue(parent=location, queue=QueueMessage(name=QUEUE))


def test_a_continuation_arrives_as_it_was_put() -> None:
    worker = Worker()
    with CloudTasksEmulator([QUEUE], target=worker) as tasks:
        enqueuer(environment(tasks.host))(CONTINUATION)
        tasks.drain()
    ((body, headers),) = worker.received
    assert Continuation.from_json(body) == CONTINUATION
    assert headers["X-CloudTasks-TaskName"] == CONTINUATION.name
    assert headers["Content-Type"] == "application/json"


def test_a_continuation_that_was_put_already_counts_as_put_also_from_many_threads() -> None:
    worker = Worker()
    with CloudTasksEmulator([QUEUE], target=worker) as tasks, ThreadPoolExecutor(8) as threads:
        put = enqueuer(environment(tasks.host))
        list(threads.map(put, [CONTINUATION] * 32))
        tasks.drain()
        put(CONTINUATION)
        tasks.drain()
    assert len(worker.received) == 1


def test_every_name_of_a_continuation_is_one_that_a_task_may_have() -> None:
    with CloudTasksEmulator([QUEUE], target=Worker()) as tasks:
        put = enqueuer(environment(tasks.host))
        for number in range(50):
            put(CONTINUATION._replace(id=f"events/{number}"))
        tasks.drain()


def test_a_missing_queue_is_an_invalid_request() -> None:
    with CloudTasksEmulator([]) as tasks, pytest.raises(InvalidRequest, match="There is no queue"):
        enqueuer(environment(tasks.host))(CONTINUATION)


def test_a_queue_that_cannot_be_reached_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="accepts no task"):
        enqueuer(environment(f"{LOOPBACK}:{free_port()}"))(CONTINUATION)


def test_a_continuation_that_no_task_can_hold_is_too_large() -> None:
    with CloudTasksEmulator([QUEUE]) as tasks, pytest.raises(TooLarge, match=str(MAX_TASK_BYTES)):
        enqueuer(environment(tasks.host))(CONTINUATION._replace(id="x" * MAX_TASK_BYTES))


def test_a_task_carries_a_token_of_the_service_account_for_the_function() -> None:
    queue = Queue.of({**environment(""), "BOILER_TASKS_SERVICE_ACCOUNT": "tasks@demo.iam.gserviceaccount.com"})
    token = queue.task(CONTINUATION).http_request.oidc_token
    assert (token.service_account_email, token.audience) == ("tasks@demo.iam.gserviceaccount.com", URL)


@pytest.mark.parametrize("missing", ["BOILER_QUEUE", "BOILER_CONTINUATIONS_URL", "BOILER_TASKS_SERVICE_ACCOUNT"])
def test_a_missing_variable_is_named(missing: str) -> None:
    complete = {"BOILER_QUEUE": QUEUE, "BOILER_CONTINUATIONS_URL": URL, "BOILER_TASKS_SERVICE_ACCOUNT": "tasks@demo"}
    enqueuer(complete)
    with pytest.raises(ConfigurationError, match=rf"{missing} is not set"):
        enqueuer({name: value for name, value in complete.items() if name != missing})


def test_a_queue_has_a_full_name() -> None:
    with pytest.raises(ConfigurationError, match="'continuations'; a queue's name is"):
        enqueuer({**environment("127.0.0.1:1"), "BOILER_QUEUE": "continuations"})


def test_the_runtime_starts_without_the_client_of_cloud_tasks() -> None:
    code = "import sys, boiler_functions.runtime; print([name for name in sys.modules if 'cloud.tasks' in name])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert answer.stdout.strip() == "[]"


def out_of_time() -> Callable[[], Instant]:
    """A clock that says after each page that the time is over."""
    return count(HOUR, HOUR).__next__


def fields_of(database: Database, collection: str) -> dict[str, Fields]:
    return {each.path: each.fields for each in database.query(Query(collection)).documents if each.fields is not None}


class Library:
    """Books of one author on the emulator, each with its card."""

    def __init__(self, project: str, emulator: FirestoreEmulator, source: Path) -> None:
        self.project = project
        self.source = source
        self.environment = {"GOOGLE_CLOUD_PROJECT": project, "FIRESTORE_EMULATOR_HOST": emulator.host}
        self.database = FirestoreDatabase(project, emulator=emulator.host)
        self.compiled: Compiled = runpy.run_path(str(source))["app"].compiled
        self.dispatches: list[Dispatch] = []
        author = Reference("authors/ada")
        books = [Put(f"books/b{number}", {"obj_type": "Book", "author": author}) for number in range(BOOKS)]
        self.database.commit([*books, self.author("Ada")])
        self.rebuild_all(self.database)

    @staticmethod
    def author(name: str) -> Put:
        return Put("authors/ada", {"obj_type": "Author", "name": name})

    def rename(self, name: str) -> None:
        self.database.commit([self.author(name)])

    def rebuild_all(self, database: Database) -> None:
        views = self.compiled.declarations.stored
        books = [Instance(views[0], path) for path in fields_of(database, "books")]
        Rebuild(Invocation("library", "build", Metered(database)), views).rebuild(books)

    def on_authors(self, enqueue: Enqueue) -> Callable[[Event], int]:
        """The event function, out of time after its first page."""

        def target(event: Event) -> int:
            change = change_of(from_http(dict(event.headers), event.data))
            function = self.compiled.functions["book_card_on_authors"]
            function.handle(change, self.database, Surroundings(out_of_time()), enqueue)
            return 204

        return target

    def go_on(self, enqueue: Callable[[Continuation], None], body: bytes) -> int:
        """The private function, out of time after its first page."""
        continuation = Continuation.from_json(json.loads(body))
        function = self.compiled.functions[continuation.function]
        function.go_on(continuation, self.database, Surroundings(out_of_time()), enqueue)
        return 204

    def check(self, byline: str) -> None:
        """Every card equals that of a rebuild in an empty database."""
        fresh = MemoryDatabase()
        for collection in ("authors", "books"):
            fresh.commit([Put(path, fields) for path, fields in fields_of(self.database, collection).items()])
        self.rebuild_all(fresh)
        cards = fields_of(self.database, "bookCards")
        assert Counter(fields["byline"] for fields in cards.values()) == {byline: BOOKS}
        assert cards == fields_of(fresh, "bookCards")


@pytest.fixture
def library(
    firestore_emulator: FirestoreEmulator, project: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Library:
    monkeypatch.setattr("boiler_functions.modes.query.continuation.VIEWS", 50)
    source = tmp_path / "main.py"
    source.write_text(LIBRARY)
    return Library(project, firestore_emulator, source)


def test_a_fan_out_goes_through_the_queue_to_the_private_function_which_may_crash(
    library: Library, event_server: EventServer, firestore_emulator: FirestoreEmulator
) -> None:
    seen: list[Dispatch] = []
    with CloudTasksEmulator([QUEUE], observer=seen.append, retries=SOON) as tasks:
        env = {**library.environment, **environment(tasks.host)}
        with FunctionsProcess(library.source, "continuations", "http", env) as function:
            on_authors = library.on_authors(enqueuer(environment(tasks.host, function.url)))
            triggers = [LocalTrigger("on_authors", "authors/{author_id}", on_authors)]
            with DeliveryHarness(event_server, firestore_emulator, library.project, triggers) as harness:
                function.kill()
                library.rename("Grace")
                harness.drain()
                function.restart()
                tasks.drain()
    assert len({each.task for each in seen}) == (BOOKS - 100) / 50
    assert {each.status for each in seen if each.attempt == 1} == {500}
    assert sum(each.done for each in seen) == (BOOKS - 100) / 50
    library.check("Grace")


def test_continuations_that_run_out_of_time_hand_on_until_every_view_is_done(
    library: Library,
    event_server: EventServer,
    firestore_emulator: FirestoreEmulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each invocation does one page; the queue, which never takes a name twice, loses none of what they hand on."""
    monkeypatch.setattr("boiler_functions.modes.query.rebuild.PAGE", 20)
    seen: list[Dispatch] = []
    put: list[Enqueue] = []
    with CloudTasksEmulator([QUEUE], target=lambda body, _: library.go_on(put[0], body), observer=seen.append) as tasks:
        put.append(enqueuer(environment(tasks.host)))
        triggers = [LocalTrigger("on_authors", "authors/{author_id}", library.on_authors(put[0]))]
        with DeliveryHarness(event_server, firestore_emulator, library.project, triggers) as harness:
            library.rename("Grace")
            harness.drain()
            tasks.drain()
    assert all(each.done for each in seen)
    # The event does 20 of 300; of the parts, five of 50 take three pages each, and the last, of 30, two.
    assert len({each.task for each in seen}) == 17
    library.check("Grace")
