"""Writes `boiler_functions/database/messages.binpb`: python -m tests.descriptors

The descriptors come from the installed google-cloud-firestore and google-events. Run it after an upgrade of one.
"""

from typing import Any

from google.cloud.firestore_v1.types import ListenRequest
from google.events.cloud.firestore_v1 import DocumentEventData
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from boiler_functions.database.messages import DESCRIPTORS


def installed() -> FileDescriptorSet:
    """The files that declare the messages, each after those that it imports."""
    found: dict[str, FileDescriptorProto] = {}
    for message in (ListenRequest, DocumentEventData):
        _add(message.pb(message()).DESCRIPTOR.file, found)
    return FileDescriptorSet(file=found.values())


def _add(file: Any, found: dict[str, FileDescriptorProto]) -> None:
    if file.name in found:
        return
    # proto-plus collects them in a set, whose order is another one in each process.
    dependencies = sorted(file.dependencies, key=lambda each: str(each.name))
    for dependency in dependencies:
        _add(dependency, found)
    found[file.name] = FileDescriptorProto()
    file.CopyToProto(found[file.name])
    found[file.name].dependency[:] = [each.name for each in dependencies]


if __name__ == "__main__":
    DESCRIPTORS.write_bytes(installed().SerializeToString(deterministic=True))
    print(f"{DESCRIPTORS.name} is written")
