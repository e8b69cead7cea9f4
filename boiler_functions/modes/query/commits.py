"""Commits what was built: views together while they fit into one request, a view with many large copies in parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from boiler_functions.database import Put, Write, unchanged
from boiler_functions.database.change import Change
from boiler_functions.database.sizes import MAX_DOCUMENT_BYTES, document_size, name_size
from boiler_functions.exceptions import Permanent
from boiler_functions.modes.dead_letter import write_dead_letter
from boiler_functions.modes.invocation import Invocation, Outcome
from boiler_functions.modes.ledger import Ledger
from boiler_functions.views.build import Instance

COMMIT_BYTES = 3 * 1024 * 1024
"""The size at which a page is split into several commits: the emulator refuses over 4 MiB, Firestore over 10."""


class Prepared(NamedTuple):
    """The writes for one view, the outcome to note, and the error that a dead letter names, if there is one."""

    instance: Instance
    writes: list[Write]
    outcome: Outcome
    error: Permanent | None = None
    unfinished: Callable[[], Ledger] | None = None
    """Gives the ledger to commit with each part, if the copies are too large for one commit."""


class Commits(NamedTuple):
    """Writes the results of one invocation, and the dead letters of the views that failed."""

    invocation: Invocation
    change: Change | None

    @property
    def cause(self) -> str:
        """The id of the event that led to the build, or the name of a function that runs without one."""
        return self.change.id if self.change else self.invocation.function

    def commit(self, results: Iterable[Prepared]) -> None:
        """Commits the results, notes their outcomes and writes the dead letters of those that failed."""
        for page in by_size(results):
            if len(page) == 1 and page[0].unfinished and sum(map(weight_of, page[0].writes)) > COMMIT_BYTES:
                self._commit_in_parts(page[0].instance, page[0].unfinished(), page[0].writes)
            elif writes := [write for each in page for write in each.writes]:
                self.invocation.database.commit(writes)
            for each in page:
                if each.outcome is not Outcome.DEAD_LETTER:  # `write_dead_letter` notes that one.
                    self.invocation.note(each.outcome)
                if each.error is not None:
                    self.write_dead_letter(each.instance, each.error)

    def _commit_in_parts(self, instance: Instance, unfinished: Ledger, writes: Sequence[Write]) -> None:
        """Commits the copies part by part, each on the ledger of the part before; the last part has the final ledger.

        Each part writes a different ledger: an equal write would keep the version, so that another builder that read
        the ledger before would not meet a conflict.
        """
        final, *others = writes
        assert isinstance(final, Put)
        # Outbox records (the writes with a precondition) go with the final ledger, so that each is written once.
        last = [each for each in others if each.precondition is not None]
        attempt = self.invocation.surroundings.random.getrandbits(64)
        for number, part in enumerate(_parts(each for each in others if each.precondition is None)):
            unfinished = unfinished._replace(cause=f"{self.cause}, part {number} of {attempt:x}")
            committed = self.invocation.database.commit([unfinished.put(instance), *part])
            unfinished = unfinished.committed(committed.versions[0])
        self.invocation.database.commit([final._replace(precondition=unchanged(unfinished.document)), *last])

    def write_dead_letter(self, instance: Instance, error: Permanent) -> None:
        """Writes the dead letter of a view that cannot be built, or counts the failure in it."""
        write_dead_letter(
            self.invocation,
            view=instance.view.__name__,
            subject=instance.root or instance.view.__name__,
            source=self.change.path if self.change else self.invocation.function,
            event=self.cause,
            error=error,
        )


def by_size(results: Iterable[Prepared]) -> Iterator[list[Prepared]]:
    """Groups the results into commits that stay under the request limit."""
    page: list[Prepared] = []
    size = 0
    for each in results:
        weight = sum(map(weight_of, each.writes))
        if page and size + weight > COMMIT_BYTES:
            yield page
            page, size = [], 0
        page.append(each)
        size += weight
    if page:
        yield page


def _parts(writes: Iterable[Write]) -> Iterator[list[Write]]:
    """Groups the writes of one view into commits under the request limit, leaving room for a ledger in each."""
    part: list[Write] = []
    size = 0
    # Deletes come first: whoever lost a copy loses it before others receive the new content.
    for each in sorted(writes, key=lambda write: isinstance(write, Put)):
        weight = weight_of(each)
        if part and size + weight > COMMIT_BYTES - MAX_DOCUMENT_BYTES:
            yield part
            part, size = [], 0
        part.append(each)
        size += weight
    if part:
        yield part


def weight_of(write: Write) -> int:
    """Returns how many bytes of a request the write takes."""
    return document_size(write.path, write.fields) if isinstance(write, Put) else name_size(write.path)
