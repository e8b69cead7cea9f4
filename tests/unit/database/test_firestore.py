"""Errors of gRPC are translated at one door, and the environment names the database."""

from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.cloud.firestore_v1.types.firestore import RunQueryResponse

from boiler_functions.database import FoundVersions, Put, Query
from boiler_functions.database.connection import Connection
from boiler_functions.database.errors import COMMIT_ERRORS, READ_ERRORS, VERIFY_ERRORS, ErrorTable, translate
from boiler_functions.database.firestore import FirestoreDatabase, _shared, connect
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

Status = grpc.StatusCode


class Failure(grpc.RpcError):  # type: ignore[misc]
    """What a failed call raises."""

    def __init__(self, status: grpc.StatusCode, details: str = "") -> None:
        self._answer = (status, details)

    def code(self) -> grpc.StatusCode:
        return self._answer[0]

    def details(self) -> str:
        return self._answer[1]


@pytest.mark.parametrize("table", [READ_ERRORS, VERIFY_ERRORS, COMMIT_ERRORS])
def test_every_status_of_grpc_has_a_meaning(table: ErrorTable) -> None:
    assert set(table) == set(Status) - {Status.OK}


def test_a_read_never_has_an_unknown_outcome() -> None:
    assert UnknownOutcome not in {*READ_ERRORS.values(), *VERIFY_ERRORS.values()}


def test_a_commit_is_unavailable_only_where_nothing_was_written() -> None:
    assert [status for status, error in COMMIT_ERRORS.items() if error is Unavailable] == [Status.RESOURCE_EXHAUSTED]


_BUILDING = "That index is currently building and cannot be used yet. See its status here: https://example.com"
_MISSING = "You can create it here: https://example.com"


@pytest.mark.parametrize(
    ("status", "details", "table", "expected"),
    [
        (Status.ABORTED, "contention", COMMIT_ERRORS, Conflict),
        (Status.ABORTED, "contention", VERIFY_ERRORS, Conflict),
        (Status.ABORTED, "contention", READ_ERRORS, Unavailable),
        (Status.UNAVAILABLE, "connection reset", COMMIT_ERRORS, UnknownOutcome),
        (Status.UNAVAILABLE, "connection reset", READ_ERRORS, Unavailable),
        (Status.DEADLINE_EXCEEDED, "", COMMIT_ERRORS, UnknownOutcome),
        (Status.INVALID_ARGUMENT, "Transaction is invalid or closed.", COMMIT_ERRORS, UnknownOutcome),
        (Status.INVALID_ARGUMENT, "The referenced transaction has expired", VERIFY_ERRORS, Conflict),
        (Status.INVALID_ARGUMENT, "exceeds the maximum allowed size of 1048576 bytes", COMMIT_ERRORS, TooLarge),
        (Status.INVALID_ARGUMENT, 'The value of property "v" is longer than 9 bytes.', COMMIT_ERRORS, TooLarge),
        (Status.INVALID_ARGUMENT, "The key path element name is longer than 9 bytes.", COMMIT_ERRORS, InvalidRequest),
        (Status.PERMISSION_DENIED, "", READ_ERRORS, InvalidRequest),
        (Status.FAILED_PRECONDITION, f"The query requires an index. {_BUILDING}", READ_ERRORS, IndexBuilding),
        (Status.FAILED_PRECONDITION, f"The query requires an index. {_BUILDING}", VERIFY_ERRORS, IndexBuilding),
        (Status.FAILED_PRECONDITION, f"The query requires an index. {_MISSING}", READ_ERRORS, InvalidRequest),
    ],
)
def test_a_failure_becomes_our_error(
    status: grpc.StatusCode, details: str, table: ErrorTable, expected: type[BoilerError]
) -> None:
    assert type(translate(Failure(status, details), table, "a call")) is expected


def test_an_error_says_what_was_asked_what_came_and_what_to_do() -> None:
    message = str(translate(Failure(Status.UNAVAILABLE, "connection reset."), COMMIT_ERRORS, "a commit"))
    expected = (
        "Firestore answers a commit with UNAVAILABLE: connection reset. It may have been written. Read to find out."
    )
    assert message == expected


@pytest.fixture
def _forgotten() -> Iterator[None]:
    _shared.cache_clear()
    yield
    _shared.cache_clear()


@pytest.mark.usefixtures("_forgotten")
def test_all_callers_share_the_database_that_the_environment_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "demo-a")
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", "127.0.0.1:1")
    first = connect()
    assert connect() is first
    assert connect("demo-b") is not first


@pytest.mark.usefixtures("_forgotten")
def test_an_emulator_without_a_project_is_refused_at_the_first_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", "127.0.0.1:1")
    database = connect()
    with pytest.raises(ConfigurationError, match=r"no project is named. Set GOOGLE_CLOUD_PROJECT"):
        database.read(["users/a"])


class Channel:
    """A channel whose calls answer, or fail, as told by the name of the RPC."""

    def __init__(self, **answers: Any) -> None:
        self.called: list[str] = []
        self._answers = answers

    def unary_unary(self, name: str, *_: object) -> Callable[..., Any]:
        method = name.rpartition("/")[2]

        def call(request: bytes, **_: object) -> Any:
            self.called.append(method)
            answer = self._answers[method]
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call

    unary_stream = stream_stream = unary_unary


def verified_commit(channel: Channel) -> None:
    """Commits on the condition that a query still returns one document."""
    database = FirestoreDatabase("demo")
    database._opened = Connection(channel, "projects/demo/databases/(default)", emulator=True)
    database.commit([Put("users/a", {})], verify=[FoundVersions(Query("users"), {"users/a": 1})])


def test_a_transaction_that_cannot_begin_is_a_conflict_and_writes_nothing() -> None:
    channel = Channel(RunQuery=Failure(Status.ABORTED, "contention"))
    with pytest.raises(Conflict):
        verified_commit(channel)
    assert channel.called == ["RunQuery"]


def test_a_rollback_that_fails_does_not_hide_why_it_was_needed() -> None:
    empty = RunQueryResponse.pb()(transaction=b"t")
    channel = Channel(RunQuery=[empty], Rollback=Failure(Status.UNAVAILABLE, "connection reset"))
    with pytest.raises(Conflict, match="users/a changed"):
        verified_commit(channel)
    assert channel.called == ["RunQuery", "Rollback"]


def test_a_query_whose_index_is_being_built_is_asked_once_as_it_takes_minutes() -> None:
    channel = Channel(RunQuery=Failure(Status.FAILED_PRECONDITION, _BUILDING))
    database = FirestoreDatabase("demo")
    database._opened = Connection(channel, "projects/demo/databases/(default)", emulator=True)
    with pytest.raises(IndexBuilding, match="It takes some minutes"):
        database.query(Query("users"))
    assert channel.called == ["RunQuery"]
