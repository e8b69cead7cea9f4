"""Translates the errors of Firestore's calls into ours: a table for each kind of call, and patterns for details.

No gRPC error leaves `boiler_functions.database`; a test fails if a table lacks a status of gRPC.
"""

import re
from collections.abc import Mapping
from typing import Final, TypeAlias

import grpc

from boiler_functions.database.codec import Message
from boiler_functions.exceptions import (
    BoilerError,
    Conflict,
    IndexBuilding,
    InvalidRequest,
    TooLarge,
    Unavailable,
    UnknownOutcome,
)

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

# An aborted transaction cannot go on: a retry of the read alone would fail, a new transaction may succeed.
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

# Some statuses say more in their details, in which the service and the emulator use different words.
_INDEX_IS_BUILT: Final = r"(?i)index is currently building"
_CLOSED_TRANSACTION: Final = r"(?i)transaction (is invalid|has expired)"
# The emulator says this of a precondition on a version that is newer than the document.
_OTHER_VERSION: Final = r"Invalid base version"
_OVERSIZE: Final = r"(?s)maximum allowed size|maximum entity size|value of property .* is longer than"

NEXT_STEP: Final[Mapping[type[BoilerError], str]] = {
    Conflict: "Nothing was written. Read again, and try again with what is stored now.",
    IndexBuilding: "It takes some minutes. Try again later.",
    InvalidRequest: "The same request will be refused again. Correct the request, the permissions or the indexes.",
    TooLarge: "Split the document, or move long lists into a collection.",
    Unavailable: "Nothing was written. Try again later.",
    UnknownOutcome: "It may have been written. Read to find out.",
}


def _meaning(status: grpc.StatusCode, details: str, table: ErrorTable) -> type[BoilerError]:
    if status is grpc.StatusCode.INVALID_ARGUMENT and re.search(_CLOSED_TRANSACTION, details):
        # A commit closes its transaction, so a commit that fails with this may have been applied.
        return UnknownOutcome if table is COMMIT_ERRORS else Conflict
    if status is grpc.StatusCode.INVALID_ARGUMENT and re.search(_OVERSIZE, details):
        return TooLarge
    if status is grpc.StatusCode.FAILED_PRECONDITION and re.search(_INDEX_IS_BUILT, details):
        return IndexBuilding
    if status is grpc.StatusCode.INVALID_ARGUMENT and table is COMMIT_ERRORS and re.search(_OTHER_VERSION, details):
        return Conflict
    return table[status]


def translate(error: grpc.RpcError, table: ErrorTable, request: str) -> BoilerError:
    """Returns our error for that of an RPC."""
    status, details = error.code(), error.details() or "no details"
    meaning = _meaning(status, details, table)
    return meaning(f"Firestore answers {request} with {status.name}: {details} {NEXT_STEP[meaning]}")


_STATUSES: Final[Mapping[int, grpc.StatusCode]] = {status.value[0]: status for status in grpc.StatusCode}


def ended(cause: Message) -> BoilerError:
    """Returns our error for the status with which the server ends a listener."""
    status = _STATUSES.get(cause.code, grpc.StatusCode.UNKNOWN)
    meaning = _meaning(status, cause.message, READ_ERRORS)
    return meaning(f"Firestore ends a listener with {status.name}: {cause.message} {NEXT_STEP[meaning]}")
