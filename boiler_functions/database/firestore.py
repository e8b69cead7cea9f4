"""Implements the seam with Firestore: raw protocol messages on one gRPC channel.

The official client is not used: its document and batch wrappers take longer than the RPCs, its built-in retries would
repeat a commit whose answer was lost, and its import takes half of a cold start.
"""

import os
import random
import time
from collections.abc import Callable, Collection, Sequence
from functools import cache
from threading import Lock
from typing import Any, Final, TypeVar

import google.auth
import grpc
import grpc.experimental
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError

from boiler_functions.database import (
    Aggregated,
    Aggregation,
    Committed,
    Document,
    Failed,
    FoundVersions,
    OnReading,
    Query,
    Reading,
    Select,
    Target,
    Verified,
    Write,
)
from boiler_functions.database.codec import Codec, Message, set_timestamp, to_nanoseconds
from boiler_functions.database.connection import COMMIT_SECONDS, READ_SECONDS, Connection
from boiler_functions.database.errors import NEXT_STEP, VERIFY_ERRORS, ErrorTable
from boiler_functions.database.groups import by_value
from boiler_functions.database.listening import WatchedListener
from boiler_functions.database.matching import billed, check_aggregation, check_query, check_same, check_unchanged
from boiler_functions.database.messages import (
    BatchGetDocumentsRequest,
)
from boiler_functions.database.pages import Pages
from boiler_functions.database.requests import COUNT, RESULT, encode_aggregation, encode_query, encode_writes
from boiler_functions.database.variables import EMULATOR_HOST, PROJECT
from boiler_functions.exceptions import (
    ConfigurationError,
    Conflict,
    IndexBuilding,
    Unavailable,
)
from boiler_functions.paths import field_path
from boiler_functions.types import Instant

_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 2.0

_T = TypeVar("_T")


_CHANNEL_OPTIONS: Final = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.keepalive_time_ms", 30_000),
    # Without this option every stream starts a thread, which takes as long as the answer.
    (grpc.experimental.ChannelOptions.SingleThreadedUnaryStream, 1),
)


_HOST: Final = "firestore.googleapis.com"
_SCOPES: Final = ("https://www.googleapis.com/auth/cloud-platform", "https://www.googleapis.com/auth/datastore")


def _emulator_channel(host: str, project: str | None) -> tuple[grpc.Channel, str]:
    if not project:
        raise ConfigurationError(f"{EMULATOR_HOST} is {host}, but no project is named. Set {PROJECT} to 'demo-test'.")
    return grpc.insecure_channel(host, options=_CHANNEL_OPTIONS), project


def _production_channel(project: str | None, key_file: str | None) -> tuple[grpc.Channel, str]:
    try:
        credentials, found = _credentials(key_file)
    except GoogleAuthError as error:
        raise ConfigurationError(
            f"No credentials for Firestore: {error} Run 'gcloud auth application-default login', "
            f"or set {EMULATOR_HOST} to use the emulator."
        ) from error
    if not (project := project or found):
        raise ConfigurationError(f"The credentials name no project. Set {PROJECT}.")
    # Imported late: with its HTTP client it takes 50 ms, which neither the emulator nor `boiler check` needs.
    from google.api_core.grpc_helpers import create_channel

    channel = create_channel(_HOST, credentials=credentials, default_host=_HOST, options=_CHANNEL_OPTIONS)
    return channel, project


def _credentials(key_file: str | None) -> tuple[Any, str | None]:
    if key_file is None:
        return google.auth.default(scopes=_SCOPES)
    # Imported late: only a command with a key file needs it.
    from google.oauth2.service_account import Credentials

    try:
        credentials = Credentials.from_service_account_file(key_file, scopes=_SCOPES)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise DefaultCredentialsError(f"{key_file} is not the key file of a service account: {error}") from error  # type: ignore[no-untyped-call]
    return credentials, credentials.project_id


def _retried(call: Callable[[], _T]) -> _T:
    """Returns the result of the call, which is repeated with growing pauses while Firestore is unavailable."""
    deadline = time.monotonic() + READ_SECONDS
    pause = _FIRST_PAUSE
    while True:
        try:
            return call()
        except IndexBuilding:
            raise  # Building takes minutes; the platform delivers the event again.
        except Unavailable:
            if time.monotonic() + pause > deadline:
                raise
        # Full jitter, so that the callers that one outage hit do not all come back at the same moment.
        time.sleep(random.uniform(0, pause))
        pause = min(2 * pause, _LONGEST_PAUSE)


class FirestoreDatabase:
    """A Firestore database; the first call opens its channel, which all threads share.

    `key_file` names the key of a service account, which is used instead of the environment's credentials.
    """

    def __init__(
        self,
        project: str | None = None,
        database: str = "(default)",
        emulator: str | None = None,
        key_file: str | None = None,
    ) -> None:
        self._project = project
        self._key_file = key_file
        self._database = database
        self._emulator = emulator
        self._lock = Lock()
        self._verifying = Lock()
        self._opened: Connection | None = None

    @property
    def project(self) -> str:
        """The project of the database: the one that was given, or that of the credentials."""
        return self._project or self._connection.database.split("/")[1]

    @property
    def _connection(self) -> Connection:
        # Most calls find the connection open and need no lock.
        return self._opened or self._open_once()

    def _open_once(self) -> Connection:
        with self._lock:
            self._opened = self._opened or self._open()
            return self._opened

    def _open(self) -> Connection:
        if self._emulator:
            channel, project = _emulator_channel(self._emulator, self._project)
        else:
            channel, project = _production_channel(self._project, self._key_file)
        return Connection(channel, f"projects/{project}/databases/{self._database}", bool(self._emulator))

    def listen(self, target: Target, changed: OnReading, failed: Failed) -> WatchedListener:
        """Calls `changed` with the current documents of the target, and after every change; all share one stream."""
        return self._connection.listening.add(target, changed, failed)

    @property
    def listeners(self) -> int:
        """The number of targets that are listened to."""
        return len(self._connection.listening)

    def read(self, paths: Collection[str], *, at: Instant | None = None, select: Select = None) -> Reading:
        """Returns the documents at the paths, missing ones included, as of `at` or now; one BatchGetDocuments.

        Without paths it makes no call, and the read time is `at`, or 0.
        """
        if not paths:
            return Reading((), at or 0)
        connection = self._connection
        names = dict.fromkeys(map(connection.codec.name, paths))
        request = BatchGetDocumentsRequest(database=connection.database, documents=names)
        if at is not None:
            set_timestamp(request.read_time, at)
        if select is not None:
            request.mask.field_paths.extend(map(field_path, select))
        responses = _retried(lambda: connection.batch_get(request))
        found = (connection.codec.decode_document(each.found) for each in responses if each.HasField("found"))
        documents = {document.path: document for document in found}
        read_time = to_nanoseconds(responses[-1].read_time)
        return Reading(tuple(documents.get(path) or Document(path) for path in paths), read_time)

    def query(self, query: Query, *, at: Instant | None = None) -> Reading:
        """Returns the documents that match, as of `at` or now; one RunQuery per page."""
        pages = Pages(query, at)
        while asked := pages.next:
            pages.add(*_documents_of(self._run(asked, pages.read_time), self._connection.codec))
        return pages.reading()

    def _run(self, query: Query, at: Instant | None) -> list[Message]:
        connection = self._connection
        request = encode_query(query, connection.codec)
        if at is not None:
            set_timestamp(request.read_time, at)
        return _retried(lambda: connection.run_query(request))

    def aggregate(self, aggregation: Aggregation, *, at: Instant | None = None) -> Aggregated:
        """Returns a number over the documents that match, as of `at` or now; one RunAggregationQuery.

        With `by`, asks twice for each value, and returns a number for each.
        """
        check_aggregation(aggregation)
        if aggregation.by is None:
            return self._number(aggregation, at)
        return by_value(aggregation, self._checked, self._number, at)

    def _checked(self, query: Query, at: Instant | None) -> Reading:
        check_query(query)
        return self.query(query, at=at)

    def _number(self, aggregation: Aggregation, at: Instant | None) -> Aggregated:
        check_aggregation(aggregation)
        connection = self._connection
        request = encode_aggregation(aggregation, connection.codec)
        if at is not None:
            set_timestamp(request.read_time, at)
        responses = _retried(lambda: connection.run_aggregation(request))
        return _number_of(aggregation, responses, connection.codec)

    def commit(self, writes: Sequence[Write], *, verify: Sequence[Verified] = ()) -> Committed:
        """Applies all writes or none; one Commit, which no layer below retries.

        With `verify`, the queries and aggregations are run again in a transaction that the commit closes.
        """
        connection = self._connection
        request = encode_writes(writes, connection.database, connection.codec)
        response = self._commit_verified(request, verify) if verify else connection.commit(request)
        versions = tuple(to_nanoseconds(result.update_time) for result in response.write_results)
        return Committed(to_nanoseconds(response.commit_time), versions)

    def _commit_verified(self, request: Message, verify: Sequence[Verified]) -> Message:
        # Each transaction locks the documents that its query returned, and waits for the locks of others to write
        # there. In the emulator two such transactions wait for each other for seconds, so a client opens one at a time.
        # After waiting, the commit first queries without locks, because the result has probably changed.
        had_to_wait = not self._verifying.acquire(blocking=False)
        if had_to_wait and not self._verifying.acquire(timeout=COMMIT_SECONDS):
            raise Conflict(f"Other commits that verify queries take too long. {NEXT_STEP[Conflict]}")
        try:
            for each in verify if had_to_wait else ():
                if isinstance(each, FoundVersions):
                    check_unchanged(each, self.query(each.query).documents)
                else:
                    check_same(each, self.aggregate(each.aggregation).value)
            return self._commit_in_transaction(request, verify)
        finally:
            self._verifying.release()

    def _commit_in_transaction(self, request: Message, verify: Sequence[Verified]) -> Message:
        transaction = _Transaction(self._connection)
        try:
            for each in verify:
                if isinstance(each, FoundVersions):
                    check_unchanged(each, transaction.query(each.query).documents)
                else:
                    check_same(each, transaction.aggregate(each.aggregation).value)
            request.transaction = transaction.id
            return self._connection.commit(request)
        except BaseException:
            if transaction.id:
                self._connection.rollback(transaction.id)
            raise


class _Transaction:
    """A transaction that its first query opens; all of them lock what they return until its commit."""

    def __init__(self, connection: Connection) -> None:
        self.id = b""
        self._connection = connection

    def query(self, query: Query, at: Instant | None = None) -> Reading:
        """Returns the documents that match now."""
        pages = Pages(query)
        while asked := pages.next:
            responses = self._run(encode_query(asked, self._connection.codec), self._connection.run_query)
            pages.add(*_documents_of(responses, self._connection.codec))
        return pages.reading()

    def aggregate(self, aggregation: Aggregation) -> Aggregated:
        """Returns the number now, or the numbers by value."""
        if aggregation.by is None:
            return self._number(aggregation)
        return by_value(aggregation, self.query, self._number)

    def _number(self, aggregation: Aggregation, at: Instant | None = None) -> Aggregated:
        request = encode_aggregation(aggregation, self._connection.codec)
        return _number_of(aggregation, self._run(request, self._connection.run_aggregation), self._connection.codec)

    def _run(self, request: Message, run: Callable[[Message, ErrorTable], list[Message]]) -> list[Message]:
        if self.id:
            request.transaction = self.id
        else:
            request.new_transaction.read_write.SetInParent()
        responses = run(request, VERIFY_ERRORS)
        self.id = self.id or responses[0].transaction
        return responses


def _documents_of(responses: Sequence[Message], codec: Codec) -> tuple[list[Document], Instant]:
    found = (each.document for each in responses if each.HasField("document"))
    return list(map(codec.decode_document, found)), to_nanoseconds(responses[-1].read_time)


def _number_of(aggregation: Aggregation, responses: Sequence[Message], codec: Codec) -> Aggregated:
    fields = codec.decode_fields(responses[-1].result.aggregate_fields)
    value = fields[COUNT if aggregation.field is None else RESULT]
    return Aggregated(aggregation, value, to_nanoseconds(responses[-1].read_time), billed(fields[COUNT]))


@cache
def _shared(project: str | None, database: str, emulator: str | None, key_file: str | None) -> FirestoreDatabase:
    return FirestoreDatabase(project, database, emulator, key_file)


def named_project() -> str | None:
    """Returns the project of the environment; firebase-tools uses another variable than gcloud."""
    return os.environ.get(PROJECT) or os.environ.get("GCLOUD_PROJECT")


def connect(project: str | None = None, database: str = "(default)", key_file: str | None = None) -> FirestoreDatabase:
    """Returns the database of the project, the same object for all callers; its first call opens the channel.

    Without `project`, it is that of GOOGLE_CLOUD_PROJECT, GCLOUD_PROJECT or the credentials, in this order. If
    FIRESTORE_EMULATOR_HOST is set, the database is in the emulator.
    """
    return _shared(project or named_project(), database, os.environ.get(EMULATOR_HOST), key_file)
