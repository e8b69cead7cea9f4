"""The faults that a worker meets at its gRPC channel, by name: the driver draws them, the worker carries them out."""

import grpc

NOTES = "TORTURE_NOTES"
"""The environment variable with the file in which workers record the faults that they met."""

SKEW = "TORTURE_SKEW"
"""The environment variable with the seconds by which the clock of a worker is ahead."""

DONE = {
    "commit_lost_unavailable": grpc.StatusCode.UNAVAILABLE,
    "commit_lost_deadline": grpc.StatusCode.DEADLINE_EXCEEDED,
}
NOT_DONE = {"commit_aborted": grpc.StatusCode.ABORTED, "commit_unavailable": grpc.StatusCode.UNAVAILABLE}

PER_COMMIT = (*DONE, *NOT_DONE)
KILLS = ("killed_before_commit", "killed_after_commit")
READ = "read_unavailable"

IN_UPKEEP = "met_by_upkeep"
"""The note of a fault that a run of upkeep met."""

ASLEEP, WRONG_CLOCK = UPKEEP = ("upkeep_asleep", "upkeep_with_a_wrong_clock")
