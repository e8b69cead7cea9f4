"""Creates the protocol messages of Firestore and of its events from a packaged descriptor.

`google.cloud.firestore_v1` has the same messages, but importing them runs the whole package: both transports, the async
clients, and a Python class for each message. That takes half of a cold start, and encoding needs none of it.

`messages.binpb` is a FileDescriptorSet, which `python -m tests.descriptors` extracts from the installed releases of
google-cloud-firestore and google-events.
"""

from pathlib import Path
from typing import Any, Final

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

DESCRIPTORS: Final = Path(__file__).with_suffix(".binpb")


def _pool() -> DescriptorPool:
    # In the default pool these files would collide with those of google.cloud.firestore, which user code may import.
    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString(DESCRIPTORS.read_bytes()).file:
        pool.Add(file)
    return pool


_POOL: Final = _pool()


def _message(name: str) -> Any:
    return GetMessageClass(_POOL.FindMessageTypeByName(name))


BatchGetDocumentsRequest: Final = _message("google.firestore.v1.BatchGetDocumentsRequest")
BatchGetDocumentsResponse: Final = _message("google.firestore.v1.BatchGetDocumentsResponse")
CommitRequest: Final = _message("google.firestore.v1.CommitRequest")
CommitResponse: Final = _message("google.firestore.v1.CommitResponse")
ListenRequest: Final = _message("google.firestore.v1.ListenRequest")
ListenResponse: Final = _message("google.firestore.v1.ListenResponse")
RollbackRequest: Final = _message("google.firestore.v1.RollbackRequest")
RunAggregationQueryRequest: Final = _message("google.firestore.v1.RunAggregationQueryRequest")
RunAggregationQueryResponse: Final = _message("google.firestore.v1.RunAggregationQueryResponse")
RunQueryRequest: Final = _message("google.firestore.v1.RunQueryRequest")
RunQueryResponse: Final = _message("google.firestore.v1.RunQueryResponse")
StructuredQuery: Final = _message("google.firestore.v1.StructuredQuery")
Value: Final = _message("google.firestore.v1.Value")

DocumentEventData: Final = _message("google.events.cloud.firestore.v1.DocumentEventData")
