"""Calls Firestore's RPCs on one gRPC channel."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlencode

import grpc

from boiler_functions.database import Query, Target
from boiler_functions.database.codec import Codec, Message
from boiler_functions.database.errors import COMMIT_ERRORS, READ_ERRORS, ErrorTable, ended, translate
from boiler_functions.database.listening import Listening
from boiler_functions.database.messages import (
    BatchGetDocumentsResponse,
    CommitResponse,
    ListenRequest,
    ListenResponse,
    RollbackRequest,
    RunAggregationQueryResponse,
    RunQueryResponse,
)
from boiler_functions.database.requests import encode_query
from boiler_functions.database.sizes import MAX_REQUEST_BYTES, check_request
from boiler_functions.exceptions import BoilerError

# The emulator accepts gRPC's default message size only, and refuses larger ones as if they might pass later.
EMULATOR_REQUEST_BYTES: Final = 4 * 1024 * 1024

# A commit may wait for the locks of other transactions; a read waits for none.
READ_SECONDS: Final = 20.0
COMMIT_SECONDS: Final = 60.0
_ROLLBACK_SECONDS: Final = 5.0


# Nearly all calls of a process name the same database, or a few parents in it.
@lru_cache(maxsize=128)
def _routing(field: str, value: str) -> tuple[str, str]:
    """Returns the header by which Google routes a call; https://google.aip.dev/client-libraries/4222."""
    return "x-goog-request-params", urlencode({field: value}, safe="/")


class Connection:
    """The RPCs on one channel; each takes a request message, and returns response messages or raises our errors."""

    def __init__(self, channel: grpc.Channel, database: str, emulator: bool) -> None:
        service = "/google.firestore.v1.Firestore"
        self.database = database
        self.codec = Codec(database)
        self.max_request_bytes = EMULATOR_REQUEST_BYTES if emulator else MAX_REQUEST_BYTES
        # The emulator applies security rules to every caller but its owner.
        owner = (("authorization", "Bearer owner"),) if emulator else ()
        self._metadata = (("google-cloud-resource-prefix", database), *owner)
        self._batch_get = channel.unary_stream(
            f"{service}/BatchGetDocuments", None, BatchGetDocumentsResponse.FromString
        )
        self._run_query = channel.unary_stream(f"{service}/RunQuery", None, RunQueryResponse.FromString)
        self._run_aggregation = channel.unary_stream(
            f"{service}/RunAggregationQuery", None, RunAggregationQueryResponse.FromString
        )
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
                self._batch_get, request.SerializeToString(), READ_SECONDS, "database", request.database
            )
            return list(stream)
        except grpc.RpcError as error:
            raise translate(error, READ_ERRORS, "a read") from error

    def run_query(self, request: Message, errors: ErrorTable = READ_ERRORS) -> list[Message]:
        return self._asked(self._run_query, request, errors)

    def run_aggregation(self, request: Message, errors: ErrorTable = READ_ERRORS) -> list[Message]:
        return self._asked(self._run_aggregation, request, errors)

    def _asked(self, rpc: Callable[..., Any], request: Message, errors: ErrorTable) -> list[Message]:
        try:
            return list(self._call(rpc, request.SerializeToString(), READ_SECONDS, "parent", request.parent))
        except grpc.RpcError as error:
            raise translate(error, errors, "a query") from error

    def commit(self, request: Message) -> Message:
        payload = request.SerializeToString()
        check_request(len(payload), self.max_request_bytes)
        try:
            return self._call(self._commit, payload, COMMIT_SECONDS, "database", request.database)
        except grpc.RpcError as error:
            raise translate(error, COMMIT_ERRORS, "a commit") from error

    def rollback(self, transaction: bytes) -> None:
        """Tries to free the transaction's locks; without this call they expire."""
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
            # The server cannot match the pattern, so the listener filters and applies the limit itself.
            query = encode_query(target._replace(limit=None) if target.pattern else target, self.codec)
            request.add_target.query.parent = query.parent
            request.add_target.query.structured_query.CopyFrom(query.structured_query)
        else:
            request.add_target.documents.documents.extend(map(self.codec.name, target))
        return request

    def remove_target(self, identifier: int) -> Message:
        return ListenRequest(database=self.database, remove_target=identifier)

    def error(self, cause: Message) -> BoilerError:
        return ended(cause)


class _ListenStream:
    """A Listen call that raises our errors."""

    def __init__(self, call: Any) -> None:
        self._call = call

    def __iter__(self) -> Iterator[Message]:
        try:
            yield from self._call
        except grpc.RpcError as error:
            raise translate(error, READ_ERRORS, "a listener") from error

    def cancel(self) -> object:
        return self._call.cancel()
