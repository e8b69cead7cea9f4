"""The faults that a worker meets at its gRPC channel, by name: the driver draws them, the worker carries them out."""

import grpc

NOTES = "TORTURE_NOTES"
"""The environment variable with the file in which workers record the faults that they met."""

DONE = {
    "commit_lost_unavailable": grpc.StatusCode.UNAVAILABLE,
    "commit_lost_deadline": grpc.StatusCode.DEADLINE_EXCEEDED,
}
NOT_DONE = {"commit_aborted": grpc.StatusCode.ABORTED, "commit_unavailable": grpc.StatusCode.UNAVAILABLE}

PER_COMMIT = (*DONE, *NOT_DONE)
KILLS = ("killed_before_commit", "killed_after_commit")
READ = "read_unavailable"
