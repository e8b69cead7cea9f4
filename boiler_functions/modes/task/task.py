"""Query+Task mode: an input document takes effect exactly once.

One commit holds the effect, the marker of the event, and a check of everything that the effect rests on.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Literal, NamedTuple, TypeAlias

from boiler_functions.access import Caller
from boiler_functions.database import Delete, Document, Put, Write, check, unchanged
from boiler_functions.database.change import Change
from boiler_functions.exceptions import (
    BoilerError,
    Conflict,
    EventTooOld,
    InvalidDocument,
    InvalidValue,
    Rejected,
    TaskFailed,
    Unavailable,
    UndeclaredWrite,
    UnknownOutcome,
)
from boiler_functions.models.model import DomainModel
from boiler_functions.models.session import UnitOfWork, active
from boiler_functions.modes.invocation import Invocation, Outcome
from boiler_functions.modes.marker import Marker
from boiler_functions.paths import Pattern, id_of
from boiler_functions.types import Fields, digest, to_datetime
from boiler_functions.views.build import Reader, unit_of_work
from boiler_functions.views.store import Store
from boiler_functions.views.view_model import ViewModel

Isolation: TypeAlias = Literal["serializable", "snapshot"]
Completion: TypeAlias = Literal["stamp", "keep", "delete"]

OUTCOME = "outcome"
"""The field of an input document that `on_completion="stamp"` writes; the form's own fields are all others."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Task:
    """How the documents of a pattern take effect through a view model."""

    view: type[ViewModel[Any]]
    pattern: Pattern
    writes: tuple[type[DomainModel] | type[ViewModel[Any]], ...] = ()
    max_retries: int = 5
    isolation: Isolation = "serializable"
    on_completion: Completion = "stamp"
    max_event_age: timedelta = timedelta(hours=23)

    mode: ClassVar[Literal["task", "document"]] = "task"

    effect: ClassVar[str] = ".propagate_change"
    """What of the view is run, for a message."""

    def key(self, path: str) -> dict[str, str]:
        """What the placeholders of the Store stand for; `doc_id` is the form's own id, unless the path names it."""
        return {"doc_id": id_of(path), **(self.pattern.match(path) or {})}

    def caller(self, path: str) -> Caller | None:
        """Who wrote the document, as far as its path tells."""
        return None

    def take_effect(self, path: str, fields: Fields, store: Store) -> None:
        """Lets what the document says take effect through the view model; raises when it is refused."""
        self.view.of(store, self.key(path), self.view.load_form(path, fields)).propagate_change()


class _Effect(NamedTuple):
    """What a run of user code came to: writes to commit with the marker, and what they rest on."""

    unit: UnitOfWork
    rejection: Rejected | InvalidDocument | InvalidValue | None = None

    @property
    def outcome(self) -> Outcome:
        return Outcome.REJECTED if self.rejection else Outcome.DONE


class Run(NamedTuple):
    """One event of a task."""

    invocation: Invocation
    task: Task
    change: Change

    def run(self) -> None:
        """Lets the document take effect unless it has; raises a Transient error to have the event delivered again."""
        self.invocation.note(self._needless() or self._outcome())

    def _outcome(self) -> Outcome:
        if self._age() > self.task.max_event_age:
            raise EventTooOld(
                f"The event {self.change.id} of {self.change.path} is {self._age()} old; its marker may have expired "
                f"after {self.task.max_event_age} (`max_event_age`), so it could take effect twice. Write the document "
                f"again to have it done."
            )
        for attempt in itertools.count():
            marker = Marker.of(self.invocation, self.change)
            try:
                return self._attempt(marker)
            except (Conflict, Unavailable, UnknownOutcome) as error:
                if isinstance(error, UnknownOutcome) and (outcome := self._committed(marker)):
                    return outcome
                if attempt == self.task.max_retries:
                    raise
                self.invocation.pause(attempt)
        raise AssertionError("unreachable")

    def _needless(self) -> Outcome | None:
        """Why the event needs no look at the database: what it tells is no input, or was stamped already."""
        if not self.change.has_images:
            return None
        if not self.change.after.exists or self.change.is_equal:
            return Outcome.IGNORED
        return Outcome.IGNORED if is_stamped(self.change.after.fields or {}) else None

    def _age(self) -> timedelta:
        return timedelta(microseconds=(self.invocation.now() - self.change.time) // 1000)

    def _attempt(self, marker: Marker) -> Outcome:
        documents, read_time = self._read(marker)
        if documents[marker.path].exists:
            return Outcome.DUPLICATE
        form = documents[self.change.path]
        if self.change.superseded_by(form):
            return Outcome.SUPERSEDED
        if not form.exists or is_stamped(form.fields or {}):
            return Outcome.IGNORED
        markers = [marker, *self._version_markers(form, marker.attempt)]
        unread = [each.path for each in markers if each.path not in documents]
        documents.update((each.path, each) for each in self.invocation.database.read(unread).documents)
        if any(documents.pop(each.path).exists for each in markers):
            return Outcome.DUPLICATE
        reader = Reader(self.invocation.database)
        reader.documents.update(documents)
        reader.read_time = read_time
        effect = self._effect(form, reader)
        self._commit(markers, form, effect)
        return effect.outcome

    def _version_markers(self, form: Document, attempt: str) -> list[Marker]:
        """What tells that this version of the document took effect already.

        A stamped or deleted form tells it itself. One that is kept does not, and an event without images cannot say
        which version it speaks of, so that two such events could both find the newest.
        """
        if self.task.on_completion != "keep" or not form.exists:
            return []
        return [Marker.of_version(self.invocation, form, attempt)]

    def _read(self, marker: Marker) -> tuple[dict[str, Document], int]:
        """The markers, the document, and what the event's image says that the Store will need: one BatchGet."""
        hint = {self.change.path: self.change.after} if self.change.after.exists else {}
        resolution = self.task.view.store_class.resolve(self.task.key(self.change.path), hint, {})
        markers = [marker, *self._version_markers(self.change.after, marker.attempt)]
        reading = self.invocation.database.read([*(each.path for each in markers), self.change.path, *resolution.named])
        return {document.path: document for document in reading.documents}, reading.read_time

    def _effect(self, form: Document, reader: Reader) -> _Effect:
        store = self.task.view.store_class
        resolution = reader.complete(store, self.task.key(form.path))
        unit = unit_of_work(store, reader, resolution)
        unit.caller = self.task.caller(form.path)
        fields = {name: value for name, value in (form.fields or {}).items() if name != OUTCOME}
        try:
            with active(unit):
                self.task.take_effect(form.path, fields, store(resolution.paths, unit.documents))
        except Rejected as error:
            unit.writes.clear()
            return _Effect(unit, error)
        except (InvalidDocument, InvalidValue) as error:
            if self.task.on_completion != "stamp" or not self._is_about_the_form(error):
                raise
            unit.writes.clear()
            return _Effect(unit, error)
        except BoilerError:
            raise
        except Exception as error:
            raise TaskFailed(
                f"{self.task.view.__name__}{self.task.effect} raised {type(error).__name__}: {error}"
            ) from error
        self._check_declared(unit)
        return _Effect(unit)

    def _is_about_the_form(self, error: InvalidDocument | InvalidValue) -> bool:
        return isinstance(error, InvalidValue) or error.path == self.change.path

    def _check_declared(self, unit: UnitOfWork) -> None:
        declared = [model.pattern() for model in self.task.writes]
        for path in unit.writes:
            if not any(pattern.match(path) for pattern in declared):
                names = ", ".join(model.__name__ for model in self.task.writes) or "nothing"
                raise UndeclaredWrite(
                    f"{self.task.view.__name__} writes {path}, and declares writes=[{names}]; add its model, so that "
                    f"`boiler check` finds cycles."
                )

    def _commit(self, markers: Sequence[Marker], form: Document, effect: _Effect) -> None:
        serializable = self.task.isolation == "serializable"
        unit = effect.unit
        unit.unverified.add(form.path)
        writes = [
            *(each.create(self.invocation, self.change, effect.outcome, self.task.max_event_age) for each in markers),
            self._completion(form, effect),
            *unit.commit_writes(verify=serializable),
        ]
        self.invocation.database.commit(writes, verify=unit.found if serializable else ())
        if effect.rejection:
            log.info("%s is rejected: %s", form.path, effect.rejection)

    def _completion(self, form: Document, effect: _Effect) -> Write:
        """What becomes of the input document; whatever it is, it fails unless the document is as it was read."""
        match self.task.on_completion:
            case "delete":
                return Delete(form.path, precondition=unchanged(form))
            case "stamp":
                return Put(form.path, {OUTCOME: self._stamp(form, effect)}, (OUTCOME,), unchanged(form))
            case _:
                return check(form)

    def _stamp(self, form: Document, effect: _Effect) -> Fields:
        stamp: dict[str, Any] = {
            "status": str(effect.outcome),
            "time": to_datetime(self.invocation.now()),
            "input": input_digest(form.fields or {}),
        }
        if effect.rejection is not None:
            stamp["reason"] = getattr(effect.rejection, "reason", "The form does not fit.")
            stamp["errors"] = {field: list(map(str, each)) for field, each in effect.rejection.errors.items()}
        return stamp

    def _committed(self, marker: Marker) -> Outcome | None:
        """What the commit whose answer was lost came to, if it was applied; another's marker is met as a duplicate."""
        document = self.invocation.database.read([marker.path]).documents[0]
        return Outcome((document.fields or {})["outcome"]) if marker.is_own(document) else None


def run_task(invocation: Invocation, task: Task, change: Change) -> None:
    """Lets an input document take effect exactly once; what will fail again becomes a dead letter."""
    Run(invocation, task, change).run()


def input_digest(fields: Fields) -> str:
    """What a form says, its outcome aside."""
    return digest({name: value for name, value in fields.items() if name != OUTCOME})


def is_stamped(fields: Fields) -> bool:
    """Whether the form carries the outcome of just what it says; a client that changes a field has sent it anew."""
    stamp = fields.get(OUTCOME)
    return isinstance(stamp, dict) and stamp.get("input") == input_digest(fields)
