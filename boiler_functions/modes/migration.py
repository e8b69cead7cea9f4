"""Migrations: steps that bring the documents of a model up to date, page by page, while everything runs.

Each page is one commit: the changed documents, each on the condition that it is as it was read, and the state of the
step. So two who run the same step share its pages, and a run that is cut off goes on where it stopped. What becomes of
the views is left to the events of the changed documents.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

from boiler_functions.database import NAME, Cursor, Database, Delete, Document, Filter, Order, Put, Query, Write
from boiler_functions.database import unchanged as as_it_was
from boiler_functions.exceptions import (
    BoilerError,
    Conflict,
    DeclarationError,
    InvalidDocument,
    TaskFailed,
    TooLarge,
    Transient,
    UnknownOutcome,
)
from boiler_functions.models.domain_model import DomainModel
from boiler_functions.models.session import UnitOfWork, active
from boiler_functions.types import Fields, Reference, described, digest, legible

COLLECTION = "boilerMigrations"
"""The state of each step."""

LEFT = "boilerUnmigrated"
"""The documents that a step could not change, each with the reason."""

PAGE = 100

MAX_ATTEMPTS = 12

_LONGEST_REASON = 300


@dataclass(frozen=True)
class Migration:
    """One step: a function that is given each document of a model, and may change it."""

    name: str
    model: type[DomainModel]
    function: Callable[..., object]

    def state_path(self, app: str) -> str:
        return f"{COLLECTION}/{digest(app, self.name)}"

    def query(self, after: str, limit: int) -> Query:
        start = Cursor((Reference(after),), before=False) if after else None
        return self.model.all().query._replace(orders=(Order(NAME),), limit=limit, start=start)

    def applied(self, document: Document, database: Database) -> Applied:
        """Returns what the function makes of a document; commits nothing."""
        unit = _OfOne(database, document)
        try:
            with active(unit):
                model = self.model.model_of(document)
                if model is None:
                    return Applied(document, unit)
                model.__compare_with_document__(document)
                self._call(model, document)
                if not isinstance(unit.writes.get(document.path), Delete):
                    model.save()
            # Judged as it will be, as the function may have mended a value by deleting the field, or by a save.
            after = unit.read([document.path])[0]
            unfit = self.model.__misfits__(after) if after.exists else {}
        except Transient:
            raise
        except (Exception, SystemExit) as error:
            why = str(error) if isinstance(error, BoilerError) else described(error)
            return Applied(document, _OfOne(database, document), legible(why[:_LONGEST_REASON]))
        why = str(InvalidDocument(document.path, self.model.__name__, unfit)) if unfit else ""
        return Applied(document, unit, legible(why[:_LONGEST_REASON]))

    def _call(self, model: DomainModel, document: Document) -> None:
        takes_stored = len(inspect.signature(self.function).parameters) > 1
        self.function(model, *([copy.deepcopy(document.fields)] if takes_stored else []))


class Applied(NamedTuple):
    """A document with the writes that a step makes of it, and why it is left as it is, or does not fit yet."""

    document: Document
    unit: UnitOfWork
    why: str = ""

    @property
    def is_changed(self) -> bool:
        return bool(self.unit.writes)

    def diff(self) -> list[str]:
        """Returns the fields that differ, a line for each value before and after."""
        if not self.is_changed:
            return []
        before = self.document.fields or {}
        after = self.unit.read([self.document.path])[0].fields
        if after is None:
            return ["- the document"]
        changed = [key for key in dict.fromkeys((*before, *after)) if _shown(before, key) != _shown(after, key)]
        sides = (("-", before), ("+", after))
        return [f"{sign} {key}: {fields[key]!r}" for key in changed for sign, fields in sides if key in fields]


class _OfOne(UnitOfWork):
    """A unit of work over one document, which may read others and write no other."""

    def __init__(self, database: Database, document: Document) -> None:
        super().__init__(database, {document.path: document})
        self.own = document.path

    def write(self, write: Write) -> None:
        if write.path != self.own:
            raise TaskFailed(
                f"The step of {self.own} writes {write.path}. A step changes only the document that it is given, so "
                f"that it can go on where it stopped; change the other in a step of its model."
            )
        super().write(write)


class Progress(NamedTuple):
    """How far a step has come, as its state says."""

    document: Document
    status: str = "pending"
    """`pending`, `running`, `left` if documents are left after the last page, or `done`."""
    after: str = ""
    read: int = 0
    changed: int = 0
    left: int = 0

    @classmethod
    def of(cls, document: Document) -> Progress:
        fields = document.fields
        if fields is None:
            return cls(document)
        numbers = (fields["read"], fields["changed"], fields["left"])
        return cls(document, fields["status"], fields["after"], *numbers)

    def fields(self, app: str, step: Migration) -> Fields:
        numbers = {"read": self.read, "changed": self.changed, "left": self.left}
        named = {"app": app, "step": step.name, "model": step.model.__name__}
        return {**named, "status": self.status, "after": self.after, **numbers}


@dataclass
class Migrations:
    """The steps of an app over a database."""

    app: str
    steps: Sequence[Migration]
    database: Database
    pause: Callable[[int], None] = field(default=lambda attempt: None)

    def progress(self) -> dict[str, Progress]:
        """Returns how far each step has come; raises DeclarationError if one was added before one that began."""
        paths = {each.name: each.state_path(self.app) for each in self.steps}
        found = {each.path: each for each in self.database.read(list(paths.values())).documents}
        known = {name: Progress.of(found[path]) for name, path in paths.items()}
        begun = [name for name, each in known.items() if each.status != "pending"]
        for number, (name, each) in enumerate(known.items()):
            if each.status == "pending" and (later := [other for other in begun if other in list(known)[number:]]):
                raise DeclarationError(
                    f"The step {name} is declared before {later[0]}, which has begun or is done already. Steps run in "
                    f"the order of their declaration; declare a new one last."
                )
        return known

    def run(self, *, leave: bool = False) -> Iterator[tuple[Migration, Progress]]:
        """Runs the steps that are not done, and yields each with its progress after every page.

        A step with documents that are left stops the run, unless `leave` counts it as done.
        """
        for step in self.steps:
            progress = self._progress(step)
            paths = [path for path, _ in self.left(step)] if progress.status == "left" else []
            while paths:
                progress = self._retried(step, progress, partial(self._again, step, paths))
                yield step, progress
            while progress.status in ("pending", "running"):
                progress = self._retried(step, progress, partial(self._page, step))
                yield step, progress
            if progress.status == "left" and leave:
                progress = self._committed(step, progress._replace(status="done"), [])
                yield step, progress
            if progress.status == "left":
                return

    def left(self, step: Migration) -> Iterator[tuple[str, str]]:
        """Yields the paths of the documents that the step has left, with the reasons."""
        for page in self._left_pages(step):
            yield from ((str((each.fields or {})["path"]), str((each.fields or {})["why"])) for each in page)

    def tried(self, step: Migration) -> Iterator[Applied]:
        """Yields what the step would make of each document that it has yet to read; writes nothing."""
        after = self._progress(step).after
        while documents := self.database.query(step.query(after, PAGE)).documents:
            yield from (step.applied(each, self.database) for each in documents)
            after = documents[-1].path

    def _retried(self, step: Migration, progress: Progress, attempt: Callable[[Progress, int], Progress]) -> Progress:
        """Commits a page; a smaller one after a conflict, or if it is too large for one commit."""
        size = PAGE
        for number in range(MAX_ATTEMPTS):
            try:
                return attempt(progress, size)
            except (Conflict, TooLarge, UnknownOutcome):
                if number == MAX_ATTEMPTS - 1:
                    raise
                # The state says whether the page was committed, by this run or another.
                size, progress = max(1, size // 2), self._progress(step)
                self.pause(number)
        raise AssertionError("unreachable")

    def _page(self, step: Migration, progress: Progress, size: int) -> Progress:
        if progress.status not in ("pending", "running"):
            return progress
        documents = self.database.query(step.query(progress.after, size)).documents
        applied = [step.applied(each, self.database) for each in documents]
        unfit = [each for each in applied if each.why]
        left = progress.left + len(unfit)
        following = progress._replace(
            status="running" if len(documents) == size else "left" if left else "done",
            after=documents[-1].path if documents else progress.after,
            read=progress.read + len(documents),
            changed=progress.changed + sum(each.is_changed for each in applied),
            left=left,
        )
        return self._committed(step, following, applied, [self._put_left(step, each) for each in unfit])

    def _again(self, step: Migration, paths: list[str], progress: Progress, size: int) -> Progress:
        """Tries some of the documents again that the step has left, and takes them off the paths."""
        chosen = paths[:size]
        records = self.database.read([self._left_path(step, path) for path in chosen]).documents
        waiting = [path for path, record in zip(chosen, records, strict=True) if record.exists]
        applied = [step.applied(each, self.database) for each in self.database.read(waiting).documents]
        unfit = [each for each in applied if each.why]
        writes = [
            self._put_left(step, each) if each.why else Delete(self._left_path(step, each.document.path))
            for each in applied
        ]
        left = progress.left - len(applied) + len(unfit)
        changed = progress.changed + sum(each.is_changed for each in applied)
        following = progress._replace(status="left" if left else "done", changed=changed, left=left)
        progress = self._committed(step, following, applied, writes) if waiting else progress
        del paths[:size]
        return progress

    def _committed(
        self, step: Migration, progress: Progress, applied: Sequence[Applied], more: Sequence[Write] = ()
    ) -> Progress:
        """Commits the state with the changed documents, and a check of the others that were read for them."""
        writes: dict[str, Write] = {each.path: each for each in more}
        for each in applied:
            writes |= {write.path: write for write in each.unit.commit_writes(verify=False)}
        for each in applied:
            for write in each.unit.commit_writes():
                writes.setdefault(write.path, write)
        state = progress.document
        fields = progress.fields(self.app, step)
        put = Put(state.path, fields, precondition=as_it_was(state))
        verified = [query for each in applied if each.is_changed for query in each.unit.verified]
        committed = self.database.commit([put, *writes.values()], verify=verified)
        return progress._replace(document=Document(state.path, fields, committed.versions[0]))

    def _progress(self, step: Migration) -> Progress:
        return Progress.of(self.database.read([step.state_path(self.app)]).documents[0])

    def _left_path(self, step: Migration, path: str) -> str:
        return f"{LEFT}/{digest(self.app, step.name, path)}"

    def _put_left(self, step: Migration, applied: Applied) -> Put:
        fields = {"step": f"{self.app}/{step.name}", "path": applied.document.path, "why": applied.why}
        return Put(self._left_path(step, applied.document.path), fields)

    def _left_pages(self, step: Migration) -> Iterator[Sequence[Document]]:
        of_step = Filter("step", "==", f"{self.app}/{step.name}")
        query = Query(LEFT, filters=(of_step,), orders=(Order(NAME),), limit=PAGE)
        while documents := self.database.query(query).documents:
            yield documents
            query = query._replace(start=Cursor((Reference(documents[-1].path),), before=False))


def _shown(fields: Mapping[str, Any], key: str) -> str:
    return repr(fields[key]) if key in fields else ""
