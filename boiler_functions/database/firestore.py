"""Firestore behind the seam: raw messages on one gRPC channel, four RPCs, errors translated at one door.

The official client's document and batch wrappers cost more than the RPCs, its generated retries would repeat a commit
whose answer was lost, and its import is half of a cold start. So only the messages are used, and none of its code.
"""

import math
import os
import random
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from threading import Lock
from typing import Any, Final, TypeAlias, TypeVar
from urllib.parse import urlencode

import google.auth
import grpc
import grpc.experimental
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError

from boiler_functions.database import (
    NAME,
    Changed,
    Committed,
    Cursor,
    Delete,
    Document,
    Failed,
    Filter,
    Found,
    Precondition,
    Put,
    Query,
    Reading,
    Target,
    Write,
)
from boiler_functions.database.codec import Codec, Message, set_timestamp, to_nanoseconds
from boiler_functions.database.listening import Listening, WatchedListener
from boiler_functions.database.matching import check_unchanged, orders_of
from boiler_functions.database.messages import (
    BatchGetDocumentsRequest,
    BatchGetDocumentsResponse,
    CommitRequest,
    CommitResponse,
    ListenRequest,
    ListenResponse,
    RollbackRequest,
    RunQueryRequest,
    RunQueryResponse,
    StructuredQuery,
)
from boiler_functions.database.pages import Pages
from boiler_functions.database.sizes import MAX_DOCUMENT_BYTES, MAX_REQUEST_BYTES, check_document, check_request
from boiler_functions.database.values import check_fields, check_path
from boiler_functions.exceptions import (
    BoilerError,
    ConfigurationError,
    Conflict,
    IndexBuilding,
    InvalidRequest,
    TooLarge,
    Unavailable,
    UnknownOutcome,
)
from boiler_functions.paths import collection_of, id_of
from boiler_functions.types import Instant

EMULATOR_HOST: Final = "FIRESTORE_EMULATOR_HOST"
PROJECT: Final = "GOOGLE_CLOUD_PROJECT"
DATABASE: Final = "BOILER_DATABASE"

# The emulator takes gRPC's default message, and the client would retry its refusal for a minute.
EMULATOR_REQUEST_BYTES: Final = 4 * 1024 * 1024

# A message never weighs less than a quarter of what the document counts for (a geo point: 4 bytes and 16).
_SURELY_SMALL_BYTES: Final = MAX_DOCUMENT_BYTES // 4

# A commit may wait for locks that others hold; a read has none to wait for.
_READ_SECONDS: Final = 20.0
_COMMIT_SECONDS: Final = 60.0
_ROLLBACK_SECONDS: Final = 5.0
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 2.0

ErrorTable: TypeAlias = Mapping[grpc.StatusCode, type[BoilerError]]

READ_ERRORS: Final[ErrorTable] = {
    grpc.StatusCode.ABORTED: Unavailable,
    grpc.StatusCode.ALREADY_EXISTS: InvalidRequest,
    grpc.StatusCode.CANCELLED: Unavailable,
    grpc.StatusCode.DATA_LOSS: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: Unavailable,
    grpc.StatusCode.FAILED_PRECONDITION: InvalidRequest,
    grpc.StatusCode.INTERNAL: Unavailable,
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequest,
    grpc.StatusCode.NOT_FOUND: InvalidRequest,
    grpc.StatusCode.OUT_OF_RANGE: InvalidRequest,
    grpc.StatusCode.PERMISSION_DENIED: InvalidRequest,
    grpc.StatusCode.RESOURCE_EXHAUSTED: Unavailable,
    grpc.StatusCode.UNAUTHENTICATED: InvalidRequest,
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    grpc.StatusCode.UNIMPLEMENTED: InvalidRequest,
    grpc.StatusCode.UNKNOWN: Unavailable,
}

# Contention ends a transaction: reading once more in it cannot help, starting again can.
VERIFY_ERRORS: Final[ErrorTable] = {**READ_ERRORS, grpc.StatusCode.ABORTED: Conflict}

COMMIT_ERRORS: Final[ErrorTable] = {
    **READ_ERRORS,
    grpc.StatusCode.ABORTED: Conflict,
    grpc.StatusCode.ALREADY_EXISTS: Conflict,
    grpc.StatusCode.CANCELLED: UnknownOutcome,
    grpc.StatusCode.DATA_LOSS: UnknownOutcome,
    grpc.StatusCode.DEADLINE_EXCEEDED: UnknownOutcome,
    grpc.StatusCode.FAILED_PRECONDITION: Conflict,
    grpc.StatusCode.INTERNAL: UnknownOutcome,
    grpc.StatusCode.NOT_FOUND: Conflict,
    grpc.StatusCode.UNAVAILABLE: UnknownOutcome,
    grpc.StatusCode.UNKNOWN: UnknownOutcome,
}

# INVALID_ARGUMENT says more in its details, of which there are those of the service and those of the emulator.
_INDEX_IS_BUILT: Final = r"(?i)index is currently building"
_CLOSED_TRANSACTION: Final = r"(?i)transaction (is invalid|has expired)"
# The emulator's words for a precondition on a version that is newer than the document.
_OTHER_VERSION: Final = r"Invalid base version"
_OVERSIZE: Final = r"(?s)maximum allowed size|maximum entity size|value of property .* is longer than"

_NEXT_STEP: Final[Mapping[type[BoilerError], str]] = {
    Conflict: "Nothing was written: read again, and decide again.",
    IndexBuilding: "It takes some minutes: try again later.",
    InvalidRequest: "It will be refused again: correct the request, the rights or the indexes.",
    TooLarge: "Split the document, or move long lists into a collection.",
    Unavailable: "Nothing was written: try again later.",
    UnknownOutcome: "It may have been written: read to know.",
}

_OPERATORS: Final[Mapping[str, int]] = {
    "==": StructuredQuery.FieldFilter.EQUAL,
    "!=": StructuredQuery.FieldFilter.NOT_EQUAL,
    "<": StructuredQuery.FieldFilter.LESS_THAN,
    "<=": StructuredQuery.FieldFilter.LESS_THAN_OR_EQUAL,
    ">": StructuredQuery.FieldFilter.GREATER_THAN,
    ">=": StructuredQuery.FieldFilter.GREATER_THAN_OR_EQUAL,
    "in": StructuredQuery.FieldFilter.IN,
    "not-in": StructuredQuery.FieldFilter.NOT_IN,
    "array-contains": StructuredQuery.FieldFilter.ARRAY_CONTAINS,
    "array-contains-any": StructuredQuery.FieldFilter.ARRAY_CONTAINS_ANY,
}
_IS_NULL: Final[Mapping[str, int]] = {
    "==": StructuredQuery.UnaryFilter.IS_NULL,
    "!=": StructuredQuery.UnaryFilter.IS_NOT_NULL,
}
_IS_NAN: Final[Mapping[str, int]] = {
    "==": StructuredQuery.UnaryFilter.IS_NAN,
    "!=": StructuredQuery.UnaryFilter.IS_NOT_NAN,
}

_ASCENDING: Final = StructuredQuery.ASCENDING
_DESCENDING: Final = StructuredQuery.DESCENDING

_T = TypeVar("_T")


def _meaning(status: grpc.StatusCode, details: str, table: ErrorTable) -> type[BoilerError]:
    if status is grpc.StatusCode.INVALID_ARGUMENT and re.search(_CLOSED_TRANSACTION, details):
        # A commit closes its transaction, so the commit that is told so may have been applied.
        return UnknownOutcome if table is COMMIT_ERRORS else Conflict
    if status is grpc.StatusCode.INVALID_ARGUMENT and re.search(_OVERSIZE, details):
        return TooLarge
    if status is grpc.StatusCode.FAILED_PRECONDITION and re.search(_INDEX_IS_BUILT, details):
        return IndexBuilding
    if status is grpc.StatusCode.INVALID_ARGUMENT and table is COMMIT_ERRORS and re.search(_OTHER_VERSION, details):
        return Conflict
    return table[status]


def translate(error: grpc.RpcError, table: ErrorTable, request: str) -> BoilerError:
    """Our error for that of an RPC; no gRPC error leaves this file otherwise."""
    status, details = error.code(), error.details() or "no details"
    meaning = _meaning(status, details, table)
    return meaning(f"Firestore answers {request} with {status.name}: {details} {_NEXT_STEP[meaning]}")


_STATUSES: Final[Mapping[int, grpc.StatusCode]] = {status.value[0]: status for status in grpc.StatusCode}

_CHANNEL_OPTIONS: Final = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.keepalive_time_ms", 30_000),
    # Without it every stream starts a thread, which costs as much as the answer.
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
    # Imported late: only a command that is given a key file needs it.
    from google.oauth2.service_account import Credentials

    try:
        credentials = Credentials.from_service_account_file(key_file, scopes=_SCOPES)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise DefaultCredentialsError(f"{key_file} holds no key of a service account: {error}") from error  # type: ignore[no-untyped-call]
    return credentials, credentials.project_id


def _routing(field: str, value: str) -> tuple[str, str]:
    """The header by which Google routes a call; https://google.aip.dev/client-libraries/4222."""
    return "x-goog-request-params", urlencode({field: value}, safe="/")


class _Connection:
    """The RPCs on one channel; each takes a request message and gives response messages, or our errors."""

    def __init__(self, channel: grpc.Channel, database: str, emulator: bool) -> None:
        service = "/google.firestore.v1.Firestore"
        self.database = database
        self.codec = Codec(database)
        self.max_request_bytes = EMULATOR_REQUEST_BYTES if emulator else MAX_REQUEST_BYTES
        # The emulator's rules are for browsers; its owner is not asked.
        owner = (("authorization", "Bearer owner"),) if emulator else ()
        self._metadata = (("google-cloud-resource-prefix", database), *owner)
        self._batch_get = channel.unary_stream(
            f"{service}/BatchGetDocuments", None, BatchGetDocumentsResponse.FromString
        )
        self._run_query = channel.unary_stream(f"{service}/RunQuery", None, RunQueryResponse.FromString)
        self._commit = channel.unary_unary(f"{service}/Commit", None, CommitResponse.FromString)
        self._rollback = channel.unary_unary(f"{service}/Rollback", None, None)
        self._listen = channel.stream_stream(
            f"{service}/Listen", ListenRequest.SerializeToString, ListenResponse.FromString
        )
        self.listening = Listening(self)

    def _call(self, rpc: Callable[..., Any], request: bytes, seconds: float, field: str, value: str) -> Any:
        return rpc(request, timeout=seconds, metadata=(*self._metadata, _routing(field, value)))

    def batch_get(self, request: Message) -> list[Message]:
        try:
            stream = self._call(
                self._batch_get, request.SerializeToString(), _READ_SECONDS, "database", request.database
            )
            return list(stream)
        except grpc.RpcError as error:
            raise translate(error, READ_ERRORS, "a read") from error

    def run_query(self, request: Message, errors: ErrorTable = READ_ERRORS) -> list[Message]:
        try:
            return list(
                self._call(self._run_query, request.SerializeToString(), _READ_SECONDS, "parent", request.parent)
            )
        except grpc.RpcError as error:
            raise translate(error, errors, "a query") from error

    def commit(self, request: Message) -> Message:
        payload = request.SerializeToString()
        check_request(len(payload), self.max_request_bytes)
        try:
            return self._call(self._commit, payload, _COMMIT_SECONDS, "database", request.database)
        except grpc.RpcError as error:
            raise translate(error, COMMIT_ERRORS, "a commit") from error

    def rollback(self, transaction: bytes) -> None:
        """Frees the transaction's locks if it can; the locks of one that is left end by themselves."""
        request = RollbackRequest(database=self.database, transaction=transaction)
        with suppress(grpc.RpcError):
            self._call(self._rollback, request.SerializeToString(), _ROLLBACK_SECONDS, "database", self.database)

    def listen(self, requests: Iterator[Message]) -> "_ListenStream":
        metadata = (*self._metadata, _routing("database", self.database))
        return _ListenStream(self._listen(requests, metadata=metadata))

    def add_target(self, identifier: int, target: Target) -> Message:
        request = ListenRequest(database=self.database)
        request.add_target.target_id = identifier
        if isinstance(target, Query):
            # The limit counts documents of the pattern, which the server does not know: the listener cuts there.
            query = _encode_query(target._replace(limit=None) if target.pattern else target, self.codec)
            request.add_target.query.parent = query.parent
            request.add_target.query.structured_query.CopyFrom(query.structured_query)
        else:
            request.add_target.documents.documents.extend(map(self.codec.name, target))
        return request

    def remove_target(self, identifier: int) -> Message:
        return ListenRequest(database=self.database, remove_target=identifier)

    def error(self, cause: Message) -> BoilerError:
        status = _STATUSES.get(cause.code, grpc.StatusCode.UNKNOWN)
        meaning = _meaning(status, cause.message, READ_ERRORS)
        return meaning(f"Firestore ends a listener with {status.name}: {cause.message} {_NEXT_STEP[meaning]}")


class _ListenStream:
    """A Listen call whose errors are ours."""

    def __init__(self, call: Any) -> None:
        self._call = call

    def __iter__(self) -> Iterator[Message]:
        try:
            yield from self._call
        except grpc.RpcError as error:
            raise translate(error, READ_ERRORS, "a listener") from error

    def cancel(self) -> object:
        return self._call.cancel()


def _retried(call: Callable[[], _T]) -> _T:
    """What the call returns, tried again with growing pauses while Firestore is unavailable."""
    deadline = time.monotonic() + _READ_SECONDS
    pause = _FIRST_PAUSE
    while True:
        try:
            return call()
        except IndexBuilding:
            raise  # It lasts for minutes; the platform delivers the event again.
        except Unavailable:
            if time.monotonic() + pause > deadline:
                raise
        # Full jitter, so that those whom one outage hit do not come back at one instant.
        time.sleep(random.uniform(0, pause))
        pause = min(2 * pause, _LONGEST_PAUSE)


def _encode_precondition(precondition: Precondition, message: Message) -> None:
    if precondition.version is not None:
        message.update_time.seconds, message.update_time.nanos = divmod(precondition.version, 1_000_000_000)
    elif precondition.exists is not None:
        message.exists = precondition.exists


def _encode_write(write: Write, message: Message, codec: Codec) -> None:
    if write.precondition is not None:
        _encode_precondition(write.precondition, message.current_document)
    if isinstance(write, Delete):
        message.delete = codec.name(write.path)
        return
    message.update.name = codec.name(write.path)
    codec.encode_fields(write.fields, message.update.fields)
    if write.mask is not None:
        message.update_mask.SetInParent()
        message.update_mask.field_paths.extend(write.mask)


def _check_sizes(writes: Sequence[Write], request: Message) -> None:
    for write, message in zip(writes, request.writes, strict=True):
        if isinstance(write, Put) and message.ByteSize() > _SURELY_SMALL_BYTES:
            check_document(write.path, write.fields)


def _encode_writes(writes: Sequence[Write], database: str, codec: Codec) -> Message:
    request = CommitRequest(database=database)
    for write in writes:
        # As the database in memory does, and with a reason that names the field, which the server's does not.
        check_path(write.path)
        if isinstance(write, Put):
            check_fields(write.path, write.fields)
        _encode_write(write, request.writes.add(), codec)
    _check_sizes(writes, request)
    return request


def _unary_operator(condition: Filter) -> int | None:
    if condition.value is None:
        return _IS_NULL.get(condition.op)
    if isinstance(condition.value, float) and math.isnan(condition.value):
        return _IS_NAN.get(condition.op)
    return None


def _encode_filter(condition: Filter, message: Message, codec: Codec) -> None:
    if (operator := _unary_operator(condition)) is not None:
        message.unary_filter.op = operator
        message.unary_filter.field.field_path = condition.field
        return
    message.field_filter.op = _OPERATORS[condition.op]
    message.field_filter.field.field_path = condition.field
    codec.encode(condition.value, message.field_filter.value)


def _encode_cursor(cursor: Cursor, message: Message, codec: Codec) -> None:
    message.before = cursor.before
    for value in cursor.values:
        codec.encode(value, message.values.add())


def _encode_structure(query: Query, message: Message, codec: Codec) -> None:
    message.from_.add(collection_id=id_of(query.collection), all_descendants=query.group)
    if query.filters:
        message.where.composite_filter.op = StructuredQuery.CompositeFilter.AND
    for condition in query.filters:
        _encode_filter(condition, message.where.composite_filter.filters.add(), codec)
    for order in orders_of(query):
        added = message.order_by.add(direction=_DESCENDING if order.descending else _ASCENDING)
        added.field.field_path = order.field
    if query.start is not None:
        _encode_cursor(query.start, message.start_at, codec)
    if query.end is not None:
        _encode_cursor(query.end, message.end_at, codec)
    if query.limit is not None:
        message.limit.value = query.limit
    if query.names_only:
        # The fields of the orders too: the next page starts after their values.
        for field in dict.fromkeys((NAME, *(order.field for order in orders_of(query) if query.pattern))):
            message.select.fields.add(field_path=field)


def _encode_query(query: Query, codec: Codec) -> Message:
    parent = "" if query.group else collection_of(query.collection)
    request = RunQueryRequest(parent=codec.name(parent).rstrip("/"))
    try:
        _encode_structure(query, request.structured_query, codec)
    except (TypeError, ValueError) as error:
        raise InvalidRequest(f"The query on {query.collection} cannot be asked: {error}") from error
    return request


class FirestoreDatabase:
    """A Firestore database; its channel is opened by the first call and shared by all threads.

    `key_file` holds a service account's key, to use instead of those of the environment.
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
        self._opened: _Connection | None = None

    @property
    def project(self) -> str:
        """The project that the database is in: the one that was named, or that of the credentials."""
        return self._project or self._connection.database.split("/")[1]

    @property
    def _connection(self) -> _Connection:
        # Most calls find it open and need no lock.
        return self._opened or self._open_once()

    def _open_once(self) -> _Connection:
        with self._lock:
            self._opened = self._opened or self._open()
            return self._opened

    def _open(self) -> _Connection:
        if self._emulator:
            channel, project = _emulator_channel(self._emulator, self._project)
        else:
            channel, project = _production_channel(self._project, self._key_file)
        return _Connection(channel, f"projects/{project}/databases/{self._database}", bool(self._emulator))

    def listen(self, target: Target, changed: Changed, failed: Failed) -> WatchedListener:
        """Calls `changed` with the target as it is, and after every change of it; one stream for all listeners."""
        return self._connection.listening.add(target, changed, failed)

    @property
    def listeners(self) -> int:
        """How many targets are listened to."""
        return len(self._connection.listening)

    def read(self, paths: Collection[str], *, at: Instant | None = None) -> Reading:
        """The documents at the paths, missing ones included, as of `at` or now; one BatchGetDocuments.

        Without paths it asks nobody, and the read time is `at`, or 0.
        """
        if not paths:
            return Reading((), at or 0)
        connection = self._connection
        names = dict.fromkeys(map(connection.codec.name, paths))
        request = BatchGetDocumentsRequest(database=connection.database, documents=names)
        if at is not None:
            set_timestamp(request.read_time, at)
        responses = _retried(lambda: connection.batch_get(request))
        found = (connection.codec.decode_document(each.found) for each in responses if each.HasField("found"))
        documents = {document.path: document for document in found}
        read_time = to_nanoseconds(responses[-1].read_time)
        return Reading(tuple(documents.get(path) or Document(path) for path in paths), read_time)

    def query(self, query: Query, *, at: Instant | None = None) -> Reading:
        """The documents that match, as of `at` or now; one RunQuery a page."""
        pages = Pages(query, at)
        while asked := pages.next:
            pages.add(*self._answer(self._run(asked, pages.read_time)))
        return pages.reading()

    def _answer(self, responses: Sequence[Message]) -> tuple[list[Document], Instant]:
        found = (each.document for each in responses if each.HasField("document"))
        return list(map(self._connection.codec.decode_document, found)), to_nanoseconds(responses[-1].read_time)

    def _run(self, query: Query, at: Instant | None) -> list[Message]:
        connection = self._connection
        request = _encode_query(query, connection.codec)
        if at is not None:
            set_timestamp(request.read_time, at)
        return _retried(lambda: connection.run_query(request))

    def commit(self, writes: Sequence[Write], *, verify: Sequence[Found] = ()) -> Committed:
        """Applies all writes or none; one Commit, never retried below.

        With `verify`, the queries are run again in a transaction that the commit closes.
        """
        connection = self._connection
        request = _encode_writes(writes, connection.database, connection.codec)
        response = self._commit_verified(request, verify) if verify else connection.commit(request)
        versions = tuple(to_nanoseconds(result.update_time) for result in response.write_results)
        return Committed(to_nanoseconds(response.commit_time), versions)

    def _commit_verified(self, request: Message, verify: Sequence[Found]) -> Message:
        # Each transaction locks what its query returned, and waits for the locks of the others when it writes there;
        # the emulator lets them wait for each other, for seconds. So a client has one of them open at a time. A commit
        # that had to wait queries without locks first, as the result has probably changed.
        had_to_wait = not self._verifying.acquire(blocking=False)
        if had_to_wait and not self._verifying.acquire(timeout=_COMMIT_SECONDS):
            raise Conflict(f"Other commits that verify queries take too long. {_NEXT_STEP[Conflict]}")
        try:
            for found in verify if had_to_wait else ():
                check_unchanged(found, self.query(found.query).documents)
            return self._commit_in_transaction(request, verify)
        finally:
            self._verifying.release()

    def _commit_in_transaction(self, request: Message, verify: Sequence[Found]) -> Message:
        connection = self._connection
        transaction = b""
        try:
            for found in verify:
                pages = Pages(found.query)
                while asked := pages.next:
                    responses = self._run_in_transaction(asked, transaction)
                    transaction = transaction or responses[0].transaction
                    pages.add(*self._answer(responses))
                check_unchanged(found, pages.reading().documents)
            request.transaction = transaction
            return connection.commit(request)
        except BaseException:
            if transaction:
                connection.rollback(transaction)
            raise

    def _run_in_transaction(self, query: Query, transaction: bytes) -> list[Message]:
        request = _encode_query(query, self._connection.codec)
        if transaction:
            request.transaction = transaction
        else:
            request.new_transaction.read_write.SetInParent()
        return self._connection.run_query(request, VERIFY_ERRORS)


@cache
def _shared(project: str | None, database: str, emulator: str | None, key_file: str | None) -> FirestoreDatabase:
    return FirestoreDatabase(project, database, emulator, key_file)


def named_project() -> str | None:
    """The project that the environment names; firebase-tools tells its functions by another name than gcloud."""
    return os.environ.get(PROJECT) or os.environ.get("GCLOUD_PROJECT")


def connect(project: str | None = None, database: str = "(default)", key_file: str | None = None) -> FirestoreDatabase:
    """The database of the project, one object for all callers; nothing is opened before its first call.

    The environment names what is left out: GOOGLE_CLOUD_PROJECT or GCLOUD_PROJECT, else the credentials' own project;
    and FIRESTORE_EMULATOR_HOST.
    """
    return _shared(project or named_project(), database, os.environ.get(EMULATOR_HOST), key_file)
