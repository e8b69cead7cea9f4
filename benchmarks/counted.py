"""Google's client, with a counter of its requests at the gRPC channel."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import grpc
from google.cloud import firestore

from boiler_functions.database.metered import Usage


class Meter(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):  # type: ignore[misc]
    """Counts RPCs, and reads and writes as they are billed; `methods` says how often each was called."""

    def __init__(self) -> None:
        self.methods: Counter[str] = Counter()
        self.reads = 0
        self.writes = 0

    @property
    def usage(self) -> Usage:
        return Usage(self.methods.total(), self.reads, self.writes)

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        """A BeginTransaction, a Commit or a Rollback."""
        self.methods[details.method.rpartition("/")[2]] += 1
        self.writes += len(getattr(request, "writes", ()))
        return continuation(details, request)

    def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        """A BatchGetDocuments or a RunQuery."""
        method = details.method.rpartition("/")[2]
        self.methods[method] += 1
        if method == "BatchGetDocuments":
            self.reads += len(request.documents)
            return continuation(details, request)
        return _Counted(continuation(details, request), self._count)

    def _count(self, response: Any) -> None:
        self.reads += bool(response.document.name)


class _Counted:
    """A stream of responses, each shown to `count` as it passes."""

    def __init__(self, stream: Any, count: Callable[[Any], None]) -> None:
        self._stream = stream
        self._count = count

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        response = next(self._stream)
        self._count(response)
        return response

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class CountedClient(firestore.Client):
    """A client of the emulator with a meter on its channel."""

    def __init__(self, project: str) -> None:
        super().__init__(project=project)
        self.meter = Meter()

    def _emulator_channel(self, transport: Any) -> Any:
        return grpc.intercept_channel(super()._emulator_channel(transport), self.meter)  # type: ignore[no-untyped-call]


def cost_of(client: CountedClient, work: Callable[[firestore.Client], object]) -> Usage:
    """Does the work, and returns the requests that it made."""
    before = client.meter.usage
    work(client)
    return client.meter.usage - before
